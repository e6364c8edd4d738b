"""The FastAPI app that is measured: one route, with guards where `BENCH_GUARDED` is set."""

# no `from __future__ import annotations` here: FastAPI reads the annotations of the route

import os
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException

app = FastAPI()


async def get_current_user(x_user: Annotated[str | None, Header()] = None) -> dict[str, str]:
    """The app's own users."""
    if x_user is None:
        raise HTTPException(401)
    return {"user_id": x_user}


if os.environ.get("BENCH_GUARDED"):
    from agentadmit import (
        AgentAdmitMiddleware,
        get_current_user_or_agent,
        require_scope_if_agent,
    )

    app.add_middleware(AgentAdmitMiddleware, get_current_user=get_current_user)

    @app.get("/orders", dependencies=[Depends(require_scope_if_agent("read:orders"))])
    async def orders(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> Any:
        """The route, guarded."""
        return {"orders_of": auth_ctx["user"]["user_id"]}
else:

    @app.get("/orders")
    async def orders(user: Annotated[Any, Depends(get_current_user)]) -> Any:
        """The route as it was before."""
        return {"orders_of": user["user_id"]}
