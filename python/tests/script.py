"""Programs of their own: what a fork, a signal or the end of an interpreter does."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

from agentadmit.testing import App

START = (Path(__file__).parent / "prelude.py").read_text()


def run(program: str, *, warnings: str = "error", **told: object) -> str:
    """Runs a program in an interpreter of its own and answers what it printed.

    `token` and the arguments of a client are `token` and `told` in it. It must end with 0, in
    time, and say nothing on stderr.
    """
    text = START + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-W", warnings, "-X", "faulthandler", "-c", text, json.dumps(told)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr + done.stdout
    return done.stdout


def told(app: App, *scopes: str) -> dict[str, object]:
    """What a program needs to ask about an agent of `app`."""
    agent = app.user("alice").agent(*(scopes or ("read:orders",)))
    return {
        "token": agent.token,
        "service_url": app.service.url,
        "app_id": app.app_id,
        "api_key": app.api_key,
        "timeout_seconds": 60,
    }
