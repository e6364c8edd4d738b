"""One app's set-up: its settings, its client, its gates, its dependency."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agentadmit._core import AsyncClient
from agentadmit.integrations._setup import AsyncSetup, Config
from agentadmit.integrations._setup import unprepared as _unprepared
from agentadmit.integrations.fastapi_integration.people import AppHooks

if TYPE_CHECKING:
    from agentadmit.exceptions import AgentAdmitError


class Integration(AsyncSetup[AppHooks]):
    """What the middleware or the routers of one app were told."""

    def __init__(
        self,
        config_path: str | os.PathLike[str] | None,
        config: Config | None,
        *,
        get_current_user: Callable[..., Any] | None = None,
        verify_user_token: Callable[[str], Any] | None = None,
        users_collection: str | None = None,
        load_user: Callable[[str], Any] | None = None,
        is_admin: Callable[[Any], Any] | None = None,
        filter_scopes_for_user: Callable[..., Any] | None = None,
    ) -> None:
        """Reads the configuration. Raises `ConfigurationError`, and logs it: a server may not."""
        hooks = AppHooks(
            get_current_user,
            verify_user_token=verify_user_token,
            load_user=load_user,
            is_admin=is_admin,
            filter_scopes_for_user=filter_scopes_for_user,
        )
        super().__init__(AsyncClient, config_path, config, hooks, users_collection)


def unprepared() -> AgentAdmitError:
    """What a guard raises where nothing of AgentAdmit stands around it."""
    return _unprepared(
        "app.add_middleware(AgentAdmitMiddleware, get_current_user=…), or include the routers of "
        "create_agentadmit_router()"
    )
