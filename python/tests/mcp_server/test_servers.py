"""What a guarded server answers besides tools, and what a tool can see of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agentadmit.testing import Agent, App

from .support import IS_FIRST, LIMIT, Client, Place, http_server, python_http, python_stdio

Make = Callable[..., Place]

pytestmark = pytest.mark.slow

# a server on which everything is added after the guard
SERVER = """
import argparse
import asyncio
import os
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from agentadmit.mcp import ToolGuard, auth_ctx, servers

servers.ASK_AGAIN_AFTER = 0.05
server = MCPServer("everything", log_level="DEBUG")
guard = ToolGuard(
    dict.fromkeys(["see", "fail", "take_long"], "notes:read"),
    open_methods=os.environ.get("OPEN", "").split(),
    token_argument=True,
)
assert guard.protect(server) is server


@server.tool()
async def see(ctx: Context, text: str = "") -> str:
    request = ctx.request_context.request
    headers = dict(request.headers) if request else {}
    return f"{headers} {text} {auth_ctx.get().user} {vars(ctx)}"


@server.tool()
def fail() -> str:
    raise RuntimeError("the tool's own trouble")


@server.tool()
async def take_long() -> str:
    try:
        await asyncio.Event().wait()
    finally:
        print("take_long has ended", file=sys.stderr)


@server.resource("notes://all")
def all_notes() -> str:
    return "everybody's notes"


@server.prompt()
def sum_up() -> str:
    return "Sum up the notes"


arguments = argparse.ArgumentParser()
arguments.add_argument("--http", type=int)
port = arguments.parse_args().http
if port is None:
    server.run(transport="stdio")
else:
    app = server.streamable_http_app()
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="debug")
"""


@pytest.fixture
def agent(notes: App) -> Agent:
    return notes.user("alice").agent("notes:read")


@pytest.fixture
def everything(place: Make) -> Callable[..., Place]:
    def make(**environ: str) -> Place:
        return place(**environ).with_script(SERVER)

    return make


CLOSED: dict[str, Callable[[Any], Any]] = {
    "resources/list": lambda session: session.list_resources(),
    "resources/templates/list": lambda session: session.list_resource_templates(),
    "resources/read": lambda session: session.read_resource("notes://all"),
    "prompts/list": lambda session: session.list_prompts(),
    "prompts/get": lambda session: session.get_prompt("sum_up"),
}


async def test_what_knows_no_scope_is_closed_until_it_is_opened(
    everything: Callable[..., Place], agent: Agent
) -> None:
    here = everything(AGENTADMIT_TOKEN=agent.token)
    async with python_stdio(here) as client:
        for method, ask in CLOSED.items():
            with pytest.raises(Exception, match=f"`{method}` is not open to agents") as refused:
                await ask(client.session)
            assert type(refused.value).__name__ in ("MCPError", "McpError")
            assert "everybody" not in str(refused.value)
        await client.session.send_ping()
    here.environ["OPEN"] = "resources/read prompts/list"
    async with python_stdio(here) as client:
        read = await client.session.read_resource("notes://all")
        assert "everybody's notes" in read.model_dump_json()
        assert "sum_up" in (await client.session.list_prompts()).model_dump_json()
        with pytest.raises(Exception, match="`resources/list` is not open to agents"):
            await client.session.list_resources()


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_the_token_is_nowhere(
    transport: str, everything: Callable[..., Place], agent: Agent
) -> None:
    """At the log level DEBUG of everything, in the tool's own request, and in what it says."""
    here = everything()
    if transport == "stdio":
        async with python_stdio(here) as client:
            said = await client.call("see", text="hello", agentadmit_token=agent.token)
            failed = await client.refusal("fail", agentadmit_token=agent.token)
    else:
        with http_server(here) as url:
            async with python_http(url, agent.token) as client:
                said = await client.call("see", text="hello", agentadmit_token=agent.token)
                failed = await client.refusal("fail")
        assert "content-type" in said
    assert "hello {'user_id': 'alice'" in said
    assert "fail" in failed, "what a tool's own error says is the server's to decide"
    errors = here.errors.read_text()
    assert errors, "the log is not empty"
    for text in (said, failed, errors):
        assert agent.token not in text


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_a_tool_that_takes_long_ends_with_the_connection(
    transport: str, everything: Callable[..., Place], agent: Agent
) -> None:
    """The service is asked again while it runs, and each time is a record."""

    async def until_refused(client: Client) -> str:
        call = asyncio.create_task(client.refusal("take_long"))
        while len(agent.app.records("verified")) < 3:
            await asyncio.sleep(0.02)
        assert not call.done()
        agent.revoke()
        return await asyncio.wait_for(call, LIMIT)

    here = everything()
    if transport == "stdio":
        here.environ["AGENTADMIT_TOKEN"] = agent.token
        async with python_stdio(here) as client:
            said = await until_refused(client)
    else:
        with http_server(here) as url:
            async with python_http(url, agent.token) as client:
                said = await until_refused(client)
    assert "has been taken back" in said
    assert {each.endpoint for each in agent.app.records("verified")} == {"tool:take_long"}
    assert here.errors.read_text().count("take_long has ended") == 1


