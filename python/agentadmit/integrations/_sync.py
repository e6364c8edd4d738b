"""One request, in frameworks that answer on a thread: whose it is, and what the service said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from agentadmit._driver import user_of
from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations import _request
from agentadmit.integrations._request import CLOSED, Admission, Plan, broken_off, unplanned
from agentadmit.integrations._setup import AppHooks, SyncSetup, id_in

if TYPE_CHECKING:
    from agentadmit._core import Guard, Head
    from agentadmit.context import AuthContext


class RequestHooks:
    """What an app says of its users, in one request: `agentadmit._driver.Hooks`, on a thread.

    A framework says who is signed in, which errors mean nobody, and how it calls functions.
    """

    def __init__(self, app: AppHooks, *, is_for_agents: bool = False) -> None:
        """`is_for_agents`: whoever the app does not know is nobody, and no error."""
        self.app = app
        self.is_for_agents = is_for_agents

    def signed_in(self) -> Any:
        """The signed-in user of the request at hand, or `None`. What it raises goes through."""
        raise NotImplementedError

    def means_nobody(self, error: Exception) -> bool:
        """Whether `signed_in` raised what the app answers to whoever is not signed in."""
        return isinstance(error, AgentAdmitError)

    def current_user(self) -> Any:
        """The signed-in user."""
        try:
            return self.signed_in()
        except Exception as error:
            if self.is_for_agents and self.means_nobody(error):
                return None
            raise

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """A function of the app's."""
        return function(*arguments)

    def load_user(self, user_id: str) -> Any:
        """The user in whose name an agent calls."""
        if self.app.load is not None:
            return self.call(self.app.load, user_id)
        if self.app.source is not None:
            return self.app.source.load(user_id)
        return user_of(user_id)

    def sign_in_page(self, back: str) -> Any:
        """Where people sign in and come back to `back`; `None` where nobody says."""
        return None

    def is_admin(self, user: Any) -> Any:
        """The app's admin check."""
        return self.call(self.app.is_admin, user) if self.app.is_admin else False

    def filter_scopes(self, user: Any, scopes: list[dict[str, Any]]) -> Any:
        """What the app lets this user grant."""
        return self.call(self.app.filter, user, scopes) if self.app.filter else scopes

    def id_of(self, user: Any, *, is_loaded: bool) -> str | None:
        """A user's id."""
        return id_in(user, self.app.user_id_field, is_loaded=is_loaded)


class SyncRequest(Admission):
    """Whose request it is, from the gate to the guards and to the end of the answer.

    The service is asked where the first guard runs, about all guards of the route at once, so that
    what a guard raises is seen by the app's own error handlers.
    """

    __slots__ = ("_hooks", "_setup", "head", "is_agent", "plan")

    def __init__(
        self, setup: SyncSetup[Any], head: Head, hooks: Callable[..., RequestHooks]
    ) -> None:
        """Raises what the caller hears for a token in the wrong place.

        `hooks(is_for_agents=…)` makes the hooks of this request.
        """
        super().__init__()
        self._setup = setup
        self._hooks = hooks
        self.head = head
        self.is_agent: bool = setup.gate().is_agents(head)
        self.plan: Plan | None = None

    def refuse(self) -> None:
        """No guard at all: closed to agents. Raises what an agent hears."""
        self._setup.admit(CLOSED, self.head, None, self._hooks())
        raise unplanned()

    def admit(self, guard: Guard) -> AuthContext:
        """`auth_ctx` of an agent that may pass. Raises what the others hear."""
        known = self.known(guard)
        if known is not None:
            return known
        plan = self.plan
        if plan is None:
            self.refuse()
            raise unplanned()
        asked_at = _request.monotonic()
        admitted, user = self._setup.admit(plan.guard, self.head, plan.template, self._hooks())
        if admitted is None:
            raise unplanned()
        return self.keep(admitted, user, guard, asked_at)

    def refuse_people(self, guard: Guard) -> None:
        """Raises what people hear where only agents pass: 401 for nobody, 403 for a user."""
        self._setup.admit(guard, self.head, None, self._hooks(is_for_agents=True))
        raise unplanned()

    def current_user(self) -> Any:
        """The app's user, as the app itself knows whom."""
        return self._hooks().current_user()

    def ask_again(self) -> None:
        """Asks once more while an answer goes out. Raises when the agent may not go on."""
        if self.admitted is None:
            raise unplanned()
        asked_at = _request.monotonic()
        self._setup.ask_again(self.admitted, self._hooks())
        self.asked_at = asked_at

    def watch(self, chunks: Iterable[Any]) -> Watched:
        """An answer that goes out piece by piece, for as long as the agent may go on."""
        return Watched(self, chunks)


class Watched(Iterator[Any]):
    """An answer on its way to an agent."""

    def __init__(self, known: SyncRequest, chunks: Iterable[Any]) -> None:
        """`chunks` is closed with this."""
        self._known = known
        self._chunks = chunks
        self._left = iter(chunks)

    def __next__(self) -> Any:
        """The next piece. Raises `StreamClosed` when the agent may not have it."""
        chunk = next(self._left)
        if self._known.is_due:
            try:
                self._known.ask_again()
            except AgentAdmitError as error:
                raise broken_off(error) from None
        return chunk

    def close(self) -> None:
        """Closes what the app gave."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()
