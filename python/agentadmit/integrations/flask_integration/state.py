"""What is known of one request, from the gate to the guards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from flask import Response, abort, current_app, g, request
from flask.globals import request_ctx
from flask.sessions import NullSession, SecureCookieSession
from werkzeug.local import LocalProxy

from agentadmit._core import BlockingClient
from agentadmit.context import AuthContext
from agentadmit.integrations._setup import SyncSetup, unprepared
from agentadmit.integrations._sync import SyncRequest
from agentadmit.integrations._wsgi import head_of
from agentadmit.integrations.flask_integration.people import (
    LOGIN_USER,
    AppHooks,
    FlaskHooks,
    members_of,
)
from agentadmit.integrations.flask_integration.routes import Plans

if TYPE_CHECKING:
    from agentadmit._core import Answer, Guard
    from agentadmit.exceptions import AgentAdmitError

EXTENSION = "agentadmit"
"""The name under which an app knows its set-up."""

_KEY = "agentadmit_request"
_ACTS = "_agentadmit_acts"


class AgentSession(NullSession):
    """An agent has no session: it begins empty, whatever cookie came along, and is not kept."""

    if not TYPE_CHECKING:  # what a session without a secret key refuses
        __setitem__ = SecureCookieSession.__setitem__
        __delitem__ = SecureCookieSession.__delitem__
        clear = SecureCookieSession.clear
        pop = SecureCookieSession.pop
        popitem = SecureCookieSession.popitem
        update = SecureCookieSession.update
        setdefault = SecureCookieSession.setdefault


def forget_session() -> None:
    """From now on the request at hand has an agent's session."""
    context = members_of(request_ctx)
    # Flask 3.1.3 keeps it behind a property
    context["_session" if "_session" in context else "session"] = AgentSession()


class FlaskSetup(SyncSetup[AppHooks]):
    """What one app was told, and what was found out about its routes."""

    def __init__(self, *told: Any) -> None:
        """Raises `ConfigurationError`."""
        super().__init__(BlockingClient, *told)
        self.plans: Plans = {}


class FlaskRequest(SyncRequest):
    """Whose request it is, and as whom its view runs."""

    __slots__ = ("_last", "hooks", "is_guarded")

    def __init__(self, setup: FlaskSetup) -> None:
        """Raises what the caller hears for a token in the wrong place."""
        self.hooks = setup.hooks
        self._last = FlaskHooks(setup.hooks)
        self.is_guarded = False
        super().__init__(setup, head_of(request.environ, request.path), self._new_hooks)

    def _new_hooks(self, *, is_for_agents: bool = False) -> FlaskHooks:
        self._last = FlaskHooks(self.hooks, is_for_agents=is_for_agents)
        return self._last

    def admit(self, guard: Guard) -> AuthContext:
        """`auth_ctx` of an agent that may pass, whom the view runs as from now on."""
        is_known = self.admitted is not None
        try:
            context = super().admit(guard)
        except Exception:
            self._act_as(None)
            raise
        if not is_known:
            g.agentadmit = context
            self._act_as(self._last.login_user)
        return context

    def act_as_agents_user(self) -> None:
        """flask-login's user is the agent's, whom the service is asked about at the first look."""
        if self.hooks.login_manager is not None:
            setattr(g, LOGIN_USER, LocalProxy(self._login_user))
            setattr(g, _ACTS, True)

    def _login_user(self) -> Any:
        if self.plan is None:
            # refused, or not let in yet: whoever looks now, such as an error's page, sees nobody
            self._act_as(None)
        else:
            self.admit(self.plan.guard)
        return getattr(g, LOGIN_USER)

    def _act_as(self, user: Any) -> None:
        """From now on flask-login's user is this one, and no longer whoever the session names."""
        manager = self.hooks.login_manager
        if manager is not None:
            setattr(g, LOGIN_USER, manager.anonymous_user() if user is None else user)

    def refuse_nobody(self) -> None:
        """Raises what the app answers to whoever is not signed in."""
        self._new_hooks().refuse_nobody()


def setup_of(app: Any) -> FlaskSetup | None:
    """What an app was set up with; `None` for one without AgentAdmit."""
    setup = app.extensions.get(EXTENSION)
    return setup if isinstance(setup, FlaskSetup) else None


def members() -> dict[str, Any]:
    """The members of the request at hand: unlike `g`, never shared with another request."""
    return members_of(request)


def forget() -> None:
    """Begins anew: what stands on `g` outlives a request where an app's tests share a context."""
    members().pop(_KEY, None)
    g.pop("agentadmit", None)
    if g.pop(_ACTS, False):
        g.pop(LOGIN_USER, None)


def keep(known: FlaskRequest) -> None:
    """Keeps what is known with the request at hand."""
    members()[_KEY] = known


def kept() -> FlaskRequest | None:
    """What is known of the request at hand; `None` where no gate let it in."""
    known = members().get(_KEY)
    return known if isinstance(known, FlaskRequest) else None


def answer_error(error: AgentAdmitError) -> Response:
    """PROTOCOL's answer to an error that a guard raised; any other goes on."""
    if error.http is None:
        raise error
    return response_of(error.http)


def response_of(answer: Answer) -> Response:
    """An answer of Flask's."""
    status, headers, body = answer
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    response = current_app.response_class(body, status)
    response.headers.clear()
    response.headers.extend([*pairs, ("content-length", str(len(body)))])
    return response


def refuse_unprepared() -> NoReturn:
    """Raises what a guard answers in an app without AgentAdmit."""
    abort(answer_error(unprepared("AgentAdmitFlask(app), or aa.init_app(app)")))
