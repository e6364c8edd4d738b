"""What reaches a view, and as whom: sessions, CSRF tokens, caches, decorators, errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import projects
import pytest
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.test import Client
from django.urls import path
from django.views.decorators.cache import cache_page
from projects import project, served_by, session
from support import Site, Spy, bearer

from agentadmit.exceptions import RateLimitError
from agentadmit.integrations.django_integration import require_scope, require_scope_if_agent
from agentadmit.testing import App

Told = Callable[..., dict[str, Any]]


def whoami(request: HttpRequest) -> HttpResponse:
    """Whose request it is, and what the session knows."""
    visits = request.session.get("visits", 0)
    return HttpResponse(f"{getattr(request.user, 'pk', None)} {visits}")


def visit(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return whoami(request)


async def awhoami(request: Any) -> HttpResponse:
    user = await request.auser()
    return HttpResponse(f"{user.pk} {user.is_active}")


def sign_in(request: HttpRequest) -> HttpResponse:
    login(request, request.user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse("signed in")


VIEWS = [
    path("sign-in", require_scope_if_agent("read:orders")(sign_in)),
    path("who", require_scope_if_agent("read:orders")(whoami)),
    path("awho", require_scope_if_agent("read:orders")(awhoami)),
    path("visit", visit),
    path("open", lambda request: HttpResponse("open")),
    path("login", lambda request: HttpResponse("sign in"), name="login"),
    path("account", login_required(require_scope_if_agent("read:orders")(whoami))),
    path("moved", lambda request: HttpResponseRedirect("/open")),
    path("cached", cache_page(60)(require_scope_if_agent("read:orders")(whoami))),
]


@pytest.fixture(params=["wsgi", "asgi"])
def site(request: pytest.FixtureRequest, told: Told) -> Iterator[Site]:
    with project(VIEWS, AGENTADMIT=told(), LOGIN_URL="login"), served_by(request.param) as site:
        yield site


def test_an_agents_request_runs_as_its_user_and_leaves_the_session(site: Site, shop: App) -> None:
    from django.contrib.sessions.models import Session

    mallory = session("mallory")
    assert site.ask("GET", "/visit", [mallory]).body == b"mallory 1"
    before = list(Session.objects.values_list("session_key", "session_data", "expire_date"))
    agent = bearer(shop.user("alice").agent("read:orders").token)
    for headers in ([agent], [agent, mallory]):
        reply = site.ask("GET", "/who", headers)
        assert reply.body == b"alice 0"
        assert reply.headers["set-cookie"] is None
        assert "private" in reply.headers["cache-control"]
        assert site.ask("GET", "/awho", headers).body == b"alice True"
    after = list(Session.objects.values_list("session_key", "session_data", "expire_date"))
    assert after == before
    assert site.ask("GET", "/who", [mallory]).body == b"mallory 1"


def test_an_agent_is_never_signed_in(site: Site, shop: App) -> None:
    agent = bearer(shop.user("alice").agent("read:orders").token)
    reply = site.ask("GET", "/sign-in", [agent])
    assert (reply.body, reply.headers["set-cookie"]) == (b"signed in", None)
    # for a person it is what it was
    reply = site.ask("GET", "/sign-in", [session("alice")])
    assert "sessionid" in str(reply.headers.get_all("set-cookie"))


def test_only_an_agent_is_spared_the_csrf_token(site: Site, shop: App) -> None:
    plain = Site(site.host, site.port)
    agent = bearer(shop.user("alice").agent("read:orders").token)
    alice = session("alice")
    assert plain.ask("POST", "/who", [agent]).body == b"alice 0"
    assert plain.ask("POST", "/who", [agent, alice]).body == b"alice 0"
    # a person with the page's token, and people (and their own Bearers) without
    assert site.ask("POST", "/who", [alice]).body == b"alice 0"
    for headers in ([], [alice], [alice, bearer("of.the.app")], [alice, ("X-Agent", agent[1])]):
        reply = plain.ask("POST", "/who", headers)
        assert reply.status == 403
        assert b"CSRF" in reply.body
    refused = plain.ask("POST", "/who", [alice, bearer("ag_at_short")])
    assert (refused.status, refused.error) == (401, "invalid_token")
    assert plain.ask("POST", "/open", [alice, agent]).error == "agent_not_allowed"


def test_what_has_no_guard_is_closed(site: Site, shop: App, spy: Spy) -> None:
    agent = bearer(shop.user("alice").agent("read:orders").token)
    for target in ("/open", "/visit", "/login", "/moved", "/nowhere", "/nowhere/", "/who/"):
        reply = site.ask("GET", target, [agent])
        assert (reply.status, reply.error) == (403, "agent_not_allowed"), target
    assert spy.verifies() == []
    assert site.get("/open").body == b"open"


def test_a_decorator_before_the_guard_sees_the_agents_user(site: Site, shop: App) -> None:
    agent = shop.user("alice").agent("read:orders")
    assert site.ask("GET", "/account", [bearer(agent.token)]).body == b"alice 0"
    assert site.get("/account").status == 302
    agent.revoke()
    # it would send an agent to a page on which people sign in
    reply = site.ask("GET", "/account", [bearer(agent.token)])
    assert (reply.status, reply.error) == (401, "invalid_token")


def test_no_cache_hands_out_an_agents_answer(site: Site, shop: App) -> None:
    alice, bob = (shop.user(name).agent("read:orders") for name in ("alice", "bob"))
    for _ in range(2):
        assert site.ask("GET", "/cached", [bearer(alice.token)]).body == b"alice 0"
        assert site.ask("GET", "/cached", [bearer(bob.token)]).body == b"bob 0"
    alice.revoke()
    assert site.ask("GET", "/cached", [bearer(alice.token)]).status == 401
    # nobody has no page of a person's
    assert site.get("/cached").body == b"None 0"


def test_who_is_not_active_has_no_agents(site: Site, shop: App) -> None:
    from members.models import Member

    agent = bearer(shop.user("alice").agent("read:orders").token)
    Member.objects.filter(pk="alice").update(is_active=False)
    for target in ("/who", "/awho"):
        reply = site.ask("GET", target, [agent])
        assert (reply.status, reply.error) == (403, "user_unknown")


def test_an_id_is_an_id_of_the_user_model(site: Site, shop: App) -> None:
    for user_id in ("ALICE", "alice ", "gone"):
        agent = bearer(shop.user(user_id).agent("read:orders").token)
        assert site.ask("GET", "/who", [agent]).error == "user_unknown"


def test_site_wide_caches_and_login(told: Told, shop: App) -> None:
    middleware = [
        "django.middleware.cache.UpdateCacheMiddleware",
        *projects.MIDDLEWARE,
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    agent = shop.user("alice").agent("read:orders")
    from django.core.cache import cache

    cache.clear()
    with project(VIEWS, AGENTADMIT=told(), MIDDLEWARE=middleware):
        client = Client()
        for _ in range(2):
            assert client.get("/who").content == b"None 0"
            assert client.get("/who", headers=agent.headers).content == b"alice 0"
        agent.revoke()
        assert client.get("/who", headers=agent.headers).status_code == 401
    cache.clear()


def test_where_everything_wants_a_login(told: Told, shop: App) -> None:
    import django

    if django.VERSION < (5, 1):
        pytest.skip("LoginRequiredMiddleware came with Django 5.1")
    from django.urls import include

    mounted = path("", include("agentadmit.integrations.django_integration.urls"))
    middleware = [*projects.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    agent = shop.user("alice").agent("read:orders")
    with project([mounted, *VIEWS], AGENTADMIT=told(), MIDDLEWARE=middleware, LOGIN_URL="login"):
        client = Client()
        assert client.get("/who").status_code == 302
        assert client.get("/who", headers=agent.headers).content == b"alice 0"
        assert client.get("/.well-known/agentadmit").status_code == 200
        assert client.get("/agentadmit/scopes").status_code == 401
        agent.revoke()
        assert client.get("/who", headers=agent.headers).status_code == 401


def queued(view: Any) -> Any:
    """A decorator of the project's own around a guard."""

    def around(request: HttpRequest) -> HttpResponse:
        try:
            answer: HttpResponse = view(request)
        except RateLimitError as error:
            return HttpResponse(f"come back after {error.retry_after}", status=429)
        return answer

    around.__dict__.update(view.__dict__)
    return around


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_project_may_answer_what_a_guard_raises(
    method: str, told: Told, shop: App, spy: Spy
) -> None:
    agent = shop.user("alice").agent("read:profile")
    urls = [*VIEWS, path("queued", queued(require_scope("read:profile")(whoami)))]
    middleware = [*projects.MIDDLEWARE, "members.handling"]
    with project(urls, AGENTADMIT=told(), MIDDLEWARE=middleware):
        client = Client(enforce_csrf_checks=True)
        said = client.generic(method, "/who", headers=agent.headers)
        assert (said.status_code, said.content) == (418, b"InsufficientScopeError")
        assert client.generic(method, "/queued", headers=agent.headers).content == b"alice 0"
        body = b'{"error": "rate_limited", "error_description": "", "limit": "connection"}'
        kept = {"content-type": "application/json", "retry-after": "7"}
        spy.answer = (429, kept, body)
        said = client.generic(method, "/queued", headers=agent.headers)
        assert (said.status_code, said.content) == (429, b"come back after 7")
