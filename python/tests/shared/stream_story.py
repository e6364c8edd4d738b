"""Long answers of agents, in frameworks that answer on a thread."""

from __future__ import annotations

import contextlib
import http.client
import queue
import threading
from collections.abc import Iterator

import pytest
from shop_fixtures import Clock
from support import Site, Spy, bearer, opened

from agentadmit.testing import Agent, App


class Lines:
    """An answer whose lines a test lets out one by one."""

    def __init__(self) -> None:
        self._queue: queue.Queue[str | None] = queue.Queue()
        self._ended = threading.Event()

    def __iter__(self) -> Iterator[str]:
        try:
            yield "begin\n"
            while (line := self._queue.get()) is not None:
                yield line
        finally:
            self._ended.set()

    def has_ended(self, *, within: float) -> bool:
        """Whether nobody reads any more; waits so many seconds for it."""
        return self._ended.wait(within)

    def put(self, line: str | None) -> None:
        self._queue.put(line)


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    yield lines
    lines.put(None)


class StreamStory:
    """Its tests want a fixture `site`: an app where `/lines` streams `lines` as plain text, and
    `/slow` calls `self.while_slow` and answers `secret`; both want `read:orders` of agents.
    """

    def while_slow(self) -> None:
        """What happens in `/slow`."""
        self.clock.now += 60
        self.agent.revoke()

    @pytest.fixture(autouse=True)
    def _agent(self, shop: App, clock: Clock) -> None:
        self.agent: Agent = shop.user("alice").agent("read:orders")
        self.clock = clock

    def test_a_stream_is_asked_about_every_30_s(self, site: Site, lines: Lines, spy: Spy) -> None:
        with opened(site, "/lines", self.agent.token) as response:
            assert response.readline() == b"begin\n"
            assert len(spy.verifies()) == 1
            self.clock.now += 29.9
            lines.put("before\n")
            assert response.readline() == b"before\n"
            assert spy.verifies() == []
            self.clock.now += 0.1
            lines.put("after\n")
            assert response.readline() == b"after\n"
            assert [it["scope_used"] for it in spy.verifies()] == ["read:orders"]
            self.clock.now += 30
            self.agent.revoke()
            lines.put("secret\n")
            with pytest.raises(http.client.IncompleteRead) as broken:
                response.read()
            assert b"secret" not in broken.value.partial
            assert lines.has_ended(within=60)

    def test_a_stream_is_broken_off_when_the_service_cannot_be_asked(
        self, site: Site, lines: Lines, spy: Spy
    ) -> None:
        with opened(site, "/lines", self.agent.token) as response:
            assert response.readline() == b"begin\n"
            spy.answer = (503, {}, b"")
            self.clock.now += 31
            lines.put("secret\n")
            with pytest.raises(http.client.IncompleteRead):
                response.read()

    def test_a_slow_beginning_is_asked_about_before_anything_goes_out(self, site: Site) -> None:
        reply = site.ask("GET", "/slow", [bearer(self.agent.token)])
        assert (reply.status, reply.error) == (401, "invalid_token")

    def test_people_are_not_watched(self, site: Site, lines: Lines, spy: Spy) -> None:
        with opened(site, "/lines") as response:
            assert response.readline() == b"begin\n"
            self.clock.now += 3600
            lines.put("more\n")
            lines.put(None)
            assert response.read() == b"more\n"
            assert spy.take() == []

    def test_an_agent_that_hangs_up_ends_the_stream(self, site: Site, lines: Lines) -> None:
        connection = http.client.HTTPConnection(site.host, site.port, timeout=60)
        connection.request("GET", "/lines", headers=dict([bearer(self.agent.token)]))
        with contextlib.closing(connection), connection.getresponse() as response:
            assert response.readline() == b"begin\n"
        # the server notices when it writes
        while not lines.has_ended(within=0.05):
            lines.put("x" * 65_536)
