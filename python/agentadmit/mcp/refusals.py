"""What an agent hears when a tool is not run: why, and what to ask its human for."""

from __future__ import annotations

from agentadmit.exceptions import (
    AgentAdmitError,
    CallRefusedError,
    InsufficientScopeError,
    InvalidTokenError,
    RateLimitError,
    ServiceUnavailableError,
)

EXCHANGE_FIRST = (
    "This is a connection token (ag_ct_…), and it must not travel in a tool call: exchange it "
    "first. Whoever runs this server puts it into AGENTADMIT_TOKEN, and the server exchanges it, "
    "once; an agent that calls over HTTP exchanges it at the app's token_exchange_endpoint and "
    "sends the access token (ag_at_…)."
)
NOT_MAPPED = "This tool is not open to agents. tools/list shows those that are."
NO_ANSWER = (
    "Whether this call may proceed could not be found out, so nothing was done. It is no fault of "
    "your token: keep it, and try again later."
)

_ENDED = {
    "expired": "The access that was granted has expired.",
    "revoked": "The access that was granted has been taken back.",
    "malformed": "The access token is cut off or mistyped.",
    "unknown": "The access token is not known here.",
}


class ToolRefusedError(AgentAdmitError):
    """A tool was not run. The text is for the agent: it says what to do, and holds no secret."""

    code: str
    """`tool_not_mapped`, `token_required`, `connection_token`, `unavailable`, `rate_limited`, or
    the service's code, such as `invalid_token` and `insufficient_scope`."""

    def __init__(self, text: str = "the tool was not run", code: str = "refused") -> None:
        """`text` is all that the agent hears."""
        super().__init__(text)
        self.code = code


class Words:
    """The texts of one server: `connections_page` is where its people grant access."""

    def __init__(self, connections_page: str | None) -> None:
        """Without a page the texts say "in the app"."""
        self._where = f"at {connections_page}" if connections_page else "in the app"

    def not_mapped(self) -> ToolRefusedError:
        """The scope map does not name the tool."""
        return ToolRefusedError(NOT_MAPPED, "tool_not_mapped")

    def no_token(self, how: str) -> ToolRefusedError:
        """There is no token where one belongs; `how` says where that is."""
        text = (
            "This tool needs an AgentAdmit access token. Ask your human to grant you access "
            f"{self._where}, and then {how}"
        )
        return ToolRefusedError(text, "token_required")

    def connection_token(self) -> ToolRefusedError:
        """A connection token came with a call."""
        return ToolRefusedError(EXCHANGE_FIRST, "connection_token")

    def not_exchanged(self) -> ToolRefusedError:
        """The connection token of the environment is of no use."""
        text = (
            "The connection token of this server was used before, has expired, or was taken back. "
            f"Ask your human to grant access once more {self._where}, and to give this server the "
            "new connection token."
        )
        return ToolRefusedError(text, "invalid_grant")

    def of(self, error: AgentAdmitError, scope: str) -> ToolRefusedError:
        """What a verify was answered with, for a tool that needs `scope`."""
        if isinstance(error, ToolRefusedError):
            return error
        if isinstance(error, InvalidTokenError):
            what = _ENDED.get(error.reason or "", "The access token opens nothing here.")
            text = (
                f"{what} Do not try again with the same token: ask your human to grant access once "
                f"more {self._where}."
            )
            return ToolRefusedError(text, error.error)
        if isinstance(error, InsufficientScopeError):
            return ToolRefusedError(self._missing(error, scope), error.error)
        if isinstance(error, RateLimitError):
            return ToolRefusedError(_too_many(error.retry_after), "rate_limited")
        if isinstance(error, CallRefusedError) and error.active is not None:
            text = f"The service refuses this call: {error.description or error.error}"
            return ToolRefusedError(text, error.error)
        after = error.retry_after if isinstance(error, ServiceUnavailableError) else None
        wait = f" Wait {after} s before that." if after else ""
        return ToolRefusedError(NO_ANSWER + wait, "unavailable")

    def _missing(self, error: InsufficientScopeError, scope: str) -> str:
        missing = ", ".join((error.required_scope or scope).split())
        holds = ", ".join(error.granted_scopes) or "nothing"
        return (
            f"This tool needs the scope {missing}, and your connection holds {holds}. Ask your "
            f"human whether they want to grant it {self._where}; do not look for another way."
        )


def _too_many(retry_after: int | None) -> str:
    wait = f"Wait {retry_after} s" if retry_after else "Wait a while"
    return f"Too many calls: nothing was done. {wait}, and call again."
