"""One app's set-up, whatever its framework: settings, client, gates, what it said of its users."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from agentadmit._calls import settings_of
from agentadmit._core import AsyncClient, BlockingClient, Gate, Guard, Head, Settings, refuse
from agentadmit._driver import Hooks, drive, drive_async
from agentadmit.context import id_of
from agentadmit.users import source_of

if TYPE_CHECKING:
    from agentadmit._core import Admitted, Answer
    from agentadmit.exceptions import AgentAdmitError
    from agentadmit.users import UserSource

log = logging.getLogger("agentadmit")

Config = Settings | Mapping[str, str | os.PathLike[str] | int | None]

# gates of one app: one for each place where it really is mounted
_MOST_GATES = 32

ClientT = TypeVar("ClientT", BlockingClient, AsyncClient)


class AppHooks:
    """What the app said when it was set up; the same for all requests."""

    def __init__(
        self,
        *,
        verify_user_token: Callable[[str], Any] | None = None,
        load_user: Callable[[str], Any] | None = None,
        is_admin: Callable[[Any], Any] | None = None,
        filter_scopes_for_user: Callable[[Any, list[dict[str, Any]]], Any] | None = None,
    ) -> None:
        """Each may be left out; what then has no answer is refused with the argument's name."""
        self.verify_user_token = verify_user_token
        self.load = load_user
        self.is_admin = is_admin
        self.filter = filter_scopes_for_user
        self.source: UserSource | None = None
        self.user_id_field = "user_id"


HooksT = TypeVar("HooksT", bound=AppHooks)


def id_in(user: object, field: str, *, is_loaded: bool) -> str | None:
    """A user's id in its member `field`. Whatever that is called in a database, a loaded user has
    it by the name `user_id`.
    """
    return (is_loaded and id_of(user, "user_id")) or id_of(user, field)


class AppSetup(Generic[ClientT, HooksT]):
    """What one app was told, read and checked."""

    def __init__(
        self,
        client: type[ClientT],
        config_path: str | os.PathLike[str] | None,
        config: Config | None,
        hooks: HooksT,
        users_collection: str | None,
    ) -> None:
        """Reads the configuration. Raises `ConfigurationError`, and logs it: a server may not."""
        try:
            self.settings = (
                config if isinstance(config, Settings) else settings_of(config_path, config or {})
            )
            self.client: ClientT = client(self.settings)
            self.has_admins = hooks.is_admin is not None
            self._gates: dict[str | None, Gate] = {}
            self.documents = tuple(self.gate().documents)
            hooks.source = source_of(self.settings, users_collection)
        except Exception as error:
            log.error("AgentAdmit cannot start: %s", error)
            raise
        hooks.user_id_field = self.settings.user_id_field
        self.hooks: HooksT = hooks

    def gate(self, prefix: str | None = None) -> Gate:
        """The gate whose routes are mounted there; without a prefix where the settings say."""
        gate = self._gates.get(prefix)
        if gate is None:
            if len(self._gates) >= _MOST_GATES:
                self._gates.clear()
            gate = Gate(self.settings, admins=self.has_admins, prefix=prefix)
            self._gates[prefix] = gate
        return gate


class SyncSetup(AppSetup[BlockingClient, HooksT]):
    """For frameworks that answer on a thread: whoever asks waits there."""

    def admit(
        self, guard: Guard, head: Head, template: str | None, hooks: Hooks
    ) -> tuple[Admitted | None, Any]:
        """One verify for an agent: what it is, and its user. Raises what the caller hears."""
        flow = self.gate().admit(guard, head, template)
        admitted, people = drive(flow, hooks, self.client)
        return (None, None) if admitted is None else (admitted, people[admitted.person])

    def ask_again(self, admitted: Admitted, hooks: Hooks) -> None:
        """Asks about an admitted request once more. Raises when the agent may not go on."""
        drive(self.gate().ask_again(admitted), hooks, self.client)

    def serve(self, gate: Gate, head: Head, body: bytes, hooks: Hooks) -> Answer:
        """Answers a request to a mounted route: status, headers, body."""
        answer, _ = drive(gate.serve(head, body), hooks, self.client)
        return answer  # type: ignore[no-any-return]


class AsyncSetup(AppSetup[AsyncClient, HooksT]):
    """The same for event loops."""

    async def admit(
        self, guard: Guard, head: Head, template: str | None, hooks: Hooks
    ) -> tuple[Admitted | None, Any]:
        """One verify for an agent: what it is, and its user. Raises what the caller hears."""
        flow = self.gate().admit(guard, head, template)
        admitted, people = await drive_async(flow, hooks, self.client)
        return (None, None) if admitted is None else (admitted, people[admitted.person])

    async def ask_again(self, admitted: Admitted, hooks: Hooks) -> None:
        """Asks about an admitted request once more. Raises when the agent may not go on."""
        await drive_async(self.gate().ask_again(admitted), hooks, self.client)

    async def serve(self, gate: Gate, head: Head, body: bytes, hooks: Hooks) -> Answer:
        """Answers a request to a mounted route: status, headers, body."""
        answer, _ = await drive_async(gate.serve(head, body), hooks, self.client)
        return answer  # type: ignore[no-any-return]


def unprepared(what_to_add: str) -> AgentAdmitError:
    """What a guard raises where nothing of AgentAdmit stands around it."""
    log.error("a guard stands in an app without AgentAdmit: %s", what_to_add)
    return refuse(500, "internal", "the app could not answer: its log says why")


def unknown_users(text: str) -> AgentAdmitError:
    """501: nobody told us who the app's users are. `text` is what to add."""
    log.error(text)
    return refuse(501, "not_implemented", text)


def bearer_of(authorization: str | None) -> str | None:
    """The app's own Bearer. An agent's token is never one: it goes to nobody but the service."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token or token.lower().startswith("ag_"):
        return None
    return token
