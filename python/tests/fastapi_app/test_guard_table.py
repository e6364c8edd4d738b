"""PROTOCOL's guard table, cell by cell, from the list that every SDK plays."""

# no `from __future__ import annotations` here: FastAPI reads annotations that name locals

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Cookie, Depends, FastAPI, HTTPException
from support import Site, Spy, serving, session

from agentadmit import (
    AgentAdmitMiddleware,
    create_agentadmit_router,
    get_agentadmit_user,
    get_current_user_or_agent,
    open_to_agents,
    require_scope,
    require_scope_if_agent,
)
from agentadmit.testing import App

TABLE = json.loads(
    (Path(__file__).parents[3] / "contract" / "guard-cases.json").read_text(encoding="utf-8")
)
ROUTES = {route["name"]: route for route in TABLE["routes"]}
GUARDS: dict[str, Callable[..., Any]] = {
    "require_scope_if_agent": require_scope_if_agent,
    "require_scope": require_scope,
}
CONTEXTS = {
    "get_current_user_or_agent": get_current_user_or_agent,
    "get_agentadmit_user": get_agentadmit_user,
}


def current_user(session: Annotated[str | None, Cookie()] = None) -> dict[str, str]:
    if session is None:
        raise HTTPException(401, "sign in")
    return {"user_id": session}


def load_user(user_id: str) -> dict[str, str] | None:
    return None if user_id == "gone" else {"user_id": user_id, "name": user_id.title()}


def guarded_routes(ran: list[Any]) -> APIRouter:
    """The routes of the table; each says into `ran` who it was told calls."""
    router = APIRouter()
    for route in ROUTES.values():
        dependencies, context = [], None
        for guard in route["guards"]:
            if guard["guard"] in CONTEXTS:
                context = CONTEXTS[guard["guard"]]
            else:
                dependencies.append(Depends(GUARDS[guard["guard"]](*guard["scopes"])))
        if route["open_to_agents"]:
            dependencies.append(Depends(open_to_agents))
        router.add_api_route(
            f"/guard-cases/{route['name']}",
            _handler(ran, context),
            methods=["POST"],
            dependencies=dependencies,
        )
    return router


def _handler(ran: list[Any], context: Any) -> Callable[..., Any]:
    if context is None:

        async def plain() -> str:
            ran.append(None)
            return "data"

        return plain

    async def told(auth_ctx: Annotated[Any, Depends(context)]) -> str:
        ran.append(auth_ctx)
        return "data"

    return told


@pytest.fixture(params=["middleware", "routers"])
def played(
    request: pytest.FixtureRequest, config: Callable[..., Path]
) -> Iterator[tuple[Site, list[Any]]]:
    ran: list[Any] = []
    app = FastAPI()
    told = {"config_path": config(), "get_current_user": current_user, "load_user": load_user}
    if request.param == "middleware":
        app.add_middleware(AgentAdmitMiddleware, **told)
        app.include_router(guarded_routes(ran))
    else:
        app.include_router(guarded_routes(ran))
        for router, prefix in zip(
            create_agentadmit_router(**told), ["", "/agentadmit"], strict=True
        ):
            app.include_router(router, prefix=prefix)
    with serving(app) as site:
        yield site, ran


def test_every_cell(played: tuple[Site, list[Any]], shop: App, spy: Spy) -> None:
    site, ran = played
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
            headers.append(session(caller["session"]))
        query = caller.get("query", "").format(**tokens)
        target = f"/guard-cases/{case['route']}" + (f"?{query}" if query else "")
        spy.take()
        ran.clear()
        reply = site.ask("POST", target, headers, caller.get("body", "").format(**tokens))
        calls = spy.verifies()
        where = f"{case['route']} by {case['caller']}: {reply.status} {reply.body!r}"
        assert reply.status == case["status"], where
        assert reply.error == case["error"], where
        assert bool(ran) == case["handler_ran"], where
        assert len(calls) == case["calls"], where
        for call in calls:
            assert call.get("scope_used") == ROUTES[case["route"]]["scope_used"], where
            assert call["endpoint"] == f"/guard-cases/{case['route']}", where
            assert call["method"] == "POST", where
            assert call["agent_ip"] == "127.0.0.1", where
        assert told_of(ran) == case["told"], where
    assert len(TABLE["cases"]) > 150


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
