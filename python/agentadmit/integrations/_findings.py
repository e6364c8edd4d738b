"""What is doubtful about an app's routes: sentences for its developer, the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agentadmit._core import Guard, Settings


def of_guards(settings: Settings, routes: Iterable[tuple[str, str, Guard]]) -> Iterator[str]:
    """Guards that refuse every agent, and scopes that no connection can hold."""
    catalogue = set(settings.scope_names)
    for method, template, guard in routes:
        if guard.fault:
            yield f"{method} {template}: agents are refused: {guard.fault}"
        for scope in guard.scopes:
            if scope not in catalogue:
                yield (
                    f"{method} {template}: no connection can hold `{scope}`: it is not among "
                    "`scopes`"
                )


def shadowed(method: str, template: str, what_to_do: str) -> str:
    """A route of the app's own that comes too late."""
    return (
        f"{method} {template} is never reached: AgentAdmit's route for it was added first; "
        f"{what_to_do}"
    )


def own_scopes(path: str | None, has_filter: bool) -> Iterator[str]:
    """An own list of scopes, at `path`, that decides nothing."""
    if path is not None and not has_filter:
        yield (
            f"{path} is the app's own, and there is no filter_scopes_for_user: what it leaves out "
            "can still be granted"
        )
