"""An MCP session behind `over_http`, over real sockets: its id is good with its user's tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import Reply, Site, bearer, opened

from agentadmit.exceptions import AgentAdmitError
from agentadmit.mcp.sessions import Sessions
from agentadmit.testing import App

from .support import IS_FIRST, ROOT, Place, http_server, python_http

Make = Callable[..., Place]

# what stands at the end of the example, behind the guard of HTTP
BEFORE = "uvicorn.run(server.streamable_http_app(), host"
BEHIND = "uvicorn.run(guard.over_http(server.streamable_http_app()), host"
SERVERS = ["mcp"] if IS_FIRST else ["mcp", "fastmcp"]  # `fastmcp` stands on `mcp` 2
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "by hand", "version": "1"},
}


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest, place: Make) -> Iterator[str]:
    """A server that many users' agents share."""
    here = place(AGENTADMIT_PUBLIC_URL="https://notes.example")
    if request.param == "mcp":
        source = here.script.read_text()
        assert BEFORE in source
        here.with_script(source.replace(BEFORE, BEHIND))
    else:
        here.with_script((ROOT / "examples" / "fastmcp-notes" / "server.py").read_text())
    with http_server(here) as url:
        yield url


@pytest.fixture
def site(url: str) -> Site:
    return Site("127.0.0.1", int(url.removesuffix("/mcp").rpartition(":")[2]))


def ask(
    site: Site, token: str, session: str | None, method: str = "POST", rpc: str = "", **params: Any
) -> Reply:
    headers = [bearer(token), ("Accept", "application/json, text/event-stream")]
    headers += [("Mcp-Session-Id", session)] if session else []
    message = {"jsonrpc": "2.0", "id": 1, "method": rpc, "params": params} if rpc else None
    return site.ask(method, "/mcp", headers, json_body=message)


def begun(site: Site, token: str) -> str:
    """A session that is ready: its id."""
    session = ask(site, token, None, rpc="initialize", **HELLO).headers["mcp-session-id"]
    headers = [bearer(token), ("Accept", "application/json, text/event-stream")]
    headers += [("Mcp-Session-Id", session)]
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert site.ask("POST", "/mcp", headers, json_body=ready).status == 202
    return session


@pytest.mark.slow
def test_a_session_is_good_for_its_user_alone(site: Site, notes: App) -> None:
    alice, again = (notes.user("alice").agent("notes:read") for _ in range(2))
    bob = notes.user("bob").agent("notes:read")
    session = begun(site, alice.token)
    own, _, proof = session.rpartition(".")
    assert own and proof
    for agent in (alice, again):  # whichever of the user's agents it is
        listed = ask(site, agent.token, session, rpc="tools/list")
        assert (listed.status, b"list_notes" in listed.body) == (200, True)
        called = ask(site, agent.token, session, rpc="tools/call", name="list_notes", arguments={})
        assert b"no notes" in called.body
    other = begun(site, bob.token)
    for stolen, thief in (
        (session, bob),
        (own, bob),
        (own, alice),
        (f"{own}.{other.rpartition('.')[2]}", bob),
        (f"{session}A", alice),
    ):
        for method, rpc in (("POST", "tools/list"), ("POST", "ping"), ("GET", ""), ("DELETE", "")):
            refused = ask(site, thief.token, stolen, method, rpc)
            assert (refused.status, refused.error) == (404, "not_found"), (method, rpc)
    assert ask(site, bob.token, other, rpc="ping").status == 200
    # what strangers asked for has ended nothing
    assert ask(site, alice.token, session, rpc="ping").status == 200
    assert ask(site, alice.token, session, "DELETE").status == 200
    assert ask(site, alice.token, session, rpc="ping").status == 404


@pytest.mark.slow
def test_a_stream_is_its_user_s(site: Site, notes: App) -> None:
    alice, bob = (notes.user(name).agent("notes:read") for name in ("alice", "bob"))
    session = begun(site, alice.token)
    headers = {"Accept": "text/event-stream", "Mcp-Session-Id": session}
    with opened(site, "/mcp", alice.token, headers) as stream:
        assert stream.status == 200
        # while it is open, and after
        assert ask(site, bob.token, session, "GET").status == 404
    assert ask(site, bob.token, session, "GET").status == 404


@pytest.mark.slow
async def test_the_official_client_notices_nothing(url: str, notes: App) -> None:
    alice, bob = (notes.user(name).agent("notes:read", "notes:write") for name in ("alice", "bob"))
    async with python_http(url, alice.token) as hers, python_http(url, bob.token) as his:
        assert await hers.call("add_note", text="hers") == "note 1"
        assert await his.call("list_notes") == "no notes"
        assert await hers.call("read_note", number=1) == "hers"


def test_a_proof_is_of_one_user_and_one_process() -> None:
    sessions = Sessions()
    ((_, sealed),) = sessions.sealed([(b"mcp-session-id", b"abc.def")], "u_ada")
    assert sealed.startswith(b"abc.def.")
    others = [(b"accept", b"*/*"), (b"MCP-Session-Id", sealed)]
    assert sessions.opened(others, "u_ada") == [others[0], (b"MCP-Session-Id", b"abc.def")]
    assert sessions.opened(others[:1], "u_ada") == others[:1]
    for these, named, user in (
        (sessions, [sealed], "u_grace"),
        (sessions, [sealed], "u_ad"),
        (sessions, [sealed + b"A"], "u_ada"),
        (sessions, [sealed, sealed], "u_ada"),
        (sessions, [b"abc.def"], "u_ada"),
        (sessions, [b"abc"], "u_ada"),
        (sessions, [b""], "u_ada"),
        (sessions, [b"abc.\xff"], "u_ada"),
        (Sessions(), [sealed], "u_ada"),
    ):
        with pytest.raises(AgentAdmitError) as refused:
            these.opened([(b"mcp-session-id", id_) for id_ in named], user)
        assert refused.value.http is not None
        assert refused.value.http[0] == 404, (named, user)
