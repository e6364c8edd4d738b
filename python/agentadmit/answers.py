"""Answers of the service: frozen, with attributes, and mappings of the same names.

Times are aware `datetime`s in UTC. `to_dict()` is an answer as JSON has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from agentadmit._core import Agent

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "Agent",
    "AppCard",
    "AuditPage",
    "AuditRecord",
    "Catalogue",
    "CatalogueChange",
    "Connection",
    "ConnectionPage",
    "ConsentSession",
    "Credential",
    "DayCalls",
    "ExchangedToken",
    "IssuedToken",
    "LabelUsage",
    "Plan",
    "Revocation",
    "Scope",
    "Usage",
]


def moment(text: str) -> datetime:
    """Reads a time of the wire: RFC 3339 in UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def wire_time(time: datetime) -> str:
    """Writes a time for the wire. One without a zone is refused: whose midnight would it be?"""
    if time.tzinfo is None:
        raise ValueError("a time needs a zone, such as datetime.now(timezone.utc)")
    text = time.astimezone(timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class Answer(Mapping[str, Any]):
    """What all answers have in common."""

    __slots__ = ()

    _times: ClassVar[frozenset[str]] = frozenset()
    _parts: ClassVar[Mapping[str, type[Answer]]] = {}

    @classmethod
    def of(cls, members: Mapping[str, Any]) -> Self:
        """An answer from what JSON has of it."""
        return cls(**{name: cls._read(name, value) for name, value in members.items()})

    @classmethod
    def _read(cls, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name in cls._times:
            return moment(value)
        part = cls._parts.get(name)
        if isinstance(value, list):
            items = cast("list[Any]", value)
            return tuple(part.of(item) if part else item for item in items)
        return part.of(value) if part else value

    def __getitem__(self, name: str) -> Any:
        """The attribute of this name."""
        if name in _names(type(self)):
            return getattr(self, name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """The names of the attributes, in the order of the wire."""
        return iter(_names(type(self)))

    def __len__(self) -> int:
        """How many attributes there are."""
        return len(_names(type(self)))

    def to_dict(self) -> dict[str, Any]:
        """This answer as JSON has it: times are RFC 3339 texts."""
        return {name: _plain(getattr(self, name)) for name in self}


def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _plain(value: Any) -> Any:
    if isinstance(value, Answer):
        return value.to_dict()
    if isinstance(value, datetime):
        return wire_time(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in cast("tuple[Any, ...]", value)]
    return value


@dataclass(frozen=True, slots=True)
class IssuedToken(Answer):
    """A connection token, for the human, shown this once."""

    connection_id: str
    token: str = field(repr=False)
    token_expires_at: datetime
    scopes: tuple[str, ...]
    expires_at: datetime | None

    _times = frozenset({"token_expires_at", "expires_at"})


@dataclass(frozen=True, slots=True)
class ConsentSession(Answer):
    """A session of the hosted consent page: where to send the user's browser, once."""

    session_id: str
    session_url: str = field(repr=False)
    expires_at: datetime

    _times = frozenset({"expires_at"})


@dataclass(frozen=True, slots=True)
class AppCard(Answer):
    """An app as agents see it."""

    id: str
    name: str
    description: str | None
    logo_uri: str | None
    documentation_uri: str | None
    openapi_uri: str | None


@dataclass(frozen=True, slots=True)
class ExchangedToken(Answer):
    """An access token, shown this once."""

    access_token: str = field(repr=False)
    token_type: str
    scopes: tuple[str, ...]
    scope: str
    connection_id: str
    user_label: str | None
    app: AppCard
    expires_in: int | None = None

    _parts: ClassVar[Mapping[str, type[Answer]]] = {"app": AppCard}


@dataclass(frozen=True, slots=True)
class Revocation(Answer):
    """It holds for every call that starts after this answer."""

    status: str
    revoked_at: datetime
    connection_id: str | None = None
    count: int | None = None

    _times = frozenset({"revoked_at"})


@dataclass(frozen=True, slots=True)
class Connection(Answer):
    """A connection as its app sees it."""

    connection_id: str
    status: Literal["pending", "active", "revoked", "expired"]
    scopes: tuple[str, ...]
    user_id: str
    user_label: str | None
    agent_label: str | None
    purpose: str | None
    user_intent: str | None
    created_at: datetime
    exchanged_at: datetime | None
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    revoked_by: str | None
    calls: int

    _times = frozenset({"created_at", "exchanged_at", "last_used_at", "expires_at", "revoked_at"})


@dataclass(frozen=True, slots=True)
class ConnectionPage(Answer):
    """A page of connections, newest first; `next_cursor` is `None` on the last."""

    connections: tuple[Connection, ...]
    total: int
    next_cursor: str | None

    _parts: ClassVar[Mapping[str, type[Answer]]] = {"connections": Connection}


@dataclass(frozen=True, slots=True)
class Scope(Answer):
    """A scope of the catalogue."""

    name: str
    description: str
    category: str | None = None
    sensitive: bool = False
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Catalogue(Answer):
    """The catalogue of the credential's environment."""

    app_id: str
    environment: Literal["test", "live"]
    scopes: tuple[Scope, ...]

    _parts: ClassVar[Mapping[str, type[Answer]]] = {"scopes": Scope}


@dataclass(frozen=True, slots=True)
class CatalogueChange(Answer):
    """The catalogue after a change, and the names that changed."""

    app_id: str
    environment: Literal["test", "live"]
    scopes: tuple[Scope, ...]
    added: tuple[str, ...]
    updated: tuple[str, ...]
    removed: tuple[str, ...]

    _parts: ClassVar[Mapping[str, type[Answer]]] = {"scopes": Scope}


@dataclass(frozen=True, slots=True)
class AuditRecord(Answer):
    """A record of the audit log."""

    id: str
    chain: str
    seq: int
    occurred_at: datetime
    app_id: str | None
    environment: Literal["test", "live"] | None
    event: str
    connection_id: str | None
    user_id: str | None
    agent_label: str | None
    agent_ip: str | None
    scope: str | None
    endpoint: str | None
    method: str | None
    outcome: Literal["allowed", "refused", "done"]
    reason: str | None
    actor: str
    on_behalf_of: str | None
    request_id: str | None
    count: int
    details: Mapping[str, Any] | None = field(hash=False)
    prev_hash: str
    hash: str

    _times = frozenset({"occurred_at"})


@dataclass(frozen=True, slots=True)
class AuditPage(Answer):
    """A page of records, newest first; it may be short and still have a next one."""

    events: tuple[AuditRecord, ...]
    next_cursor: str | None

    _parts: ClassVar[Mapping[str, type[Answer]]] = {"events": AuditRecord}


@dataclass(frozen=True, slots=True)
class Plan(Answer):
    """A plan, its period, and what of it is used."""

    name: str
    status: str
    billing_url: str | None
    call_limit: int | None
    calls_used: int
    calls_remaining: int | None
    period_start: datetime
    period_end: datetime
    overage_calls: int

    _times = frozenset({"period_start", "period_end"})


@dataclass(frozen=True, slots=True)
class LabelUsage(Answer):
    """Allowed calls of the agents with one label; `None` for agents without one."""

    label: str | None
    calls: int


@dataclass(frozen=True, slots=True)
class DayCalls(Answer):
    """Calls of one day in UTC, as `2026-01-02`."""

    day: str
    allowed: int
    refused: int


@dataclass(frozen=True, slots=True)
class Usage(Answer):
    """What an environment of an app used."""

    app_id: str
    environment: Literal["test", "live"]
    plan: Plan
    active_connections: int
    total_connections: int
    breakdown: tuple[LabelUsage, ...]
    series: tuple[DayCalls, ...]

    _parts: ClassVar[Mapping[str, type[Answer]]] = {
        "plan": Plan,
        "breakdown": LabelUsage,
        "series": DayCalls,
    }


@dataclass(frozen=True, slots=True)
class Credential(Answer):
    """What a credential is and may do: some of `verify`, `issue`, `manage`."""

    key_id: str
    app_id: str
    environment: Literal["test", "live"]
    permissions: tuple[str, ...]
