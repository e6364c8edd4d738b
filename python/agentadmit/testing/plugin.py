"""The fixtures that pytest finds by itself. They cost nothing until one is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from agentadmit.testing import App, ScopeLike, Service


@pytest.fixture(scope="session")
def agentadmit_service() -> Iterator[Service]:
    """The real service in this process, for the whole run."""
    from agentadmit.testing import Service

    with Service() as service:
        yield service


@pytest.fixture
def agentadmit_scopes() -> list[ScopeLike]:
    """The catalogue of `agentadmit_app`: override it with the scopes of your app."""
    return []


@pytest.fixture
def agentadmit_app(agentadmit_service: Service, agentadmit_scopes: list[ScopeLike]) -> App:
    """An app of this test alone, with a key and the scopes of `agentadmit_scopes`."""
    return agentadmit_service.app(agentadmit_scopes)


@pytest.fixture
def agentadmit_environ(agentadmit_app: App, monkeypatch: pytest.MonkeyPatch) -> App:
    """Points this process's `AGENTADMIT_` variables at `agentadmit_app`, and answers it."""
    for name, value in agentadmit_app.environ.items():
        monkeypatch.setenv(name, value)
    return agentadmit_app
