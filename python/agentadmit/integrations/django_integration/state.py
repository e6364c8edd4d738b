"""What is known of one request, from the middleware to the guards."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.cache import patch_cache_control, patch_vary_headers

from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations import _request
from agentadmit.integrations._request import LOOKED_AT, Plan, broken_off, unplanned
from agentadmit.integrations._sync import SyncRequest
from agentadmit.integrations._wsgi import head_of
from agentadmit.integrations.django_integration.integration import Integration, integration
from agentadmit.integrations.django_integration.people import AsyncRequestHooks, RequestHooks

if TYPE_CHECKING:
    from agentadmit._core import Answer, Guard, Head
    from agentadmit.context import AuthContext

_KEY = "_agentadmit_state"


class RequestState(SyncRequest):
    """Whose request it is, and what the service said of it.

    The middleware asks when the view is known, so that all of the view runs as the agent's user.
    A refusal is kept for the guard, which raises it where it stands.
    """

    __slots__ = ("error", "integration", "is_guarded", "is_mounted", "was_raised")

    def __init__(self, known: Integration, head: Head, request: HttpRequest) -> None:
        """Raises what the caller hears for a token in the wrong place."""
        super().__init__(known.threads, head, functools.partial(RequestHooks, known.hooks, request))
        self.integration = known
        self.is_mounted = False
        self.is_guarded = False
        self.error: AgentAdmitError | None = None
        self.was_raised = False

    def _asked(self, *, is_for_agents: bool = False) -> AsyncRequestHooks:
        hooks = cast(RequestHooks, self._hooks(is_for_agents=is_for_agents))
        return AsyncRequestHooks(hooks)

    def ask(self, request: HttpRequest, plan: Plan) -> None:
        """One verify for all guards of an agent's request."""
        self.plan = plan
        try:
            _run_as(request, self.admit(plan.guard))
        except AgentAdmitError as error:
            self.error = error.with_traceback(None)

    async def ask_async(self, request: HttpRequest, plan: Plan) -> None:
        """The same in an event loop."""
        self.plan = plan
        asked_at = _request.monotonic()
        loops = self.integration.loops
        try:
            admitted, user = await loops.admit(plan.guard, self.head, plan.template, self._asked())
            if admitted is None:
                raise unplanned()
            _run_as(request, self.keep(admitted, user, plan.guard, asked_at))
        except AgentAdmitError as error:
            self.error = error.with_traceback(None)

    def passed(self, guard: Guard) -> AuthContext:
        """`auth_ctx` of an agent at a guard. Raises what the agent hears."""
        if self.error is not None:
            self.was_raised = True
            raise self.error
        context = self.known(guard)
        if context is None:
            raise unplanned()
        return context

    def closed(self) -> AgentAdmitError:
        """What an agent hears at a view without a guard. Nobody is asked."""
        try:
            self.refuse()
        except AgentAdmitError as error:
            return error
        return unplanned()

    async def refuse_people_async(self, guard: Guard) -> None:
        """Raises what people hear where only agents pass."""
        hooks = self._asked(is_for_agents=True)
        await self.integration.loops.admit(guard, self.head, None, hooks)
        raise unplanned()

    async def current_user_async(self) -> Any:
        """The app's user."""
        return await self._asked().current_user()

    def refusal_meanwhile(self) -> AgentAdmitError | None:
        """Asks once more when the view took so long that the answer of the service is old."""
        if self.admitted is not None and self.is_due:
            try:
                self.ask_again()
            except AgentAdmitError as error:
                return error
        return None

    async def refusal_meanwhile_async(self) -> AgentAdmitError | None:
        """The same in an event loop."""
        if self.admitted is not None and self.is_due:
            try:
                await self.ask_again_async()
            except AgentAdmitError as error:
                return error
        return None

    async def ask_again_async(self) -> None:
        """Asks once more while an answer goes out. Raises when the agent may not go on."""
        if self.admitted is None:
            raise unplanned()
        asked_at = _request.monotonic()
        hooks = self._asked()
        await self.integration.loops.ask_again(self.admitted, hooks)
        self.asked_at = asked_at

    async def watch_async(
        self, pieces: AsyncIterator[bytes], close: Callable[[], None]
    ) -> AsyncIterator[bytes]:
        """`watch` in an event loop. `close` is the answer's: under ASGI nobody calls it when the
        pieces end with an error, and databases stay open.
        """
        async for piece in pieces:
            if self.is_due:
                try:
                    await self.ask_again_async()
                except AgentAdmitError as error:
                    await sync_to_async(close)()
                    raise broken_off(error) from None
            yield piece


def _run_as(request: Any, context: AuthContext) -> None:
    """The request is the agent's user's from here on; no session says so."""

    async def auser() -> Any:
        return context.user

    request.agentadmit = context
    request.user, request.auser = context.user, auser


def found(request: HttpRequest) -> RequestState | None:
    """The state of a request that came through the middleware."""
    state = getattr(request, _KEY, None)
    return state if isinstance(state, RequestState) else None


def begin(request: Any) -> RequestState:
    """Whose request it is. Raises what the caller hears for a token in the wrong place."""
    request.agentadmit = None
    known = integration()
    head = head_of(request.META, request.path_info)
    state = RequestState(known, head, request)
    if head.is_form:
        known.threads.gate().check_form(_form_of(request))
    setattr(request, _KEY, state)
    if state.is_agent:
        _without_cookies(request)
    return state


def _form_of(request: HttpRequest) -> bytes:
    """The beginning of a form. One that Django would not read either is not looked at."""
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if most is not None and length > most:
        return b""
    try:
        return request.body[:LOOKED_AT]
    except UnreadablePostError:
        # nobody is there to hear anything
        return b""


def _without_cookies(request: Any) -> None:
    """Whatever cookie comes with an agent's token: the session behind it is nobody's here."""
    request.META.pop("HTTP_COOKIE", None)
    request.COOKIES = {}
    # a middleware that stands before ours has made these of the cookie already
    if hasattr(request, "session"):
        request.session = type(request.session)()
    if hasattr(request, "user"):
        from django.contrib.auth.models import AnonymousUser

        request.user = AnonymousUser()


def say_to_caches(known: RequestState, response: Any) -> None:
    """Whose answer it is: an agent's is for this agent and this moment, and no cache hands it out
    again; a person's at a guard is none for agents."""
    patch_vary_headers(response, ("Authorization",))
    if known.is_agent:
        patch_cache_control(response, private=True)


def response_of(http: Answer) -> HttpResponse:
    """An answer of Django's."""
    status, headers, body = http
    response = HttpResponse(body, status=status)
    del response["Content-Type"]
    for name, value in headers:
        response[name.decode("latin-1")] = value.decode("latin-1")
    response["Content-Length"] = str(len(body))
    return response


def answer_of(error: AgentAdmitError) -> HttpResponse | None:
    """PROTOCOL's answer to what a guard raised; `None` for any other error."""
    return None if error.http is None else response_of(error.http)
