"""`examples/fastapi-shop`, under uvicorn with several workers and under gunicorn."""

import base64
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from support import LIMIT, Site, bearer

from agentadmit.testing import Service

SHOP = Path(__file__).parents[3] / "examples" / "fastapi-shop"
SCOPES = ["read:orders", "write:orders"]

UVICORN = ["-m", "uvicorn", "shop:app", "--workers", "2", "--fd"]
GUNICORN = ["-m", "gunicorn", "shop:app", "-w", "2", "--no-control-socket", "-b"]
SERVERS = {
    "uvicorn": UVICORN,
    "gunicorn": [*GUNICORN[:2], "-k", "uvicorn.workers.UvicornWorker", *GUNICORN[2:]],
    "gunicorn-preload": [
        *GUNICORN[:2],
        "--preload",
        "-k",
        "uvicorn.workers.UvicornWorker",
        *GUNICORN[2:],
    ],
    "gunicorn-asgi": [*GUNICORN[:2], "-k", "asgi", *GUNICORN[2:]],
}


@contextlib.contextmanager
def served(arguments: Sequence[str], folder: Path, environ: dict[str, str]) -> Iterator[Site]:
    """Runs a server on a socket that is open already: who asks early waits."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        number = listener.fileno()
        address = f"fd://{number}" if "gunicorn" in arguments else str(number)
        process = subprocess.Popen(
            [sys.executable, *arguments, address],
            cwd=folder,
            env={**os.environ, **environ},
            pass_fds=[number],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Site(*listener.getsockname())
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                said, _ = process.communicate(timeout=LIMIT)
            finally:
                process.kill()
            print(said.decode())


@pytest.mark.parametrize("server", SERVERS)
def test_the_shop(server: str, agentadmit_service: Service, tmp_path: Path) -> None:
    limits = {"rate_limit": {"per_key_per_second": None, "per_connection_per_second": None}}
    app = agentadmit_service.app(SCOPES, settings=limits)
    for name in ("shop.py", "agentadmit.yaml"):
        shutil.copy(SHOP / name, tmp_path)
    with served(SERVERS[server], tmp_path, app.environ) as site:
        login = base64.b64encode(b"alice:alice's password").decode()
        alice = [("Authorization", f"Basic {login}"), ("Origin", "http://127.0.0.1:8000")]
        orders = [
            {"order_id": 1, "what": "tea", "status": "open"},
            {"order_id": 2, "what": "bread", "status": "open"},
        ]
        assert site.ask("GET", "/api/orders", alice).json == orders
        assert site.ask("GET", "/api/orders").status == 401
        asked = {"scopes": ["read:orders"]}
        path = "/agentadmit/connections/generate-token"
        issued = site.ask("POST", path, alice, json_body=asked)
        exchange = {"token": issued.json["token"]}
        token = site.ask("POST", "/agentadmit/token/exchange", json_body=exchange)
        agent = [bearer(token.json["access_token"])]
        # many requests, so that each worker answers some
        for _ in range(20):
            assert site.ask("GET", "/api/orders", agent).json == orders
        assert site.ask("GET", "/api/me", agent).json == {"user_id": "alice", "asked_by": "agent"}
        refused = site.ask("POST", "/api/orders/1/cancel", agent)
        assert (refused.status, refused.json["required_scope"]) == (403, "write:orders")
        document = site.ask("GET", "/.well-known/agentadmit").json
        assert [it["summary"] for it in document["routes"]] == [
            "Your orders.",
            "Cancels one of your orders.",
            "Whose account this is, and who asks.",
        ]
        path = f"/agentadmit/connections/{issued.json['connection_id']}"
        assert site.ask("DELETE", path, alice).status == 200
        for _ in range(20):
            assert site.ask("GET", "/api/orders", agent).status == 401
