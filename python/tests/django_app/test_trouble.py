"""The service is down, slow, or says no more often than yes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import members
import projects
import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from no_answer import play_no_answers
from projects import project, served_by, session
from support import Site, Spy, bearer

from agentadmit.integrations.django_integration import require_scope_if_agent
from agentadmit.testing import App, Service


@require_scope_if_agent("read:orders")
def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("data")


@require_scope_if_agent("read:orders")
async def async_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("data")


URLS = [path("orders", view), path("async", async_view)]
TARGETS = ("/orders", "/async")


@pytest.fixture(params=["wsgi", "asgi"])
def site(request: pytest.FixtureRequest, told: Callable[..., Any]) -> Iterator[Site]:
    setting = told(MAX_RETRIES=0)
    middleware = [*projects.MIDDLEWARE, "members.seeing"]
    with (
        project(URLS, AGENTADMIT=setting, MIDDLEWARE=middleware),
        served_by(request.param) as site,
    ):
        yield site


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_no_answer(target: str, site: Site, shop: App, spy: Spy) -> None:
    agent = bearer(shop.user("alice").agent("read:orders").token)

    def ask() -> tuple[int, dict[str, str], str]:
        reply = site.ask("GET", target, [agent])
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return reply.status, headers, reply.body.decode()

    play_no_answers(ask, members.seen, spy)


@pytest.mark.parametrize("target", TARGETS)
def test_people_go_on_and_no_token_is_in_the_log(
    target: str, site: Site, shop: App, spy: Spy, caplog: pytest.LogCaptureFixture
) -> None:
    agent = bearer(shop.user("alice").agent("read:orders").token)
    spy.answer = (503, {}, b"")
    with caplog.at_level(logging.DEBUG):
        assert site.ask("GET", target, [agent]).error == "authorization_unavailable"
    assert "no answer of the AgentAdmit service" in caplog.text
    assert agent[1].split()[1] not in caplog.text
    assert site.ask("GET", target, [session("alice")]).body == b"data"


def test_nobody_listens_there(
    told: Callable[..., Any], agentadmit_service: Service, shop: App
) -> None:
    agent = bearer(shop.user("alice").agent("read:orders").token)
    setting = told(SERVICE_URL="http://127.0.0.1:1")
    for server in ("wsgi", "asgi"):
        with project(URLS, AGENTADMIT=setting), served_by(server) as site:
            for target in TARGETS:
                assert site.ask("GET", target, [agent]).status == 503


def test_a_database_that_cannot_be_asked(site: Site, shop: App) -> None:
    from django.db import OperationalError
    from members.models import Member

    def broken(*_: Any, **__: Any) -> None:
        raise OperationalError("no such table")

    agent = bearer(shop.user("alice").agent("read:orders").token)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Member._default_manager, "get", broken)
        for target in TARGETS:
            reply = site.ask("GET", target, [agent])
            assert (reply.status, reply.error) == (503, "authorization_unavailable")
    assert site.ask("GET", "/orders", [agent]).body == b"data"
