"""The calls of both clients: what Python hands over, and what it gets back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, TypeAlias

from agentadmit._core import Request, Settings
from agentadmit.answers import Scope, wire_time

DEFAULT_FILE = "agentadmit.yaml"

Path: TypeAlias = str | os.PathLike[str]


def settings_of(config_path: Path | None, arguments: Mapping[str, object]) -> Settings:
    """Reads the file that is named, else `agentadmit.yaml` where there is one."""
    if config_path is None and os.path.exists(DEFAULT_FILE):
        config_path = DEFAULT_FILE
    given = {name: str(value) for name, value in arguments.items() if value is not None}
    return Settings(config_path, given)


def _request(verb: str, connection_id: str | None = None, /, **members: object) -> Request:
    given = {name: value for name, value in members.items() if value is not None}
    return Request.of(verb, json.dumps(given, ensure_ascii=False), connection_id)


def _time(value: datetime | str | None) -> str | None:
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
) -> Request:
    """`POST /v1/apps/{app_id}/token`."""
    return _request(
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


def revoke(
    connection_id: str | None,
    user_id: str | None,
    reason: str | None,
    on_behalf_of: str | None,
) -> Request:
    """`POST /v1/revoke`."""
    return _request(
        "revoke",
        connection_id=connection_id,
        user_id=user_id,
        reason=reason,
        on_behalf_of=on_behalf_of,
    )


def revoke_of_user(connection_id: str, user_id: str) -> Request:
    """`DELETE /v1/connections/{connection_id}?user_id=`."""
    return _request("revoke_of_user", connection_id, user_id=user_id)


def connections(
    user_id: str | None, status: str | None, limit: int | None, cursor: str | None
) -> Request:
    """`GET /v1/connections`."""
    return _request(
        "connections", user_id=user_id, status=status, limit=_number(limit), cursor=cursor
    )


def connection(connection_id: str) -> Request:
    """`GET /v1/connections/{connection_id}`."""
    return _request("connection", connection_id)


def narrow(
    connection_id: str,
    remove_scopes: Iterable[str],
    expires_at: datetime | str | None,
    user_label: str | None,
    on_behalf_of: str | None,
) -> Request:
    """`PATCH /v1/connections/{connection_id}`."""
    return _request(
        "narrow",
        connection_id,
        remove_scopes=list(remove_scopes) or None,
        expires_at=_time(expires_at),
        user_label=user_label,
        on_behalf_of=on_behalf_of,
    )


def scopes() -> Request:
    """`GET /v1/apps/{app_id}/scopes`."""
    return _request("scopes")


def put_scopes(scopes: Iterable[Scope | Mapping[str, object]], remove: Iterable[str]) -> Request:
    """`PUT /v1/apps/{app_id}/scopes`."""
    catalogue = [each.to_dict() if isinstance(each, Scope) else dict(each) for each in scopes]
    return _request("put_scopes", scopes=catalogue, remove=list(remove) or None)


def audit(
    connection_id: str | None,
    user_id: str | None,
    event: str | None,
    since: datetime | str | None,
    until: datetime | str | None,
    limit: int | None,
    cursor: str | None,
) -> Request:
    """`GET /v1/audit`."""
    members: dict[str, Any] = {"from": _time(since), "to": _time(until)}
    return _request(
        "audit",
        connection_id=connection_id,
        user_id=user_id,
        event=event,
        limit=_number(limit),
        cursor=cursor,
        **members,
    )


def usage(since: date | str | None, until: date | str | None) -> Request:
    """`GET /v1/usage`."""
    members: dict[str, Any] = {"from": _day(since), "to": _day(until)}
    return _request("usage", **members)
