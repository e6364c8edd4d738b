"""The gate before an app's views: whose request it is, and what of its answer goes out."""

from __future__ import annotations

import functools
import logging
from typing import Any

from flask import Flask, Response, current_app, g, request

from agentadmit._core import refuse
from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations._request import broken_off, guard_did_not_run
from agentadmit.integrations._wsgi import Again, form_of
from agentadmit.integrations.flask_integration import routes
from agentadmit.integrations.flask_integration.state import (
    FlaskRequest,
    FlaskSetup,
    answer_error,
    forget,
    forget_session,
    keep,
    kept,
    members,
    refuse_unprepared,
    setup_of,
)

log = logging.getLogger("agentadmit")

CHALLENGE = "WWW-Authenticate"

_WRAPPED = "agentadmit_protect"


def stand_before(app: Flask) -> None:
    """Puts the gate in front of everything that an app does with a request."""
    app.before_request_funcs.setdefault(None, []).insert(0, come_in)
    # those that were added last run first
    app.after_request_funcs.setdefault(None, []).insert(0, go_out)
    handlers = app.error_handler_spec[None][None]
    if AgentAdmitError not in handlers:
        app.register_error_handler(AgentAdmitError, answer_error)


def come_in() -> None:
    """Before every request: raises what an agent hears where no guard stands."""
    setup = setup_of(current_app)
    if setup is None:
        return
    forget()
    _mind_csrf()
    if routes.is_mounted(current_app, request):
        # these know by themselves whom they answer; what else the app does asks no session
        if _may_be_agents(setup):
            forget_session()
        return
    known = FlaskRequest(setup)
    keep(known)
    if known.head.is_form:
        setup.gate().check_form(_form())
    if known.is_agent:
        _let_agent_in(setup, known)


def _let_agent_in(setup: FlaskSetup, known: FlaskRequest) -> None:
    forget_session()
    known.act_as_agents_user()
    if "websocket" in request.headers.get("upgrade", "").lower():
        raise refuse(
            403, "agent_not_allowed", "agents open no WebSocket here: it cannot be watched"
        )
    known.plan = routes.plan_for(setup.plans, current_app, request)
    if known.plan is None:
        known.refuse()


def _may_be_agents(setup: FlaskSetup) -> bool:
    try:
        return FlaskRequest(setup).is_agent
    except AgentAdmitError:
        return True


def _form() -> bytes:
    """The beginning of a form, which is put back for whoever reads it."""
    environ = request.environ
    if "stream" in members():
        return b""
    length = request.content_length
    if length is None and not environ.get("wsgi.input_terminated"):
        return b""
    beginning = form_of(environ["wsgi.input"], length)
    environ["wsgi.input"] = Again(beginning, environ["wsgi.input"])
    return beginning


def of_request() -> FlaskRequest:
    """What is known of the request at hand. Raises where no gate stands before the app."""
    known = kept()
    if known is None:
        if setup_of(current_app) is None:
            refuse_unprepared()
        # a view that is called without Flask's way to it
        come_in()
        known = kept()
    if known is None:
        raise guard_did_not_run()
    return known


def go_out(response: Response) -> Response:
    """After every request: nothing goes out to an agent without a guard that let it pass."""
    known = kept()
    if known is None:
        return response
    if known.is_guarded or known.is_agent:
        response.vary.add("Authorization")
    if not known.is_agent:
        if response.status_code == 401:
            _show_the_way(response)
        return response
    # a view that signs somebody in, or remembers them, would hand the agent a session
    response.headers.remove("Set-Cookie")
    if known.admitted is None:
        return response if response.status_code >= 400 else _instead(response, guard_did_not_run())
    _keep_out_of_caches(response)
    if known.is_due:
        try:
            known.ask_again()
        except AgentAdmitError as error:
            broken_off(error)
            return _instead(response, error)
    if not response.is_sequence:
        response.response = known.watch(response.response)
    return response


def _show_the_way(response: Response) -> None:
    """A 401 of the app's own, at a view that agents may use, shows clients the way to a token."""
    setup = setup_of(current_app)
    plan = None if setup is None else routes.plan_for(setup.plans, current_app, request)
    if setup is None or plan is None:
        return
    present = [value.encode("latin-1") for value in response.headers.getlist(CHALLENGE)]
    values = setup.gate().challenges(plan.guard, present)
    if values is not None:
        response.headers.setlist(CHALLENGE, [value.decode("latin-1") for value in values])


def _keep_out_of_caches(response: Response) -> None:
    """What an agent was answered is nobody else's."""
    caching = response.cache_control
    caching.public = False
    caching.s_maxage = None
    if not caching.no_store:
        caching.private = True


def _instead(response: Response, error: AgentAdmitError) -> Response:
    response.close()
    return answer_error(error)


def _mind_csrf() -> None:
    """flask-wtf asks no token of an agent that was let in, and none before the mounted routes,
    which have rules of their own against other sites.
    """
    csrf: Any = current_app.extensions.get("csrf")
    if csrf is None or _WRAPPED in vars(csrf):
        return
    check = csrf.protect

    @functools.wraps(check)
    def protect(*arguments: Any, **named: Any) -> Any:
        if routes.is_mounted(current_app, request):
            return None
        known = kept()
        if known is None or not known.is_agent or known.plan is None:
            return check(*arguments, **named)
        known.admit(known.plan.guard)
        g.csrf_valid = True
        return None

    csrf.protect = protect
    setattr(csrf, _WRAPPED, True)
