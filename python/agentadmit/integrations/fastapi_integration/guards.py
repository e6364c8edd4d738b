"""The guards, as dependencies of FastAPI routes and decorators of Starlette endpoints."""

# no `from __future__ import annotations` here: FastAPI reads the annotations of these callables

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from fastapi import BackgroundTasks, Response
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from agentadmit._core import Agent
from agentadmit.context import AuthContext
from agentadmit.integrations._guards import BaseGuard, mark, named
from agentadmit.integrations._request import nobody
from agentadmit.integrations.fastapi_integration import state as states

_ABOUT = (
    "An agent's access token (`ag_at_…`), which it got for a connection token of one of the app's "
    "users."
)

_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


class RouteGuard(BaseGuard, SecurityBase):
    """A guard: `Depends(guard)` in a route of FastAPI, `@guard.endpoint` in one of Starlette.

    Errors are raised here, so that the app's own exception handlers see them; without one the
    answer is PROTOCOL's.
    """

    model = HTTPBearer(description=_ABOUT)
    scheme_name = "AgentAdmit"

    async def __call__(self, connection: HTTPConnection) -> AuthContext | None:
        """Lets a request pass or raises; `auth_ctx` of an agent, `None` for anybody else."""
        state = states.of(connection)
        if state.is_agent:
            return await state.admit(connection, self.core)
        if self.agents_only:
            await state.refuse_people(connection, self.core)
        return None

    def endpoint(self, function: _Endpoint) -> _Endpoint:
        """Guards a Starlette endpoint, a function of the request (or of the WebSocket)."""
        is_async = inspect.iscoroutinefunction(function)

        @functools.wraps(function)
        async def guarded(connection: HTTPConnection) -> Any:
            await self(connection)
            if is_async:
                return await function(connection)
            return await run_in_threadpool(function, connection)

        mark(guarded, self.core, before=function)
        return cast(_Endpoint, guarded)


def require_scope_if_agent(*scopes: str) -> RouteGuard:
    """People pass unchanged and without a call to the service; agents with all of these scopes."""
    return RouteGuard(named(scopes))


def require_scope(*scopes: str) -> RouteGuard:
    """Only agents with all of these scopes pass."""
    return RouteGuard(named(scopes), agents_only=True)


open_to_agents = RouteGuard(is_open=True)
"""Marks a route as open to agents: with no scope named in another guard, every agent with a live
connection passes."""


class _UserOrAgent(RouteGuard):
    """`Depends(get_current_user_or_agent)`: `auth_ctx`."""

    async def __call__(
        self,
        connection: HTTPConnection,
        response: Response = None,  # type: ignore[assignment]
        background: BackgroundTasks = None,  # type: ignore[assignment]
    ) -> AuthContext:
        """`auth_ctx` of the app's user or of an agent. Nobody hears what the app says."""
        state = states.of(connection)
        if state.is_agent:
            return await state.admit(connection, self.core)
        user = await state.current_user(connection, response, background)
        if user is None:
            raise nobody()
        return AuthContext(user)


class _Agent(RouteGuard):
    """`Depends(get_agentadmit_user)`: the agent part of `auth_ctx`."""

    async def __call__(self, connection: HTTPConnection) -> Agent:  # type: ignore[override]
        """The agent. Raises for people: 401 for nobody, 403 for a user."""
        state = states.of(connection)
        if state.is_agent:
            return cast(Agent, (await state.admit(connection, self.core)).agent)
        raise await state.refusal_of_people(connection, self.core)


get_current_user_or_agent = _UserOrAgent()
"""Dependency: `auth_ctx`, of the app's user or of an agent. A route for agents names a scope in
another guard, or is marked with `open_to_agents`."""

get_agentadmit_user = _Agent(agents_only=True)
"""Dependency: the agent part of `auth_ctx`, for routes of agents alone."""
