"""The mounted routes and the discovery document, in a project."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import members
import projects
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path, re_path
from django.views import View
from django.views.decorators.http import require_http_methods, require_POST
from mounted_story import AUTHORIZE, BACK, DURATIONS, MountedStory, filtered, offers_durations
from projects import Browser, project, served_by, session
from servers import serving_wsgi
from support import ORIGIN, Site, Spy

from agentadmit.integrations._mounted import DOCUMENTS
from agentadmit.integrations.django_integration import require_scope_if_agent, urls

Told = Callable[..., dict[str, Any]]

MOUNTED = path("", include("agentadmit.integrations.django_integration.urls"))


def filter_scopes(user: Any, scopes: list[dict[str, Any]]) -> list[Any]:
    return filtered({"user_id": user.pk}, scopes)


@pytest.fixture(params=["wsgi", "asgi"])
def site(request: pytest.FixtureRequest, told: Told) -> Iterator[Site]:
    with (
        project([MOUNTED], AGENTADMIT=told(FILTER_SCOPES_FOR_USER=filter_scopes)),
        served_by(request.param) as site,
    ):
        yield site


class TestMounted(MountedStory):
    def session(self, user: str) -> tuple[str, str]:
        return session(user)


def test_the_apps_own_durations_are_offered(told: Told, spy: Spy) -> None:
    with project([MOUNTED], AGENTADMIT=told(DURATIONS=DURATIONS)), served_by("wsgi") as site:
        offers_durations(site, spy, [session("alice"), ("Origin", ORIGIN)])


def test_nobody_is_sent_to_sign_in(told: Told) -> None:
    def enter(_: HttpRequest) -> HttpResponse:
        return HttpResponse("sign in")

    urls = [path("enter/", enter, name="enter"), MOUNTED]
    with project(urls, AGENTADMIT=told(), LOGIN_URL="enter"):
        reply = Client().get(AUTHORIZE)
        assert (reply.status_code, reply["location"]) == (
            303,
            f"/enter/?next={BACK.replace('%2F', '/')}",
        )
    with project(urls, AGENTADMIT=told(LOGIN_PATH="/own?back={next}"), LOGIN_URL="enter"):
        assert Client().get(AUTHORIZE)["location"] == f"/own?back={BACK}"
    with project(urls, AGENTADMIT=told(), LOGIN_URL="no-such-view"):
        assert Client().get(AUTHORIZE).status_code == 401


def test_a_head_has_no_body(site: Site) -> None:
    reply = site.ask("HEAD", "/.well-known/agentadmit")
    assert (reply.status, reply.body) == (200, b"")
    full = site.ask("GET", "/.well-known/agentadmit")
    assert reply.headers["content-length"] == str(len(full.body))


def test_what_nobody_signed_is_not_there(site: Site) -> None:
    for target in ("/agentadmit/", "/agentadmit/scopes/", "/agentadmit/nothing"):
        assert site.get(target).error == "not_found"
    assert site.get("/agentadmits").status == 404


def test_admins_by_permission(told: Told) -> None:
    from django.contrib.auth.models import Permission
    from members.models import Member

    bob = Member.objects.get(pk="bob")
    with project([MOUNTED], AGENTADMIT=told()):
        client = Client()
        client.force_login(bob)
        assert client.get("/agentadmit/admin/connections").status_code == 403
        bob.user_permissions.add(Permission.objects.get(codename="manage_connections"))
        assert client.get("/agentadmit/admin/connections").status_code == 200
        Member.objects.filter(pk="bob").update(is_active=False)
        assert client.get("/agentadmit/admin/connections").status_code == 401


@require_scope_if_agent("read:orders")
def read(request: HttpRequest, order_id: int) -> HttpResponse:
    """One order.

    More about it."""
    return HttpResponse("")


@require_POST
@require_scope_if_agent("write:orders").summary("Cancels")
def cancel(request: HttpRequest, order_id: str) -> HttpResponse:
    return HttpResponse("")


@require_scope_if_agent("read:orders")
@require_http_methods(["PUT", "DELETE"])
def change(request: HttpRequest) -> HttpResponse:
    return HttpResponse("")


@require_scope_if_agent("read:orders")
class Orders(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        """All orders."""
        return HttpResponse("")

    @require_scope_if_agent("write:orders")
    def post(self, request: HttpRequest) -> HttpResponse:
        """A new one."""
        return HttpResponse("")


ORDERS = [
    path("orders/<int:order_id>", read),
    re_path(r"^orders/(?P<order_id>[0-9]+)/cancel$", cancel),
    path("orders", Orders.as_view()),
    path("secret", require_scope_if_agent("read:orders").hidden()(lambda request: None)),
    path("close", require_scope_if_agent("close:shop")(lambda request: None)),
    path("login", lambda request: None),
    re_path(r"^change\.do$", change),
]

LISTED = [
    ("GET", "/orders/{order_id}", "read:orders", "One order."),
    ("POST", "/orders/{order_id}/cancel", "write:orders", "Cancels"),
    ("GET", "/orders", "read:orders", "All orders."),
    ("POST", "/orders", "read:orders write:orders", "A new one."),
    ("PUT", "/change.do", "read:orders", None),
    ("DELETE", "/change.do", "read:orders", None),
]


def routes_of(document: Any) -> list[tuple[str, str, str, str | None]]:
    return [(it["method"], it["path"], it["scope"], it.get("summary")) for it in document["routes"]]


def test_guarded_views_are_collected(told: Told) -> None:
    with project([MOUNTED, path("api/", include(ORDERS))], AGENTADMIT=told()):
        document = Client().get("/.well-known/agentadmit").json()
    expected = [(method, f"/api{path}", scope, text) for method, path, scope, text in LISTED]
    assert routes_of(document) == expected


@pytest.mark.parametrize("how", ["server", "setting"])
def test_below_a_script_name(how: str, told: Told) -> None:
    """A server that mounts the project says so in SCRIPT_NAME; FORCE_SCRIPT_NAME says it too."""
    setting = {"FORCE_SCRIPT_NAME": "/shop"} if how == "setting" else {}

    def mounted(environ: dict[str, Any], start: Any) -> Any:
        if how == "server":
            environ["SCRIPT_NAME"] = "/shop"
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/shop")
        return application(environ, start)

    outside = "/shop" if how == "server" else ""
    with project([MOUNTED, *ORDERS], AGENTADMIT=told(), **setting):
        application = WSGIHandler()
        with serving_wsgi(mounted) as plain:
            site = Browser(plain.host, plain.port)
            document = site.get(f"{outside}/.well-known/agentadmit").json
            assert document["token_exchange_endpoint"] == f"{ORIGIN}/shop/agentadmit/token/exchange"
            assert routes_of(document)[0][1] == "/shop/orders/{order_id}"
            headers = [session("alice"), ("Origin", ORIGIN)]
            target = f"{outside}/agentadmit/connections/generate-token"
            issued = site.ask("POST", target, headers, json_body={"scopes": ["read:orders"]})
            assert f"{ORIGIN}/shop/agentadmit/token/exchange" in issued.json["prompt"]
            page = site.ask("GET", f"{outside}/agentadmit", headers)
            assert b'"/shop/agentadmit/assets/' in page.body
            exchange = {"token": issued.json["token"]}
            target = f"{outside}/agentadmit/token/exchange"
            assert site.ask("POST", target, json_body=exchange).status == 200


def test_another_prefix(told: Told) -> None:
    with override_settings(AGENTADMIT=told(ROUTE_PREFIX="/agents")):
        importlib.reload(urls)
        with project([path("", include(urls))]):
            client = Client()
            document = client.get("/.well-known/agentadmit").json()
            assert document["token_exchange_endpoint"] == f"{ORIGIN}/agents/token/exchange"
            assert client.get("/agents/nothing").json()["error"] == "not_found"
            assert client.get("/agentadmit/scopes").status_code == 404
    with override_settings(AGENTADMIT=told()):
        importlib.reload(urls)


def test_an_own_view_that_comes_first_wins(told: Told) -> None:
    own = path("agentadmit/scopes", lambda request: HttpResponse("own"))
    with project([own, MOUNTED], AGENTADMIT=told()):
        client = Client()
        assert client.get("/agentadmit/scopes").content == b"own"
        headers = {"Authorization": "Bearer ag_at_x"}
        agent = client.get("/agentadmit/scopes", headers=headers)
        assert agent.json()["error"] == "agent_not_allowed"


def test_without_an_address_of_its_own_the_line_to_add_is_said(told: Told) -> None:
    with project([MOUNTED], AGENTADMIT=told(PUBLIC_URL=None)):
        for target in (*DOCUMENTS, "/agentadmit/scopes"):
            said = Client().get(target)
            assert said.status_code == 501
            assert 'AGENTADMIT["PUBLIC_URL"]' in said.json()["error_description"]


def test_without_users_the_line_to_add_is_said(told: Told) -> None:
    middleware = [name for name in projects.MIDDLEWARE if "contrib.auth" not in name]
    with project([MOUNTED], AGENTADMIT=told(), MIDDLEWARE=middleware):
        said = Client().get("/agentadmit/scopes")
        assert said.status_code == 501
        assert "AuthenticationMiddleware" in said.json()["error_description"]


@pytest.mark.parametrize("as_path", [True, False])
def test_users_of_the_projects_own(as_path: bool, told: Told) -> None:
    source = "members.by_header" if as_path else members.by_header
    middleware = [name for name in projects.MIDDLEWARE if "contrib.auth" not in name]
    with project([MOUNTED], AGENTADMIT=told(GET_CURRENT_USER=source), MIDDLEWARE=middleware):
        client = Client()
        assert client.get("/agentadmit/scopes").status_code == 401
        assert client.get("/agentadmit/scopes", headers={"X-User": "alice"}).status_code == 200
