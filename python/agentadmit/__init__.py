"""Let your users' AI agents into your app.

A signed-in user of your app picks scopes and a duration and gets a one-time token to hand to the
agent. Every request that the agent then makes is checked at the AgentAdmit service: nothing is
validated here, no verdict is kept, and there is no switch to do so. When the service cannot be
asked, the agent is refused.

A name is loaded when it is first used, and its framework with it; `import agentadmit` imports no
framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentadmit._async_client import AsyncAgentAdmit as AsyncAgentAdmit
    from agentadmit._client import AgentAdmit as AgentAdmit
    from agentadmit._core import Agent as Agent
    from agentadmit.context import AuthContext as AuthContext
    from agentadmit.exceptions import AgentAdmitError as AgentAdmitError
    from agentadmit.exceptions import CallRefusedError as CallRefusedError
    from agentadmit.exceptions import ConfigurationError as ConfigurationError
    from agentadmit.exceptions import InsufficientScopeError as InsufficientScopeError
    from agentadmit.exceptions import InvalidTokenError as InvalidTokenError
    from agentadmit.exceptions import RateLimitError as RateLimitError
    from agentadmit.exceptions import ServiceUnavailableError as ServiceUnavailableError
    from agentadmit.integrations.fastapi_integration import (
        AgentAdmitMiddleware as AgentAdmitMiddleware,
    )
    from agentadmit.integrations.fastapi_integration import (
        create_agentadmit_router as create_agentadmit_router,
    )
    from agentadmit.integrations.fastapi_integration import (
        get_agentadmit_user as get_agentadmit_user,
    )
    from agentadmit.integrations.fastapi_integration import (
        get_current_user_or_agent as get_current_user_or_agent,
    )
    from agentadmit.integrations.fastapi_integration import open_to_agents as open_to_agents
    from agentadmit.integrations.fastapi_integration import require_scope as require_scope
    from agentadmit.integrations.fastapi_integration import (
        require_scope_if_agent as require_scope_if_agent,
    )
    from agentadmit.integrations.flask_integration import AgentAdmitFlask as AgentAdmitFlask

_FASTAPI = "agentadmit.integrations.fastapi_integration"
_FLASK = "agentadmit.integrations.flask_integration"

# where each public name is, and the extra that it needs
_NAMES: dict[str, tuple[str, str | None]] = {
    "Agent": ("agentadmit._core", None),
    "AgentAdmit": ("agentadmit._client", None),
    "AgentAdmitError": ("agentadmit.exceptions", None),
    "AsyncAgentAdmit": ("agentadmit._async_client", None),
    "CallRefusedError": ("agentadmit.exceptions", None),
    "ConfigurationError": ("agentadmit.exceptions", None),
    "InsufficientScopeError": ("agentadmit.exceptions", None),
    "InvalidTokenError": ("agentadmit.exceptions", None),
    "RateLimitError": ("agentadmit.exceptions", None),
    "ServiceUnavailableError": ("agentadmit.exceptions", None),
    "AgentAdmitFlask": (_FLASK, "flask"),
    "AgentAdmitMiddleware": (_FASTAPI, "fastapi"),
    "create_agentadmit_router": (_FASTAPI, "fastapi"),
    "get_agentadmit_user": (_FASTAPI, "fastapi"),
    "get_current_user_or_agent": (_FASTAPI, "fastapi"),
    "open_to_agents": (_FASTAPI, "fastapi"),
    "require_scope": (_FASTAPI, "fastapi"),
    "require_scope_if_agent": (_FASTAPI, "fastapi"),
    "AuthContext": ("agentadmit.context", None),
}

__all__ = [
    "Agent",
    "AgentAdmit",
    "AgentAdmitError",
    "AgentAdmitFlask",
    "AgentAdmitMiddleware",
    "AsyncAgentAdmit",
    "AuthContext",
    "CallRefusedError",
    "ConfigurationError",
    "InsufficientScopeError",
    "InvalidTokenError",
    "RateLimitError",
    "ServiceUnavailableError",
    "create_agentadmit_router",
    "get_agentadmit_user",
    "get_current_user_or_agent",
    "open_to_agents",
    "require_scope",
    "require_scope_if_agent",
]


def __getattr__(name: str) -> Any:
    try:
        module, extra = _NAMES[name]
    except KeyError:
        raise AttributeError(f"module 'agentadmit' has no attribute {name!r}") from None
    try:
        value = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        if extra is None:
            raise
        from agentadmit._extras import missing

        raise missing(f"agentadmit.{name}", error, extra) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
