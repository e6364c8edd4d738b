"""The mounted routes and the discovery document, as views."""

from __future__ import annotations

import logging
from typing import Any

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import get_script_prefix, reverse
from django.views.decorators.csrf import csrf_exempt

from agentadmit._core import Gate, refuse
from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations._mounted import AUTHORIZE
from agentadmit.integrations._wsgi import head_of
from agentadmit.integrations.django_integration import routes
from agentadmit.integrations.django_integration.integration import Integration, integration
from agentadmit.integrations.django_integration.people import RequestHooks, VisitorHooks
from agentadmit.integrations.django_integration.state import answer_of, response_of

log = logging.getLogger("agentadmit")


def _mounted(view: Any) -> Any:
    """A view that knows by itself whom it answers.

    What changes something wants JSON from the app's own origin (PROTOCOL, Cross-site), which stands
    in for Django's CSRF token: agents that exchange have none, and the page of the routes neither.
    """
    view = csrf_exempt(view)
    # `login_not_required` of Django 5.1, by what it leaves
    view.login_required = False
    setattr(view, routes.OURS, True)
    return view


@_mounted
def below_prefix(request: HttpRequest, below: str = "") -> HttpResponse:
    """Everything at and below the prefix."""
    return _answer(request, request.path, request.path.removesuffix(below))


@_mounted
def document(request: HttpRequest) -> HttpResponse:
    """What agents may know of the app, and its public keys. They know neither prefix nor mount."""
    match = request.resolver_match
    names = [*match.namespaces, "page"] if match is not None else ["page"]
    return _answer(request, request.path_info, reverse(":".join(names)), is_document=True)


def _answer(
    request: HttpRequest, path: str, prefix: str, *, is_document: bool = False
) -> HttpResponse:
    try:
        known = integration()
        if not known.has_public_url:
            raise _no_address()
        gate = known.threads.gate(prefix)
        if is_document:
            root = get_script_prefix().rstrip("/")
            found = routes.guarded_routes()
            gate.set_routes([(method, root + path, guard) for method, path, guard in found])
        return _served(known, gate, request, path)
    except AgentAdmitError as error:
        response = answer_of(error)
        if response is None:
            raise
        return response


def _served(known: Integration, gate: Gate, request: HttpRequest, path: str) -> HttpResponse:
    limit = gate.body_limit(path)
    body = _body(request, limit)
    if body is None:
        return response_of(gate.refuse_body(limit))
    is_visit = path == gate.prefix + AUTHORIZE
    hooks = (
        VisitorHooks(known.hooks, request, is_for_agents=True)
        if is_visit
        else RequestHooks(known.hooks, request)
    )
    response = response_of(known.threads.serve(gate, head_of(request.META, path), body, hooks))
    if request.method == "HEAD":
        # its length stays that of the answer to GET
        response.content = b""
    return response


def _body(request: HttpRequest, limit: int) -> bytes | None:
    """The body, or `None` when it has more bytes than that."""
    try:
        body = request.read(limit + 1)
    except UnreadablePostError:
        # nobody is there to hear that it is half a body
        return b""
    return None if len(body) > limit else body


def _no_address() -> AgentAdmitError:
    text = (
        'the app\'s own address is not known here: add AGENTADMIT["PUBLIC_URL"], such as '
        "https://app.example.com"
    )
    log.error(text)
    return refuse(501, "not_implemented", text)
