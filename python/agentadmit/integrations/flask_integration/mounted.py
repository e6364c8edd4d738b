"""The mounted routes and the discovery document, as blueprints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app, request

from agentadmit.integrations._mounted import AUTHORIZE
from agentadmit.integrations._wsgi import head_of
from agentadmit.integrations.flask_integration import routes
from agentadmit.integrations.flask_integration.people import FlaskHooks, VisitorHooks
from agentadmit.integrations.flask_integration.state import (
    refuse_unprepared,
    response_of,
    setup_of,
)

if TYPE_CHECKING:
    from flask import Flask

    from agentadmit._core import Gate
    from agentadmit.integrations.flask_integration.state import FlaskSetup

DEFAULT_PREFIX = "/agentadmit"

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def blueprint() -> Blueprint:
    """All routes below the prefix: the app's own for one of their paths wins, for a path that is
    named weighs more than one that is caught.
    """
    mounted = Blueprint("agentadmit", __name__, url_prefix=DEFAULT_PREFIX)
    _add(mounted, "", "page")
    _add(mounted, "/<path:agentadmit_path>", "routes")
    return mounted


def documents(paths: tuple[str, ...]) -> Blueprint:
    """The discovery document, the app's public keys, and what OAuth clients may know of it, below
    no prefix.
    """
    well_known = Blueprint("agentadmit_documents", __name__)
    for number, path in enumerate(paths):
        _add(well_known, path, f"document{number}")
    return well_known


def _add(blueprint: Blueprint, path: str, name: str) -> None:
    def view(agentadmit_path: str = "") -> Response:
        setup = setup_of(current_app)
        if setup is None:
            refuse_unprepared()
        if path in setup.documents:
            return _document(setup, path)
        below = f"/{agentadmit_path}" if agentadmit_path else ""
        prefix = root_of(current_app) + request.path.removesuffix(below)
        return _serve(setup, setup.gate(prefix), prefix + below)

    setattr(view, routes.OURS, path)
    blueprint.add_url_rule(path, name, view, methods=_METHODS)


def _document(setup: FlaskSetup, path: str) -> Response:
    root = root_of(current_app)
    prefix = routes.prefix_in(current_app) or setup.settings.route_prefix
    gate = setup.gate(root + prefix)
    gate.set_routes(list(routes.guarded_routes(current_app, root)))
    return _serve(setup, gate, path)


def root_of(app: Flask) -> str:
    """Where the app really is: what the server says, else what its configuration says."""
    configured: str = app.config["APPLICATION_ROOT"] or ""  # pyright: ignore[reportUnknownVariableType]
    return (request.root_path or str(configured)).rstrip("/")  # pyright: ignore[reportUnknownArgumentType]


def _serve(setup: FlaskSetup, gate: Gate, path: str) -> Response:
    body = _body(gate.body_limit(path))
    if body is None:
        return response_of(gate.refuse_body(gate.body_limit(path)))
    head = head_of(request.environ, path)
    is_visit = path == gate.prefix + AUTHORIZE
    hooks = VisitorHooks(setup.hooks, is_for_agents=True) if is_visit else FlaskHooks(setup.hooks)
    return response_of(setup.serve(gate, head, body, hooks))


def _body(limit: int) -> bytes | None:
    """The body, or `None` when it has more bytes than that."""
    if (request.content_length or 0) > limit:
        return None
    body = bytearray()
    while piece := request.stream.read(limit + 1 - len(body)):
        body += piece
        if len(body) > limit:
            return None
    return bytes(body)
