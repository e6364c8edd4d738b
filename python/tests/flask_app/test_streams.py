"""Long answers of agents in Flask, and what cannot be watched."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Response, send_file, stream_with_context
from flask_login import current_user
from servers import serving_wsgi
from shop_app import app_with_login
from stream_story import Lines, StreamStory
from support import Site, bearer

from agentadmit.integrations.flask_integration import AgentAdmitFlask

Config = Callable[..., Path]


class TestStreams(StreamStory):
    """The story that is the same in every framework of threads, with users of flask-login."""

    @pytest.fixture
    def site(self, config: Config, lines: Lines) -> Iterator[Site]:
        app = app_with_login()
        aa = AgentAdmitFlask(app, config())
        read = aa.require_scope_if_agent("read:orders")

        @app.get("/lines")
        @read
        def stream() -> Response:
            return Response(stream_with_context(lines), mimetype="text/plain")

        @app.get("/slow")
        @read
        def slow() -> str:
            self.while_slow()
            return "secret"

        @app.get("/file")
        @read
        def file() -> Any:
            return send_file(io.BytesIO(b"x" * 100_000), "application/octet-stream")

        @app.get("/whom")
        @read
        def whom() -> Response:
            def told() -> Iterator[str]:
                yield from (f"{current_user.get_id()}\n" for _ in range(3))

            return Response(stream_with_context(told()), mimetype="text/plain")

        with serving_wsgi(app) as site:
            yield site

    def test_files_and_parts_of_files(self, site: Site) -> None:
        agent = bearer(self.agent.token)
        assert len(site.ask("GET", "/file", [agent]).body) == 100_000
        assert site.ask("HEAD", "/file", [agent]).headers["content-length"] == "100000"
        part = site.ask("GET", "/file", [agent, ("Range", "bytes=10-19")])
        assert (part.status, part.body) == (206, b"x" * 10)

    def test_a_stream_runs_as_the_agents_user(self, site: Site) -> None:
        reply = site.ask("GET", "/whom", [bearer(self.agent.token)])
        assert reply.body == b"alice\n" * 3

    def test_an_agent_opens_no_websocket(self, site: Site) -> None:
        upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")]
        agent = bearer(self.agent.token)
        reply = site.ask("GET", "/slow", [agent, *upgrade])
        assert (reply.status, reply.error) == (403, "agent_not_allowed")
        # what curl asks of every server is no WebSocket
        reply = site.ask("GET", "/file", [agent, ("Connection", "Upgrade"), ("Upgrade", "h2c")])
        assert reply.status == 200
