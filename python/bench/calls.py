"""What a verify costs a client: ours beside others, and beside a signature checked locally.

Called by `run.py`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from world import CLIENT_CORE, SERVICE_CORE

HERE = Path(__file__).parent


@dataclass
class Row:
    """One client in one way of using it."""

    shown: str
    client: str
    loop: str
    at_a_time: int
    scheme: str
    beside: str = ""
    samples: list[dict[str, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Calls a second, the median of the rounds."""
        return statistics.median(each["calls"] / each["seconds"] for each in self.samples)

    @property
    def cpu_us(self) -> float:
        """Processor time of the client's process a call, the median of the rounds."""
        return statistics.median(each["cpu_seconds"] / each["calls"] * 1e6 for each in self.samples)


def rows() -> list[Row]:
    """Everything that is measured; ratios are to the row that `beside` names."""
    made = [Row("PyJWT RS256, local", "pyjwt", "threads", 1, "none")]
    for scheme in ("http", "https"):
        for at_a_time in (1, 32):
            for client, shown in (
                ("ours", "AgentAdmit"),
                ("httpx", "httpx.Client"),
                ("requests", "requests.Session"),
                ("urllib3", "urllib3"),
            ):
                made.append(Row(shown, client, "threads", at_a_time, scheme, "httpx"))
            for loop in ("asyncio", "uvloop"):
                for client, shown in (
                    ("ours", "AsyncAgentAdmit"),
                    ("httpx", "httpx.AsyncClient"),
                    ("aiohttp", "aiohttp"),
                ):
                    made.append(Row(shown, client, loop, at_a_time, scheme, "httpx"))
    return made


def sample(row: Row, told: dict[str, Any], seconds: float) -> dict[str, float]:
    """One measurement, in a process of its own."""
    wanted = {
        **told,
        "client": row.client,
        "loop": row.loop,
        "at_a_time": row.at_a_time,
        "seconds": seconds,
    }
    command = ["taskset", "-c", CLIENT_CORE, sys.executable, str(HERE / "client.py")]
    done = subprocess.run(
        [*command, json.dumps(wanted)], stdout=subprocess.PIPE, text=True, check=True
    )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def table(measured: list[Row]) -> str:
    """The rows, with their ratios."""
    lines = [
        f"{'client':<20}{'loop':<9}{'at a time':>9} {'':<6}{'calls/s':>9}{'CPU us':>8}"
        f"{'x calls/s':>11}{'x CPU':>7}{'x JWT':>7}"
    ]
    jwt = measured[0].cpu_us
    for row in measured:
        peer = next(
            (
                other
                for other in measured
                if other.client == row.beside
                and (other.loop, other.at_a_time, other.scheme)
                == (row.loop, row.at_a_time, row.scheme)
            ),
            None,
        )
        ratios = (
            f"{row.rate / peer.rate:>11.1f}{row.cpu_us / peer.cpu_us:>7.2f}"
            if peer and peer is not row
            else " " * 18
        )
        lines.append(
            f"{row.shown:<20}{row.loop:<9}{row.at_a_time:>9} {row.scheme:<6}"
            f"{row.rate:>9.0f}{row.cpu_us:>8.1f}{ratios}{row.cpu_us / jwt:>7.2f}"
        )
    lines.append(
        f"service on core {SERVICE_CORE}, client on core {CLIENT_CORE}; CPU is the client's "
        "a call; ratios are to httpx's row of the same kind, and of CPU to PyJWT's"
    )
    return "\n".join(lines)
