"""The servers under which the tests run an app."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from support import LIMIT, Site
from werkzeug.serving import WSGIRequestHandler, make_server

GUNICORN = ["-m", "gunicorn", "--no-control-socket"]


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@contextlib.contextmanager
def serving(app: Any, **options: Any) -> Iterator[Site]:
    """Runs an app under uvicorn in a thread of this process."""
    options = {"log_level": "warning", "lifespan": "on", "ws": "websockets-sansio", **options}
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=0, **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        assert server.is_up.wait(LIMIT), "uvicorn did not start"
        assert server.servers, "the app did not start"
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        yield Site(host, port)
    finally:
        server.should_exit = True
        thread.join(LIMIT)
        assert not thread.is_alive(), "uvicorn did not end"


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None: ...


@contextlib.contextmanager
def serving_wsgi(app: Any) -> Iterator[Site]:
    """Runs an app under a WSGI server in threads of this process."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Site("127.0.0.1", server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(LIMIT)
        assert not thread.is_alive(), "the server did not end"


def free_port() -> int:
    """For an app that has to know its own address before it is served."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def served(
    arguments: Sequence[str], folder: Path, environ: dict[str, str], port: int = 0
) -> Iterator[Site]:
    """Runs a server on a socket that is open already: who asks early waits."""
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
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
