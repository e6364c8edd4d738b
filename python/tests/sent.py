"""What leaves an app for the service, call by call: the list that docs/compliance.md explains."""

from __future__ import annotations

# the header fields of every call; `idempotency-key` of an exchange alone
HEADER = {
    "host", "authorization", "accept", "user-agent", "content-type", "content-length",
    "idempotency-key",
}  # fmt: skip

# by method and path: the members of the body, or of the query
MEMBERS: dict[tuple[str, str], set[str]] = {
    ("POST", "/v1/verify"): {"token", "scope_used", "endpoint", "method", "agent_ip"},
    ("POST", "/v1/apps/{app}/token"): {
        "user_id", "scopes", "duration_seconds", "until_revoked", "purpose", "user_intent",
        "user_label", "agent_label", "on_behalf_of",
    },
    ("POST", "/v1/token/exchange"): {"token", "agent_label", "agent_ip"},
    ("POST", "/v1/revoke"): {"connection_id", "user_id", "reason", "on_behalf_of"},
    ("DELETE", "/v1/connections/{connection}"): {"user_id"},
    ("GET", "/v1/connections"): {"user_id", "status", "limit", "cursor"},
    ("GET", "/v1/connections/{connection}"): set(),
    ("PATCH", "/v1/connections/{connection}"): {
        "remove_scopes", "expires_at", "user_label", "on_behalf_of",
    },
    ("GET", "/v1/apps/{app}/scopes"): set(),
    ("PUT", "/v1/apps/{app}/scopes"): {"scopes", "remove"},
    ("GET", "/v1/audit"): {"connection_id", "user_id", "event", "from", "to", "limit", "cursor"},
    ("GET", "/v1/usage"): {"from", "to"},
}  # fmt: skip
