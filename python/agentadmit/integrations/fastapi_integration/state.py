"""What is known of one request, from the middleware to the guards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from agentadmit._core import Guard, Head
from agentadmit.context import AuthContext
from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations import _request
from agentadmit.integrations._request import Admission, unplanned
from agentadmit.integrations.fastapi_integration.integration import Integration, unprepared
from agentadmit.integrations.fastapi_integration.people import RequestHooks

if TYPE_CHECKING:
    from starlette.background import BackgroundTasks

    from agentadmit.integrations._request import Plan

KEY = "agentadmit"
"""Where it stands in an ASGI scope."""


class RequestState(Admission):
    """Whose request it is, and what the service said of it."""

    __slots__ = ("head", "integration", "is_agent", "is_guarded", "plan")

    def __init__(self, integration: Integration, head: Head, is_agent: bool) -> None:
        """Nothing has been asked yet."""
        super().__init__()
        self.integration = integration
        self.head = head
        self.is_agent = is_agent
        self.is_guarded = False
        self.plan: Plan | None = None

    async def admit(self, connection: HTTPConnection, guard: Guard) -> AuthContext:
        """One verify for all guards of a request. Raises what the agent hears."""
        say_how_to_answer(connection)
        known = self.known(guard)
        if known is not None:
            return known
        plan = self.plan
        whole = guard if plan is None else plan.guard
        template = template_at(connection) if plan is None else plan.template
        asked_at = _request.monotonic()
        hooks = RequestHooks(self.integration.hooks, connection, template)
        admitted, user = await self.integration.admit(whole, self.head, template, hooks)
        if admitted is None:
            raise unprepared()
        return self.keep(admitted, user, guard, asked_at)

    async def ask_again(self) -> None:
        """Asks once more while an answer goes out. Raises when the agent may not go on."""
        if self.admitted is None:
            raise unplanned()
        asked_at = _request.monotonic()
        hooks = RequestHooks(self.integration.hooks, None, "/")
        await self.integration.ask_again(self.admitted, hooks)
        self.asked_at = asked_at

    async def refuse_people(self, connection: HTTPConnection, guard: Guard) -> None:
        """Raises what people hear where only agents pass."""
        raise await self.refusal_of_people(connection, guard)

    async def refusal_of_people(self, connection: HTTPConnection, guard: Guard) -> Exception:
        """401 for nobody, 403 for the app's user."""
        say_how_to_answer(connection)
        hooks = _Asked(self.integration, connection)
        try:
            await self.integration.admit(guard, self.head, None, hooks)
        except AgentAdmitError as error:
            return error
        return unplanned()

    async def current_user(
        self,
        connection: HTTPConnection,
        response: Response | None,
        background: BackgroundTasks | None,
    ) -> Any:
        """The app's user, by the app's own dependency; what that did to the answer is kept."""
        say_how_to_answer(connection)
        hooks = RequestHooks(self.integration.hooks, connection, template_at(connection))
        user = await hooks.current_user()
        solved = hooks.solved
        if solved is not None and response is not None:
            response.headers.raw.extend(solved.raw)
            if solved.status is not None:
                response.status_code = solved.status
        if solved is not None and solved.background is not None and background is not None:
            background.tasks.extend(getattr(solved.background, "tasks", [solved.background]))
        return user


class _Asked(RequestHooks):
    """For guards of agents alone: whoever the app does not know is nobody."""

    def __init__(self, integration: Integration, connection: HTTPConnection) -> None:
        super().__init__(integration.hooks, connection, template_at(connection))

    async def current_user(self) -> Any:
        if self.app.current is None and self.app.verify_user_token is None:
            return None
        try:
            return await super().current_user()
        except HTTPException as error:
            if error.status_code in (401, 403):
                return None
            raise
        except AgentAdmitError:
            return None


def of(connection: HTTPConnection) -> RequestState:
    """The state of a request, for a guard. Raises where no gate stands before the app."""
    state = connection.scope.get(KEY)
    if isinstance(state, RequestState):
        state.is_guarded = True
        return state
    from agentadmit.integrations.fastapi_integration.middleware import integration_of, late_state

    integration = integration_of(connection.scope.get("app"))
    if integration is None:
        say_how_to_answer(connection)
        raise unprepared()
    return late_state(integration, connection)


def template_at(connection: HTTPConnection) -> str:
    """The template of the route that was reached, for a dependency that reads path parameters."""
    route = connection.scope.get("route")
    template = getattr(route, "path_format", None) or getattr(route, "path", None)
    parameters: dict[str, Any] = connection.scope.get("path_params") or {}
    names = "".join(f"/{{{name}}}" for name in parameters)
    if isinstance(template, str) and all(f"{{{name}" in template for name in parameters):
        return template
    return names or "/"


def say_how_to_answer(connection: HTTPConnection) -> None:
    """PROTOCOL's answer, for errors that the app has no exception handler for.

    Starlette keeps the handlers of the request there; what is answered at the route is seen by the
    middleware around it as any other answer. Where they are not there, the middleware answers.
    """
    handlers: Any = connection.scope.get("starlette.exception_handlers")
    if handlers:
        handlers[0].setdefault(AgentAdmitError, answer_error)


async def answer_error(connection: Request | WebSocket, error: Exception) -> Response | None:
    """The answer of an error that a guard raised; any other goes on."""
    http = getattr(error, "http", None)
    if http is None:
        raise error
    response = response_of(http)
    if isinstance(connection, WebSocket):
        await deny(connection, response)
        return None
    return response


def response_of(http: tuple[int, list[tuple[bytes, bytes]], bytes]) -> Response:
    """An answer of Starlette's."""
    status, headers, body = http
    response = Response(body, status)
    response.raw_headers = [*headers, (b"content-length", str(len(body)).encode())]
    return response


async def deny(websocket: WebSocket, response: Response) -> None:
    """Refuses a WebSocket that is not open: with the answer where the server can, else with 403."""
    if "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(response)
    else:
        await websocket.close(1008)
