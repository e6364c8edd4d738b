"""The servers of `docs/mcp-guide.md`, as printed, and the block of the SDK 1.0.0 README."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from readme import run
from support import Site, bearer

from agentadmit.mcp import ToolRefusedError
from agentadmit.testing import App

from .support import IS_FIRST, ROOT, Place, http_server, python_http, python_stdio

Make = Callable[..., Place]

pytestmark = pytest.mark.slow


def blocks() -> dict[str, str]:
    """The Python blocks of the guide, by the headings that they stand under."""
    found: dict[str, str] = {}
    headings: dict[int, str] = {}
    text = (ROOT / "docs" / "mcp-guide.md").read_text(encoding="utf-8")
    for part in re.finditer(r"^(#+) ([^\n]*)$|^```python\n(.*?)^```$", text, re.M | re.S):
        if part[1]:
            headings = {depth: name for depth, name in headings.items() if depth < len(part[1])}
            headings[len(part[1])] = part[2]
        else:
            found["/".join(headings[depth] for depth in sorted(headings) if depth > 1)] = part[3]
    return found


BLOCKS = blocks()
OF_FIRST = "`mcp` 1"
OF_SECOND = ["STDIO/After", "The low-level `Server`", "The package `fastmcp`"]
OWN_AUTH = "The package `fastmcp`/Behind its own `auth`"
GUARDED = [OF_FIRST, "STDIO/After"] if IS_FIRST else OF_SECOND


def written(here: Place, name: str) -> Place:
    """A server of the guide as a file. Only the port is replaced, by any that is free."""
    return here.with_script(BLOCKS[name].replace("port=8000", "port=0"))


def test_the_guide_has_these_servers() -> None:
    transports = {f"{one}/{two}" for one in ("STDIO", "Streamable HTTP") for two in _BOTH}
    plain = {"", "Without a server of these"}
    assert set(BLOCKS) == {*transports, *OF_SECOND, OF_FIRST, OWN_AUTH, *plain}


_BOTH = ("Before", "After")


@pytest.mark.parametrize("name", GUARDED)
async def test_a_guarded_server_on_stdio(name: str, place: Make, notes: App) -> None:
    here = written(place(), name)
    agent = notes.user("alice").agent("notes:read")
    here.environ["AGENTADMIT_TOKEN"] = agent.token
    async with python_stdio(here) as client:
        assert set(await client.tools()) == {"list_notes", "add_note"}
        assert await client.call("list_notes") == "no notes"
        assert "needs the scope notes:write" in await client.refusal("add_note", text="x")
        agent.revoke()
        assert "has been taken back" in await client.refusal("list_notes")
    assert [each.endpoint for each in notes.records("verified")] == ["tool:list_notes"]
    assert agent.token not in here.errors.read_text()


async def test_before_and_after_on_both_transports(place: Make, notes: App) -> None:
    before = written(place("before"), "STDIO/Before")
    async with python_stdio(before) as client:
        assert await client.call("add_note", text="x") == "written"
    with http_server(written(place("http"), "Streamable HTTP/Before")) as url:
        async with python_http(url, None) as client:
            assert await client.call("list_notes") == "no notes"
    alice, bob = (notes.user(name).agent("notes:read", "notes:write") for name in ("alice", "bob"))
    with http_server(written(place("after"), "Streamable HTTP/After")) as url:
        async with python_http(url, alice.token) as hers, python_http(url, bob.token) as his:
            assert await hers.call("add_note", text="hers") == "written"
            assert await his.call("list_notes") == "no notes"
        async with python_http(url, None) as nobodys:
            said = await nobodys.refusal("list_notes")
    assert "at https://notes.example/agentadmit" in said


if not IS_FIRST:  # `fastmcp` stands on `mcp` 2

    async def test_the_package_fastmcp_over_http(place: Make, notes: App) -> None:
        block = BLOCKS["The package `fastmcp`"]
        run_it = 'server.run(transport="stdio", show_banner=False)'
        over_http = "import uvicorn\n    uvicorn.run(server.http_app(), port=0)"
        assert run_it in block
        here = place().with_script(block.replace(run_it, over_http))
        alice = notes.user("alice").agent("notes:read")
        with http_server(here) as url:
            async with python_http(url, alice.token) as client:
                assert set(await client.tools()) == {"list_notes", "add_note"}
                assert await client.call("list_notes") == "no notes"
                assert "notes:write" in await client.refusal("add_note", text="x")
            async with python_http(url, None) as nobodys:
                assert "Authorization" in await nobodys.refusal("list_notes")
        assert alice.token not in here.errors.read_text()

    async def test_the_package_fastmcp_behind_its_own_auth(place: Make, notes: App) -> None:
        here = written(place(), OWN_AUTH)
        alice = notes.user("alice").agent("notes:read")
        bob = notes.user("bob").agent("notes:read", "notes:write")
        with http_server(here) as url:
            site = Site("127.0.0.1", int(url.removesuffix("/mcp").rpartition(":")[2]))
            for token, error in ((None, ""), (JUNK, "invalid_token"), ("sk-123", "invalid_token")):
                headers = [] if token is None else [bearer(token)]
                first = site.ask("POST", "/mcp", headers, json_body={})
                assert first.status == 401
                challenge = first.headers["www-authenticate"]
                assert "/.well-known/oauth-protected-resource/mcp" in challenge
                assert error in challenge
            document = site.get("/.well-known/oauth-protected-resource/mcp").json
            assert document["resource"] == "https://notes.example/mcp"
            async with python_http(url, alice.token) as hers, python_http(url, bob.token) as his:
                assert await hers.call("list_notes") == "no notes"
                assert "notes:write" in await hers.refusal("add_note", text="x")
                assert await his.call("add_note", text="his") == "written"
                assert await hers.call("list_notes") == "no notes"
            alice.revoke()
            assert site.ask("POST", "/mcp", [bearer(alice.token)], json_body={}).status == 401
        asked = {each.endpoint for each in notes.records("verified")}
        assert asked == {"mcp", "tool:list_notes", "tool:add_note"}
        assert alice.token not in here.errors.read_text()


JUNK = "ag_at_" + "0" * 48


def test_the_dispatcher_of_the_guide(notes: App) -> None:
    names = run(BLOCKS["Without a server of these"], "guide")
    token = notes.user("alice").agent("notes:write").token
    call = names["handle_tool_call"]
    said = call("add_note", {"text": "x", "agentadmit_token": token})
    assert (said, names["notes"]) == ({"written_for": "alice"}, ["x"])
    with pytest.raises(ToolRefusedError):
        call("add_note", {"text": "y"})
    assert names["notes"] == ["x"]


OUR_OWN = {
    "mcp_stdio.py": """
