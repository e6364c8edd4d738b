"""`ToolGuard` in code of one's own, and what it is told."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agentadmit.exceptions import ConfigurationError
from agentadmit.mcp import ToolGuard, ToolRefusedError, auth_ctx
from agentadmit.testing import Agent, App

SCOPE_MAP = {"read": "notes:read", "both": ["notes:read", "notes:write"], "aread": "notes:read"}


@pytest.fixture
def agent(notes: App, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """An agent whose token the server was started with."""
    agent = notes.user("alice", label="Alice").agent("notes:read")
    monkeypatch.setenv("AGENTADMIT_TOKEN", agent.token)
    return agent


def test_functions(agent: Agent) -> None:
    guard = ToolGuard(SCOPE_MAP)
    seen: list[Any] = []

    @guard.tool
    def read(**given: Any) -> str:
        """Reads."""
        auth = auth_ctx.get()
        seen.append(given)
        return f"{auth.type} {auth.user['user_id']} {auth['user']['user_label']}"

    @guard.tool
    async def aread(**given: Any) -> str | None:
        seen.append(given)
        agent = auth_ctx.get().agent
        return agent and agent.connection_id

    @guard.tool
    def both() -> None:
        seen.append("never")

    assert read.__doc__ == "Reads."
    assert read(number=1, agentadmit_token=agent.token) == "agent alice Alice"
    assert asyncio.run(aread(number=2, agentadmit_token=agent.token)) == agent.connection_id
    with pytest.raises(ToolRefusedError, match="notes:write") as refused:
        both()
    assert refused.value.code == "insufficient_scope"
    assert seen == [{"number": 1}, {"number": 2}], "the token is no argument of a tool"
    assert auth_ctx.get(None) is None
    agent.revoke()
    with pytest.raises(ToolRefusedError) as refused:
        asyncio.run(aread())
    assert refused.value.code == "invalid_token"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_dispatchers(kind: str, agent: Agent) -> None:
    guard = ToolGuard(SCOPE_MAP)

    def admit(tool: str, arguments: dict[str, Any], *http: Any) -> Any:
        if kind == "sync":
            return (guard.admit_http if http else guard.admit)(tool, arguments, *http)
        work = guard.admit_http_async if http else guard.admit_async
        return asyncio.run(work(tool, arguments, *http))

    arguments = {"number": 1, "agentadmit_token": "anything"}
    auth, clean = admit("read", arguments)
    assert (auth.user["user_id"], clean) == ("alice", {"number": 1})
    assert arguments["agentadmit_token"] == "anything", "what the caller has stays as it is"
    with pytest.raises(ToolRefusedError) as refused:
        admit("other", {})
    assert refused.value.code == "tool_not_mapped"

    good = f"Bearer {agent.token}"
    assert admit("read", {}, [good], "203.0.113.7").auth.agent.connection_id == agent.connection_id
    assert agent.app.records("verified")[-1].agent_ip == "203.0.113.7"
    for values in ([], [good, good], ["Bearer"], [agent.token], [f"Basic {agent.token}"]):
        with pytest.raises(ToolRefusedError) as refused:
            admit("read", {}, values)
        assert refused.value.code == "token_required", "no value counts but one Bearer"


def test_a_stranger_s_secret_goes_nowhere(fake: Any) -> None:
    told = {name: told for name, told in fake.arguments.items() if name != "timeout_seconds"}
    guard = ToolGuard(SCOPE_MAP, **told)
    for secret in ("eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "aa_live_" + "0" * 49, "sk-123"):
        with pytest.raises(ToolRefusedError) as refused:
            guard.admit_http("read", {}, [f"Bearer {secret}"])
        assert secret not in str(refused.value)
    assert fake.seen == []


def test_a_variable_that_holds_something_else(
    notes: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AGENTADMIT_TOKEN", notes.api_key)
    with pytest.raises(ToolRefusedError) as refused:
        ToolGuard(SCOPE_MAP).admit("read")
    assert refused.value.code == "unavailable"
    assert "holds no token of AgentAdmit's" in caplog.text
    assert notes.api_key not in caplog.text + str(refused.value)


@pytest.mark.parametrize(
    ("scope_map", "text"),
    [
        ({"read": ""}, "names no scope for the tool `read`"),
        ({"read": []}, "names no scope for the tool `read`"),
        ({"read": "notes"}, "notes"),
        ({"": "notes:read"}, "no tool can be"),
        ({"a" * 252: "notes:read"}, "no tool can be"),
    ],
)
def test_a_map_that_guards_nothing_is_an_error_at_the_start(
    scope_map: dict[str, Any], text: str, notes: App
) -> None:
    with pytest.raises(ConfigurationError, match=text):
        ToolGuard(scope_map)
    assert "a" * 251 in ToolGuard({"a" * 251: "notes:read"})


def test_settings_are_read_as_a_client_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "agentadmit.yaml"
    file.write_text("service_url: http://127.0.0.1:1\nsevice: x\n")
    with pytest.raises(ConfigurationError, match="sevice"):
        ToolGuard(SCOPE_MAP, config_path=file)


def test_the_guard_alone_loads_nothing_of_mcp() -> None:
    script = (
        "import agentadmit.mcp, sys; print([n for n in sys.modules if n.split('.')[0] == 'mcp'])"
    )
    command = [sys.executable, "-W", "error", "-c", script]
    assert subprocess.run(command, capture_output=True, check=True).stdout.strip() == b"[]"


def test_what_is_no_server_is_refused(notes: App) -> None:
    with pytest.raises(ConfigurationError, match=r"does not know how to guard a builtins\.dict"):
        ToolGuard(SCOPE_MAP).protect({})


def test_the_token_is_in_no_log(
    agent: Agent, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    guard = ToolGuard(SCOPE_MAP, token_argument=True)
    guard.admit("read", {"agentadmit_token": agent.token})
    monkeypatch.delenv("AGENTADMIT_TOKEN")
    guard.admit("read", {"agentadmit_token": agent.token})
    grant = agent.app.user("alice").grant("notes:read")
    for tool, token in (("both", agent.token), ("read", grant.token), ("read", "junk")):
        with pytest.raises(ToolRefusedError) as refused:
            guard.admit(tool, {"agentadmit_token": token})
        assert token not in str(refused.value)
        assert refused.value.__cause__ is None
    assert "may do more than verify" in caplog.text
    assert agent.token not in caplog.text
    assert grant.token not in caplog.text
