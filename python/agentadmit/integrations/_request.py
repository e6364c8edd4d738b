"""What is known of one request of an agent, and for how long it holds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agentadmit._core import Guard, refuse
from agentadmit.context import AuthContext

if TYPE_CHECKING:
    from agentadmit._core import Admitted
    from agentadmit.exceptions import AgentAdmitError

log = logging.getLogger("agentadmit")

ASK_AGAIN_AFTER = 30.0
"""For how long an answer of the service holds while data goes out, in seconds."""

LOOKED_AT = 64 * 1024
"""How much of a form is looked at. What lies behind passes unread: a token there opens nothing."""

monotonic: Callable[[], float] = time.monotonic
"""The clock of streams; a test may move it."""


class StreamClosed(BrokenPipeError):
    """The agent may not go on: its answer was broken off. To app and server the client is gone."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A route and its guards, joined: what the one verify of an agent's request asks for."""

    template: str
    guard: Guard


CLOSED = Guard([])
"""What stands before a route without a guard."""


class Admission:
    """One verify for all guards of a request."""

    __slots__ = ("admitted", "asked_at", "context")

    def __init__(self) -> None:
        """Nothing has been asked yet."""
        self.admitted: Admitted | None = None
        self.context: AuthContext | None = None
        self.asked_at = 0.0

    def known(self, guard: Guard) -> AuthContext | None:
        """`auth_ctx`, when the service was asked. Raises when it was not asked for this guard."""
        if self.admitted is None or self.context is None:
            return None
        if not self.admitted.covers(guard):
            raise unplanned()
        return self.context

    def keep(self, admitted: Admitted, user: Any, guard: Guard, asked_at: float) -> AuthContext:
        """Keeps what the service said. Raises when it was not asked for this guard."""
        if not admitted.covers(guard):
            raise unplanned()
        self.admitted, self.asked_at = admitted, asked_at
        self.context = AuthContext(user, admitted.agent)
        return self.context

    @property
    def is_due(self) -> bool:
        """Whether the service is to be asked before more goes out."""
        return monotonic() - self.asked_at >= ASK_AGAIN_AFTER


def unplanned() -> AgentAdmitError:
    """A guard that no plan knew of: nothing passes."""
    log.error("a guard was reached that does not stand in the route: it was put there later")
    return refuse(500, "internal", "the app could not answer: its log says why")


def nobody() -> AgentAdmitError:
    """What is answered to whoever is not signed in, where the app itself has no answer."""
    return refuse(401, "unauthenticated", "sign in, or send an agent's access token")


def guard_did_not_run() -> AgentAdmitError:
    """A route in which no guard ran, although one stands there: nothing of it goes out."""
    log.error("an agent was refused: the route's guard did not run")
    return refuse(403, "agent_not_allowed", "agents are not let in here")


def broken_off(error: AgentAdmitError) -> StreamClosed:
    """What ends an answer that is going out; the log says why."""
    log.info("an answer to an agent was broken off: %s", error)
    return StreamClosed("the agent may not go on")
