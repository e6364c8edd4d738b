"""An MCP server behind `over_http`: what a client that speaks OAuth hears, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import Reply, Site, bearer, spying

from agentadmit.testing import Agent, App

from .support import IS_FIRST, Place, http_server, python_http
from .test_guide import BLOCKS

Make = Callable[..., Place]

pytestmark = pytest.mark.slow

METADATA = "/.well-known/oauth-protected-resource"
URL = "https://notes.example"
LEADS = f'resource_metadata="{URL}{METADATA}/mcp"'

# what stands at the end of the example, behind the guard of HTTP
BEFORE = "uvicorn.run(server.streamable_http_app(), host"
BEHIND = "uvicorn.run(guard.over_http(server.streamable_http_app(){FIRST}), host"


@pytest.fixture
def server(place: Make, notes: App) -> Iterator[tuple[Site, Any, str]]:
    with spying(notes.service.url) as spy:
        here = place(
            AGENTADMIT_SERVICE_URL=spy.url,
            AGENTADMIT_PUBLIC_URL=URL,
            AGENTADMIT_RESOURCE=f"{URL}/mcp",
            AGENTADMIT_AUTHORIZATION_SERVER="https://agents.example",
        )
        first = ', first_scopes=["notes:read"]'
        source = here.script.read_text()
        assert BEFORE in source
        here.with_script(source.replace(BEFORE, BEHIND.replace("{FIRST}", first)))
        with http_server(here) as url:
            port = int(url.removesuffix("/mcp").rpartition(":")[2])
            yield Site("127.0.0.1", port), spy, url


def post(site: Site, token: str | None, method: str, **params: Any) -> Reply:
    headers = [("Accept", "application/json, text/event-stream")]
    headers += [bearer(token)] if token else []
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return site.ask("POST", "/mcp", headers, json_body=message)


def challenge(reply: Reply) -> str:
    return reply.headers["www-authenticate"]


@pytest.fixture
def agent(notes: App) -> Agent:
    return notes.user("alice").agent("notes:read")


def test_a_client_finds_its_way(server: tuple[Site, Any, str]) -> None:
    site, spy, _ = server
    first = post(site, None, "initialize")
    assert first.status == 401
    assert challenge(first) == f'Bearer {LEADS}, scope="notes:read"'
    tool = post(site, None, "tools/call", name="add_note", arguments={"text": "x"})
    assert challenge(tool) == f'Bearer {LEADS}, scope="notes:write"'
    assert challenge(site.get("/mcp")) == f'Bearer {LEADS}, scope="notes:read"'
    for path in (METADATA, f"{METADATA}/mcp"):
        said = site.get(path)
        assert said.status == 200
        assert said.headers["access-control-allow-origin"] == "*"
        assert said.json["resource"] == f"{URL}/mcp"
        assert said.json["authorization_servers"] == ["https://agents.example"]
        assert said.json["scopes_supported"] == ["notes:read", "notes:write"]
    assert spy.take() == []
    assert post(site, None, "tools/call", name="add_note").status == 401


def test_what_is_no_good_token_is_401_and_what_is_not_enough_403(
    server: tuple[Site, Any, str], agent: Agent
) -> None:
    site, spy, _ = server
    lacking = post(site, agent.token, "tools/call", name="add_note", arguments={"text": "x"})
    assert (lacking.status, lacking.error) == (403, "insufficient_scope")
    assert challenge(lacking) == f'Bearer error="insufficient_scope", {LEADS}, scope="notes:write"'
    twice = [bearer(agent.token), bearer(agent.token)]
    assert site.ask("POST", "/mcp", twice, json_body={}).status == 400
    assert site.get(f"/mcp?access_token={agent.token}").status == 400
    spy.take()
    agent.revoke()
    dead = post(site, agent.token, "tools/list")
    assert (dead.status, dead.error) == (401, "invalid_token")
    assert challenge(dead).startswith(f'Bearer error="invalid_token", {LEADS}')
    assert site.ask("GET", "/mcp", [bearer(agent.token)]).status == 401
    spy.answer = (500, {}, b"")
    assert post(site, agent.token, "tools/list").status == 503


def test_a_token_for_another_resource_opens_nothing(
    server: tuple[Site, Any, str], agent: Agent
) -> None:
    site, spy, _ = server
    answered = agent.app.client.verify(agent.token)
    yes = {
        "active": True,
        "app_id": agent.app.app_id,
        "environment": "test",
        "connection_id": answered.connection_id,
        "user_id": "alice",
        "user_label": None,
        "agent_label": None,
        "scopes": ["notes:read"],
        "created_at": "2026-01-01T00:00:00.000Z",
        "expires_at": None,
        "purpose": None,
        "user_intent": None,
        "audit_id": answered.audit_id,
        "client_id": "https://client.example/me",
    }
    for resource, status in ((f"{URL}/mcp", 200), (URL, 401), ("https://other.example/mcp", 401)):
        body = json.dumps({**yes, "resource": resource}).encode()
        spy.answer = (200, {"content-type": "application/json"}, body)
        reply = post(
            site,
            agent.token,
            "initialize",
            protocolVersion="2025-06-18",
            capabilities={},
            clientInfo={"name": "t", "version": "1"},
        )
        assert reply.status == status, (resource, reply)


async def test_each_request_is_one_question(server: tuple[Site, Any, str], notes: App) -> None:
    _, spy, url = server
    token = notes.user("alice").agent("notes:read", "notes:write").token
    async with python_http(url, token) as client:
        assert await client.call("add_note", text="bread") == "note 1"
        spy.take()
        assert await client.call("read_note", number=1) == "bread"
        asked = spy.verifies()
        assert [it["endpoint"] for it in asked if it["endpoint"].startswith("tool:")] == [
            "tool:read_note"
        ]
        assert asked[0]["scope_used"] == "notes:read"
        assert asked[0]["method"] == "CALL"
        assert "not open to agents" in await client.refusal("wipe_server")
        assert "wipe_server" not in await client.tools()


if not IS_FIRST:  # `fastmcp` stands on `mcp` 2

    async def test_the_package_fastmcp(place: Make, notes: App, agent: Agent) -> None:
        here = place(AGENTADMIT_PUBLIC_URL=URL, AGENTADMIT_RESOURCE=f"{URL}/mcp")
        source = BLOCKS["The package `fastmcp`"]
        for before, after in (
            ("ToolGuard({", "guard = ToolGuard({"),
            ("}).protect(server)", "})\nguard.protect(server)"),
            (
                'server.run(transport="stdio", show_banner=False)',
                "import uvicorn\n    uvicorn.run(guard.over_http(server.http_app()), port=0)",
            ),
        ):
            assert before in source
            source = source.replace(before, after)
        with http_server(here.with_script(source)) as url:
            site = Site("127.0.0.1", int(url.removesuffix("/mcp").rpartition(":")[2]))
            first = post(site, None, "initialize")
            assert first.status == 401
            assert LEADS in challenge(first)
            for path in (METADATA, f"{METADATA}/mcp"):
                assert site.get(path).json["resource"] == f"{URL}/mcp"
            lacking = post(
                site, agent.token, "tools/call", name="add_note", arguments={"text": "x"}
            )
            assert (lacking.status, lacking.error) == (403, "insufficient_scope")
            async with python_http(url, agent.token) as client:
                assert await client.call("list_notes") == "no notes"
