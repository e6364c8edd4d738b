"""PROTOCOL's guard table, cell by cell: functions and classes, sync and async, WSGI and ASGI."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import guard_table
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from guard_table import ROUTES
from projects import project, served_by, session
from support import Spy

from agentadmit.context import AuthContext
from agentadmit.integrations.django_integration import (
    get_agentadmit_user,
    get_current_user_or_agent,
    open_to_agents,
    require_scope,
    require_scope_if_agent,
)
from agentadmit.testing import App

GUARDS: dict[str, Callable[..., Any]] = {
    "require_scope_if_agent": require_scope_if_agent,
    "require_scope": require_scope,
    "get_current_user_or_agent": lambda: get_current_user_or_agent,
    "get_agentadmit_user": lambda: get_agentadmit_user,
}


def guards_of(route: dict[str, Any]) -> list[Any]:
    found = [GUARDS[it["guard"]](*it.get("scopes", ())) for it in route["guards"]]
    return [*found, open_to_agents] if route["open_to_agents"] else found


def told(request: Any, route: dict[str, Any]) -> Any:
    """What the handler of a route was handed over, its user as the table knows one."""
    names = [it["guard"] for it in route["guards"]]
    context: AuthContext | None = request.agentadmit
    if context is not None and context.agent is not None:
        assert request.user == context.user
        assert request.user.is_authenticated
    if "get_agentadmit_user" in names:
        assert context is not None
        return context.agent
    if "get_current_user_or_agent" not in names:
        return None
    assert context is not None
    user = {"user_id": context.user.pk}
    if context.agent is None:
        return AuthContext(user)
    return AuthContext({**user, "name": context.user.user_id.title()}, context.agent)


def function(route: dict[str, Any], ran: list[Any]) -> Any:
    def view(request: HttpRequest) -> HttpResponse:
        ran.append(told(request, route))
        return HttpResponse("data")

    for guard in guards_of(route):
        view = guard(view)
    return view


def async_function(route: dict[str, Any], ran: list[Any]) -> Any:
    async def view(request: HttpRequest) -> HttpResponse:
        ran.append(told(request, route))
        return HttpResponse("data")

    for guard in guards_of(route):
        view = guard(view)
    return view


def class_of(route: dict[str, Any], ran: list[Any]) -> type[View]:
    class Plain(View):
        def post(self, request: HttpRequest) -> HttpResponse:
            ran.append(told(request, route))
            return HttpResponse("data")

    return Plain


def async_class_of(route: dict[str, Any], ran: list[Any]) -> type[View]:
    class Async(View):
        async def post(self, request: HttpRequest) -> HttpResponse:
            ran.append(told(request, route))
            return HttpResponse("data")

    return Async


def decorated(make: Callable[..., type[View]]) -> Callable[..., Any]:
    """Guards on the class itself."""

    def view(route: dict[str, Any], ran: list[Any]) -> Any:
        kind = make(route, ran)
        for guard in guards_of(route):
            kind = guard(kind)
        return kind.as_view()

    return view


def by_method(make: Callable[..., type[View]], name: str) -> Callable[..., Any]:
    """Guards by `method_decorator`, all at once."""

    def view(route: dict[str, Any], ran: list[Any]) -> Any:
        guards = guards_of(route)
        kind = make(route, ran)
        return (method_decorator(guards, name=name)(kind) if guards else kind).as_view()

    return view


VIEWS = {
    "function": function,
    "async function": async_function,
    "class": decorated(class_of),
    "async class": decorated(async_class_of),
    "method": by_method(class_of, "post"),
    "dispatch": by_method(class_of, "dispatch"),
    "async dispatch": by_method(async_class_of, "dispatch"),
}


# the whole table is long: the kinds of view that differ least are played where everything is
OFTEN = ("function", "async function")


@pytest.fixture(
    params=[name if name in OFTEN else pytest.param(name, marks=pytest.mark.slow) for name in VIEWS]
)
def ran(request: pytest.FixtureRequest, told: Callable[..., Any]) -> Iterator[list[Any]]:
    ran: list[Any] = []
    make = VIEWS[request.param]
    urls = [path(f"guard-cases/{name}", make(it, ran)) for name, it in ROUTES.items()]
    with project(urls, AGENTADMIT=told()):
        yield ran


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_every_cell(server: str, ran: list[Any], shop: App, spy: Spy) -> None:
    cookies = {name: session(name) for name in ("alice", "mallory")}
    with served_by(server) as site:
        guard_table.play(site, ran, shop, spy, cookies.__getitem__)
