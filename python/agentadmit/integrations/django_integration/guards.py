"""The guards: decorators of views, sync and async, functions and classes."""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import Any, TypeVar, cast

from django.http import HttpRequest
from django.utils.decorators import method_decorator

from agentadmit.context import AuthContext
from agentadmit.integrations._guards import BaseGuard, named
from agentadmit.integrations._request import nobody
from agentadmit.integrations._setup import unprepared
from agentadmit.integrations.django_integration import routes, state
from agentadmit.integrations.django_integration.people import is_async
from agentadmit.integrations.django_integration.state import RequestState

MIDDLEWARE = "agentadmit.integrations.django_integration.AgentAdmitMiddleware"

_View = TypeVar("_View")


class RouteGuard(BaseGuard):
    """A guard: `@guard` before a view, on a class, or in `method_decorator(guard)`.

    The middleware has asked the service before the view runs. What the guard has to say it raises
    where it stands, so that the app's own handling sees it; else the answer is PROTOCOL's.
    """

    def __call__(self, view: _View) -> _View:
        """The view behind the guard."""
        if isinstance(view, type):
            return cast(_View, self._on_class(view))
        guarded = self._awaited(view) if is_async(view) else self._plain(view)
        setattr(guarded, routes.new_mark(), self.core)
        return cast(_View, guarded)

    def check(self, request: HttpRequest) -> None:
        """Lets a request pass, or raises."""
        known = _state_of(request)
        if known.is_agent:
            known.passed(self.core)
        else:
            self.check_person(request, known)

    async def check_async(self, request: HttpRequest) -> None:
        """The same in an event loop."""
        known = _state_of(request)
        if known.is_agent:
            known.passed(self.core)
        else:
            await self.check_person_async(request, known)

    def check_person(self, request: HttpRequest, known: RequestState) -> None:
        """Lets whoever is no agent pass, or raises."""
        if self.agents_only:
            known.refuse_people(self.core)

    async def check_person_async(self, request: HttpRequest, known: RequestState) -> None:
        """The same in an event loop."""
        if self.agents_only:
            await known.refuse_people_async(self.core)

    def _on_class(self, kind: Any) -> Any:
        # a method of its own, so that the class that it is inherited from stays as it is
        kind.dispatch = method_decorator(self)(kind.dispatch)
        return kind

    def _plain(self, view: Any) -> Any:
        @functools.wraps(view)
        def guarded(*arguments: Any, **named: Any) -> Any:
            request = request_among(arguments)
            if _runs_in_a_loop():
                # the `dispatch` of a class with async methods: whoever calls it awaits its answer
                return self._then(request, view, arguments, named)
            self.check(request)
            return _answered(request, view(*arguments, **named))

        return guarded

    def _awaited(self, view: Any) -> Any:
        @functools.wraps(view)
        async def guarded(*arguments: Any, **named: Any) -> Any:
            return await self._then(request_among(arguments), view, arguments, named)

        return guarded

    async def _then(
        self, request: HttpRequest, view: Any, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> Any:
        await self.check_async(request)
        answer = view(*arguments, **named)
        return _answered(request, await answer if inspect.isawaitable(answer) else answer)


def require_scope_if_agent(*scopes: str) -> RouteGuard:
    """People pass unchanged and without a call to the service; agents with all of these scopes."""
    return RouteGuard(named(scopes))


def require_scope(*scopes: str) -> RouteGuard:
    """Only agents with all of these scopes pass."""
    return RouteGuard(named(scopes), agents_only=True)


open_to_agents = RouteGuard(is_open=True)
"""Marks a view as open to agents: with no scope named in another guard, every agent with a live
connection passes."""


class _UserOrAgent(RouteGuard):
    """`@get_current_user_or_agent`: the view finds `auth_ctx` in `request.agentadmit`."""

    def check_person(self, request: Any, known: RequestState) -> None:
        """The app's user, or 401."""
        request.agentadmit = _context_of(known.current_user())

    async def check_person_async(self, request: Any, known: RequestState) -> None:
        """The same in an event loop."""
        request.agentadmit = _context_of(await known.current_user_async())


def _context_of(user: Any) -> AuthContext:
    if user is None:
        raise nobody()
    return AuthContext(user)


get_current_user_or_agent = _UserOrAgent()
"""Decorator: `request.agentadmit` is `auth_ctx`, of the app's user or of an agent. A view for
agents names a scope in another guard, or is marked with `open_to_agents`."""

get_agentadmit_user = RouteGuard(agents_only=True)
"""Decorator: only agents pass, and `request.agentadmit.agent` is the agent. A view for agents names
a scope in another guard, or is marked with `open_to_agents`."""


def request_among(arguments: tuple[Any, ...]) -> HttpRequest:
    """The request that a view or a method is given; Django REST framework wraps it."""
    for argument in arguments[:2]:
        request = getattr(argument, "_request", argument)
        if isinstance(request, HttpRequest):
            return request
    raise TypeError("a guard stands before something that is given no request")


def _state_of(request: HttpRequest) -> RequestState:
    known = state.found(request)
    if known is None:
        raise unprepared(f"add {MIDDLEWARE!r} to MIDDLEWARE")
    known.is_guarded = True
    return known


def _answered(request: HttpRequest, response: Any) -> Any:
    """What a cache that stands around the guard is told."""
    known = state.found(request)
    if known is not None and hasattr(response, "headers"):
        state.say_to_caches(known, response)
    return response


def _runs_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
