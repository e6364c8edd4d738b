"""PROTOCOL's guard table in Flask: views that are plain, async, class-based, and in blueprints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, abort, g, request
from flask.views import MethodView
from guard_table import ROUTES, load_user, play
from servers import serving_wsgi
from support import Site, Spy

from agentadmit.integrations.flask_integration import AgentAdmitFlask
from agentadmit.testing import App

View = Callable[..., Any]
CONTEXTS = ("get_current_user_or_agent", "get_agentadmit_user")


def current_user() -> dict[str, str]:
    if "session" not in request.cookies:
        abort(401)
    return {"user_id": request.cookies["session"]}


def decorators_of(aa: AgentAdmitFlask, route: Any) -> list[Callable[[View], View]]:
    found: list[Any] = [aa.open_to_agents] if route["open_to_agents"] else []
    for guard in route["guards"]:
        guarded = getattr(aa, guard["guard"])
        found.append(guarded if guard["guard"] in CONTEXTS else guarded(*guard["scopes"]))
    return found


def told(route: Any) -> Any:
    """What a handler of the table is handed over."""
    names = [guard["guard"] for guard in route["guards"]]
    if "get_agentadmit_user" in names:
        return g.agentadmit.agent
    return g.agentadmit if "get_current_user_or_agent" in names else None


def plain(ran: list[Any], route: Any) -> View:
    def view() -> str:
        ran.append(told(route))
        return "data"

    return view


def is_async(ran: list[Any], route: Any) -> View:
    async def view() -> str:
        ran.append(told(route))
        return "data"

    return view


def of_class(ran: list[Any], route: Any, decorators: list[Any], *, on_class: bool) -> View:
    def post(self: Any) -> str:
        ran.append(told(route))
        return "data"

    if not on_class:
        for decorator in reversed(decorators):
            post = decorator(post)
    members = {"post": post, "decorators": decorators[::-1] if on_class else []}
    return type("Case", (MethodView,), members).as_view(route["name"])


@pytest.fixture(params=["plain", "async", "class", "method", "blueprint", "whole blueprint"])
def played(
    request: pytest.FixtureRequest, config: Callable[..., Path]
) -> Iterator[tuple[Site, list[Any]]]:
    ran: list[Any] = []
    app, aa = Flask("table"), AgentAdmitFlask()
    aa.user_loader(load_user)
    cases = Blueprint("cases", __name__, url_prefix="/guard-cases")
    for route in ROUTES.values():
        decorators = decorators_of(aa, route)
        at: Any = cases
        if request.param in ("class", "method"):
            view = of_class(ran, route, decorators, on_class=request.param == "class")
        else:
            view = (is_async if request.param == "async" else plain)(ran, route)
            if request.param == "whole blueprint":
                at = Blueprint(route["name"], __name__)
                for decorator in decorators:
                    decorator.blueprint(at)
            else:
                for decorator in reversed(decorators):
                    view = decorator(view)
        at.add_url_rule(f"/{route['name']}", route["name"], view, methods=["POST"])
        if at is not cases:
            cases.register_blueprint(at)
    if request.param == "blueprint":
        outer = Blueprint("outer", __name__)
        outer.register_blueprint(cases)
        cases = outer
    app.register_blueprint(cases)
    aa.init_app(app, config(), get_current_user=current_user)
    with serving_wsgi(app) as site:
        yield site, ran


def test_every_cell(played: tuple[Site, list[Any]], shop: App, spy: Spy) -> None:
    play(*played, shop, spy)
