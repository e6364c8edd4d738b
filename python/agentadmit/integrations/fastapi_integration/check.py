"""What is doubtful about an app, said at its start and by `agentadmit check --app`."""

from __future__ import annotations

from typing import Any

from agentadmit.integrations import _findings
from agentadmit.integrations.fastapi_integration import middleware, router, routes


def check(app: Any) -> list[str]:
    """What is doubtful about an app's routes: sentences for its developer."""
    integration = middleware.integration_of(app)
    if integration is None:
        return ["this app has neither AgentAdmitMiddleware nor the routers of AgentAdmit"]
    found = list(_findings.of_guards(integration.settings, routes.guarded_routes(app)))
    found.extend(router.shadowed(app))
    overridden = router.own_scopes(app, integration)
    found.extend(_findings.own_scopes(overridden, integration.hooks.filter is not None))
    return found
