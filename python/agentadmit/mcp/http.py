"""An MCP server over HTTP as a protected resource of OAuth: what its clients need to find a token.

MCP says how a client learns that it needs one (2025-06-18 and later, Authorization): 401 with
`WWW-Authenticate: Bearer resource_metadata=…`, 403 `insufficient_scope` for a tool that needs
more. A guard inside of the server answers calls and cannot say that; this stands before the
server's own ASGI app. The service is asked here, once for each request; the guard inside takes over
the answer.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import TYPE_CHECKING, Any

from agentadmit._core import Gate, Guard, Head, Settings, refuse
from agentadmit._driver import drive_async, user_of
from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations import _request
from agentadmit.integrations._request import ASK_AGAIN_AFTER, broken_off
from agentadmit.mcp import message
from agentadmit.mcp.message import Asked
from agentadmit.mcp.sessions import Sessions

if TYPE_CHECKING:
    from agentadmit._core import Admitted, Agent, AsyncClient

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

KEY = "agentadmit.mcp"
"""Where the answer of the service stands in an ASGI scope."""

# the revision that knows no sessions, has statuses for errors, and a kind for every result
_STATELESS = b"2026-07-28"

_OPEN = Guard([], agents_only=True, is_open=True)
_CHALLENGE = b"www-authenticate"
_TOKEN = b"authorization"


class Known:
    """What the service said of the tool that a request calls, for a guard inside of the server."""

    __slots__ = ("_agent", "_ask_again", "_asked", "_is_taken")

    def __init__(
        self, tool: str, scope: str | None, agent: Agent, ask_again: Callable[[], Awaitable[None]]
    ) -> None:
        """`ask_again` asks about the same token, which the server itself never sees."""
        self._asked = (tool, scope)
        self._agent = agent
        self._ask_again = ask_again
        self._is_taken = False

    async def agent(self, tool: str, scope: str) -> Agent | None:
        """What the service says of this call; `None` where it was asked about another. Whoever asks
        first takes what is known, and once more is a question of its own. Raises its refusal."""
        if (tool, scope) != self._asked:
            return None
        if self._is_taken:
            await self._ask_again()
        self._is_taken = True
        return self._agent


def known(scope: Scope) -> Known | None:
    """What is known of a request; `None` where no guard stands before the server."""
    found = scope.get(KEY)
    return found if isinstance(found, Known) else None


class HttpGuard:
    """The ASGI app of an MCP server, for agents alone.

    Every request needs a token that is alive, and the call of a tool one with the tool's scopes. It
    also answers at the well-known paths of the metadata.
    """

    # an app around it leaves its requests to it
    is_agentadmit_gate = True

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        client: Callable[[], AsyncClient],
        guards: dict[str, Guard],
        *,
        open_methods: frozenset[str],
        first_scopes: Iterable[str],
        max_message_bytes: int,
    ) -> None:
        """`guards` by tool. Raises `ConfigurationError` without `app_id` and `public_url`."""
        self.app = app
        self._open_methods = open_methods
        self._max_message_bytes = max_message_bytes
        self._sessions = Sessions()
        self._client = client
        self._gate = Gate(settings)
        self._guards = guards
        self._documents = frozenset(self._gate.documents[2:])
        self._first = Guard(list(first_scopes)).scope_used if first_scopes else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decides, and goes on to the server or answers."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["path"] in self._documents:
            flow = self._gate.serve(_head(scope, scope["method"]), b"")
            answer, _ = await drive_async(flow, _Hooks(), self._client())
            await _respond(send, answer)
            return
        try:
            asked, receive = await self._asked(scope, receive)
            admitted, asked_at = await self._admit(scope, asked)
            answer = message.instead(
                asked, self._guards, self._open_methods, is_stateless=_is_stateless(scope)
            )
            inner = self._opened(scope, asked, admitted) if answer is None else scope
        except AgentAdmitError as error:
            if error.http is None:
                raise
            await _respond(send, self._with_first_scopes(error.http))
            return
        if answer is not None:
            await _respond(send, answer)
            return
        await self.app(inner, receive, self._watched(send, admitted, asked_at))

    async def _asked(self, scope: Scope, receive: Receive) -> tuple[Asked, Receive]:
        """What a request asks for, and its body once more."""
        if scope["method"] != "POST":
            return Asked(f"mcp:{scope['method']}"), receive
        body = bytearray()
        is_whole = False
        while not is_whole:
            part = await receive()
            body += part.get("body", b"")
            if len(body) > self._max_message_bytes:
                text = f"the body has more than {self._max_message_bytes} bytes"
                raise refuse(413, "body_too_large", text)
            is_whole = part["type"] != "http.request" or not part.get("more_body", False)
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def again() -> Message:
            return whole.pop() if whole else await receive()

        return message.read(bytes(body)), again

    async def _admit(self, scope: Scope, asked: Asked) -> tuple[Admitted, float]:
        guard = _OPEN if asked.tool is None else self._guards.get(asked.tool, _OPEN)
        asked_at = _request.monotonic()
        flow = self._gate.admit(guard, _head(scope, "CALL"), asked.endpoint)
        admitted, _ = await drive_async(flow, _Hooks(), self._client())
        return admitted, asked_at

    def _opened(self, scope: Scope, asked: Asked, admitted: Admitted) -> Scope:
        """The request as the server sees it: without the token, in its own session, and with what
        is known."""
        headers = self._sessions.opened(scope["headers"], admitted.agent.user_id)
        inner = {**scope, "headers": [it for it in headers if it[0].lower() != _TOKEN]}
        if asked.tool is not None:
            again = functools.partial(self._ask_again, admitted)
            scope_used = self._guards[asked.tool].scope_used
            inner[KEY] = Known(asked.tool, scope_used, admitted.agent, again)
        return inner

    async def _ask_again(self, admitted: Admitted) -> None:
        await drive_async(self._gate.ask_again(admitted), _Hooks(), self._client())

    def _watched(self, send: Send, admitted: Admitted, asked_at: float) -> Send:
        """Binds a session that begins, and asks again every 30 s while an answer goes out
        (PROTOCOL, principle 1)."""
        last = asked_at

        async def watched(part: Message) -> None:
            nonlocal last
            if part["type"] == "http.response.start":
                headers = self._sessions.sealed(part.get("headers", ()), admitted.agent.user_id)
                part = {**part, "headers": headers}
            if part.get("body") and _request.monotonic() - last >= ASK_AGAIN_AFTER:
                last = _request.monotonic()
                try:
                    await self._ask_again(admitted)
                except AgentAdmitError as error:
                    raise broken_off(error) from None
            await send(part)

        return watched

    def _with_first_scopes(self, answer: Any) -> Any:
        """What a client should ask for that has not called any tool yet."""
        status, headers, body = answer
        if status != 401 or self._first is None:
            return answer

        def told(value: bytes) -> bytes:
            return value if b"scope=" in value else value + f', scope="{self._first}"'.encode()

        return status, [(n, told(v) if n == _CHALLENGE else v) for n, v in headers], body


class _Hooks:
    """A server has no users of its own: they are whom the agent calls for."""

    def current_user(self) -> Any:
        return None

    def load_user(self, user_id: str) -> Any:
        return user_of(user_id)

    def sign_in_page(self, back: str) -> Any:
        return None

    def is_admin(self, user: Any) -> Any:
        return False

    def filter_scopes(self, user: Any, scopes: list[dict[str, Any]]) -> Any:
        return scopes

    def id_of(self, user: Any, *, is_loaded: bool) -> str | None:
        user_id: str = user["user_id"]
        return user_id


def _is_stateless(scope: Scope) -> bool:
    """Whether a request is one of the newest revision, as its header says. Dates compare as texts
    do."""
    said = [value for name, value in scope["headers"] if name.lower() == b"mcp-protocol-version"]
    return bool(said) and said[0] >= _STATELESS


def _head(scope: Scope, method: str) -> Head:
    client = scope.get("client")
    query: bytes = scope.get("query_string", b"")
    return Head(method, scope["path"], query, scope["headers"], client[0] if client else None)


async def _respond(send: Send, answer: Any) -> None:
    status, headers, body = answer
    length = (b"content-length", str(len(body)).encode())
    start = {"type": "http.response.start", "status": status, "headers": [*headers, length]}
    await send(start)
    await send({"type": "http.response.body", "body": body})
