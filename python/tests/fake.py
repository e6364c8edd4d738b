"""A service that answers what a test says, and notes what it was sent and when."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

APP = "app_01h455vb4pex5vsknk084sn02q"
CONNECTION = "conn_01h455vb4pex5vsknk084sn02q"
EVENT = "evt_01h455vb4pex5vsknk084sn02q"


def _mint(prefix: str, number: int) -> str:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    def base62(value: int, width: int) -> str:
        text = ""
        while value:
            value, digit = divmod(value, 62)
            text = digits[digit] + text
        return text.rjust(width, "0")

    text = prefix + base62(number, 43)
    return text + base62(zlib.crc32(text.encode()), 6)


KEY = _mint("aa_test_", 1)
TOKEN = _mint("ag_at_", 2)

ALLOWED = {
    "active": True,
    "app_id": APP,
    "environment": "test",
    "connection_id": CONNECTION,
    "user_id": "alice",
    "user_label": None,
    "agent_label": "robot",
    "scopes": ["read:orders"],
    "created_at": "2026-01-01T00:00:00.000Z",
    "expires_at": None,
    "purpose": None,
    "user_intent": None,
    "audit_id": EVENT,
}


@dataclass
class Seen:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answer(
    status: int, body: Any = None, *, kind: str = "application/json", **headers: str
) -> bytes:
    """An answer of HTTP/1.1; `_` in a header's name is `-`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Told", f"content-type: {kind}", f"content-length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


Answers = Callable[[Seen], bytes | None]


@dataclass
class FakeService:
    """Listens on a free port. `answers` says what comes back; `None` is silence to the end.

    An empty answer closes the connection.
    """

    answers: Answers = field(default=lambda seen: answer(200, ALLOWED))
    tls: ssl.SSLContext | None = None
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> FakeService:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._ends = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            _cut(connection)
        for thread in self._threads:
            thread.join()

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def arguments(self) -> dict[str, Any]:
        """What a client of this service is made with."""
        return {"service_url": self.url, "app_id": APP, "api_key": KEY, "timeout_seconds": 60}

    @property
    def open_connections(self) -> int:
        return len(self._open)

    def waits_for(self, requests: int) -> bool:
        """Whether so many came, within a generous time."""
        end = time.monotonic() + 60
        while len(self.seen) < requests and time.monotonic() < end:
            threading.Event().wait(0.005)
        return len(self.seen) >= requests

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            talk = connection
            if self.tls:
                talk = self.tls.wrap_socket(connection, server_side=True)
                self._open.add(talk)
                self._open.discard(connection)
                connection = talk
            with talk, talk.makefile("rb") as stream:
                while (seen := _read(stream)) is not None:
                    self.seen.append(seen)
                    told = self.answers(seen)
                    if told is None:
                        self._ends.wait()
                        return
                    if not told:
                        return
                    talk.sendall(told)
        except OSError:
            pass
        finally:
            self._open.discard(connection)
            connection.close()


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _read(stream: Any) -> Seen | None:
    first = stream.readline()
    if not first:
        return None
    at = time.monotonic()
    method, target, _ = first.decode().split(" ")
    headers: dict[str, str] = {}
    while (line := stream.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body, at)
