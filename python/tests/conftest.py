"""What the tests share: the real service, and one way to ask with both clients."""

from __future__ import annotations

import asyncio
import inspect
import os
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from support import NO_LIMITS

from agentadmit import AgentAdmit, AsyncAgentAdmit
from agentadmit.testing import App, Service

from .fake import FakeService

# of tests/shared: fixtures for every test, and asserts that say what they saw
pytest_plugins = (
    "databases",
    "guard_table",
    "mounted_story",
    "no_answer",
    "panel_calls",
    "readme",
    "shop_fixtures",
    "shop_story",
    "agent_story",  # which, like the next, imports the one before
    "bridge_story",
    "stream_story",
)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("AGENTADMIT_") and name != "AGENTADMIT_TESTS_WHEEL":
            monkeypatch.delenv(name)


@pytest.fixture
def app(agentadmit_service: Service) -> App:
    """An app that no limit stops."""
    return agentadmit_service.app(["read:orders", "write:orders"], settings=NO_LIMITS)


@pytest.fixture
def fake() -> Iterator[FakeService]:
    """A service that answers what a test says."""
    with FakeService() as service:
        yield service


class Both:
    """One of the two clients, asked in the same words."""

    def __init__(self, kind: str, **arguments: Any) -> None:
        self.kind = kind
        self.client: Any = (AgentAdmit if kind == "sync" else AsyncAgentAdmit)(**arguments)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def ask(*arguments: Any, **members: Any) -> Any:
            async def awaited() -> Any:
                return await method(*arguments, **members)

            if inspect.iscoroutinefunction(method):
                return asyncio.run(awaited())
            return method(*arguments, **members)

        return ask


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Both]:
    """Makes a client for threads, then one for asyncio."""

    def make(**arguments: Any) -> Both:
        return Both(request.param, **arguments)

    return make


@pytest.fixture
def ours(ask: Callable[..., Both], app: App) -> Both:
    """A client of `app`."""
    return ask(
        service_url=app.service.url, app_id=app.app_id, api_key=app.api_key, timeout_seconds=60
    )


@pytest.fixture(scope="session")
def own_tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS for 127.0.0.1, and the certificate that a client must be told to trust."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    certificate = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(certificate))
    return context, certificate
