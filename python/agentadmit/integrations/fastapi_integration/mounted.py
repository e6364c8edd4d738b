"""The mounted routes and the discovery document, inside of the app's own router."""

# no `from __future__ import annotations` here: FastAPI reads the annotations of the endpoint

from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.datastructures import URLPath
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound, Route
from starlette.types import Receive, Scope, Send

from agentadmit._core import Gate, Head
from agentadmit.integrations._mounted import AUTHORIZE, beginning_of
from agentadmit.integrations.fastapi_integration import routes, state
from agentadmit.integrations.fastapi_integration.integration import Integration
from agentadmit.integrations.fastapi_integration.people import RequestHooks, VisitorHooks


def route_path(scope: MutableMapping[str, Any]) -> str:
    """The path below `root_path`, as routers see it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and (len(path) == len(root) or path[len(root)] == "/"):
        return path[len(root) :]
    return path


def head_of(scope: MutableMapping[str, Any], path: str) -> Head:
    """What guards and mounted routes read of a request."""
    client = scope.get("client")
    return Head(
        scope.get("method", "GET"),
        path,
        scope.get("query_string", b""),
        scope["headers"],
        client[0] if client else None,
    )


async def serve(
    integration: Integration, gate: Gate, path: str, request: Request, app: Any
) -> Response:
    """Answers a request. `path` is the address as the gate knows it."""
    state.say_how_to_answer(request)
    if path in integration.documents:
        root = request.scope.get("root_path", "").rstrip("/")
        gate.set_routes([(m, root + p, guard) for m, p, guard in routes.guarded_routes(app)])
    body = await _body(request, gate.body_limit(path))
    if body is None:
        return state.response_of(gate.refuse_body(gate.body_limit(path)))
    head = head_of(request.scope, path)
    is_visit = path == gate.prefix + AUTHORIZE
    hooks = (VisitorHooks if is_visit else RequestHooks)(integration.hooks, request, "/")
    response = state.response_of(await integration.serve(gate, head, body, hooks))
    if hooks.solved is not None:
        response.raw_headers.extend(
            pair for pair in hooks.solved.raw if pair[0] != b"content-length"
        )
        response.background = hooks.solved.background
    return response


async def _body(request: Request, limit: int) -> bytes | None:
    """The body, or `None` when it has more bytes than that."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                return None
    except ClientDisconnect:
        # nobody is there to hear that it is half a body
        body.clear()
    return bytes(body)


class MountedRoutes(BaseRoute):
    """All mounted routes as one: first in the app's router, and behind the app's own routes.

    It takes a path below the prefix, or of a document, unless the app has a route of its own for
    it, whenever that was added.
    """

    def __init__(self, integration: Integration, app: Any) -> None:
        """`app` is the app in whose router it stands."""
        self.integration = integration
        self.app = app
        prefix = integration.settings.route_prefix
        if isinstance(app, FastAPI):
            # FastAPI's own way around an endpoint, in which a dependency can be solved
            self.asgi = APIRoute("/", self._endpoint, dependency_overrides_provider=app).app
        else:
            self.asgi = Route("/", self._endpoint).app
        self.prefix = prefix

    def takes(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether a request is for the mounted routes."""
        if scope["type"] != "http":
            return False
        path = route_path(scope)
        if path in self.integration.documents:
            return not routes.own_route(self.app, scope, beginning_of(path))
        is_below = path == self.prefix or path.startswith(self.prefix + "/")
        return is_below and not routes.own_route(self.app, scope, self.prefix)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """All methods: a wrong one is answered here."""
        return (Match.FULL, {"endpoint": self._endpoint}) if self.takes(scope) else (Match.NONE, {})

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """They have no names."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers."""
        await self.asgi(scope, receive, send)

    async def _endpoint(self, request: Request) -> Response:
        path = route_path(request.scope)
        root = request.scope.get("root_path", "").rstrip("/")
        prefix = root + self.integration.settings.route_prefix
        gate = self.integration.gate(prefix)
        full = path if path in self.integration.documents else root + path
        return await serve(self.integration, gate, full, request, self.app)
