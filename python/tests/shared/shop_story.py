"""What alice does in each of the example shops, and her agent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from support import Site, bearer

Headers = list[tuple[str, str]]

ORDERS = [
    {"order_id": 1, "what": "tea", "status": "open"},
    {"order_id": 2, "what": "bread", "status": "open"},
]
GENERATE = "/agentadmit/connections/generate-token"


def let_in(site: Site, page: Headers, *scopes: str) -> tuple[str, tuple[str, str]]:
    """A page lets an agent in, which exchanges its token: the connection, and its header."""
    issued = site.ask("POST", GENERATE, page, json_body={"scopes": scopes})
    exchange = {"token": issued.json["token"]}
    token = site.ask("POST", "/agentadmit/token/exchange", json_body=exchange)
    return issued.json["connection_id"], bearer(token.json["access_token"])


def play_shop(
    site: Site,
    page: Headers,
    meanwhile: Callable[[tuple[str, str]], None] = lambda agent: None,
    alice: dict[str, str] | None = None,
) -> None:
    """The whole story. `page`: what alice's pages send; `meanwhile`: what else her agent does;
    `alice`: what her account is called there.
    """
    alice = alice or {"user_id": "alice"}
    assert site.ask("GET", "/api/orders", page).json == ORDERS
    assert site.ask("GET", "/api/orders").status == 401
    connection, agent = let_in(site, page, "read:orders")
    # many requests, so that each worker answers some
    for _ in range(20):
        reply = site.ask("GET", "/api/orders", [agent])
        assert reply.json == ORDERS
        # no cache hands what an agent was answered to anybody else
        assert "authorization" in reply.headers["vary"].lower()
        assert "private" in reply.headers["cache-control"]
    by_alice = site.ask("GET", "/api/orders", page)
    assert "authorization" in by_alice.headers["vary"].lower()
    assert site.ask("GET", "/api/me", [agent]).json == {**alice, "asked_by": "agent"}
    refused = site.ask("POST", "/api/orders/1/cancel", [agent])
    assert (refused.status, refused.json["required_scope"]) == (403, "write:orders")
    meanwhile(agent)
    document = site.ask("GET", "/.well-known/agentadmit").json
    assert [(it["method"], it["path"], it["summary"]) for it in document["routes"]] == [
        ("GET", "/api/orders", "Your orders."),
        ("POST", "/api/orders/{order_id}/cancel", "Cancels one of your orders."),
        ("GET", "/api/me", "Whose account this is, and who asks."),
    ]
    assert site.ask("DELETE", f"/agentadmit/connections/{connection}", page).status == 200
    for _ in range(20):
        assert site.ask("GET", "/api/orders", [agent]).status == 401


def check_of(folder: Path, named: str) -> tuple[int, str]:
    """`agentadmit check --app` in a folder: its code, and what it said."""
    command = [sys.executable, "-m", "agentadmit", "check", "--app", named]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr
