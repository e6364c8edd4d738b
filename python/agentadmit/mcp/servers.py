"""Puts a guard into a server of the package `mcp` (1 and 2), or of `fastmcp`, which stands on it.

It stands before the dispatch of requests, so that a tool, a resource or a handler that is added
later is guarded too. What it does not know is refused.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from agentadmit.exceptions import ConfigurationError
from agentadmit.integrations._request import ASK_AGAIN_AFTER
from agentadmit.mcp.guard import TOKEN_ARGUMENT, Admitted, ToolGuard, log, running_async
from agentadmit.mcp.http import known
from agentadmit.mcp.message import (
    CALL,
    INVALID_PARAMS,
    LIST,
    METHOD_NOT_FOUND,
    is_harmless,
    not_open,
)
from agentadmit.mcp.refusals import NO_ANSWER, ToolRefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

CallNext = Callable[[Any], Awaitable[Any]]

_ABOUT_ARGUMENT = (
    "The AgentAdmit access token (ag_at_…) that your human gave you, where the server was started "
    "without one."
)


def protect(guard: ToolGuard, server: Any) -> None:
    """Guards a server. Raises `ConfigurationError` for what is none that is known."""
    low = getattr(server, "_mcp_server", server)  # what both FastMCPs stand on
    if isinstance(getattr(low, "middleware", None), list):
        low.middleware.append(_Middleware(guard))
    elif isinstance(getattr(low, "request_handlers", None), dict):
        low.request_handlers = _Handlers(guard, low)
    else:
        name = f"{type(server).__module__}.{type(server).__qualname__}"
        raise ConfigurationError(
            f"ToolGuard does not know how to guard a {name}: it knows MCPServer, Server and "
            "FastMCP of `mcp`, and FastMCP of `fastmcp`. Ask `guard.admit` in your own code."
        )


class _Middleware:
    """The guard of a server of `mcp` 2."""

    def __init__(self, guard: ToolGuard) -> None:
        self._guard = guard

    async def __call__(self, ctx: Any, call_next: CallNext) -> Any:
        if ctx.request_id is None:  # a notification asks for nothing
            return await call_next(ctx)
        await _checked(self._guard, ctx.method, ctx.request)
        if ctx.method == LIST:
            return _shown(self._guard, _plain(await call_next(ctx)), ctx.request)
        if ctx.method != CALL:
            return await call_next(ctx)
        params = dict(ctx.params or {})
        try:
            return await self._called(ctx, call_next, params)
        except ToolRefusedError as refused:
            # where `resultType` came into the protocol, every result must have one
            return {**_refusal(refused), "resultType": "complete"}

    async def _called(self, ctx: Any, call_next: CallNext, params: dict[str, Any]) -> Any:
        admitted = await _admitted(self._guard, params, ctx.request)
        inner = {**params, "arguments": admitted.arguments}
        call = dataclasses.replace(ctx, params=inner, request=_without_token(ctx.request))
        ask_again = functools.partial(_admitted, self._guard, params, ctx.request)
        return await _watched(admitted, lambda: call_next(call), ask_again)


class _Handlers(dict[Any, Any]):
    """The guarded handlers of a server of `mcp` 1, by type of request."""

    def __init__(self, guard: ToolGuard, low: Any) -> None:
        super().__init__()
        self._guard = guard
        for kind, handler in low.request_handlers.items():
            self[kind] = handler

    def __setitem__(self, kind: Any, handler: Any) -> None:
        method: str = kind.model_fields["method"].default

        async def guarded(request: Any) -> Any:
            return await self._handled(method, handler, request)

        super().__setitem__(kind, guarded)

    async def _handled(self, method: str, handler: Any, request: Any) -> Any:
        from mcp import types
        from mcp.server.lowlevel import server

        kinds: Any = types  # the names of `mcp` 1
        of_request: Any = server
        request_ctx: ContextVar[Any] = of_request.request_ctx
        context = request_ctx.get()
        await _checked(self._guard, method, context.request)
        if method == LIST:
            listed: Any = (await handler(request)).root
            shown = _shown(self._guard, _plain(listed), context.request)
            return kinds.ServerResult(kinds.ListToolsResult.model_validate(shown))
        if method != CALL:
            return await handler(request)
        try:
            return await self._called(handler, request, context, request_ctx)
        except ToolRefusedError as refused:
            return kinds.ServerResult(kinds.CallToolResult.model_validate(_refusal(refused)))

    async def _called(
        self, handler: Any, request: Any, context: Any, request_ctx: ContextVar[Any]
    ) -> Any:
        params = {"name": request.params.name, "arguments": request.params.arguments}
        admitted = await _admitted(self._guard, params, context.request)
        inner = request.params.model_copy(update={"arguments": admitted.arguments})
        call = request.model_copy(update={"params": inner})
        ask_again = functools.partial(_admitted, self._guard, params, context.request)
        shown = dataclasses.replace(context, request=_without_token(context.request))
        token = request_ctx.set(shown)
        try:
            return await _watched(admitted, lambda: handler(call), ask_again)
        finally:
            request_ctx.reset(token)


async def _watched(
    admitted: Admitted,
    work: Callable[[], Awaitable[Any]],
    ask_again: Callable[[], Awaitable[Admitted]],
) -> Any:
    """Runs a tool. While it runs, the service is asked again every 30 s (PROTOCOL, principle 1),
    and at the first refusal or doubt the tool is cancelled: what it has is handed over to nobody.
    """
    from anyio import CancelScope

    refused: list[ToolRefusedError] = []

    async def watch(scope: CancelScope) -> None:
        while not refused:
            await asyncio.sleep(ASK_AGAIN_AFTER)
            try:
                await ask_again()
            except ToolRefusedError as error:
                refused.append(error)
            except Exception:
                log.exception("a tool that runs could not be asked about again")
                refused.append(ToolRefusedError(NO_ANSWER, "unavailable"))
        scope.cancel()

    result: Any = None
    with CancelScope() as scope:
        watcher = asyncio.create_task(watch(scope))
        try:
            result = await running_async(admitted, work)
        finally:
            watcher.cancel()
    if refused:
        raise refused[0]
    return result


async def _checked(guard: ToolGuard, method: str, request: Request | None) -> None:
    """Raises for a method that answers with data and knows no scope; looks at the key once."""
    if not is_harmless(method, is_note=False) and method not in guard.open_methods:
        raise _protocol_error(METHOD_NOT_FOUND, not_open(method))
    if request is None:
        await guard.check_key_async()


async def _admitted(
    guard: ToolGuard, params: Mapping[str, Any], request: Request | None
) -> Admitted:
    tool, given = params.get("name"), params.get("arguments")
    if not isinstance(tool, str) or not isinstance(given, Mapping | None):
        raise _protocol_error(INVALID_PARAMS, "`name` is a text, and `arguments` is an object")
    arguments = cast("Mapping[str, Any] | None", given)
    if request is None:
        return await guard.admit_async(tool, arguments)
    said = known(request.scope)
    if said is not None:
        return await guard.admit_known(tool, arguments, said)
    peer = request.client.host if request.client else None
    authorization = request.headers.getlist("authorization")
    return await guard.admit_http_async(tool, arguments, authorization, peer)


def _shown(guard: ToolGuard, listed: dict[str, Any], request: Request | None) -> dict[str, Any]:
    """A list of the tools that the map names. On STDIO they show the argument for the token."""
    tools = [tool for tool in listed.get("tools", ()) if tool.get("name") in guard]
    if request is None and guard.token_argument is not None:
        tools = [_with_argument(tool) for tool in tools]
    return {**listed, "tools": tools}


def _with_argument(tool: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = dict(tool.get("inputSchema") or {"type": "object"})
    argument = {"type": "string", "description": _ABOUT_ARGUMENT}
    schema["properties"] = {**schema.get("properties", {}), TOKEN_ARGUMENT: argument}
    return {**tool, "inputSchema": schema}


def _refusal(refused: ToolRefusedError) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": str(refused)}], "isError": True}


def _plain(result: Any) -> dict[str, Any]:
    if isinstance(result, dict):
        return result  # pyright: ignore[reportUnknownVariableType]
    plain: dict[str, Any] = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return plain


def _without_token(request: Request | None) -> Request | None:
    """The same request, as a tool may see it."""
    if request is None:
        return None
    headers = [pair for pair in request.scope["headers"] if pair[0].lower() != b"authorization"]
    return type(request)({**request.scope, "headers": headers}, request.receive)


def _protocol_error(code: int, text: str) -> Exception:
    """An error of the protocol, as a server of either version sends it."""
    from mcp.shared import exceptions

    kinds: Any = exceptions
    if hasattr(kinds, "MCPError"):
        return kinds.MCPError(code=code, message=text)  # type: ignore[no-any-return]
    from mcp.types import ErrorData

    return kinds.McpError(ErrorData(code=code, message=text))  # type: ignore[no-any-return]
