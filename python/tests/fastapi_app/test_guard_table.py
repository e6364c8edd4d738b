"""PROTOCOL's guard table, cell by cell, from the list that every SDK plays."""

# no `from __future__ import annotations` here: FastAPI reads annotations that name locals

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Cookie, Depends, FastAPI, HTTPException
from guard_table import ROUTES, load_user, play
from servers import serving
from support import Site, Spy

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
    play(*played, shop, spy)
