"""Where guard and middleware stand: what is hidden from the middleware is closed to agents."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import projects
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from projects import GATE, project, session
from support import ORIGIN, Spy

from agentadmit.integrations.django_integration import (
    get_current_user_or_agent,
    open_to_agents,
    require_scope,
    require_scope_if_agent,
)
from agentadmit.testing import App

Told = Callable[..., dict[str, Any]]
GUARD = require_scope_if_agent("read:orders")


def plain(request: HttpRequest, **_: Any) -> HttpResponse:
    return HttpResponse(f"data of {request.user.pk}")  # type: ignore[attr-defined]


def hiding(view: Any) -> Any:
    """A decorator that does not say what it stands before."""
    return lambda request: view(request)


@method_decorator(GUARD, name="get")
class OnlyReads(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return plain(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        return plain(request)


@GUARD
class Parent(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return plain(request)


class Child(Parent):
    """Guarded as its parent is."""

    @method_decorator(require_scope_if_agent("write:orders"))
    def post(self, request: HttpRequest) -> HttpResponse:
        return plain(request)


class Bare(Parent):
    """A way of its own past the guard: closed."""

    def dispatch(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:  # type: ignore[override]
        return plain(request)


# more than one verify can ask for
MANY = [f"a:{number}" for number in range(60)]

URLS = [
    path("", include("agentadmit.integrations.django_integration.urls")),
    path("plain", GUARD(plain)),
    path("partial", functools.partial(GUARD(plain), more=1)),
    path("hidden", hiding(GUARD(plain))),
    path("reads", OnlyReads.as_view()),
    path("parent", Parent.as_view()),
    path("child", Child.as_view()),
    path("bare", Bare.as_view()),
    path("faulty", require_scope_if_agent(*MANY[:30])(require_scope_if_agent(*MANY[30:])(plain))),
    path("context", open_to_agents(get_current_user_or_agent(plain))),
    path("agents", require_scope("read:orders")(plain)),
]


@pytest.fixture
def client(told: Told) -> Iterator[Client]:
    with project(URLS, AGENTADMIT=told()):
        yield Client(enforce_csrf_checks=True)


@pytest.mark.parametrize(
    ("method", "target", "scope"),
    [
        ("GET", "/plain", "read:orders"),
        ("HEAD", "/plain", "read:orders"),
        ("PUT", "/plain", "read:orders"),
        ("GET", "/partial", "read:orders"),
        ("GET", "/reads", "read:orders"),
        ("HEAD", "/reads", "read:orders"),
        ("GET", "/parent", "read:orders"),
        ("GET", "/child", "read:orders"),
        ("POST", "/child", "read:orders write:orders"),
    ],
)
def test_what_is_asked_for(
    method: str, target: str, scope: str, client: Client, shop: App, spy: Spy
) -> None:
    agent = shop.user("alice").agent("read:orders", "write:orders")
    spy.take()
    said = client.generic(method, target, headers=agent.headers)
    assert said.status_code == 200
    assert said.content == (b"" if method == "HEAD" else b"data of alice")
    [call] = spy.verifies()
    assert (call["scope_used"], call["method"], call["endpoint"]) == (scope, method, target)


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/hidden"), ("POST", "/reads"), ("GET", "/bare"), ("GET", "/faulty")],
)
def test_what_is_closed(method: str, target: str, client: Client, shop: App, spy: Spy) -> None:
    agent = shop.user("alice").agent("read:orders", "write:orders")
    spy.take()
    said = client.generic(method, target, headers=agent.headers)
    assert (said.status_code, said.json()["error"]) == (403, "agent_not_allowed")
    assert spy.verifies() == []


def test_without_the_middleware_a_guard_lets_nobody_pass(
    told: Told, shop: App, caplog: pytest.LogCaptureFixture
) -> None:
    agent = shop.user("alice").agent("read:orders")
    others = [name for name in projects.MIDDLEWARE if name != GATE]
    with (
        project(URLS, AGENTADMIT=told(), MIDDLEWARE=others),
        caplog.at_level(logging.ERROR, "agentadmit"),
    ):
        client = Client(raise_request_exception=False)
        for headers in ({}, agent.headers):
            said = client.get("/plain", headers=headers)
            assert said.status_code == 500
            assert b"data" not in said.content
    assert f"add '{GATE}' to MIDDLEWARE" in caplog.text


def test_behind_the_others_it_is_as_strict(told: Told, shop: App) -> None:
    """The checks call it an error (`agentadmit.E002`); where nobody reads them nothing is open."""
    agent = shop.user("alice").agent("read:orders")
    behind = [*(name for name in projects.MIDDLEWARE if name != GATE), GATE]
    cookie = {"Cookie": session("mallory")[1]}
    with project(URLS, AGENTADMIT=told(), MIDDLEWARE=behind):
        client = Client(enforce_csrf_checks=True)
        for more in ({}, cookie):
            headers = {**agent.headers, **more}
            assert client.get("/plain", headers=headers).content == b"data of alice"
            assert client.get("/hidden", headers=headers).status_code == 403
            # CSRF tokens were asked for before it was known whose request it is
            assert client.post("/plain", headers=headers).status_code == 403
        assert client.get("/plain", headers=cookie).content == b"data of mallory"


def test_a_page_of_the_project_needs_no_csrf_token_for_the_mounted_routes(client: Client) -> None:
    """The page of the routes has none; its origin says what a token would."""
    path = "/agentadmit/connections/generate-token"
    cookie = session("alice")[1]
    for origin, status in ((ORIGIN, 201), ("https://evil.example", 403), (None, 403)):
        headers = {"Cookie": cookie} if origin is None else {"Cookie": cookie, "Origin": origin}
        body = {"scopes": ["read:orders"]}
        said = client.post(path, body, content_type="application/json", headers=headers)
        assert said.status_code == status, said.content


def test_people_are_told_apart(client: Client, told: Told) -> None:
    cookie = {"Cookie": session("alice")[1]}
    assert client.get("/context").status_code == 401
    assert client.get("/context", headers=cookie).content == b"data of alice"
    assert client.get("/agents").json()["error"] == "unauthenticated"
    assert client.get("/agents", headers=cookie).json()["error"] == "agent_required"
