"""What a guard is in every framework: what it asks for, and where it is kept on a function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentadmit._core import Guard

if TYPE_CHECKING:
    from typing_extensions import Self

MARK = "__agentadmit_guard__"
"""On a guarded function: its guards, joined."""


class BaseGuard:
    """A guard, as far as it is the same everywhere."""

    def __init__(
        self,
        scopes: tuple[str, ...] = (),
        agents_only: bool = False,
        is_open: bool = False,
        summary: str | None = None,
        hidden: bool = False,
    ) -> None:
        """Raises `ConfigurationError` for a name that is no scope's."""
        self.core = Guard(
            list(scopes), agents_only=agents_only, is_open=is_open, summary=summary, hidden=hidden
        )
        self.agents_only = agents_only
        self._made_of = (scopes, agents_only, is_open)
        self._shown = (summary, hidden)

    def summary(self, text: str) -> Self:
        """The same guard; `text` tells agents what the route does."""
        return type(self)(*self._made_of, text, self._shown[1])

    def hidden(self) -> Self:
        """The same guard; its route is left out of the discovery document."""
        return type(self)(*self._made_of, self._shown[0], True)


def named(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes of a guard that wants some. Raises `TypeError` without any."""
    if not scopes:
        raise TypeError("a guard names the scopes that an agent needs")
    return scopes


def mark(function: Any, guard: Guard, before: Any = None) -> None:
    """Keeps a guard on a function, joined with those of the one that it stands `before`."""
    inner = guard_on(before)
    setattr(function, MARK, guard if inner is None else inner.join(guard))


def guard_on(function: Any) -> Guard | None:
    """The guards that are kept on a function."""
    guard = getattr(function, MARK, None)
    return guard if isinstance(guard, Guard) else None


def joined(guards: list[Guard]) -> Guard | None:
    """All of them at once; `None` without any."""
    whole: Guard | None = None
    for guard in guards:
        whole = guard if whole is None else whole.join(guard)
    return whole


def with_summary(guard: Guard, text: str | None) -> Guard:
    """What the app's own documentation says of a route, where its guard says nothing."""
    lines = (text or "").strip().splitlines()
    return guard.join(Guard([], summary=lines[0])) if lines else guard
