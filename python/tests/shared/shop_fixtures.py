"""What the tests of every integration are given: an app at the service, a spy, a configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import NO_LIMITS, SCOPES, Spy, spying, yaml_of

from agentadmit.integrations import _request
from agentadmit.testing import App, Service


@pytest.fixture
def shop(agentadmit_service: Service, monkeypatch: pytest.MonkeyPatch) -> App:
    """The app at the service; its key stands in the environment, as in production."""
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    monkeypatch.setenv("AGENTADMIT_API_KEY", app.api_key)
    return app


@pytest.fixture
def spy(agentadmit_service: Service) -> Iterator[Spy]:
    with spying(agentadmit_service.url) as spy:
        yield spy


@pytest.fixture
def config(shop: App, spy: Spy, tmp_path: Path) -> Callable[..., Path]:
    """Writes an `agentadmit.yaml` with more members, if any."""

    def write(**more: Any) -> Path:
        path = tmp_path / "agentadmit.yaml"
        path.write_text(yaml_of(shop, spy.url, **more))
        path.chmod(0o600)
        return path

    return write


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_request, "monotonic", clock)
    return clock
