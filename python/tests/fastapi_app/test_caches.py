"""What caches are told of a guarded route's answer, and that an agent gets no session."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Response
from starlette.testclient import TestClient

from agentadmit import AgentAdmitMiddleware, open_to_agents, require_scope, require_scope_if_agent
from agentadmit.testing import App

Config = Callable[..., Path]
READ = require_scope_if_agent("read:orders")


@pytest.fixture
def client(config: Config) -> Any:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config_path=config())

    @app.get("/orders", dependencies=[Depends(READ)])
    def orders() -> str:
        return "orders"

    @app.get("/public", dependencies=[Depends(READ)])
    def public(response: Response) -> str:
        response.headers["Cache-Control"] = 'public, max-age=60, s-maxage=600, no-cache="a, b"'
        response.headers["Vary"] = "Accept"
        response.set_cookie("session", "alice")
        return "public"

    @app.get("/kept", dependencies=[Depends(open_to_agents)])
    def kept(response: Response) -> str:
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "accept, authorization"
        return "kept"

    app.add_api_route("/agents", orders, dependencies=[Depends(require_scope("read:orders"))])
    app.add_api_route("/plain", orders)
    return TestClient(app)


def test_what_caches_are_told(client: Any, shop: App) -> None:
    agent = shop.user("alice").agent("read:orders").headers
    by_agent = client.get("/orders", headers=agent)
    assert (by_agent.text, by_agent.headers["vary"]) == ('"orders"', "Authorization")
    assert by_agent.headers["cache-control"] == "private"
    by_person = client.get("/orders")
    assert by_person.headers["vary"] == "Authorization"
    assert "cache-control" not in by_person.headers

    by_agent = client.get("/public", headers=agent)
    assert by_agent.headers.get_list("vary", split_commas=True) == ["Accept", "Authorization"]
    assert by_agent.headers["cache-control"] == 'max-age=60, no-cache="a, b", private'
    assert "set-cookie" not in by_agent.headers
    by_person = client.get("/public")
    assert by_person.headers["cache-control"].startswith("public, max-age=60")
    assert "set-cookie" in by_person.headers

    by_agent = client.get("/kept", headers=agent)
    assert by_agent.headers["cache-control"] == "no-store"
    assert by_agent.headers["vary"] == "accept, authorization"
    for path, headers in (("/plain", agent), ("/agents", {})):
        refused = client.get(path, headers=headers)
        assert refused.status_code in (401, 403)
        assert (refused.headers["vary"], refused.headers["cache-control"]) == (
            "Authorization",
            "no-store",
        )
    assert "vary" not in client.get("/plain").headers
