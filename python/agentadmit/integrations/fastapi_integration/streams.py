"""What goes out to an agent, and what comes in from it, for as long as it is open.

A WebSocket, an event stream or a long answer is not one request: the service is asked again for
each message that comes in, and every 30 s while data goes out. At the first refusal or doubt it is
broken off: half an answer does not look whole.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations.fastapi_integration import state
from agentadmit.integrations.fastapi_integration.state import RequestState

log = logging.getLogger("agentadmit")

ASK_AGAIN_AFTER = 30.0
"""For how long an answer of the service holds while data goes out, in seconds."""

LOOKED_AT = 64 * 1024
"""How much of a form is looked at. What lies behind passes unread: a token there opens nothing."""

POLICY_VIOLATION = 1008
"""RFC 6455 section 7.4.1: the endpoint's policy does not allow it."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class StreamClosed(OSError):
    """The agent may not go on: its answer was broken off. To the app the client is gone."""


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
        self.is_broken = False

    async def receive(self) -> Message:
        """The next message; the end, when the agent may not go on."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return message
        if not self.is_broken and await self._ask(always=True):
            return message
        return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

    async def send(self, message: Message) -> None:
        """Lets a message out, after asking where that is due."""
        if self.is_broken:
            raise StreamClosed("the agent may not go on")
        kind = message["type"]
        if kind in ("websocket.close", "websocket.http.response.body") or (
            kind == "http.response.body" and not message.get("body") and self.has_started
        ):
            await self._send(message)
            return
        if self._known.admitted is None and not _is_refusal(message, self.has_started):
            await self._close_unadmitted()
        if self._known.admitted is not None and not await self._ask(always=False):
            raise StreamClosed("the agent may not go on")
        self.has_started = True
        await self._send(message)

    async def _ask(self, *, always: bool) -> bool:
        """Whether the agent may go on; if not, it has been told, as far as it listens."""
        async with self._asking:
            if self.is_broken:
                return False
            if not always and state.monotonic() - self._known.asked_at < ASK_AGAIN_AFTER:
                return True
            try:
                await self._known.ask_again()
            except AgentAdmitError as error:
                log.info("an answer to an agent was broken off: %s", error)
                await self._break_off(error)
                return False
            return True

    async def _break_off(self, error: AgentAdmitError) -> None:
        self.is_broken = True
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
        self.is_broken = True
        log.error("an agent was refused: the route's guard did not run")
        if self._is_socket:
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION})
        elif not self.has_started:
            text = "agents are not let in here"
            body = json.dumps({"error": "agent_not_allowed", "error_description": text}).encode()
            headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
            await _answer(self._send, (403, headers, body))
        raise StreamClosed("no guard ran")


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
