"""What goes out to an agent, and what comes in from it, for as long as it is open.

A WebSocket, an event stream or a long answer is not one request: the service is asked again for
each message that comes in, and every 30 s while data goes out. At the first refusal or doubt it is
broken off: half an answer does not look whole.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations._request import (
    LOOKED_AT,
    StreamClosed,
    broken_off,
    guard_did_not_run,
)
from agentadmit.integrations.fastapi_integration.state import RequestState

POLICY_VIOLATION = 1008
"""RFC 6455 section 7.4.1: the endpoint's policy does not allow it."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AgentStream:
    """An agent's side of a request."""

    def __init__(
        self, known: RequestState, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Nothing has gone out yet."""
        self._known = known
        self._is_socket = scope["type"] == "websocket"
        self._receive = receive
        self._send = send
        # a question at a time; who comes meanwhile goes by its answer
        self._asking = asyncio.Lock()
        self.has_started = False
        self._end: StreamClosed | None = None

    @property
    def is_broken(self) -> bool:
        """Whether nothing goes out any more."""
        return self._end is not None

    async def receive(self) -> Message:
        """The next message; the end, when the agent may not go on."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return message
        if self._end is None and await self._ask(always=True) is None:
            return message
        return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

    async def send(self, message: Message) -> None:
        """Lets a message out, after asking where that is due."""
        if self._end is not None:
            raise self._end
        kind = message["type"]
        if kind in ("websocket.close", "websocket.http.response.body") or (
            kind == "http.response.body" and not message.get("body") and self.has_started
        ):
            await self._send(message)
            return
        if self._known.admitted is None and not _is_refusal(message, self.has_started):
            await self._close_unadmitted()
        if self._known.admitted is not None and (end := await self._ask(always=False)):
            raise end
        self.has_started = True
        await self._send(message)

    async def _ask(self, *, always: bool) -> StreamClosed | None:
        """Why the agent may not go on, if so; it has been told, as far as it listens."""
        async with self._asking:
            if self._end is None and (always or self._known.is_due):
                try:
                    await self._known.ask_again()
                except AgentAdmitError as error:
                    self._end = broken_off(error)
                    await self._break_off(error)
            return self._end

    async def _break_off(self, error: AgentAdmitError) -> None:
        http = error.http
        if self._is_socket:
            reason = json.loads(http[2])["error"] if http else "authorization_unavailable"
            if self.has_started:
                close = {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason}
                await self._send(close)
        elif not self.has_started and http is not None:
            await _answer(self._send, http)

    async def _close_unadmitted(self) -> None:
        """A route in which no guard ran, although one stands there: nothing of it goes out."""
        self._end = StreamClosed("no guard ran")
        http = guard_did_not_run().http
        if self._is_socket:
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION})
        elif not self.has_started and http is not None:
            await _answer(self._send, http)
        raise self._end


def _is_refusal(message: Message, has_started: bool) -> bool:
    """What goes out although nobody was admitted: an error, and its body."""
    if message["type"] in ("http.response.start", "websocket.http.response.start"):
        return bool(message["status"] >= 400)
    return has_started and message["type"] == "http.response.body"


async def _answer(send: Send, http: tuple[int, list[tuple[bytes, bytes]], bytes]) -> None:
    status, headers, body = http
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def form_of(receive: Receive) -> tuple[bytes, Receive]:
    """The beginning of a body, and a `receive` that gives it out again."""
    kept: list[Message] = []
    beginning = bytearray()
    while len(beginning) < LOOKED_AT:
        message = await receive()
        kept.append(message)
        if message["type"] != "http.request":
            break
        beginning += message.get("body", b"")
        if not message.get("more_body", False):
            break
    kept.reverse()

    async def again() -> Message:
        return kept.pop() if kept else await receive()

    return bytes(beginning), again
