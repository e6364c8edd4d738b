"""The native half of `agentadmit`. Use the classes of the package."""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, final

from agentadmit.exceptions import AgentAdmitError

@final
class Agent(Mapping[str, Any]):
    """What the service said of one call of an agent: the call may proceed.

    Attributes and items are the same; `user_id` and `user_label` are attributes alone, since
    `auth_ctx` shows them as its user.
    """

    @property
    def user_id(self) -> str:
        """The user who granted the connection."""
    @property
    def user_label(self) -> str | None:
        """How the app called that user at the grant."""
    @property
    def connection_id(self) -> str:
        """The connection behind the token."""
    @property
    def agent_label(self) -> str | None:
        """How the agent calls itself: its own claim."""
    @property
    def scopes(self) -> tuple[str, ...]:
        """Everything that the connection holds now."""
    @property
    def expires_at(self) -> datetime | None:
        """When the connection ends; `None` is until revoked."""
    @property
    def purpose(self) -> str | None:
        """What the app said that it is for."""
    @property
    def user_intent(self) -> str | None:
        """What the user said that it is for."""
    @property
    def environment(self) -> Literal["test", "live"]:
        """The environment of the grant."""
    @property
    def audit_id(self) -> str:
        """The record of this call."""
    def has_scope(self, name: str) -> bool:
        """Whether the connection holds a scope."""
    def to_dict(self) -> dict[str, Any]:
        """The members of `auth_ctx["agent"]` as JSON has them: times are RFC 3339 texts."""
    def __getitem__(self, name: str, /) -> Any: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...

@final
class Settings:
    """What an app runs with, complete and checked."""

    def __new__(cls, file: str | os.PathLike[str] | None, arguments: Mapping[str, str]) -> Settings:
        """Reads a file (or none), the environment of this process, and arguments, which win."""
    @property
    def service_url(self) -> str:
        """The service's origin."""
    @property
    def app_id(self) -> str | None:
        """The app's id at the service."""
    @property
    def environment(self) -> Literal["test", "live"] | None:
        """What the API key says."""
    @property
    def scope_names(self) -> list[str]:
        """Every scope that the app offers."""
    @property
    def route_prefix(self) -> str:
        """Where the routes are mounted: begins with `/`, ends without."""
    @property
    def has_storage(self) -> bool:
        """Whether the app has said where its users are."""
    @property
    def storage_url(self) -> str | None:
        """The database with the app's users. May hold a password."""
    @property
    def user_id_field(self) -> str:
        """The member of a user that is its id."""
    @property
    def active_field(self) -> str | None:
        """The member of a user that says whether it is active."""

@final
class Request:
    """A call to the service."""

    @staticmethod
    def verify(
        token: str,
        scope_used: str | None,
        endpoint: str | None,
        method: str | None,
        agent_ip: str | None,
    ) -> Request:
        """`POST /v1/verify`."""
    @staticmethod
    def exchange(
        token: str, agent_label: str | None, agent_ip: str | None, idempotency_key: str | None
    ) -> Request:
        """`POST /v1/token/exchange`."""
    @staticmethod
    def of(name: str, members: str, connection: str | None = None) -> Request:
        """Any other verb, its members as a JSON object; `connection` where the path names one."""

@final
class BlockingClient:
    """Calls on the thread that makes them."""

    def __new__(cls, settings: Settings) -> BlockingClient:
        """Connects nothing yet."""
    def verify(
        self,
        token: str,
        scope_used: str | None,
        endpoint: str | None,
        method: str | None,
        agent_ip: str | None,
    ) -> Agent:
        """A verify."""
    def call(self, request: Request) -> Any:
        """Any call: an `Agent` for a verify, else JSON."""

@final
class AsyncClient:
    """The client of `AsyncAgentAdmit`."""

    def __new__(cls, settings: Settings) -> AsyncClient:
        """Connects nothing yet."""

@final
class EventLoop:
    """One event loop's end: which of its futures wait, and for which call."""

    def __new__(cls, ring: Callable[[], object] | None = None) -> EventLoop:
        """Nothing waits yet. Without `ring`, which any thread may call, `fileno()` is watched.

        Raises `NotImplementedError` where there is nothing to watch, as on Windows.
        """
    def fileno(self) -> int | None:
        """What the loop watches; `None` where it is called instead."""
    def is_of_this_process(self) -> bool:
        """Whether it was made by this process: a forked child needs one of its own."""
    def arrived(self) -> int:
        """How many answers are here that were not delivered yet."""
    def start(self, client: AsyncClient, request: Request, future: asyncio.Future[Any]) -> int:
        """Makes a call, whose outcome goes to `future`; answers its number."""
    def give_up(self, call: int) -> None:
        """Gives a call up."""
    def deliver(self) -> None:
        """Hands over all answers that have come."""
    def __len__(self) -> int:
        """How many calls wait."""

