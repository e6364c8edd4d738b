"""What a call to the service can end with instead of its answer: none lets an agent pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = [
    "AgentAdmitError",
    "CallRefusedError",
    "ConfigurationError",
    "InsufficientScopeError",
    "InvalidTokenError",
    "RateLimitError",
    "ServiceUnavailableError",
]


class AgentAdmitError(Exception):
    """The base of all errors of this package."""

    http: tuple[int, list[tuple[bytes, bytes]], bytes] | None = None
    """Status, headers and body of PROTOCOL's answer, where a guard raised this; an app's own
    exception handler may answer something else, but never with data."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Pickles with every attribute, so that an error crosses a process whole."""
        return _restored, (type(self), str(self), dict(vars(self)))


def _restored(kind: type[AgentAdmitError], text: str, members: Mapping[str, Any]) -> Any:
    error = kind.__new__(kind)
    error.args = (text,)
    vars(error).update(members)
    return error


class ConfigurationError(AgentAdmitError):
    """The app is set up wrongly: its credential, its address, its certificate, its file.

    The text says what to change. Agents see 503: it is no reason to throw a token away.
    """

    def __init__(self, message: str = "the configuration cannot be used") -> None:
        """`message` says what to change."""
        super().__init__(message)


class ServiceUnavailableError(AgentAdmitError):
    """The service could not be asked, or what came back was not its answer."""

    retry_after: int | None
    """Seconds after which to come back, where the service said so."""

    def __init__(
        self, retry_after: int | None = None, *, message: str = "the service could not be asked"
    ) -> None:
        """`message` is for the log and holds no secret."""
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitError(AgentAdmitError):
    """Too many calls, after all retries. Each number is `None` when its header was absent."""

    retry_after: int | None
    """`Retry-After`, in seconds."""
    limit: int | None
    """`X-RateLimit-Limit`: the burst, in calls."""
    remaining: int | None
    """`X-RateLimit-Remaining`: calls left now."""
    reset: int | None
    """`X-RateLimit-Reset`: the Unix second at which the burst is full again."""
    of: str | None
    """Whose limit it was: `key`, `connection` or `address`; `None` when the body did not say."""

    def __init__(
        self,
        retry_after: int | None = None,
        limit: int | None = None,
        remaining: int | None = None,
        reset: int | None = None,
        *,
        of: str | None = None,
        message: str = "too many calls",
    ) -> None:
        """Takes the numbers of the answer's header."""
        super().__init__(message)
        self.retry_after = retry_after
        self.limit = limit
        self.remaining = remaining
        self.reset = reset
        self.of = of


class CallRefusedError(AgentAdmitError):
    """The service understood the call and said no, with whatever code."""

    status: int
    """The HTTP status, 400 to 499; 403 for every refusal of a verify."""
    error: str
    """The code, such as `limit_exceeded` or `not_found`; empty where there was none."""
    description: str
    """A sentence for developers."""
    field: str | None
    """The member that is wrong, where the call named one wrongly."""
    reason: str | None
    """`invalid_token`: `unknown`, `malformed`, `expired` or `revoked`."""
    active: bool | None
    """A refused verify: whether the token opens a live connection."""
    audit_id: str | None
    """The record of the refusal, where there is one."""
    billing_url: str | None
    """Where a plan is paid, where that is the reason."""
    request_id: str | None
    """What the service's log calls this call."""

    def __init__(
        self,
        error: str = "",
        description: str = "",
        *,
        status: int = 403,
        field: str | None = None,
        reason: str | None = None,
        active: bool | None = None,
        audit_id: str | None = None,
        billing_url: str | None = None,
        request_id: str | None = None,
        message: str | None = None,
    ) -> None:
        """Takes the members of the answer's body."""
        super().__init__(message or f"{error or 'refused'}: {description}")
        self.error = error
        self.description = description
        self.status = status
        self.field = field
        self.reason = reason
        self.active = active
        self.audit_id = audit_id
        self.billing_url = billing_url
        self.request_id = request_id


class InvalidTokenError(CallRefusedError):
    """The token opens no connection: it is unknown, malformed, expired or revoked (`reason`)."""

    def __init__(
        self, reason: str | None = None, *, error: str = "invalid_token", **members: Any
    ) -> None:
        """Takes the members of the answer's body."""
        super().__init__(error, reason=reason, **members)


class InsufficientScopeError(CallRefusedError):
    """The connection does not hold every scope that the call needs."""

    required_scope: str | None
    """Every missing scope, separated by spaces."""
    granted_scopes: tuple[str, ...]
    """What the connection holds."""

    def __init__(
        self,
        required_scope: str | None = None,
        granted_scopes: Iterable[str] = (),
        *,
        error: str = "insufficient_scope",
        **members: Any,
    ) -> None:
        """Takes the members of the answer's body."""
        super().__init__(error, **members)
        self.required_scope = required_scope
        self.granted_scopes = tuple(granted_scopes)
