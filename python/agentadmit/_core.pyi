"""The native half of `agentadmit`. Use the classes of the package."""

import asyncio
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, final

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

    def __new__(cls) -> EventLoop:
        """Nothing waits yet."""
    def fileno(self) -> int:
        """What the loop watches."""
    def is_of_this_process(self) -> bool:
        """Whether it was made by this process: a forked child needs one of its own."""
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
