"""The gate before all views: those without a guard are closed to agents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, cast

from asgiref.sync import markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations._request import Plan
from agentadmit.integrations.django_integration import routes, state
from agentadmit.integrations.django_integration.integration import integration
from agentadmit.integrations.django_integration.people import is_async
from agentadmit.integrations.django_integration.state import RequestState

Response = HttpResponseBase

CHALLENGE = "WWW-Authenticate"


class AgentAdmitMiddleware:
    """`agentadmit.integrations.django_integration.AgentAdmitMiddleware` in `MIDDLEWARE`.

    Its place is before the middleware of sessions, of users and of CSRF tokens: an agent's request
    reaches them without cookies. It asks the service when the view is known, before anything of
    the view runs, and the request runs as the agent's user.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        """Reads the setting. Raises `ConfigurationError`: a project without it does not start."""
        integration()
        self.get_response = get_response
        self.process_view: Callable[..., Any] = self._view
        self._is_async = is_async(get_response)
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view = self._view_async

    def __call__(self, request: HttpRequest) -> Response | Awaitable[Response]:
        """Decides whose request it is, and looks at what goes out to an agent."""
        if self._is_async:
            return self._call_async(request)
        refused = self._begin(request)
        if refused is not None:
            return refused
        response: Response = self.get_response(request)
        known = state.found(request)
        if known is None:
            return response
        return self._end(request, known, response, known.refusal_meanwhile())

    async def _call_async(self, request: HttpRequest) -> Response:
        refused = self._begin(request)
        if refused is not None:
            return refused
        response: Response = await self.get_response(request)
        known = state.found(request)
        if known is None:
            return response
        return self._end(request, known, response, await known.refusal_meanwhile_async())

    def _begin(self, request: HttpRequest) -> Response | None:
        try:
            state.begin(request)
        except AgentAdmitError as error:
            # mounted routes have rules of their own for tokens
            return None if _reaches_mounted(request) else state.answer_of(error)
        return None

    def _view(
        self, request: HttpRequest, view: Any, _arguments: Any, _named: Any
    ) -> Response | None:
        planned = _planned(request, view)
        if not isinstance(planned, Planned):
            return planned
        planned.known.ask(request, planned.plan)
        _spare_csrf(request)
        return None

    async def _view_async(
        self, request: HttpRequest, view: Any, _arguments: Any, _named: Any
    ) -> Response | None:
        planned = _planned(request, view)
        if not isinstance(planned, Planned):
            return planned
        await planned.known.ask_async(request, planned.plan)
        _spare_csrf(request)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> Response | None:
        """PROTOCOL's answer to what a guard raised, unless the app has one of its own."""
        return state.answer_of(exception) if isinstance(exception, AgentAdmitError) else None

    def _end(
        self,
        request: HttpRequest,
        known: RequestState,
        response: Response,
        refusal: AgentAdmitError | None,
    ) -> Response:
        if known.is_mounted:
            return response
        if not known.is_agent:
            if known.is_guarded:
                state.say_to_caches(known, response)
            if response.status_code == 401:
                _show_the_way(request, response)
            return response
        if known.plan is None:
            # no view was reached: nobody has let the agent have this, unless it is to come later
            is_later = response.status_code >= 500 or response.status_code == 429
            return response if is_later else _answer(known.closed(), response)
        if known.error is not None and not known.was_raised:
            # something before the guard has answered
            refusal = known.error
        if refusal is not None:
            return _answer(refusal, response)
        # a view that signs its user in does not sign the agent in: that would know no scopes
        response.cookies.clear()
        state.say_to_caches(known, response)
        if response.streaming and known.admitted is not None:
            _watch(known, response)
        return response


class Planned(NamedTuple):
    """An agent's request to a view with guards."""

    known: RequestState
    plan: Plan


def _planned(request: HttpRequest, view: Any) -> Planned | Response | None:
    """What an agent's request asks for, or its refusal; `None` for what is no agent's matter."""
    known = state.found(request)
    if known is None or not known.is_agent:
        return None
    if routes.is_ours(view):
        known.is_mounted = True
        return None
    plan = routes.plan_for(view, request)
    return state.answer_of(known.closed()) if plan is None else Planned(known, plan)


def _show_the_way(request: HttpRequest, response: Response) -> None:
    """A 401 of the app's own, at a view that agents may use, shows clients the way to a token."""
    match = request.resolver_match
    plan = None if match is None else routes.plan_for(match.func, request)
    if plan is None:
        return
    own = response.headers.get(CHALLENGE)
    present = [] if own is None else [own.encode("latin-1")]
    values = integration().threads.gate().challenges(plan.guard, present)
    if values is not None:
        # Django keeps one line of a name
        response.headers[CHALLENGE] = ", ".join(value.decode("latin-1") for value in values)


def _spare_csrf(request: Any) -> None:
    """Goes on to the view, which runs as the agent's user, or to its guard, which raises.

    Its cookies were taken away: there is nothing that a CSRF token could keep safe.
    """
    request._dont_enforce_csrf_checks = True


def _watch(known: RequestState, response: Any) -> None:
    """Asks again every 30 s while an answer goes out.

    A file is streamed too: what a server sends by itself (`wsgi.file_wrapper`) nobody looks at.
    """
    pieces = response.streaming_content
    response.streaming_content = (
        known.watch_async(pieces, response.close) if response.is_async else known.watch(pieces)
    )


def _answer(error: AgentAdmitError, instead_of: Response) -> Response:
    instead_of.close()
    return cast(Response, state.answer_of(error))


def _reaches_mounted(request: HttpRequest) -> bool:
    try:
        return routes.is_ours(resolve(request.path_info).func)
    except Resolver404:
        return False