import os

import requests

AGENTADMIT_VERIFY_URL = "https://api.agentadmit.com/v1/verify"
AGENTADMIT_API_KEY = os.environ["AGENTADMIT_API_KEY"]


def handle_tool_call(name: str, arguments: dict) -> dict:
    token = arguments.pop("agentadmit_token", None)
    if not token:
        raise PermissionError("agentadmit_token required")
    answer = requests.post(
        AGENTADMIT_VERIFY_URL,
        headers={"Authorization": f"Bearer {AGENTADMIT_API_KEY}"},
        json={"token": token},
        timeout=5,
    )
    if answer.status_code != 200:
        raise PermissionError("Invalid or expired token")
    ctx = answer.json()
    if SCOPE_MAP[name] not in ctx["scopes"]:
        raise PermissionError("Missing scope")
    return TOOL_HANDLERS[name](arguments, ctx)
""",
}


def test_the_block_of_the_readme(
    block: Callable[[str], str], notes: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As printed, but for the address: whatever the token, only a live one's tool runs."""
    ran: list[Any] = []
    agent = notes.user("alice").agent("notes:read")
    address = f"{notes.service.url}/v1/verify"
    source = block("mcp_stdio.py").replace("https://api.agentadmit.com/v1/verify", address)
    names = run(
        source,
        "mcp_stdio.py",
        SCOPE_MAP={"list_notes": "notes:read", "add_note": "notes:write"},
        TOOL_HANDLERS={
            "list_notes": lambda arguments, ctx: ran.append((arguments, ctx["user_id"])),
            "add_note": lambda arguments, ctx: ran.append("never"),
        },
    )
    call = names["handle_tool_call"]

    def refused(tool: str, **arguments: Any) -> str:
        with pytest.raises(PermissionError) as error:
            call(tool, arguments)
        return str(error.value)

    call("list_notes", {"page": 1, "agentadmit_token": agent.token})
    assert ran == [({"page": 1}, "alice")]
    assert "required" in refused("list_notes")
    assert "Missing scope" in refused("add_note", agentadmit_token=agent.token)
    connection_token = notes.user("alice").grant("notes:read").token
    agent.revoke()
    for token in (agent.token, connection_token, "ag_at_junk", "", "junk", notes.api_key):
        refused("list_notes", agentadmit_token=token)
    assert len(ran) == 1
