"""The real service in your tests: no mocks, no network but this machine's own, milliseconds a test.

pytest finds the fixtures by itself once this package is installed:

```python
def test_an_agent_reads_orders(agentadmit_app, client):
    agent = agentadmit_app.user("alice").agent("read:orders")
    assert client.get("/api/orders", headers=agent.headers).status_code == 200
    agent.revoke()
    assert client.get("/api/orders", headers=agent.headers).status_code == 401
```
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from agentadmit import _core
from agentadmit._async_client import AsyncAgentAdmit
from agentadmit._client import AgentAdmit
from agentadmit.answers import AuditRecord, Connection, Revocation, Scope

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Agent", "App", "Grant", "Service", "User"]

# a machine that runs tests may be slow: what is not there after this does not come
_PATIENCE_SECONDS = 60

ScopeLike = str | Scope | Mapping[str, object]


class Service:
    """A running service on a free port, with a store that is gone when it stops."""

    def __init__(self) -> None:
        """Starts it. Raises `AgentAdmitError` when the machine gives no port or no room."""
        self._core = _core.TestService()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._core.url

    def operate(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """A request as the service's operator, such as `POST /v1/operator/apps`.

        Answers what the service did. Raises `CallRefusedError` for a refusal.
        """
        text = None if body is None else json.dumps(body)
        return json.loads(self._core.operate(method, path, text))

    def app(
        self,
        scopes: Iterable[ScopeLike] = (),
        *,
        name: str = "App under test",
        environment: str = "test",
        settings: Mapping[str, object] | None = None,
    ) -> App:
        """A new app with a key and a catalogue. A scope may be its name alone.

        `settings` are the operator's of the app, such as `{"rate_limit": {…}}` or `idle_days`.
        """
        members: dict[str, object] = {"name": name}
        if settings:
            members["settings"] = dict(settings)
        app_id = cast("str", self.operate("POST", "/v1/operator/apps", members)["app_id"])
        key = self.operate(
            "POST",
            f"/v1/operator/apps/{app_id}/api-keys",
            {"environment": environment, "name": "test"},
        )
        app = App(self, app_id, key["api_key"])
        catalogue = [_scope(each) for each in scopes]
        if catalogue:
            app.client.put_scopes(catalogue)
        return app

    def stop(self) -> None:
        """Ends it in good order. A second time is nothing."""
        self._core.stop()

    def __enter__(self) -> Self:
        """The service itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops it."""
        self.stop()


def _scope(scope: ScopeLike) -> Scope | Mapping[str, object]:
    return Scope(name=scope, description=scope) if isinstance(scope, str) else scope


@dataclass(frozen=True)
class App:
    """An app of the service, with its key."""

    service: Service = field(repr=False)
    app_id: str
    api_key: str = field(repr=False)

    @property
    def environ(self) -> dict[str, str]:
        """The variables that an app's own settings are read from: they win over its file."""
        return {
            "AGENTADMIT_SERVICE_URL": self.service.url,
            "AGENTADMIT_APP_ID": self.app_id,
            "AGENTADMIT_API_KEY": self.api_key,
            "AGENTADMIT_TIMEOUT_SECONDS": str(_PATIENCE_SECONDS),
        }

    @property
    def _arguments(self) -> dict[str, Any]:
        return {
            "service_url": self.service.url,
            "app_id": self.app_id,
            "api_key": self.api_key,
            "timeout_seconds": _PATIENCE_SECONDS,
        }

    @cached_property
    def client(self) -> AgentAdmit:
        """A client with this app's key, for threads."""
        return AgentAdmit(**self._arguments)

    @cached_property
    def async_client(self) -> AsyncAgentAdmit:
        """A client with this app's key, for asyncio."""
        return AsyncAgentAdmit(**self._arguments)

    def user(self, user_id: str, *, label: str | None = None) -> User:
        """One of the app's users, by the id that the app knows it by."""
        return User(self, user_id, label)

    def records(self, event: str | None = None) -> tuple[AuditRecord, ...]:
        """What the service wrote down about this app, oldest first; of one kind, such as
        `verified` or `refused`. So a test sees how often the service was asked, and what for.
        """
        found: list[AuditRecord] = []
        cursor = None
        while True:
            page = self.client.audit(event=event, limit=100, cursor=cursor)
            found.extend(page.events)
            cursor = page.next_cursor
            if cursor is None:
                return tuple(reversed(found))


@dataclass(frozen=True)
class User:
    """One of the app's users."""

    app: App = field(repr=False)
    user_id: str
    label: str | None = None

    def grant(self, *scopes: str, **members: Any) -> Grant:
        """Lets an agent in, as the user would: `members` are those of `AgentAdmit.issue_token`."""
        issued = self.app.client.issue_token(self.user_id, scopes, user_label=self.label, **members)
        return Grant(self.app, issued.connection_id, issued.token)

    def agent(self, *scopes: str, **members: Any) -> Agent:
        """An agent that holds these scopes and has exchanged its token."""
        return self.grant(*scopes, **members).exchange()


@dataclass(frozen=True)
class Grant:
    """A connection whose token nobody has exchanged yet."""

    app: App = field(repr=False)
    connection_id: str
    token: str = field(repr=False)

    def exchange(self, *, agent_label: str | None = None) -> Agent:
        """The agent exchanges its token, once."""
        exchanged = self.app.client.exchange(self.token, agent_label=agent_label)
        return Agent(self.app, self.connection_id, exchanged.access_token)


@dataclass(frozen=True)
class Agent:
    """An agent with a live connection."""

    app: App = field(repr=False)
    connection_id: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What the agent sends with each request."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def connection(self) -> Connection:
        """How its connection stands now."""
        return self.app.client.connection(self.connection_id)

    def revoke(self) -> Revocation:
        """The user takes it back: the next request is refused."""
        return self.app.client.revoke(self.connection_id)

    def narrow(self, *scopes: str) -> Connection:
        """Takes scopes away."""
        return self.app.client.narrow(self.connection_id, remove_scopes=scopes)
