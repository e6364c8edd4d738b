"""An app on real sockets: client -> server -> the app -> spy -> service."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from agentadmit.testing import App

ORIGIN = "https://shop.example"
NO_LIMITS = {"rate_limit": {"per_key_per_second": None, "per_connection_per_second": None}}
LIMIT = 60.0  # seconds, generous: a test that waits longer has hung

SCOPES: list[Any] = [
    {"name": "read:orders", "description": "see orders"},
    {"name": "write:orders", "description": "change orders"},
    {"name": "read:profile", "description": "see the profile"},
    {"name": "close:shop", "description": "close the shop", "admin": True},
    {"name": "manage:connections", "description": "end connections", "admin": True},
]


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str | None:
        try:
            body = self.json
        except ValueError:
            return None
        return body.get("error") if isinstance(body, dict) else None


@dataclass
class Site:
    """A server of this test."""

    host: str
    port: int

    def ask(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | str | None = None,
        json_body: Any = None,
    ) -> Reply:
        """One request over a connection of its own; a header may stand there twice."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=LIMIT)
        data = json.dumps(json_body) if json_body is not None else body
        data = data.encode() if isinstance(data, str) else data
        try:
            connection.putrequest(method, target)
            for name, value in headers:
                connection.putheader(name, value)
            if json_body is not None:
                connection.putheader("Content-Type", "application/json")
            if data is not None:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, target: str, **headers: str) -> Reply:
        return self.ask("GET", target, list(headers.items()))


@dataclass
class Seen:
    method: str
    path: str
    body: Any


@dataclass
class Spy:
    """Stands between an app and the service, counts, and answers falsely on demand."""

    service: str
    seen: list[Seen] = field(default_factory=list)
    answer: tuple[int, dict[str, str], bytes] | None = None
    in_turn: list[tuple[int, Any]] = field(default_factory=list)
    """Answers in JSON, one for each of the next calls."""
    url: str = ""

    def take(self) -> list[Seen]:
        """Everything since the last call of this."""
        taken, self.seen = self.seen, []
        return taken

    def verifies(self) -> list[Any]:
        """The bodies of the verifies since then."""
        return [seen.body for seen in self.take() if seen.path == "/v1/verify"]


@contextlib.contextmanager
def spying(service_url: str) -> Iterator[Spy]:
    """A spy before a service."""
    spy = Spy(service_url)
    address = urlsplit(service_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None: ...

        def handle_any(self) -> None:
            length = int(self.headers.get("content-length", 0))
            data = self.rfile.read(length)
            spy.seen.append(Seen(self.command, self.path, json.loads(data) if data else None))
            if spy.in_turn:
                status, members = spy.in_turn.pop(0)
                headers, body = {"content-type": "application/json"}, json.dumps(members).encode()
            else:
                status, headers, body = spy.answer or self.passed_on(data)
            self.send_response_only(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def passed_on(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
            upstream = http.client.HTTPConnection(address.hostname or "", address.port or 80)
            names = ("authorization", "content-type", "idempotency-key")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            upstream.request(self.command, self.path, data or None, headers)
            response = upstream.getresponse()
            body = response.read()
            upstream.close()
            kept = {n: v for n, v in response.headers.items() if n.lower() in _KEPT}
            return response.status, kept, body

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    spy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield spy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(LIMIT)


_KEPT = {
    "content-type",
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
}


@contextlib.contextmanager
def opened(
    site: Site, path: str, token: str | None = None, more: Mapping[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    """An answer that is still coming."""
    connection = http.client.HTTPConnection(site.host, site.port, timeout=LIMIT)
    headers = dict([bearer(token)]) if token else {}
    connection.request("GET", path, headers={**headers, **(more or {})})
    with contextlib.closing(connection), connection.getresponse() as response:
        yield response


def yaml_of(app: App, spy_url: str, **more: Any) -> str:
    """An `agentadmit.yaml`: JSON is YAML."""
    members = {
        "service_url": spy_url,
        "app_id": app.app_id,
        "name": "Shop",
        "public_url": ORIGIN,
        "scopes": SCOPES,
        "timeout_seconds": 20,
        **more,
    }
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in members.items())


def bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def session(user: str) -> tuple[str, str]:
    return ("Cookie", f"session={user}")


def as_page(user: str) -> list[tuple[str, str]]:
    """What a page of the app sends for a signed-in user."""
    return [session(user), ("Origin", ORIGIN)]
