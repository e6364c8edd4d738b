"""Django REST framework."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import JsonResponse
from django.test import Client
from django.urls import include, path
from projects import project, session
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.decorators import action, api_view, authentication_classes, permission_classes
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission, IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet
from support import Spy

from agentadmit.integrations.django_integration import require_scope, require_scope_if_agent
from agentadmit.integrations.django_integration.drf import (
    AgentAdmitAuthentication,
    OpenToAgents,
    RequireScope,
    RequireScopeIfAgent,
    exception_handler,
)
from agentadmit.testing import App

BOTH = [AgentAdmitAuthentication, SessionAuthentication]


def whose(request: Any) -> dict[str, Any]:
    agent = request.auth
    return {"user": request.user.pk, "agent": agent and agent.connection_id}


class Orders(APIView):
    """Orders."""

    authentication_classes = BOTH
    permission_classes = [IsAuthenticated, RequireScopeIfAgent("read:orders")]  # noqa: RUF012

    def get(self, request: Any) -> Response:
        return Response(whose(request))

    @require_scope("write:orders")
    def post(self, request: Any) -> Response:
        return Response(whose(request))


class OrderSet(ViewSet):
    authentication_classes = BOTH

    def get_permissions(self) -> list[BasePermission]:
        if self.action == "list":
            return [RequireScopeIfAgent("read:orders")]
        return [permission() for permission in self.permission_classes]

    permission_classes = [IsAdminUser | RequireScope("write:orders")]  # noqa: RUF012

    def list(self, request: Any) -> Response:
        return Response(whose(request))

    def create(self, request: Any) -> Response:
        return Response(whose(request))

    @action(detail=False, methods=["get"], permission_classes=[OpenToAgents])
    def mine(self, request: Any) -> Response:
        return Response(whose(request))


@api_view(["GET"])
@authentication_classes(BOTH)
@permission_classes([RequireScope("read:orders")])
def by_permission(request: Any) -> Response:
    return Response(whose(request))


@require_scope_if_agent("read:orders")
@api_view(["GET"])
@authentication_classes(BOTH)
def by_decorator(request: Any) -> Response:
    return Response(whose(request))


class OwnTokens(BaseAuthentication):
    """The project's own Bearers: whatever it does not know is wrong."""

    def authenticate(self, request: Any) -> None:
        if request.headers.get("Authorization", "").startswith("Bearer"):
            raise AuthenticationFailed("no such token")


class OwnTokensToo(APIView):
    authentication_classes = [AgentAdmitAuthentication, OwnTokens]  # noqa: RUF012
    permission_classes = [RequireScopeIfAgent("read:orders")]  # noqa: RUF012

    def get(self, request: Any) -> Response:
        return Response(whose(request))


class Unguarded(APIView):
    authentication_classes = BOTH

    def get(self, request: Any) -> Response:
        return Response("data")


def everything(error: Exception, context: Any) -> Any:
    """A project's handler that answers to every error."""
    known = exception_handler(error, context)
    return JsonResponse({"error": "broken"}, status=500) if known is None else known


class Handled(Orders):
    def get_exception_handler(self) -> Any:
        return everything


ROUTER = SimpleRouter()
ROUTER.register("set", OrderSet, basename="set")

URLS = [
    path("", include("agentadmit.integrations.django_integration.urls")),
    path("orders", Orders.as_view()),
    path("handled", Handled.as_view()),
    path("own", OwnTokensToo.as_view()),
    path("permission", by_permission),
    path("decorator", by_decorator),
    path("unguarded", Unguarded.as_view()),
    path("", include(ROUTER.urls)),
]


@pytest.fixture
def client(told: Callable[..., dict[str, Any]]) -> Iterator[Client]:
    with project(URLS, AGENTADMIT=told()):
        yield Client(enforce_csrf_checks=True)


@pytest.mark.parametrize("target", ["/orders", "/own", "/permission", "/decorator", "/set/"])
def test_an_agent_is_its_user(target: str, client: Client, shop: App, spy: Spy) -> None:
    agent = shop.user("alice").agent("read:orders")
    spy.take()
    for more in ({}, {"Cookie": session("mallory")[1]}):
        said = client.get(target, headers={**agent.headers, **more}).json()
        assert said == {"user": "alice", "agent": agent.connection_id}
    assert [it["scope_used"] for it in spy.verifies()] == ["read:orders"] * 2
    lacking = shop.user("alice").agent("read:profile")
    refused = client.get(target, headers=lacking.headers)
    assert refused.status_code == 403
    assert refused.json()["required_scope"] == "read:orders"
    agent.revoke()
    revoked = client.get(target, headers=agent.headers)
    assert (revoked.status_code, revoked.json()["error"]) == (401, "invalid_token")


def test_guards_of_class_and_method_are_one_verify(client: Client, shop: App, spy: Spy) -> None:
    agent = shop.user("alice").agent("read:orders", "write:orders")
    spy.take()
    assert client.post("/orders", headers=agent.headers).json()["user"] == "alice"
    assert [it["scope_used"] for it in spy.verifies()] == ["read:orders write:orders"]
    reader = shop.user("alice").agent("read:orders")
    assert client.post("/orders", headers=reader.headers).status_code == 403


def test_permissions_of_an_action(client: Client, shop: App, spy: Spy) -> None:
    reader = shop.user("alice").agent("read:orders")
    writer = shop.user("alice").agent("write:orders")
    assert client.post("/set/", headers=writer.headers).json()["user"] == "alice"
    assert client.post("/set/", headers=reader.headers).status_code == 403
    # what stands behind an `|` is asked for as well
    root = shop.user("root").agent("read:orders")
    assert client.post("/set/", headers=root.headers).status_code == 403
    spy.take()
    assert client.get("/set/mine/", headers=reader.headers).json()["user"] == "alice"
    assert ["scope_used" in it for it in spy.verifies()] == [False]


def test_people_are_who_they_were(client: Client) -> None:
    from members.models import Member

    assert client.get("/orders").status_code in (401, 403)
    client.force_login(Member.objects.get(pk="alice"))
    assert client.get("/orders").json() == {"user": "alice", "agent": None}
    assert client.get("/permission").json()["error"] == "agent_required"
    # a session wants its token here as before
    assert "CSRF" in client.post("/orders").json()["detail"]


def test_without_a_guard_it_is_closed(client: Client, shop: App) -> None:
    agent = shop.user("alice").agent("read:orders")
    assert client.get("/unguarded", headers=agent.headers).json()["error"] == "agent_not_allowed"
    assert client.get("/own", headers={"Authorization": "Bearer x"}).status_code == 401


def test_an_own_exception_handler_keeps_the_answer(client: Client, shop: App) -> None:
    lacking = shop.user("alice").agent("read:profile")
    refused = client.get("/handled", headers=lacking.headers)
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")


def test_its_views_are_in_the_document(client: Client) -> None:
    routes = client.get("/.well-known/agentadmit").json()["routes"]
    listed = {(it["method"], it["path"], it["scope"]) for it in routes}
    assert listed == {
        ("GET", "/orders", "read:orders"),
        ("POST", "/orders", "read:orders write:orders"),
        ("GET", "/handled", "read:orders"),
        ("POST", "/handled", "read:orders write:orders"),
        ("GET", "/own", "read:orders"),
        ("GET", "/permission", "read:orders"),
        ("GET", "/decorator", "read:orders"),
        ("GET", "/set/", "read:orders"),
        ("POST", "/set/", "write:orders"),
        ("GET", "/set/mine/", None),
    }
