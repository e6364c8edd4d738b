"""A small responder that speaks MongoDB's wire protocol (OP_MSG) over a socket.

It is no MongoDB: it answers the handshake and finds documents by equality, fails or keeps silent.
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Iterator
from typing import Any

import bson

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013
HELLO = {
    "ismaster": True,
    "helloOk": True,
    "maxWireVersion": 21,
    "minWireVersion": 0,
    "ok": 1.0,
    "maxBsonObjectSize": 16_777_216,
    "maxMessageSizeBytes": 48_000_000,
    "maxWriteBatchSize": 1000,
}


class Responder:
    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.filters: list[Any] = []
        self.mode = "find"
        self.end = threading.Event()
        self.port = 0

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command)).lower()
        if name in ("hello", "ismaster"):
            return dict(HELLO)
        if name != "find":
            return {"ok": 1.0}
        if self.mode == "silent":
            self.end.wait()
        if self.mode == "error":
            return {"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": "no"}
        self.filters.append(command["filter"])
        found = [it for it in self.documents if matches(it, command["filter"])]
        batch = found[: command["limit"]]
        cursor = {"id": 0, "ns": f"{command['$db']}.{command['find']}", "firstBatch": batch}
        return {"ok": 1.0, "cursor": cursor}


def matches(document: dict[str, Any], wanted: dict[str, Any]) -> bool:
    for field, condition in wanted.items():
        assert list(condition) in (["$eq"], ["$in"]), condition
        values = condition["$in"] if "$in" in condition else [condition["$eq"]]
        if document.get(field) not in values:
            return False
    return True


@contextlib.contextmanager
def running() -> Iterator[Responder]:
    responder = Responder()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):
                while head := self.rfile.read(16):
                    length, number, _, code = struct.unpack("<iiii", head)
                    body = self.rfile.read(length - 16)
                    self.wfile.write(reply(responder, number, code, body))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *_: Any) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        responder.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield responder
        finally:
            responder.end.set()
            server.shutdown()
            thread.join(60)


def reply(responder: Responder, number: int, code: int, body: bytes) -> bytes:
    if code == OP_QUERY:  # the first handshake of a connection
        start = body.index(b"\0", 4) + 1 + 8
        answer = bson.encode(responder.answer(bson.decode(body[start:])))
        return framed(number, OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + answer)
    assert code == OP_MSG
    assert body[4] == 0
    answer = bson.encode(responder.answer(bson.decode(body[5:])))
    return framed(number, OP_MSG, struct.pack("<ib", 0, 0) + answer)


def framed(number: int, code: int, body: bytes) -> bytes:
    return struct.pack("<iiii", len(body) + 16, 1, number, code) + body
