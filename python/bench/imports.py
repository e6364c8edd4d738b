"""What an import costs, on each interpreter: from nothing to a client class that can be used.

Called by `run.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence

from world import CLIENT_CORE

TRIES = 10
EMPTY = "pass"
LOADED = "import agentadmit; agentadmit.AgentAdmit"
# `import time: self [us] | cumulative | imported package`
LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)")


def _run(interpreter: str, program: str, *options: str) -> tuple[float, str]:
    """Milliseconds of processor time of a whole run, and what it said on stderr."""
    command = ["taskset", "-c", CLIENT_CORE, interpreter, *options, "-c", program]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        said = process.stderr.read() if process.stderr else ""
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(said)
    return (used.ru_utime + used.ru_stime) * 1000, said


def _modules(interpreter: str, program: str) -> dict[str, int]:
    """Microseconds of each module that is loaded, without what it loads itself."""
    said = _run(interpreter, program, "-X", "importtime")[1]
    return {name: int(own) for own, name in LINE.findall(said)}


def table(interpreters: Sequence[str]) -> str:
    """For each interpreter the time over an empty program's, and what `-X importtime` says."""
    lines = [f"{'import':<14}{'CPU ms over empty':>18}{'-X importtime ms':>18}  slowest modules"]
    for interpreter in interpreters:
        version = _run(interpreter, "import sys; print(*sys.version_info[:2], file=sys.stderr)")[1]
        tries = range(TRIES)
        empty = min(_run(interpreter, EMPTY)[0] for _ in tries)
        loaded = min(_run(interpreter, LOADED)[0] for _ in tries)
        base = _modules(interpreter, EMPTY)
        runs = [_modules(interpreter, LOADED) for _ in tries]
        added = {
            name: min(run[name] for run in runs if name in run) for name in runs[0].keys() - base
        }
        slowest = sorted(added, key=lambda name: -added[name])[:3]
        shown = ", ".join(f"{name} {added[name] / 1000:.1f}" for name in slowest)
        lines.append(
            f"{'Python ' + version.strip().replace(' ', '.'):<14}{loaded - empty:>18.1f}"
            f"{sum(added.values()) / 1000:>18.1f}  {shown}"
        )
    lines.append(f"`{LOADED}`; the least of {TRIES} runs")
    return "\n".join(lines)
