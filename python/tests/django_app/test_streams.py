"""Answers that go out for long: an agent's are asked about again."""

from __future__ import annotations

import http.client
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import path
from projects import project, served_by, session
from stream_story import Lines, StreamStory
from support import Site, Spy, bearer

from agentadmit.integrations.django_integration import require_scope_if_agent
from agentadmit.testing import Agent, App

Told = Callable[..., dict[str, Any]]


class TestThreads(StreamStory):
    """The story that is the same in every framework of threads, under WSGI."""

    @pytest.fixture
    def site(self, told: Told, lines: Lines) -> Iterator[Site]:
        guard = require_scope_if_agent("read:orders")

        @guard
        def stream(request: HttpRequest) -> StreamingHttpResponse:
            return StreamingHttpResponse(iter(lines), content_type="text/plain")

        @guard
        def slow(request: HttpRequest) -> HttpResponse:
            self.while_slow()
            return HttpResponse("secret")

        urls = [path("lines", stream), path("slow", slow)]
        with project(urls, AGENTADMIT=told()), served_by("wsgi") as site:
            yield site


class Play:
    """What happens while an answer goes out under ASGI: 31 s pass before each later piece."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.agent: Agent | None = None
        self.revoke_before = 99

    def before(self, number: int) -> None:
        if number:
            self.clock.now += 31
        if number == self.revoke_before and self.agent is not None:
            self.agent.revoke()

    async def pieces(self) -> AsyncIterator[bytes]:
        for number in range(4):
            self.before(number)
            yield b"%d" % number


@pytest.fixture
def play(clock: Any) -> Play:
    return Play(clock)


@pytest.fixture
def site(told: Told, play: Play) -> Iterator[Site]:
    guard = require_scope_if_agent("read:orders")

    @guard
    async def stream(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(play.pieces())

    @guard
    async def slow(request: HttpRequest) -> HttpResponse:
        play.clock.now += 60
        assert play.agent is not None
        await sync_to_async(play.agent.revoke)()
        return HttpResponse("secret")

    urls = [path("stream", stream), path("slow", slow)]
    with project(urls, AGENTADMIT=told()), served_by("asgi") as site:
        yield site


def received(site: Site, *headers: tuple[str, str]) -> tuple[bytes, bool]:
    """What came, and whether it was whole."""
    try:
        return site.ask("GET", "/stream", headers).body, True
    except http.client.IncompleteRead as error:
        return error.partial, False


def test_a_stream_is_asked_about_every_30_s(site: Site, shop: App, spy: Spy, play: Play) -> None:
    agent = shop.user("alice").agent("read:orders")
    assert received(site, bearer(agent.token)) == (b"0123", True)
    calls = spy.verifies()
    assert len(calls) == 4
    assert len({tuple(sorted(call.items())) for call in calls}) == 1
    assert received(site, session("alice")) == (b"0123", True)
    assert spy.verifies() == []


def test_at_a_refusal_it_is_broken_off(site: Site, shop: App, play: Play) -> None:
    play.agent = shop.user("alice").agent("read:orders")
    play.revoke_before = 2
    assert received(site, bearer(play.agent.token)) == (b"01", False)


def test_a_slow_beginning_is_asked_about_before_anything_goes_out(
    site: Site, shop: App, play: Play
) -> None:
    play.agent = shop.user("alice").agent("read:orders")
    reply = site.ask("GET", "/slow", [bearer(play.agent.token)])
    assert (reply.status, reply.error) == (401, "invalid_token")


def test_at_a_doubt_it_is_broken_off(site: Site, shop: App, spy: Spy, play: Play) -> None:
    agent = shop.user("alice").agent("read:orders")

    def before(number: int) -> None:
        play.clock.now += 31
        if number == 1:
            spy.answer = (503, {}, b"")

    play.before = before  # type: ignore[method-assign]
    assert received(site, bearer(agent.token)) == (b"0", False)


def test_a_file_goes_out_by_the_project_and_not_by_the_server(
    told: Told, shop: App, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100_000)

    @require_scope_if_agent("read:orders")
    def view(request: HttpRequest) -> FileResponse:
        return FileResponse((tmp_path / "file").open("rb"))

    agent = shop.user("alice").agent("read:orders")
    with project([path("file", view)], AGENTADMIT=told()):
        for headers, is_servers in (({}, True), (agent.headers, False)):
            sent: list[Any] = []

            def by_server(file: Any, size: int, sent: list[Any] = sent) -> list[bytes]:
                """A server that sends files by itself."""
                sent.append(file)
                return [file.read()]

            environ = RequestFactory().get("/file", headers=headers).environ
            environ["wsgi.file_wrapper"] = by_server
            answer = WSGIHandler()(environ, lambda status, headers: None)
            assert len(b"".join(answer)) == 100_000
            assert bool(sent) == is_servers
            for each in (*sent, answer):
                getattr(each, "close", lambda: None)()
