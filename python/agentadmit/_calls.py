"""The calls of both clients: what Python hands over, and what it gets back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, cast

from agentadmit._core import Request, Settings

if TYPE_CHECKING:
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

DEFAULT_FILE = "agentadmit.yaml"

Path: TypeAlias = str | os.PathLike[str]

Answer = TypeVar("Answer")


class Call(Generic[Answer]):
    """A request, and the class of `agentadmit.answers` that its answer is read as.

    JSON and those classes are loaded when a call first needs them: a verify does not, and most
    processes do nothing else.
    """

    __slots__ = ("_kind", "request")

    def __init__(self, request: Request, kind: str) -> None:
        """`kind` is the name of the class."""
        self.request = request
        self._kind = kind

    def read(self, text: str) -> Answer:
        """The answer, from its JSON."""
        import json

        from agentadmit import answers

        kind: Any = getattr(answers, self._kind)
        answer: Answer = kind.of(json.loads(text))
        return answer


def settings_of(config_path: Path | None, arguments: Mapping[str, object]) -> Settings:
    """Reads the file that is named, else `agentadmit.yaml` where there is one."""
    if config_path is None and os.path.exists(DEFAULT_FILE):
        config_path = DEFAULT_FILE
    given = {name: str(value) for name, value in arguments.items() if value is not None}
    return Settings(config_path, given)


def _call(
    kind: str, verb: str, connection_id: str | None = None, /, **members: object
) -> Call[Any]:
    import json

    given = {name: value for name, value in members.items() if value is not None}
    return Call(Request.of(verb, json.dumps(given, ensure_ascii=False), connection_id), kind)


def _time(value: datetime | str | None) -> str | None:
    from agentadmit.answers import wire_time

    return wire_time(value) if isinstance(value, datetime) else value


def _day(value: date | str | None) -> str | None:
    return value.isoformat()[:10] if isinstance(value, date) else value


def _number(value: int | None) -> str | None:
    # a query has texts
    return None if value is None else str(value)


def issue(
    user_id: str,
    scopes: Iterable[str],
    duration_seconds: int | None,
    until_revoked: bool,
    purpose: str | None,
    user_intent: str | None,
    user_label: str | None,
    agent_label: str | None,
    on_behalf_of: str | None,
) -> Call[IssuedToken]:
    """`POST /v1/apps/{app_id}/token`."""
    return _call(
        "IssuedToken",
        "issue",
        user_id=user_id,
        scopes=scopes.split() if isinstance(scopes, str) else list(scopes),
        duration_seconds=duration_seconds,
        until_revoked=until_revoked or None,
        purpose=purpose,
        user_intent=user_intent,
        user_label=user_label,
        agent_label=agent_label,
        on_behalf_of=on_behalf_of,
    )


def exchange(
    token: str, agent_label: str | None, agent_ip: str | None, idempotency_key: str | None
) -> Call[ExchangedToken]:
    """`POST /v1/token/exchange`."""
    return Call(Request.exchange(token, agent_label, agent_ip, idempotency_key), "ExchangedToken")


def open_consent(members: Mapping[str, object]) -> Call[ConsentSession]:
    """`POST /v1/apps/{app_id}/consent-sessions`."""
    lists = ("scopes", "preselected", "add_scopes", "prompt_templates", "durations")
    given: dict[str, object] = {}
    for name, value in members.items():
        if name in lists and value is not None:
            value = value.split() if isinstance(value, str) else list(cast("Iterable[Any]", value))
        given[name] = value
    return _call("ConsentSession", "open_consent", **given)


def revoke(
    connection_id: str | None,
    user_id: str | None,
    reason: str | None,
    on_behalf_of: str | None,
) -> Call[Revocation]:
    """`POST /v1/revoke`."""
    return _call(
        "Revocation",
        "revoke",
        connection_id=connection_id,
        user_id=user_id,
        reason=reason,
        on_behalf_of=on_behalf_of,
    )


def revoke_of_user(connection_id: str, user_id: str) -> Call[Revocation]:
    """`DELETE /v1/connections/{connection_id}?user_id=`."""
    return _call("Revocation", "revoke_of_user", connection_id, user_id=user_id)


def connections(
    user_id: str | None, status: str | None, limit: int | None, cursor: str | None
) -> Call[ConnectionPage]:
    """`GET /v1/connections`."""
    return _call(
        "ConnectionPage",
        "connections",
        user_id=user_id,
        status=status,
        limit=_number(limit),
        cursor=cursor,
    )


def connection(connection_id: str) -> Call[Connection]:
    """`GET /v1/connections/{connection_id}`."""
    return _call("Connection", "connection", connection_id)


def narrow(
    connection_id: str,
    remove_scopes: Iterable[str],
    expires_at: datetime | str | None,
    user_label: str | None,
    on_behalf_of: str | None,
) -> Call[Connection]:
    """`PATCH /v1/connections/{connection_id}`."""
    return _call(
        "Connection",
        "narrow",
        connection_id,
        remove_scopes=list(remove_scopes) or None,
        expires_at=_time(expires_at),
        user_label=user_label,
        on_behalf_of=on_behalf_of,
    )


def scopes() -> Call[Catalogue]:
    """`GET /v1/apps/{app_id}/scopes`."""
    return _call("Catalogue", "scopes")


def put_scopes(
    scopes: Iterable[Scope | Mapping[str, object]], remove: Iterable[str]
) -> Call[CatalogueChange]:
    """`PUT /v1/apps/{app_id}/scopes`."""
    from agentadmit.answers import Scope

    catalogue = [each.to_dict() if isinstance(each, Scope) else dict(each) for each in scopes]
    return _call("CatalogueChange", "put_scopes", scopes=catalogue, remove=list(remove) or None)


def audit(
    connection_id: str | None,
    user_id: str | None,
    event: str | None,
    since: datetime | str | None,
    until: datetime | str | None,
    limit: int | None,
    cursor: str | None,
) -> Call[AuditPage]:
    """`GET /v1/audit`."""
    members: dict[str, Any] = {"from": _time(since), "to": _time(until)}
    return _call(
        "AuditPage",
        "audit",
        connection_id=connection_id,
        user_id=user_id,
        event=event,
        limit=_number(limit),
        cursor=cursor,
        **members,
    )


def usage(since: date | str | None, until: date | str | None) -> Call[Usage]:
    """`GET /v1/usage`."""
    members: dict[str, Any] = {"from": _day(since), "to": _day(until)}
    return _call("Usage", "usage", **members)


def credential() -> Call[Credential]:
    """`GET /v1/credential`."""
    return _call("Credential", "credential")
