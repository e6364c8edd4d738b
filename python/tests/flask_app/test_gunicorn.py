"""A stream that is broken off does not look whole under gunicorn either."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import GUNICORN, served
from support import opened

from agentadmit.testing import App

APP = """
from flask import Flask, Response
from agentadmit.integrations import _request
from agentadmit.integrations.flask_integration import AgentAdmitFlask

_request.ASK_AGAIN_AFTER = 0.0  # before each piece
app = Flask(__name__)
aa = AgentAdmitFlask(app, config_path="agentadmit.yaml")

def lines():
    while True:
        yield "line\\n" * 1000

@app.get("/lines")
@aa.require_scope_if_agent("read:orders")
def endless():
    return Response(lines(), mimetype="text/plain")
"""


@pytest.mark.parametrize("workers", [["-w", "2"], ["-w", "1", "-k", "gthread", "--threads", "4"]])
def test_an_endless_stream_ends_with_the_connection(
    workers: list[str], config: Callable[..., Path], shop: App
) -> None:
    folder = config().parent
    (folder / "endless.py").write_text(APP)
    agent = shop.user("alice").agent("read:orders")
    with (
        served([*GUNICORN, "endless:app", *workers, "-b"], folder, {}) as site,
        opened(site, "/lines", agent.token) as response,
    ):
        assert response.readline() == b"line\n"
        agent.revoke()
        with pytest.raises(http.client.IncompleteRead):
            response.read()
