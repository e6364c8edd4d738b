"""The client for asyncio."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

from agentadmit import _calls
from agentadmit._calls import Call, Path, settings_of
from agentadmit._core import AsyncClient, Request
from agentadmit._loop import call

if TYPE_CHECKING:
    from agentadmit._core import Agent, Settings
    from agentadmit.answers import (
        AuditPage,
        Catalogue,
        CatalogueChange,
        Connection,
        ConnectionPage,
        ConsentSession,
        Credential,
        ExchangedToken,
        IssuedToken,
        Revocation,
        Scope,
        Usage,
    )

Answer = TypeVar("Answer")


class AsyncAgentAdmit:
    """A client of one service under one credential, for asyncio (uvloop too).

    Calls run on one thread of this package, which never takes the GIL; all answers that have
    arrived wake the event loop once. A call whose task is cancelled is given up, and its
    connection with it. A client may be shared by many event loops and made before a fork.

    Under trio use `AgentAdmit`: `await trio.to_thread.run_sync(client.verify, token, scope)`.
    """

    __slots__ = ("_core", "settings")

    def __init__(
        self,
        config_path: Path | None = None,
        *,
        service_url: str | None = None,
        api_key: str | None = None,
        app_id: str | None = None,
        ca_file: Path | None = None,
        max_retries: int | None = None,
        max_waiting: int | None = None,
        timeout_seconds: int | None = None,
    ) -> None:
        """Reads `agentadmit.yaml` and variables (`AGENTADMIT_…`); these arguments win over both.

        Without `config_path`, `agentadmit.yaml` in the current folder counts where there is one.
        Nothing is connected before the first call. Raises `ConfigurationError`.
        """
        self.settings: Settings = settings_of(
            config_path,
            {
                "service_url": service_url,
                "api_key": api_key,
                "app_id": app_id,
                "ca_file": ca_file,
                "max_retries": max_retries,
                "max_waiting": max_waiting,
                "timeout_seconds": timeout_seconds,
            },
        )
        self._core = AsyncClient(self.settings)

    async def verify(
        self,
        token: str,
        scope: str | Iterable[str] | None = None,
        *,
        endpoint: str | None = None,
        method: str | None = None,
        agent_ip: str | None = None,
    ) -> Agent:
        """Asks whether one call of an agent may proceed, and answers what agent it is.

        `scope`: every scope that the call needs. `endpoint`: the route's template, no query.
        Raises `InvalidTokenError`, `InsufficientScopeError` or another `CallRefusedError` for a
        no; `RateLimitError`, `ServiceUnavailableError` or `ConfigurationError` where the service
        could not be asked. Whatever is raised: the call must not proceed.
        """
        needed = scope if scope is None or isinstance(scope, str) else " ".join(scope)
        request = Request.verify(token, needed, endpoint, method, agent_ip)
        agent: Agent = await call(self._core, request)
        return agent

    async def issue_token(
        self,
        user_id: str,
        scopes: Iterable[str],
        *,
        duration_seconds: int | None = None,
        until_revoked: bool = False,
        purpose: str | None = None,
        user_intent: str | None = None,
        user_label: str | None = None,
        agent_label: str | None = None,
        on_behalf_of: str | None = None,
    ) -> IssuedToken:
        """Opens a connection for a user and answers its connection token. Never retried.

        Without a duration it ends after 30 days; "for ever" is said with `until_revoked`.
        """
        request = _calls.issue(
            user_id,
            scopes,
            duration_seconds,
            until_revoked,
            purpose,
            user_intent,
            user_label,
            agent_label,
            on_behalf_of,
        )
        return await self._ask(request)

    async def open_consent_session(
        self,
        user_id: str | None = None,
        *,
        user_label: str | None = None,
        scopes: Iterable[str] | None = None,
        preselected: Iterable[str] | None = None,
        connection_id: str | None = None,
        add_scopes: Iterable[str] | None = None,
        duration_seconds: int | None = None,
        purpose: str | None = None,
        return_url: str | None = None,
        locale: str | None = None,
        prompt_templates: Iterable[Mapping[str, object]] | None = None,
        durations: Iterable[Mapping[str, object]] | None = None,
        on_behalf_of: str | None = None,
    ) -> ConsentSession:
        """Opens a session of the hosted consent page. Never retried.

        With `user_id` the user is asked for a new connection; with `connection_id`, for more scopes
        (`add_scopes`) or a later end (`duration_seconds`) of one that there is.

        `durations` is what the user of a new connection may choose from, in this order, such as
        `{"label": "One week", "seconds": 604800}` (`None` is until revoked); without it the page
        has its own list. The mounted route sends the app's `durations`.
        """
        opening = _calls.open_consent(
            {
                "user_id": user_id,
                "user_label": user_label,
                "scopes": scopes,
                "preselected": preselected,
                "connection_id": connection_id,
                "add_scopes": add_scopes,
                "duration_seconds": duration_seconds,
                "purpose": purpose,
                "return_url": return_url,
                "locale": locale,
                "prompt_templates": prompt_templates,
                "durations": durations,
                "on_behalf_of": on_behalf_of,
            }
        )
        return await self._ask(opening)

    async def exchange(
        self,
        token: str,
        *,
        agent_label: str | None = None,
        agent_ip: str | None = None,
        idempotency_key: str | None = None,
    ) -> ExchangedToken:
        """Exchanges a connection token under the app's credential.

        Retried after a failure of the connection only with an idempotency key (22 to 64 of
        `A-Za-z0-9_-`), which whoever holds the token has made.
        """
        request = _calls.exchange(token, agent_label, agent_ip, idempotency_key)
        return await self._ask(request)

    async def revoke(
        self,
        connection_id: str | None = None,
        *,
        user_id: str | None = None,
        reason: str | None = None,
        on_behalf_of: str | None = None,
    ) -> Revocation:
        """Ends one connection, or with `user_id` all of that user's: name exactly one.

        When this has returned, every call that starts later is refused.
        """
        request = _calls.revoke(connection_id, user_id, reason, on_behalf_of)
        return await self._ask(request)

    async def revoke_of_user(self, connection_id: str, user_id: str) -> Revocation:
        """Ends a user's own connection; another user's is `not_found`."""
        return await self._ask(_calls.revoke_of_user(connection_id, user_id))

    async def connections(
        self,
        *,
        user_id: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> ConnectionPage:
        """A page of connections, newest first."""
        request = _calls.connections(user_id, status, limit, cursor)
        return await self._ask(request)

    async def connection(self, connection_id: str) -> Connection:
        """One connection, its counts exact as of the answer."""
        return await self._ask(_calls.connection(connection_id))

    async def narrow(
        self,
        connection_id: str,
        *,
        remove_scopes: Iterable[str] = (),
        expires_at: datetime | str | None = None,
        user_label: str | None = None,
        on_behalf_of: str | None = None,
    ) -> Connection:
        """Takes scopes away, or brings the end forward. Adding needs the user's consent."""
        request = _calls.narrow(connection_id, remove_scopes, expires_at, user_label, on_behalf_of)
        return await self._ask(request)

    async def scopes(self) -> Catalogue:
        """The catalogue at the service, of the credential's environment."""
        return await self._ask(_calls.scopes())

    async def put_scopes(
        self, scopes: Iterable[Scope | Mapping[str, object]], *, remove: Iterable[str] = ()
    ) -> CatalogueChange:
        """Replaces the catalogue, and answers what changed."""
        return await self._ask(_calls.put_scopes(scopes, remove))

    async def audit(
        self,
        *,
        connection_id: str | None = None,
        user_id: str | None = None,
        event: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AuditPage:
        """A page of the audit log, newest first; from `since`, before `until`."""
        request = _calls.audit(connection_id, user_id, event, since, until, limit, cursor)
        return await self._ask(request)

    async def usage(
        self, *, since: date | str | None = None, until: date | str | None = None
    ) -> Usage:
        """What was used, from the first day to the last; without them, in the plan's period."""
        return await self._ask(_calls.usage(since, until))

    async def credential(self) -> Credential:
        """What this client's key is and may do; any key may ask."""
        return await self._ask(_calls.credential())

    async def _ask(self, asked: Call[Answer]) -> Answer:
        return asked.read(await call(self._core, asked.request))

    @property
    def native(self) -> AsyncClient:
        """The native half, for flows of guards."""
        return self._core

    def __repr__(self) -> str:
        """Names the service, no secret."""
        return f"<AsyncAgentAdmit of {self.settings.service_url}>"
