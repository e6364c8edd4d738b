"""PROTOCOL's guard table, cell by cell, from the list that every SDK plays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from support import ORIGIN, Site, Spy, session

from agentadmit.testing import App

Header = tuple[str, str]

TABLE = json.loads(
    (Path(__file__).parents[3] / "contract" / "guard-cases.json").read_text(encoding="utf-8")
)
METADATA_URL = f"{ORIGIN}/.well-known/oauth-protected-resource"
SCOPE = ', scope="{scope}"'
ROUTES = {route["name"]: route for route in TABLE["routes"]}


def load_user(user_id: str) -> dict[str, str] | None:
    return None if user_id == "gone" else {"user_id": user_id, "name": user_id.title()}


def play(
    site: Site, ran: list[Any], shop: App, spy: Spy, sign_in: Callable[[str], Header] = session
) -> None:
    """Every cell. `ran`: what the handlers were told; `sign_in`: the header of a user's session."""
    alice, gone = shop.user("alice"), shop.user("gone")
    revoked = alice.agent("read:orders")
    revoked.revoke()
    tokens = {
        "agent": alice.agent("read:orders", "write:orders").token,
        "lacking": alice.agent("read:profile").token,
        "revoked": revoked.token,
        "unknown": never_issued(),
        "connection": alice.grant("read:orders").token,
        "orphan": gone.agent("read:orders", "write:orders").token,
    }
    for case in TABLE["cases"]:
        caller = TABLE["callers"][case["caller"]]
        headers = [(name, value.format(**tokens)) for name, value in caller.get("headers", [])]
        if "session" in caller:
            headers.append(sign_in(caller["session"]))
        query = caller.get("query", "").format(**tokens)
        target = f"/guard-cases/{case['route']}" + (f"?{query}" if query else "")
        spy.take()
        ran.clear()
        reply = site.ask("POST", target, headers, caller.get("body", "").format(**tokens))
        calls = spy.verifies()
        where = f"{case['route']} by {case['caller']}: {reply.status} {reply.body!r}"
        assert reply.status == case["status"], where
        # without a code the answer to whoever is no agent is the app's own matter
        if case["error"] is not None or case["status"] < 400:
            assert reply.error == case["error"], where
        assert bool(ran) == case["handler_ran"], where
        assert len(calls) == case["calls"], where
        assert_challenge(case, reply.headers.get("www-authenticate"), where)
        for call in calls:
            assert call.get("scope_used") == ROUTES[case["route"]]["scope_used"], where
            assert call["endpoint"] == f"/guard-cases/{case['route']}", where
            assert call["method"] == "POST", where
            assert call["agent_ip"] == "127.0.0.1", where
        assert told_of(ran) == case["told"], where
    assert len(TABLE["cases"]) > 150


def assert_challenge(case: dict[str, Any], answered: str | None, where: str) -> None:
    if case["challenge"] is None:
        assert answered is None or case["status"] == 401, where
        return
    scope = ROUTES[case["route"]]["scope_used"]
    wanted = TABLE["challenges"][case["challenge"]].replace("{metadata}", METADATA_URL)
    wanted = wanted.replace("{scope}", scope) if scope else wanted.replace(SCOPE, "")
    # a framework that knows one header of a name puts the app's own behind ours
    assert answered is not None, where
    assert answered.split(", Basic")[0] == wanted, where


def told_of(ran: list[Any]) -> str | None:
    if not ran or ran[0] is None:
        return None
    context = ran[0]
    if "type" not in context:  # the agent part alone
        assert context["connection_id"].startswith("conn_")
        return "agent"
    if context["type"] == "agent":
        assert context.user == {"user_id": "alice", "name": "Alice"}
        assert context.agent is not None
        assert context.agent.audit_id.startswith("evt_")
    else:
        assert context["user"] == {"user_id": "alice"}
        assert context["agent"] is None
    return context["type"]


def never_issued() -> str:
    """A well-formed token, from the contract's vectors."""
    vectors = json.loads(
        (Path(__file__).parents[3] / "contract" / "vectors" / "secrets.json").read_text()
    )
    return next(it for it in _strings(vectors) if it.startswith("ag_at_") and len(it) == 55)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
