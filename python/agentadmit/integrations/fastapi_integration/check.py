"""What is doubtful about an app, said at its start and by `agentadmit check --app`."""

from __future__ import annotations

from typing import Any

from agentadmit.integrations.fastapi_integration import middleware, router, routes


def check(app: Any) -> list[str]:
    """What is doubtful about an app's routes: sentences for its developer."""
    integration = middleware.integration_of(app)
    if integration is None:
        return ["this app has neither AgentAdmitMiddleware nor the routers of AgentAdmit"]
    found: list[str] = []
    catalogue = set(integration.settings.scope_names)
    for method, template, guard in routes.guarded_routes(app):
        if guard.fault:
            found.append(f"{method} {template}: agents are refused: {guard.fault}")
        found.extend(
            f"{method} {template}: no connection can hold `{scope}`: it is not among `scopes`"
            for scope in guard.scopes
            if scope not in catalogue
        )
    found.extend(router.shadowed(app))
    overridden = router.own_scopes(app, integration)
    if overridden and integration.hooks.filter is None:
        found.append(
            f"{overridden} is the app's own, and there is no filter_scopes_for_user: what it "
            "leaves out can still be granted"
        )
    return found
