"""The gate before an app: pure ASGI, one line to set up."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations._request import CLOSED
from agentadmit.integrations._setup import Config
from agentadmit.integrations.fastapi_integration import caches, routes, state
from agentadmit.integrations.fastapi_integration.integration import Integration
from agentadmit.integrations.fastapi_integration.mounted import MountedRoutes, head_of
from agentadmit.integrations.fastapi_integration.people import RequestHooks
from agentadmit.integrations.fastapi_integration.state import RequestState
from agentadmit.integrations.fastapi_integration.streams import AgentStream, form_of

log = logging.getLogger("agentadmit")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

CHALLENGE = b"www-authenticate"

_INTEGRATIONS: weakref.WeakKeyDictionary[Any, Integration] = weakref.WeakKeyDictionary()


class AgentAdmitMiddleware:
    """Lets users' agents into an app.

        app.add_middleware(AgentAdmitMiddleware, get_current_user=get_current_user)

    It brings the mounted routes and the discovery document; the app's own route for one of their
    paths wins. A route without a guard is closed to agents. Streams and WebSockets of agents are
    asked about again as long as they are open.
    """

    is_agentadmit_gate = True

    def __init__(
        self,
        app: ASGIApp,
        config_path: str | os.PathLike[str] | None = None,
        get_current_user: Callable[..., Any] | None = None,
        verify_user_token: Callable[[str], Any] | None = None,
        users_collection: str | None = None,
        *,
        config: Config | None = None,
        load_user: Callable[[str], Any] | None = None,
        is_admin: Callable[[Any], Any] | None = None,
        filter_scopes_for_user: Callable[..., Any] | None = None,
        integration: Integration | None = None,
    ) -> None:
        """`get_current_user`: the app's own dependency, as it stands in `Depends(…)`.

        `verify_user_token`: the user of a Bearer that is not an agent's, where no dependency can
        run (WebSockets, mounted apps). `users_collection`: the table or collection of
        `storage.url` that holds users. `load_user`: instead of that, a function from a user's id to
        the user. `is_admin`, `filter_scopes_for_user`: as in `create_agentadmit_router`.
        Raises `ConfigurationError`.
        """
        self.app = app
        self.integration = integration or Integration(
            config_path,
            config,
            get_current_user=get_current_user,
            verify_user_token=verify_user_token,
            users_collection=users_collection,
            load_user=load_user,
            is_admin=is_admin,
            filter_scopes_for_user=filter_scopes_for_user,
        )
        self._mounted: weakref.WeakKeyDictionary[Any, MountedRoutes] = weakref.WeakKeyDictionary()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decides, and goes on to the app or answers."""
        if scope["type"] == "lifespan":
            self._mount(scope)
            await self.app(scope, receive, self._closing(send))
            return
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        mounted = self._mount(scope)
        if mounted is not None and mounted.takes(scope):
            await self.app(scope, receive, send)
            return
        try:
            head = head_of(scope, scope["path"])
            is_agent = self.integration.gate().is_agents(head)
            if head.is_form and scope["type"] == "http":
                form, receive = await form_of(receive)
                self.integration.gate().check_form(form)
        except AgentAdmitError as error:
            if self._reaches_mounted(scope):
                await self.app(scope, receive, send)
            else:
                await answer(scope, receive, send, error)
            return
        known = RequestState(self.integration, head, is_agent)
        scope[state.KEY] = known

        as_it_came = dict(scope)

        async def told(message: Message) -> None:
            message = caches.told(message, known)
            await send(message if is_agent else self._leading(message, as_it_came))

        if is_agent:
            await self._agent(known, scope, receive, told, send)
        else:
            await self._people(scope, receive, told)

    def _closing(self, send: Send) -> Send:
        """Closes what the loop has open before the server hears that the app has ended."""
        source = self.integration.hooks.source

        async def closing(message: Message) -> None:
            if source is not None and message["type"].startswith("lifespan.shutdown"):
                await source.close_async()
            await send(message)

        return closing

    async def _people(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def watch(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except AgentAdmitError as error:
            if error.http is None or has_started:
                raise
            await answer(scope, receive, send, error)

    def _leading(self, message: Message, scope: Scope) -> Message:
        """A 401 of the app's own, where agents may come, shows clients the way to a token."""
        if message["type"] != "http.response.start" or message["status"] != 401:
            return message
        plan = routes.plan_for(self._inner(scope), scope)
        if plan is None:
            return message
        headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", [])]
        present = [value for name, value in headers if name.lower() == CHALLENGE]
        values = self.integration.gate().challenges(plan.guard, present)
        if values is None:
            return message
        kept = [pair for pair in headers if pair[0].lower() != CHALLENGE]
        return {**message, "headers": [*kept, *((CHALLENGE, value) for value in values)]}

    async def _agent(
        self, known: RequestState, scope: Scope, receive: Receive, send: Send, as_it_is: Send
    ) -> None:
        plan = routes.plan_for(self._inner(scope), scope)
        if plan is routes.OWN_GATE or plan is routes.MOUNTED:
            await self.app(scope, receive, as_it_is)
            return
        if plan is None:
            await self._refuse(known, scope, receive, send)
            return
        known.plan = plan
        stream = AgentStream(known, scope, receive, send)
        try:
            await self.app(scope, stream.receive, stream.send)
        except AgentAdmitError as error:
            if error.http is None or stream.has_started:
                raise
            await answer(scope, receive, send, error)
        except Exception:
            if not stream.is_broken:
                raise
            # the app was told by an error that nobody listens any more: the server hangs up

    async def _refuse(
        self, known: RequestState, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """No guard at all: closed to agents, whatever the app would have answered."""
        hooks = RequestHooks(self.integration.hooks, None, "/")
        try:
            await self.integration.admit(CLOSED, known.head, None, hooks)
        except AgentAdmitError as error:
            await answer(scope, receive, send, error)

    def _reaches_mounted(self, scope: Scope) -> bool:
        """Whether a mounted route will answer, which has rules of its own for tokens."""
        return routes.plan_for(self._inner(scope), scope) is routes.MOUNTED

    def _inner(self, scope: Scope) -> Any:
        """The app whose routes these are."""
        app = scope.get("app")
        return app if app is not None else self.app

    def _mount(self, scope: Scope) -> MountedRoutes | None:
        """Puts the mounted routes into the app's router, once."""
        app = self._inner(scope)
        try:
            mounted = self._mounted.get(app)
        except TypeError:
            return None
        if mounted is not None:
            return mounted
        router = getattr(app, "router", app)
        if not isinstance(getattr(router, "routes", None), list):
            return None
        mounted = MountedRoutes(self.integration, app)
        router.routes.insert(0, mounted)
        self._mounted[app] = mounted
        _INTEGRATIONS.setdefault(app, self.integration)
        from agentadmit.integrations.fastapi_integration.check import check

        for sentence in check(app):
            log.warning(sentence)
        return mounted


async def answer(scope: Scope, receive: Receive, send: Send, error: AgentAdmitError) -> None:
    """Answers with what a guard or the gate raised."""
    if error.http is None:
        raise error
    response = state.response_of(error.http)
    if scope["type"] == "websocket":
        websocket = WebSocket(scope, receive, send)
        await websocket.receive()
        await state.deny(websocket, response)
        return
    await response(scope, receive, send)


def integration_of(app: Any) -> Integration | None:
    """What an app was set up with; `None` for one without AgentAdmit."""
    if app is None:
        return None
    known = _INTEGRATIONS.get(app)
    if known is None:
        from agentadmit.integrations.fastapi_integration import router

        known = router.integration_in(app)
        if known is None:
            known = next((it for it in map(_told, getattr(app, "user_middleware", [])) if it), None)
        if known is not None:
            _INTEGRATIONS[app] = known
    return known


def _told(layer: Any) -> Integration | None:
    """What a middleware that is not built yet was told."""
    if getattr(layer, "cls", None) is not AgentAdmitMiddleware:
        return None
    told = AgentAdmitMiddleware(_nowhere, *layer.args, **layer.kwargs).integration
    layer.kwargs["integration"] = told
    return told


async def _nowhere(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """No app."""


def protect(app: Any, integration: Integration) -> None:
    """Puts the gate into an app that has only the routers.

    The app runs already, so its layers are built anew, with the gate as the innermost of them.
    """
    if routes.has_gate(app):
        return
    from starlette.middleware import Middleware

    app.user_middleware.append(Middleware(AgentAdmitMiddleware, integration=integration))
    app.middleware_stack = app.build_middleware_stack()


def late_state(integration: Integration, connection: HTTPConnection) -> RequestState:
    """The state of a request that came before the gate was there."""
    scope = connection.scope
    app = scope["app"]
    protect(app, integration)
    head = head_of(scope, scope["path"])
    state.say_how_to_answer(connection)
    known = RequestState(integration, head, integration.gate().is_agents(head))
    if known.is_agent:
        plan = routes.plan_for(app, _as_it_came(scope))
        known.plan = None if plan is routes.OWN_GATE else plan
    scope[state.KEY] = known
    return known


def _as_it_came(scope: Scope) -> Scope:
    """A scope without what the router has found in it."""
    return {key: value for key, value in scope.items() if key not in ("path_params", "fastapi")}
