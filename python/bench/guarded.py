"""What a guard adds to a route: the same route of the same app without it, for the app's own
users, and for an agent, the service's part included.

Called by `run.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from world import CLIENT_CORE, SCOPE, SERVICE_CORE

HERE = Path(__file__).parent
USER = "X-User: alice"
CALLERS = ("unguarded", "user", "agent")


@dataclass(frozen=True)
class Framework:
    """An app of `apps/`, which serves `path`, and how it is served.

    With `BENCH_GUARDED` in its environment the app has AgentAdmit and its route is guarded with
    `read:orders`, else it has not. Its own users are named by the header `X-User`.
    """

    shown: str
    server: tuple[str, ...]
    """Arguments of Python; `{port}` is where to listen on 127.0.0.1. One process that works."""
    path: str = "/orders"
    body: str = ""
    """What is posted; nothing is a GET."""
    header: str = USER
    """What comes with it, but for an agent's token."""
    callers: tuple[str, ...] = CALLERS


CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "orders"}})


def gunicorn(app: str) -> tuple[str, ...]:
    """With threads: its other workers keep no connection."""
    options = ("--no-control-socket", "--log-level=warning", "--worker-class=gthread")
    return ("-m", "gunicorn", app, *options, "--threads=32", "--bind=127.0.0.1:{port}")


def uvicorn(app: str, *more: str) -> tuple[str, ...]:
    """In one event loop."""
    options = ("--no-access-log", "--log-level=warning", *more)
    return ("-m", "uvicorn", app, *options, "--port={port}")


FRAMEWORKS = (
    Framework("FastAPI, uvicorn", uvicorn("fastapi_app:app")),
    Framework("Flask, gunicorn", gunicorn("flask_app:app")),
    Framework("Django, gunicorn", gunicorn("django_app:app")),
    Framework("Django, uvicorn", uvicorn("django_app:app", "--lifespan=off")),
    Framework(
        "MCP tool, uvicorn",
        uvicorn("mcp_app:app"),
        path="/mcp",
        body=CALL,
        header="Accept: application/json, text/event-stream\r\nContent-Type: application/json",
        callers=("unguarded", "agent"),
    ),
)


@dataclass
class Row:
    """One caller of one app."""

    framework: Framework
    caller: str
    at_a_time: int
    samples: list[dict[str, float]] = field(default_factory=list)

    def median(self, name: str) -> float:
        """Of the rounds."""
        return statistics.median(each[name] for each in self.samples)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return statistics.median(each["calls"] / each["seconds"] for each in self.samples)

    @property
    def cpu_us(self) -> float:
        """Processor time of app and service a request."""
        return self.median("app_cpu_us") + self.median("service_cpu_us")


def rows() -> list[Row]:
    """Each app, by each of its callers; the first of them is what the others are compared with."""
    return [
        Row(framework, caller, at_a_time)
        for framework in FRAMEWORKS
        for at_a_time in (1, 32)
        for caller in framework.callers
    ]


@contextlib.contextmanager
def served(framework: Framework, told: dict[str, Any], guarded: bool) -> Iterator[tuple[int, int]]:
    """Runs an app; answers its port and its process."""
    folder = Path(told["folder"])
    environment = {**os.environ, "PYTHONPATH": str(HERE / "apps")}
    if guarded:
        environment |= {
            "BENCH_GUARDED": "1",
            "AGENTADMIT_SERVICE_URL": told["url"],
            "AGENTADMIT_APP_ID": told["app_id"],
            "AGENTADMIT_API_KEY": told["api_key"],
        }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = ["taskset", "-c", CLIENT_CORE, sys.executable]
    command += [argument.format(port=port) for argument in framework.server]
    with subprocess.Popen(command, env=environment, cwd=folder) as process:
        try:
            yield port, process.pid
        finally:
            process.terminate()


def header_of(row: Row, token: str) -> str:
    """What a caller sends: its own users send no token, and agents name no user."""
    if row.caller != "agent":
        return row.framework.header
    kept = "" if row.framework.header == USER else f"{row.framework.header}\r\n"
    return f"{kept}Authorization: Bearer {token}"


def sample(row: Row, told: dict[str, Any], seconds: float) -> dict[str, float]:
    """One measurement of an app that is started for it."""
    with served(row.framework, told, row.caller != "unguarded") as (port, process):
        wanted = {
            "port": port,
            "path": row.framework.path,
            "body": row.framework.body,
            "header": header_of(row, told["token"]),
            "at_a_time": row.at_a_time,
            "seconds": seconds,
            "app_pid": process,
            "service_pid": told["pid"],
        }
        # the load beside the service: the app has its core for itself
        command = ["taskset", "-c", SERVICE_CORE, sys.executable, str(HERE / "load.py")]
        done = subprocess.run(
            [*command, json.dumps(wanted)], stdout=subprocess.PIPE, text=True, check=True
        )
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def configured(folder: Path) -> str:
    """A folder with the settings that every app finds in it."""
    folder.mkdir()
    scope = f'{{"name": "{SCOPE}", "description": "See your orders"}}'
    settings = f"name: Bench\npublic_url: https://shop.example\nscopes: [{scope}]\n"
    (folder / "agentadmit.yaml").write_text(settings)
    return str(folder)


def table(measured: list[Row]) -> str:
    """The rows, with what the guard adds to the route that has none."""
    lines = [
        f"{'route':<20}{'caller':<11}{'at a time':>9}{'req/s':>9}{'p50 us':>9}{'app CPU':>9}"
        f"{'service':>9}{'+ p50':>9}{'+ CPU':>9}{'x req/s':>9}"
    ]
    for row in measured:
        bare = next(
            other
            for other in measured
            if other.caller == CALLERS[0]
            and (other.framework, other.at_a_time) == (row.framework, row.at_a_time)
        )
        added = (
            f"{row.median('p50_us') - bare.median('p50_us'):>9.0f}{row.cpu_us - bare.cpu_us:>9.0f}"
            f"{row.rate / bare.rate:>9.2f}"
        )
        lines.append(
            f"{row.framework.shown:<20}{row.caller:<11}{row.at_a_time:>9}{row.rate:>9.0f}"
            f"{row.median('p50_us'):>9.0f}{row.median('app_cpu_us'):>9.0f}"
            f"{row.median('service_cpu_us'):>9.0f}{'' if row is bare else added}"
        )
    lines.append(
        "app, its clients and the service on two cores; CPU in us a request; + is over the same "
        "route without AgentAdmit, app and service together"
    )
    return "\n".join(lines)