def main(arguments: list[str], again: list[str]) -> int:
    """Runs the command that `arguments` name, the program's own name first: its exit code.

    `again` is how the same command is started as a process. Not there in a build without service.
    """

@final
class TestService:
    """The whole service in this process. Not there in a build without service."""

    def __new__(cls) -> TestService:
        """Starts it."""
    @property
    def url(self) -> str:
        """Where it listens."""
    def operate(self, method: str, path: str, body: str | None) -> str:
        """A request as its operator: method, path, and a body as JSON; answers JSON."""
    def stop(self) -> None:
        """Ends it in good order. A second time is nothing."""

@final
class Guard:
    """What a route asks of whoever calls it."""

    def __new__(
        cls,
        scopes: list[str],
        *,
        agents_only: bool = False,
        is_open: bool = False,
        summary: str | None = None,
        hidden: bool = False,
    ) -> Guard:
        """Without scopes, and not open, no agent passes. Raises `ConfigurationError`."""
    def join(self, other: Guard) -> Guard:
        """Both guards at once: the stricter rule, and all scopes of both."""
    @property
    def scopes(self) -> list[str]:
        """The scopes, sorted, each once."""
    @property
    def scope_used(self) -> str | None:
        """The scopes as verify wants them."""
    @property
    def fault(self) -> str | None:
        """What is wrong with joined guards. Every agent is refused then."""

@final
class Head:
    """The head of a request, as far as guards and mounted routes read it."""

    def __new__(
        cls,
        method: str,
        path: str,
        query: bytes,
        headers: Iterable[tuple[bytes, bytes]],
        peer: str | None,
    ) -> Head:
        """`path` is decoded, `query` as it came; `peer` is the other end's address."""
    @property
    def is_form(self) -> bool:
        """Whether the body is a form, which may hold a token."""

@final
class Admitted:
    """An agent that passed a guard, for as long as its answer goes out."""

    @property
    def agent(self) -> Agent:
        """What the service said."""
    @property
    def person(self) -> int:
        """The number of its user."""
    def covers(self, guard: Guard) -> bool:
        """Whether the verify asked for every scope of this guard too."""

@final
class Flow:
    """A decision under way."""

    def step(self, answer: object = None) -> tuple[str, Any] | None:
        """Goes on with the answer to the next question; `None` is the end."""
    def fail(self) -> tuple[str, Any] | None:
        """Goes on without the answer, which could not be found out."""
    def result(self) -> Any:
        """What came out. Raises what the caller hears instead of data."""

@final
class Carriage:
    """The outcome of a call, on its way to the flow that asked for it."""

    @property
    def failure(self) -> str | None:
        """Why the service could not be asked, for the log."""

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]

@final
class Gate:
    """What decides about requests, and answers those to mounted routes."""

    def __new__(
        cls, settings: Settings, *, admins: bool = False, prefix: str | None = None
    ) -> Gate:
        """`prefix`: where the routes are mounted, when that is not `route_prefix`."""
    @property
    def prefix(self) -> str:
        """Where the routes are mounted."""
    def is_agents(self, head: Head) -> bool:
        """Whether a request is an agent's. Raises for a token in the wrong place."""
    @property
    def documents(self) -> list[str]:
        """The paths of the documents that anyone may read."""
    def challenges(self, guard: Guard, present: list[bytes]) -> list[bytes] | None:
        """`WWW-Authenticate` of a 401 that the app itself gave, where agents may come."""
    def check_form(self, form: bytes) -> None:
        """Raises when a form holds an agent's token."""
    def admit(self, guard: Guard, head: Head, endpoint: str | None) -> Flow:
        """Decides: the result is `Admitted`, or `None` for a request that is no agent's."""
    def ask_again(self, admitted: Admitted) -> Flow:
        """Asks about an admitted request again."""
    def serve(self, head: Head, body: bytes) -> Flow:
        """Answers a request to a mounted route: status, headers, body."""
    def body_limit(self, path: str) -> int:
        """The most bytes that a body to this path may have."""
    def refuse_body(self, limit: int) -> Answer:
        """The answer to a body that has more."""
    def set_routes(self, routes: list[tuple[str, str, Guard]]) -> None:
        """The guarded routes of the discovery document: method, template, guard."""

def refuse(status: int, error: str, description: str) -> AgentAdmitError:
    """The exception of a refusal, as a guard raises it."""
