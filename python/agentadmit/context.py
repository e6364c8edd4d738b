"""Who makes a request: the app's user, or an agent in a user's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal
from uuid import UUID

from agentadmit._core import Agent

__all__ = ["Agent", "AuthContext"]

_MEMBERS = ("type", "user", "agent")


class AuthContext(Mapping[str, Any]):
    """`auth_ctx`: items and attributes are the same.

    `type` is `user` or `agent`. `user` is the app's own user object, for an agent the user in
    whose name it calls, who always has a `user_id`. `agent` is what the service said of the agent,
    and `None` when the user calls.
    """

    __slots__ = ("agent", "type", "user")

    type: Literal["user", "agent"]
    user: Any
    agent: Agent | None

    def __init__(self, user: Any, agent: Agent | None = None) -> None:
        """Without an agent it is the user who calls."""
        self.type = "user" if agent is None else "agent"
        self.user = user
        self.agent = agent

    def __getitem__(self, name: str) -> Any:
        """The attribute of this name."""
        if name in _MEMBERS:
            return getattr(self, name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        """`type`, `user`, `agent`."""
        return iter(_MEMBERS)

    def __len__(self) -> int:
        """Three."""
        return len(_MEMBERS)

    def __repr__(self) -> str:
        """Names the caller's kind and the agent, not the user object."""
        return f"<auth_ctx of {self.type} {self.agent!r}>" if self.agent else "<auth_ctx of user>"


def member_of(user: object, name: str) -> object:
    """A member of a user object: an item of a mapping, else an attribute; `None` without it."""
    if isinstance(user, Mapping):
        members: Mapping[object, object] = user  # pyright: ignore[reportUnknownVariableType]
        return members.get(name)
    return getattr(user, name, None)


def id_of(user: object, field: str) -> str | None:
    """A user's id as text. A number, a UUID and an ObjectId are ids too; anything else is none."""
    value = member_of(user, field)
    if isinstance(value, bool):
        return None
    is_id = isinstance(value, str | int | UUID) or type(value).__module__ == "bson.objectid"
    return str(value) if is_id else None


def label_of(user: object) -> str | None:
    """How agents and lists call a user: `user_label`, where the app's user has one."""
    value = member_of(user, "user_label")
    return value if isinstance(value, str) else None
