"""Django.

    INSTALLED_APPS = [..., "agentadmit.integrations.django_integration"]
    MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        "agentadmit.integrations.django_integration.AgentAdmitMiddleware",
        ...
    ]
    AGENTADMIT = {"APP_ID": "app_…", "API_KEY": "aa_test_…", "VERIFY_URL": "https://…/v1/verify"}

closes every view without a guard to agents. The guards are decorators, for sync and async views,
functions and classes:

    @require_scope_if_agent("read:orders")
    def orders(request): ...

and `path("", include("agentadmit.integrations.django_integration.urls"))` mounts the routes on
which people let agents in.
"""

from agentadmit.context import AuthContext
from agentadmit.integrations.django_integration.checks import check, register
from agentadmit.integrations.django_integration.guards import (
    RouteGuard,
    get_agentadmit_user,
    get_current_user_or_agent,
    open_to_agents,
    require_scope,
    require_scope_if_agent,
)
from agentadmit.integrations.django_integration.middleware import AgentAdmitMiddleware

__all__ = [
    "AgentAdmitMiddleware",
    "AuthContext",
    "RouteGuard",
    "check",
    "get_agentadmit_user",
    "get_current_user_or_agent",
    "open_to_agents",
    "require_scope",
    "require_scope_if_agent",
]

register()
