"""Flask.

    aa = AgentAdmitFlask(app, config_path="agentadmit.yaml")

brings the mounted routes and the discovery document, and closes every view without a guard to
agents. The guards are decorators, below the route:

    @app.get("/orders")
    @aa.require_scope_if_agent("read:orders")
    @aa.get_current_user_or_agent
    def orders():
        return orders_of(g.agentadmit.user)
"""

from agentadmit._extras import missing
from agentadmit.context import AuthContext

try:
    from agentadmit.integrations.flask_integration.check import check
    from agentadmit.integrations.flask_integration.extension import AgentAdmitFlask
    from agentadmit.integrations.flask_integration.guards import RouteGuard
except ModuleNotFoundError as error:
    raise missing(__name__, error, "flask") from error

__all__ = ["AgentAdmitFlask", "AuthContext", "RouteGuard", "check"]
