"""The app's own users, in the scope of one request: its dependency, solved by FastAPI itself."""

# no `from __future__ import annotations` here: FastAPI reads the annotations of these functions

import inspect
from collections.abc import Callable, MutableMapping
from typing import Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from agentadmit._driver import user_of
from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations._setup import AppHooks as BaseHooks
from agentadmit.integrations._setup import bearer_of, id_in, unknown_users

Dependency = Callable[..., Any]

# how many (app, template) pairs keep their handler
_MOST_HANDLERS = 4096


class Solved(Response):
    """No answer: carries a dependency's value, and what it did to the answer, out of FastAPI."""

    def __init__(self, user: Any, response: Response) -> None:
        """`response` is the one that the dependency was given."""
        super().__init__()
        self.user = user
        self.raw = response.headers.raw
        # FastAPI hands out one without a status
        self.status: int | None = response.status_code


class CurrentUser:
    """`get_current_user`: the app's own FastAPI dependency, exactly as its routes use it.

    It stands as `Depends(get_current_user)` in a route of FastAPI's own making, whose handler is
    given the request at hand: so FastAPI solves it with everything below it, enters what yields
    into this request's exit stack, and heeds `dependency_overrides`.
    """

    def __init__(self, dependency: Dependency) -> None:
        """`dependency` is whatever stands in the app's `Depends(…)`."""
        self.dependency = dependency
        self._handlers: dict[tuple[int, str], tuple[Any, Callable[[Request], Any]]] = {}

    async def solve(self, request: Request, template: str) -> Solved:
        """The user, in this request. What the dependency raises goes through."""
        solved = await self._handler(request.app, template)(request)
        if not isinstance(solved, Solved):  # pragma: no cover - the endpoint makes nothing else
            raise TypeError("FastAPI answered something else than the endpoint")
        return solved

    def _handler(self, app: Any, template: str) -> Callable[[Request], Any]:
        known = self._handlers.get((id(app), template))
        if known is not None and known[0] is app:
            return known[1]

        async def endpoint(
            response: Response,
            user: Any = Depends(self.dependency),
        ) -> Solved:
            return Solved(user, response)

        route = APIRoute(template, endpoint, response_model=None, dependency_overrides_provider=app)
        handler = route.get_route_handler()
        if len(self._handlers) >= _MOST_HANDLERS:
            self._handlers.clear()
        self._handlers[id(app), template] = (app, handler)
        return handler


def is_fastapi(scope: MutableMapping[str, Any]) -> bool:
    """Whether a dependency can be solved here: in an HTTP request of a FastAPI app."""
    return scope["type"] == "http" and isinstance(scope.get("app"), FastAPI)


class AppHooks(BaseHooks):
    """What the app said when it was set up, and its dependency."""

    def __init__(self, get_current_user: Dependency | None, **told: Any) -> None:
        """`told`: the hooks of any framework."""
        super().__init__(**told)
        self.current = CurrentUser(get_current_user) if get_current_user is not None else None


class RequestHooks:
    """The same for one request: `agentadmit._driver.Hooks`."""

    def __init__(self, app: AppHooks, connection: HTTPConnection | None, template: str) -> None:
        """`connection` is `None` where only agents' users are loaded."""
        self.app = app
        self.connection = connection
        self.template = template
        self.solved: Solved | None = None

    async def current_user(self) -> Any:
        """The signed-in user; raises what the dependency raises, or which argument is missing."""
        app, connection = self.app, self.connection
        if app.current is not None and isinstance(connection, Request):
            if is_fastapi(connection.scope):
                self.solved = await app.current.solve(connection, self.template)
                return self.solved.user
            if _takes_a_request(app.current.dependency):
                return await _call(app.current.dependency, connection)
        if app.verify_user_token is not None:
            told = None if connection is None else connection.headers.get("authorization")
            token = bearer_of(told)
            return None if token is None else await _call(app.verify_user_token, token)
        raise not_said(self.connection, app)

    async def load_user(self, user_id: str) -> Any:
        """The user in whose name an agent calls."""
        if self.app.load is not None:
            return await _call(self.app.load, user_id)
        if self.app.source is not None:
            return await self.app.source.load_async(user_id)
        return user_of(user_id)

    async def sign_in_page(self, back: str) -> Any:
        """FastAPI has no page to sign in: `login_path` says where the app's is."""
        return None

    async def is_admin(self, user: Any) -> Any:
        """The app's admin check."""
        return await _call(self.app.is_admin, user) if self.app.is_admin else False

    async def filter_scopes(self, user: Any, scopes: list[dict[str, Any]]) -> Any:
        """What the app lets this user grant."""
        return await _call(self.app.filter, user, scopes) if self.app.filter else scopes

    def id_of(self, user: Any, *, is_loaded: bool) -> str | None:
        """A user's id."""
        return id_in(user, self.app.user_id_field, is_loaded=is_loaded)


class VisitorHooks(RequestHooks):
    """For a page that sends whoever is not signed in to sign in: the app's 401 means nobody. Where
    it answers with the way to its own page itself, that goes through.
    """

    async def current_user(self) -> Any:
        """The signed-in user, or `None`."""
        try:
            return await super().current_user()
        except HTTPException as error:
            if error.status_code in (401, 403):
                return None
            raise


def _takes_a_request(dependency: Dependency) -> bool:
    """Whether a dependency can be called with the request alone, as in an app of Starlette."""
    try:
        inspect.signature(dependency).bind(None)
    except (TypeError, ValueError):
        return False
    parameters = inspect.signature(dependency).parameters.values()
    return all(isinstance(it.default, type(inspect.Parameter.empty)) for it in parameters)


async def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """An app's function, on a thread where it is a plain one."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004
    ):
        return await function(*arguments)
    answer = await run_in_threadpool(function, *arguments)
    return await answer if inspect.isawaitable(answer) else answer


def not_said(connection: HTTPConnection | None, app: AppHooks) -> AgentAdmitError:
    """501: nobody told us who the app's users are."""
    if app.current is None and (connection is None or is_fastapi(connection.scope)):
        argument = "get_current_user"
        why = "the app's own dependency"
    else:
        argument = "verify_user_token"
        why = "no dependency can run here (a WebSocket, or a mounted app)"
    return unknown_users(
        f"who signs in to this app is not known here: give `{argument}=` to AgentAdmit, {why}"
    )
