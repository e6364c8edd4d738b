"""FastAPI and Starlette.

    app.add_middleware(AgentAdmitMiddleware, get_current_user=get_current_user)

brings the mounted routes and the discovery document, and closes every route without a guard to
agents. The guards are dependencies:

    @app.get("/orders")
    async def orders(auth_ctx=Depends(get_current_user_or_agent),
                     _scope=Depends(require_scope_if_agent("read:orders"))): ...
"""

from agentadmit._extras import missing
from agentadmit.context import AuthContext

try:
    from agentadmit.integrations.fastapi_integration.check import check
    from agentadmit.integrations.fastapi_integration.guards import (
        RouteGuard,
        get_agentadmit_user,
        get_current_user_or_agent,
        open_to_agents,
        require_scope,
        require_scope_if_agent,
    )
    from agentadmit.integrations.fastapi_integration.middleware import AgentAdmitMiddleware
    from agentadmit.integrations.fastapi_integration.router import create_agentadmit_router
except ModuleNotFoundError as error:
    raise missing(__name__, error, "fastapi") from error

__all__ = [
    "AgentAdmitMiddleware",
    "AuthContext",
    "RouteGuard",
    "check",
    "create_agentadmit_router",
    "get_agentadmit_user",
    "get_current_user_or_agent",
    "open_to_agents",
    "require_scope",
    "require_scope_if_agent",
]
