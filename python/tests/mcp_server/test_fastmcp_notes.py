"""`examples/fastmcp-notes` on both transports: what an agent may, and what it may not."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator, Callable

import pytest
from support import Site

from agentadmit.testing import App

from .support import IS_FIRST, ROOT, Client, Place, http_server, python_http, python_stdio

Make = Callable[..., Place]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(IS_FIRST, reason="`fastmcp` stands on `mcp` 2"),
]
FOLDER = ROOT / "examples" / "fastmcp-notes"
URL = "https://notes.example"


@contextlib.asynccontextmanager
async def talking(transport: str, make: Make, token: str) -> AsyncIterator[Client]:
    here = make(AGENTADMIT_PUBLIC_URL=URL, AGENTADMIT_RESOURCE=f"{URL}/mcp")
    shutil.copy(FOLDER / "agentadmit.yaml", here.folder)
    here.with_script((FOLDER / "server.py").read_text())
    if transport == "stdio":
        here.environ["AGENTADMIT_TOKEN"] = token
        async with python_stdio(here) as client:
            yield client
    else:
        with http_server(here) as url:
            site = Site("127.0.0.1", int(url.removesuffix("/mcp").rpartition(":")[2]))
            first = site.ask("POST", "/mcp", json_body={})
            assert (first.status, first.error) == (401, "unauthenticated")
            assert 'scope="notes:read"' in first.headers["www-authenticate"]
            async with python_http(url, token) as client:
                yield client
    assert token not in here.errors.read_text()


@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_what_was_granted_is_what_it_may(transport: str, place: Make, notes: App) -> None:
    agent = notes.user("alice").agent("notes:read", "notes:write", "notes:delete")
    async with talking(transport, place, agent.token) as client:
        assert set(await client.tools()) == {"list_notes", "read_note", "add_note", "delete_note"}
        assert await client.call("add_note", text="milk") == "note 1"
        assert await client.call("read_note", number=1) == "milk"
        assert await client.call("delete_note", number=1) == "deleted"
        assert await client.call("list_notes") == "no notes"
        assert "not open to agents" in await client.refusal("wipe_server")
    asked = [(each.endpoint, each.scope) for each in notes.records("verified")]
    assert [it for it in asked if it[0].startswith("tool:") and it[1]] == [
        ("tool:add_note", "notes:write"),
        ("tool:read_note", "notes:read"),
        ("tool:delete_note", "notes:delete notes:write"),
        ("tool:list_notes", "notes:read"),
    ]


async def test_what_was_not_granted_says_what_is_missing(place: Make, notes: App) -> None:
    agent = notes.user("alice").agent("notes:read")
    async with talking("stdio", place, agent.token) as client:
        assert "needs the scope notes:write" in await client.refusal("add_note", text="x")
        assert "notes:delete" in await client.refusal("delete_note", number=1)
        agent.revoke()
        assert "has been taken back" in await client.refusal("list_notes")
