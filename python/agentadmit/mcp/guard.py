"""`ToolGuard`: which scope each tool needs, and whether a call of it may proceed."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from agentadmit._async_client import AsyncAgentAdmit
from agentadmit._calls import Path
from agentadmit._client import AgentAdmit
from agentadmit._core import Agent, Guard
from agentadmit.context import AuthContext
from agentadmit.exceptions import AgentAdmitError, CallRefusedError, ConfigurationError
from agentadmit.mcp.message import MAX_MESSAGE_BYTES
from agentadmit.mcp.refusals import ToolRefusedError, Words
from agentadmit.mcp.tokens import OwnTokens, bearer

if TYPE_CHECKING:
    from agentadmit.mcp.http import ASGIApp, Known

log = logging.getLogger("agentadmit")

auth_ctx: ContextVar[AuthContext] = ContextVar("agentadmit_auth_ctx")
"""Who calls, while a guarded tool runs: `auth_ctx.get()["user"]["user_id"]`."""

TOKEN_ARGUMENT = "agentadmit_token"  # noqa: S105 - the name of an argument

Arguments = Mapping[str, Any] | None
Values = Iterable[str]

# the longest `endpoint` that the service takes
_MAX_ENDPOINT = 256

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Server = TypeVar("_Server")


class Admitted(NamedTuple):
    """A call of a tool that may proceed."""

    auth: AuthContext
    """Who calls."""
    arguments: dict[str, Any]
    """The arguments without the token: what the tool may see."""


class _Question(NamedTuple):
    tool: str
    scope: str
    arguments: dict[str, Any]
    offered: str | None

    def of_verify(self, agent_ip: str | None = None) -> dict[str, Any]:
        """What the service is asked beside the token."""
        endpoint = _endpoint(self.tool)
        return {"scope": self.scope, "endpoint": endpoint, "method": "CALL", "agent_ip": agent_ip}

    def admitted(self, agent: Agent) -> Admitted:
        user = {"user_id": agent.user_id, "user_label": agent.user_label}
        return Admitted(AuthContext(user, agent), self.arguments)


class ToolGuard:
    """Lets calls of tools pass that the service admits, and no others.

    `scope_map` names for each tool the scope that a call of it needs, or several, all needed. What
    it does not name is refused and not listed.
    """

    def __init__(
        self,
        scope_map: Mapping[str, str | Iterable[str]],
        *,
        config_path: Path | None = None,
        service_url: str | None = None,
        api_key: str | None = None,
        app_id: str | None = None,
        token_argument: bool = False,
        connections_page: str | None = None,
        open_methods: Iterable[str] = (),
    ) -> None:
        """Reads settings as `AgentAdmit` does. Raises `ConfigurationError`.

        `token_argument`: on STDIO, also take the token from the argument `agentadmit_token` where
        the environment has none. `connections_page`: where people grant access; refusals name it.
        `open_methods`: methods of MCP with data, such as `resources/read` or `prompts/get`, that
        the server answers anybody: they know no scope, and are refused otherwise.
        """
        self._scopes = {tool: _scope(tool, scope) for tool, scope in scope_map.items()}
        self._settings = {
            "config_path": config_path,
            "service_url": service_url,
            "api_key": api_key,
            "app_id": app_id,
        }
        self._client = AgentAdmit(**cast("dict[str, Any]", self._settings))
        self._words = Words(connections_page)
        self.open_methods = frozenset(open_methods)
        """Methods of MCP that are answered without a question."""
        self.token_argument = TOKEN_ARGUMENT if token_argument else None
        """The argument that tools show for the token; `None` where there is none."""
        self._tokens = OwnTokens(self._client, self._words, self.token_argument)
        self._is_key_checked = False

    def __contains__(self, tool: object) -> bool:
        """Whether the map names a tool."""
        return tool in self._scopes

    def protect(self, server: _Server) -> _Server:
        """Guards a server: `mcp.server.MCPServer` or `Server` of `mcp` 2, `FastMCP` or `Server` of
        `mcp` 1, or `FastMCP` of the package `fastmcp`. Answers the same server.

        Tools may be added before and after. Raises `ConfigurationError` for anything else.
        """
        from agentadmit.mcp import servers

        servers.protect(self, server)
        return server

    def over_http(
        self,
        app: ASGIApp,
        *,
        first_scopes: Iterable[str] = (),
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> ASGIApp:
        """The ASGI app of a server, for MCP clients that speak OAuth: `protect` the server too.

            uvicorn.run(guard.over_http(server.streamable_http_app()))

        Whoever has no token, or not enough, hears it from HTTP, and where to get one (MCP,
        Authorization). Everything that the app serves is then for agents alone. Settings need
        `app_id` and `public_url`, and `resource` is the address of the server's endpoint.

        `first_scopes`: what a client is told to ask for that has not called any tool yet; without
        them it is everything that is not sensitive. `max_message_bytes`: 413 beyond that. Raises
        `ConfigurationError`.
        """
        from agentadmit.mcp.http import HttpGuard

        guards = {
            tool: Guard(scope.split(), agents_only=True) for tool, scope in self._scopes.items()
        }
        asked = self._client.settings
        return HttpGuard(
            app,
            asked,
            lambda: self._async_client.native,
            guards,
            open_methods=self.open_methods,
            first_scopes=first_scopes,
            max_message_bytes=max_message_bytes,
        )

    def tool(self, function: _Function) -> _Function:
        """Decorator: guards a function, sync or async, whose name is the tool's, on STDIO.

        It is called with the tool's arguments by name. Raises `ToolRefusedError` in its place.
        """
        name = function.__name__

        @functools.wraps(function)
        def guarded(**arguments: Any) -> Any:
            admitted = self.admit(name, arguments)
            return running(admitted, lambda: function(**admitted.arguments))

        @functools.wraps(function)
        async def guarded_async(**arguments: Any) -> Any:
            admitted = await self.admit_async(name, arguments)
            return await running_async(admitted, lambda: function(**admitted.arguments))

        is_async = inspect.iscoroutinefunction(function)
        return cast("_Function", guarded_async if is_async else guarded)

    def admit(self, tool: str, arguments: Arguments = None) -> Admitted:
        """Asks whether a call on STDIO may proceed. Raises `ToolRefusedError`."""
        question = self._question(tool, arguments)
        self.check_key()
        try:
            token = self._tokens.at_hand(question.offered) or self._tokens.exchange()
            return question.admitted(self._client.verify(token, **question.of_verify()))
        except AgentAdmitError as error:
            raise self._refused(error, question) from None

    async def admit_async(self, tool: str, arguments: Arguments = None) -> Admitted:
        """The same in an event loop."""
        question = self._question(tool, arguments)
        await self.check_key_async()
        try:
            token = self._tokens.at_hand(question.offered)
            if token is None:
                token = await asyncio.to_thread(self._tokens.exchange)
            return question.admitted(await self._async_client.verify(token, **question.of_verify()))
        except AgentAdmitError as error:
            raise self._refused(error, question) from None

    def admit_http(
        self, tool: str, arguments: Arguments, authorization: Values, agent_ip: str | None = None
    ) -> Admitted:
        """Asks whether a call over HTTP may proceed: all values of the request's `Authorization`
        count, and nothing else does. Raises `ToolRefusedError`."""
        question = self._question(tool, arguments)
        token = bearer(authorization, self._words)
        try:
            return question.admitted(self._client.verify(token, **question.of_verify(agent_ip)))
        except AgentAdmitError as error:
            raise self._refused(error, question) from None

    async def admit_http_async(
        self, tool: str, arguments: Arguments, authorization: Values, agent_ip: str | None = None
    ) -> Admitted:
        """The same in an event loop."""
        question = self._question(tool, arguments)
        token = bearer(authorization, self._words)
        try:
            asked = question.of_verify(agent_ip)
            return question.admitted(await self._async_client.verify(token, **asked))
        except AgentAdmitError as error:
            raise self._refused(error, question) from None

    async def admit_known(self, tool: str, arguments: Arguments, known: Known) -> Admitted:
        """A call that the service has admitted before it came here. Raises `ToolRefusedError`."""
        question = self._question(tool, arguments)
        try:
            agent = await known.agent(tool, question.scope)
        except AgentAdmitError as error:
            raise self._refused(error, question) from None
        if agent is None:
            raise self._words.no_token("call the tool by itself.")
        return question.admitted(agent)

    def check_key(self) -> None:
        """Warns, once, when the API key may do more than verify: on STDIO it lies on the machine
        of a user. Called by the first message on STDIO."""
        if self._is_key_checked:
            return
        self._is_key_checked = True
        try:
            permissions = self._client.credential().permissions
        except AgentAdmitError as error:
            log.warning("what the API key may do could not be found out: %s", error)
            return
        more = ", ".join(name for name in permissions if name != "verify")
        if more:
            log.warning(
                "the API key of this MCP server may do more than verify (%s), and an MCP server on "
                "STDIO runs on its user's machine: give it a key with the permission `verify` "
                "alone (agentadmit api-keys create --permission verify)",
                more,
            )

    async def check_key_async(self) -> None:
        """The same in an event loop."""
        if not self._is_key_checked:
            await asyncio.to_thread(self.check_key)

    @functools.cached_property
    def _async_client(self) -> AsyncAgentAdmit:
        return AsyncAgentAdmit(**cast("dict[str, Any]", self._settings))

    def _question(self, tool: str, arguments: Arguments) -> _Question:
        scope = self._scopes.get(tool)
        if scope is None:
            raise self._words.not_mapped()
        clean = dict(arguments or {})
        # whatever is configured, no tool ever sees it
        offered = clean.pop(TOKEN_ARGUMENT, None)
        return _Question(tool, scope, clean, offered if isinstance(offered, str) else None)

    def _refused(self, error: AgentAdmitError, question: _Question) -> ToolRefusedError:
        is_a_no = isinstance(error, ToolRefusedError | CallRefusedError)
        if not is_a_no:
            log.warning("tool %s was refused: %s", question.tool, error)
        return self._words.of(error, question.scope)


def running(admitted: Admitted, work: Callable[[], Any]) -> Any:
    """Runs a tool with `auth_ctx` set."""
    token = auth_ctx.set(admitted.auth)
    try:
        return work()
    finally:
        auth_ctx.reset(token)


async def running_async(admitted: Admitted, work: Callable[[], Awaitable[Any]]) -> Any:
    """Runs an async tool with `auth_ctx` set."""
    token = auth_ctx.set(admitted.auth)
    try:
        return await work()
    finally:
        auth_ctx.reset(token)


def _endpoint(tool: str) -> str:
    return f"tool:{tool}"


def _scope(tool: str, scope: str | Iterable[str]) -> str:
    names = scope.split() if isinstance(scope, str) else list(scope)
    if not tool or len(_endpoint(tool)) > _MAX_ENDPOINT:
        raise ConfigurationError(f"the scope map names a tool that no tool can be: {tool[:300]!r}")
    # without a scope it says so: a tool that asks for nothing would be open to every agent
    scope_used = Guard(names).scope_used if names else None
    if scope_used is None:
        raise ConfigurationError(f"the scope map names no scope for the tool `{tool}`")
    return scope_used
