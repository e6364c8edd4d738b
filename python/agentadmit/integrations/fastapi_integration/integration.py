"""One app's set-up: its settings, its client, its gates."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from agentadmit._calls import settings_of
from agentadmit._core import AsyncClient, Gate, Guard, Head, Settings, refuse
from agentadmit._driver import drive_async
from agentadmit.integrations.fastapi_integration.people import AppHooks, RequestHooks
from agentadmit.users import source_of

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from agentadmit._core import Admitted

log = logging.getLogger("agentadmit")

Config = Settings | Mapping[str, str | os.PathLike[str] | int | None]

# gates of one app: one for each place where it really is mounted
_MOST_GATES = 32


class Integration:
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
        try:
            self.settings = (
                config if isinstance(config, Settings) else settings_of(config_path, config or {})
            )
            self.client = AsyncClient(self.settings)
            self.has_admins = is_admin is not None
            self._gates: dict[str | None, Gate] = {}
            self.gate()
            source = source_of(self.settings, users_collection)
        except Exception as error:
            log.error("AgentAdmit cannot start: %s", error)
            raise
        self.hooks = AppHooks(
            get_current_user,
            verify_user_token,
            load_user,
            is_admin,
            filter_scopes_for_user,
            source,
            self.settings.user_id_field,
        )

    def gate(self, prefix: str | None = None) -> Gate:
        """The gate whose routes are mounted there; without a prefix where the settings say."""
        gate = self._gates.get(prefix)
        if gate is None:
            if len(self._gates) >= _MOST_GATES:
                self._gates.clear()
            gate = Gate(self.settings, admins=self.has_admins, prefix=prefix)
            self._gates[prefix] = gate
        return gate

    async def admit(
        self, guard: Guard, head: Head, template: str | None, hooks: RequestHooks
    ) -> tuple[Admitted | None, Any]:
        """One verify for an agent: what it is, and its user. Raises what the caller hears."""
        flow = self.gate().admit(guard, head, template)
        admitted, people = await drive_async(flow, hooks, self.client)
        return (None, None) if admitted is None else (admitted, people[admitted.person])

    async def ask_again(self, admitted: Admitted) -> None:
        """Asks about an admitted request once more. Raises when the agent may not go on."""
        hooks = RequestHooks(self.hooks, None, "/")
        await drive_async(self.gate().ask_again(admitted), hooks, self.client)

    async def serve(
        self, gate: Gate, head: Head, body: bytes, connection: HTTPConnection, template: str
    ) -> tuple[tuple[int, list[tuple[bytes, bytes]], bytes], RequestHooks]:
        """Answers a request to a mounted route."""
        hooks = RequestHooks(self.hooks, connection, template)
        answer, _ = await drive_async(gate.serve(head, body), hooks, self.client)
        return answer, hooks


def unprepared() -> Exception:
    """What a guard raises where nothing of AgentAdmit stands around it."""
    text = (
        "a guard stands in an app without AgentAdmit: app.add_middleware(AgentAdmitMiddleware, "
        "get_current_user=…), or include the routers of create_agentadmit_router()"
    )
    log.error(text)
    return refuse(500, "internal", "the app could not answer: its log says why")