LOW_LEVEL_OF_FIRST = """
import asyncio

import mcp.types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

from agentadmit.mcp import ToolGuard, auth_ctx

server = Server("low")
ToolGuard({"see": "notes:read"}).protect(server)


@server.list_tools()
async def list_tools() -> list[types.Tool]:
    return [types.Tool(name=name, inputSchema={"type": "object"}) for name in ("see", "other")]


@server.call_tool()
async def call_tool(name: str, arguments: dict) -> list[types.TextContent]:
    text = f"{name} {arguments} {auth_ctx.get().user['user_id']}"
    return [types.TextContent(type="text", text=text)]


async def main() -> None:
    async with stdio_server() as (reads, writes):
        await server.run(reads, writes, server.create_initialization_options())


asyncio.run(main())
"""

if IS_FIRST:  # that of `mcp` 2 stands in the guide

    async def test_handlers_that_come_after_the_guard(place: Make, agent: Agent) -> None:
        here = place(AGENTADMIT_TOKEN=agent.token).with_script(LOW_LEVEL_OF_FIRST)
        async with python_stdio(here) as client:
            assert set(await client.tools()) == {"see"}
            said = await client.call("see", number=1, agentadmit_token=agent.token)
            assert said == "see {'number': 1} alice"
            assert "not open to agents" in await client.refusal("other")


FASTMCP = """
import uvicorn
from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_headers, get_http_request

from agentadmit.mcp import ToolGuard

server = FastMCP("everything")
ToolGuard({"see": "notes:read"}).protect(server)


@server.tool
def see() -> str:
    return f"{get_http_request().headers} {get_http_headers(include_all=True)}"


uvicorn.run(server.http_app(), port=0)
"""

if not IS_FIRST:  # `fastmcp` stands on `mcp` 2

    async def test_the_request_of_fastmcp_has_no_token(place: Make, agent: Agent) -> None:
        with http_server(place().with_script(FASTMCP)) as url:
            async with python_http(url, agent.token) as client:
                said = await client.call("see")
        assert "content-type" in said
        assert "authorization" not in said.lower()


async def test_a_request_that_is_none(everything: Callable[..., Place], agent: Agent) -> None:
    """Two values of `Authorization`, and parameters that are no parameters."""
    import http.client
    import json
    from urllib.parse import urlsplit

    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2025-06-18",
    }

    def ask(url: str, params: Any, *tokens: str) -> str:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(address.netloc, timeout=60)
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        data = json.dumps(body).encode()
        connection.putrequest("POST", address.path)
        for name, value in {**headers, **session, "content-length": str(len(data))}.items():
            connection.putheader(name, value)
        for token in tokens:
            connection.putheader("authorization", f"Bearer {token}")
        connection.endheaders(data)
        answer = connection.getresponse().read().decode()
        connection.close()
        return answer

    with http_server(everything()) as url:
        session = started(url, headers)
        good = {"name": "see", "arguments": {}}
        assert "alice" in ask(url, good, agent.token)
        said = ask(url, good, agent.token, agent.token)
        assert "send it as `Authorization: Bearer" in said
        assert "alice" not in said
        for bad in ({}, {"name": 1}, {"name": "see", "arguments": [1]}, {"arguments": {}}):
            said = ask(url, bad, agent.token)
            assert '"error"' in said
            assert "alice" not in said


def started(url: str, headers: dict[str, str]) -> dict[str, str]:
    """Opens a session by hand: the header that names it."""
    import json
    import urllib.request

    def post(body: dict[str, Any], more: dict[str, str]) -> Any:
        request = urllib.request.Request(
            url, json.dumps({"jsonrpc": "2.0", **body}).encode(), {**headers, **more}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
            return answer.headers

    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "by hand", "version": "1"},
    }
    opened = post({"id": 0, "method": "initialize", "params": hello}, {})
    session = {"mcp-session-id": opened["mcp-session-id"]}
    post({"method": "notifications/initialized"}, session)
    return session
