"""`examples/mcp-notes` and the official clients of two languages, over STDIO and over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agentadmit.testing import Agent, App, Service

from .support import (
    IS_FIRST,
    Client,
    Place,
    http_server,
    python_http,
    python_stdio,
    typescript,
)

Make = Callable[..., Place]

pytestmark = pytest.mark.slow
GRANTED = ("notes:read", "notes:write")


@contextlib.asynccontextmanager
async def talking(kind: str, place: Place, token: str | None) -> AsyncIterator[Client]:
    """A client of a language on a transport, which has this token."""
    language, transport = kind.split()
    is_newest = language == "newest"
    if transport == "stdio":
        if token is not None:
            place.environ["AGENTADMIT_TOKEN"] = token
        if language != "typescript":
            async with python_stdio(place, is_newest) as client:
                yield client
        else:
            server = ["stdio", sys.executable, str(place.script)]
            async with typescript(server, place.variables(), place.errors) as client:
                yield client
        return
    with http_server(place) as url:
        if language != "typescript":
            async with python_http(url, token, is_newest) as client:
                yield client
        else:
            environ = {**os.environ, "MCP_TEST_TOKEN": token or ""}
            async with typescript(["http", url], environ, place.errors) as client:
                yield client


KINDS = ["python stdio", "python http", "typescript stdio", "typescript http"]
TRANSPORTS = KINDS[:2]
if not IS_FIRST:  # `mcp` 1 does not know the protocol without a handshake
    KINDS += ["newest stdio", "newest http"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_conversation(kind: str, place: Make, notes: App) -> None:
    here = place()
    agent = notes.user("alice").agent(*GRANTED)
    async with talking(kind, here, agent.token) as client:
        tools = await client.tools()
        assert set(tools) == {"list_notes", "read_note", "add_note", "delete_note"}
        assert set(tools["add_note"]["inputSchema"]["properties"]) == {"text"}
        assert await client.call("add_note", text="milk") == "note 1"
        assert await client.call("read_note", number=1) == "milk"
        missing = await client.refusal("delete_note", number=1)
        assert "needs the scope notes:delete" in missing
        assert "holds notes:read, notes:write" in missing
        assert "not open to agents" in await client.refusal("wipe_server")
        assert await client.call("list_notes") == "1"

        agent.revoke()
        assert "has been taken back" in await client.refusal("read_note", number=1)
    verified = [(each.endpoint, each.method, each.scope) for each in notes.records("verified")]
    assert verified == [
        ("tool:add_note", "CALL", "notes:write"),
        ("tool:read_note", "CALL", "notes:read"),
        ("tool:list_notes", "CALL", "notes:read"),
    ]
    is_http = kind.endswith("http")
    addresses = {each.agent_ip for each in notes.records("verified")}
    assert addresses == {"127.0.0.1" if is_http else None}
    refused = [(each.endpoint, each.reason) for each in notes.records("refused")]
    assert refused[0] == ("tool:delete_note", "insufficient_scope")
    assert agent.token not in here.errors.read_text()


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_without_a_token_nothing_is_asked(kind: str, place: Make, notes: App) -> None:
    here = place(NOTES_CONNECTIONS_PAGE="https://notes.example/agentadmit")
    async with talking(kind, here, None) as client:
        said = await client.refusal("list_notes")
    assert "grant you access at https://notes.example/agentadmit" in said
    assert ("Authorization" if kind.endswith("http") else "AGENTADMIT_TOKEN") in said
    assert notes.records("refused") == ()


JUNK = "ag_at_" + "0" * 48


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_a_junk_token(kind: str, place: Make) -> None:
    here = place()
    async with talking(kind, here, JUNK) as client:
        said = await client.refusal("list_notes")
    assert "cut off or mistyped" in said
    assert JUNK not in said + here.errors.read_text()


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_a_service_that_is_down_lets_nobody_in(kind: str, place: Make, notes: App) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    here = place(AGENTADMIT_SERVICE_URL=f"http://127.0.0.1:{port}")
    agent = notes.user("alice").agent(*GRANTED)
    async with talking(kind, here, agent.token) as client:
        said = await client.refusal("list_notes")
    assert "could not be found out, so nothing was done" in said
    errors = here.errors.read_text()
    assert "tool list_notes was refused" in errors
    assert agent.token not in errors


async def test_each_call_over_http_has_its_own_token(place: Make, notes: App) -> None:
    alice, bob = (notes.user(name).agent(*GRANTED) for name in ("alice", "bob"))
    # a server's own token is nobody's over HTTP
    with http_server(place(AGENTADMIT_TOKEN=alice.token)) as url:
        async with python_http(url, alice.token) as hers, python_http(url, bob.token) as his:
            assert await hers.call("add_note", text="hers") == "note 1"
            assert await his.call("list_notes") == "no notes"
        async with python_http(url, None) as nobodys:
            assert "Authorization" in await nobodys.refusal("list_notes")
        async with python_http(url, notes.user("eve").grant(*GRANTED).token) as eves:
            assert "exchange it first" in await eves.refusal("list_notes")


async def test_two_processes_exchange_a_connection_token_once(place: Make, notes: App) -> None:
    grant = notes.user("alice").grant(*GRANTED)
    home = place("home").folder

    async def start(name: str) -> str:
        here = place(name, AGENTADMIT_TOKEN=grant.token, XDG_STATE_HOME=str(home))
        async with python_stdio(here) as client:
            said = await client.call("list_notes")
        assert grant.token not in here.errors.read_text()
        return said

    assert await asyncio.gather(start("one"), start("two")) == ["no notes"] * 2
    assert await start("three") == "no notes"
    assert len(notes.records("connection_exchanged")) == 1
    assert len(notes.records("verified")) == 3
    (kept,) = (home / "agentadmit").glob("app_*.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert grant.token not in kept.read_text()


async def test_a_used_connection_token_is_asked_about_once(place: Make, notes: App) -> None:
    grant = notes.user("alice").grant(*GRANTED)
    grant.exchange()
    here = place(AGENTADMIT_TOKEN=grant.token)
    async with python_stdio(here) as client:
        for _ in range(2):
            assert "give this server the new connection token" in await client.refusal("list_notes")
    assert len(notes.records("connection_token_replayed")) == 1


@pytest.mark.parametrize("mode", [0o600, 0o644])
async def test_a_token_from_a_file(place: Make, notes: App, tmp_path: Path, mode: int) -> None:
    file = tmp_path / "token"
    here = place(AGENTADMIT_TOKEN_FILE=str(file))
    first, second = (notes.user(name).agent(*GRANTED) for name in ("alice", "bob"))
    async with python_stdio(here) as client:
        assert "could not be found out" in await client.refusal("list_notes")
        for agent in (first, second):  # a file may be replaced while the server runs
            file.write_text(f"{agent.token}\n")
            file.chmod(mode)
            assert await client.call("list_notes") == "no notes"
    assert [each.user_id for each in notes.records("verified")] == ["alice", "bob"]
    errors = here.errors.read_text()
    assert f"{file} cannot be read" in errors
    assert errors.count(f"others can read the token in {file}") == (1 if mode & 0o077 else 0)


@pytest.fixture
def agent(notes: App) -> Agent:
    return notes.user("alice").agent(*GRANTED)


async def test_a_token_as_an_argument(place: Make, notes: App, agent: Agent) -> None:
    here = place(NOTES_TOKEN_ARGUMENT="1")
    async with python_stdio(here) as client:
        schema = (await client.tools())["read_note"]["inputSchema"]
        assert set(schema["properties"]) == {"number", "agentadmit_token"}
        assert schema["required"] == ["number"]
        assert await client.call("list_notes", agentadmit_token=agent.token) == "no notes"
        assert "as the argument `agentadmit_token`" in await client.refusal("list_notes")
        grant = notes.user("alice").grant(*GRANTED)
        said = await client.refusal("list_notes", agentadmit_token=grant.token)
    assert "This is a connection token" in said
    assert not any(secret in said for secret in (grant.token, agent.token))
    errors = here.errors.read_text()
    assert not any(secret in errors for secret in (grant.token, agent.token))
    assert len(notes.records("connection_exchanged")) == 1  # the agent's, none by the server


async def test_an_argument_counts_only_where_it_may(place: Make, agent: Agent) -> None:
    async with python_stdio(place()) as client:
        said = await client.refusal("list_notes", agentadmit_token=agent.token)
    assert "AGENTADMIT_TOKEN" in said
    other = agent.app.user("bob").agent(*GRANTED)
    here = place("both", AGENTADMIT_TOKEN=other.token, NOTES_TOKEN_ARGUMENT="1")
    async with python_stdio(here) as client:
        assert await client.call("list_notes", agentadmit_token=agent.token) == "no notes"
    assert [each.user_id for each in agent.app.records("verified")] == ["bob"]


@pytest.mark.parametrize("is_too_much", [False, True])
async def test_a_key_that_may_more_is_a_warning(
    place: Make, agent: Agent, is_too_much: bool
) -> None:
    here = place(AGENTADMIT_TOKEN=agent.token)
    if is_too_much:
        here.environ["AGENTADMIT_API_KEY"] = agent.app.api_key
    async with python_stdio(here) as client:
        await client.tools()
        assert await client.call("list_notes") == "no notes"
    errors = here.errors.read_text()
    assert errors.count("may do more than verify (issue, manage)") == (1 if is_too_much else 0)


async def test_too_many_calls_are_refused(agentadmit_service: Service, place: Make) -> None:
    """A connection may make 1 call a second, and 2 at once."""
    limits = {"rate_limit": {"per_key_per_second": None, "per_connection_per_second": 1}}
    here = place()
    here.app = agentadmit_service.app(["notes:read"], settings=limits)
    here.environ["AGENTADMIT_TOKEN"] = here.app.user("alice").agent("notes:read").token
    async with python_stdio(here) as client:
        # all at once: however slow the machine is, they do not come a second apart
        results = await asyncio.gather(*(client.ask("list_notes", {}) for _ in range(40)))
    said = [each["content"][0]["text"] for each in results if each.get("isError")]
    assert said
    assert all(text.startswith("Too many calls: nothing was done. Wait") for text in said)
