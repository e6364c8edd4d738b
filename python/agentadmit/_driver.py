"""Goes with a flow from question to question, in sync and in async code.

The rules of guards and mounted routes are Rust's; a flow is one decision of theirs. Whatever it
wants to know it asks here, and it is answered here: by the client of the service, or by the app's
own hooks, on the caller's thread and in the scope of the caller's request.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from agentadmit._core import AsyncClient, BlockingClient, Carriage, Flow
from agentadmit._loop import call
from agentadmit.context import label_of, member_of

log = logging.getLogger("agentadmit")


class Hooks(Protocol):
    """What an app says of its users. Async code may return awaitables."""

    def current_user(self) -> Any:
        """The signed-in user of the request at hand, or `None`. What it raises goes through."""

    def load_user(self, user_id: str) -> Any:
        """The user in whose name an agent calls, or `None`. An error refuses the agent (503)."""

    def sign_in_page(self, back: str) -> Any:
        """Where people sign in and come back to `back`, or `None` where there is no such page."""

    def is_admin(self, user: Any) -> Any:
        """Whether a user is an admin, now. An error is a no."""

    def filter_scopes(self, user: Any, scopes: list[dict[str, Any]]) -> Any:
        """The scopes that a user may grant, or their names. What it raises goes through."""

    def id_of(self, user: Any, *, is_loaded: bool) -> str | None:
        """A user's id. `is_loaded`: it is the user of an agent."""


class _Desk:
    """The users that were spoken of in one flow, by number."""

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks
        self.people: list[Any] = []

    def ask(self, kind: str, payload: Any) -> Any:
        if kind == "current_user":
            return self.hooks.current_user()
        if kind == "load_user":
            return self.hooks.load_user(payload)
        if kind == "sign_in_page":
            return self.hooks.sign_in_page(payload)
        if kind == "is_admin":
            return self.hooks.is_admin(self.people[payload])
        number, scopes = payload
        return self.hooks.filter_scopes(self.people[number], json.loads(scopes))

    def wrap(self, kind: str, answer: Any) -> Any:
        if kind == "sign_in_page":
            return answer
        if kind == "is_admin":
            return answer is True
        if kind == "filter_scopes":
            return _names(answer)
        if answer is None:
            return None
        self.people.append(answer)
        user_id = self.hooks.id_of(answer, is_loaded=kind == "load_user")
        return len(self.people) - 1, user_id, label_of(answer)

    def failed(self, kind: str, flow: Flow, error: Exception) -> tuple[str, Any] | None:
        """Goes on where a hook raised, or raises the same."""
        if kind == "load_user":
            log.error("an agent was refused: its user could not be loaded", exc_info=error)
            return flow.fail()
        if kind == "is_admin":
            log.error("the app's admin check failed, which is a no", exc_info=error)
            return flow.step(False)
        raise error


def _names(scopes: Iterable[Any]) -> list[str]:
    names: list[str] = []
    for scope in scopes:
        name = scope if isinstance(scope, str) else member_of(scope, "name")
        if isinstance(name, str):
            names.append(name)
    return names


def _noted(outcome: Carriage) -> Carriage:
    """Writes down why the service could not be asked: whoever calls hears nothing of it."""
    failure = outcome.failure
    if failure is not None:
        log.warning("no answer of the AgentAdmit service: %s", failure)
    return outcome


def drive(flow: Flow, hooks: Hooks, client: BlockingClient) -> tuple[Any, list[Any]]:
    """Goes to the end of a flow: its result, and the users by number.

    Raises what the caller hears instead of data, and what `current_user` raised.
    """
    desk = _Desk(hooks)
    asked = flow.step()
    while asked is not None:
        kind, payload = asked
        if kind == "service":
            asked = flow.step(_noted(client.call(payload)))
            continue
        try:
            answer = desk.ask(kind, payload)
        except Exception as error:
            asked = desk.failed(kind, flow, error)
            continue
        asked = flow.step(desk.wrap(kind, answer))
    return flow.result(), desk.people


async def drive_async(flow: Flow, hooks: Hooks, client: AsyncClient) -> tuple[Any, list[Any]]:
    """The same in an event loop. Whoever is cancelled here gives the call up."""
    desk = _Desk(hooks)
    asked = flow.step()
    while asked is not None:
        kind, payload = asked
        if kind == "service":
            asked = flow.step(_noted(await call(client, payload)))
            continue
        try:
            answer = desk.ask(kind, payload)
            if inspect.isawaitable(answer):
                answer = await answer
        except Exception as error:
            asked = desk.failed(kind, flow, error)
            continue
        asked = flow.step(desk.wrap(kind, answer))
    return flow.result(), desk.people


def user_of(user_id: str) -> Mapping[str, str]:
    """The user of an agent where the app has named no place for users."""
    return {"user_id": user_id}
