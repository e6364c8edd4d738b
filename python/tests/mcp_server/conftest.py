from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agentadmit.testing import App, Service

from .support import NOTES, SCOPES, Place

NO_LIMITS = {"rate_limit": {"per_key_per_second": None, "per_connection_per_second": None}}


@pytest.fixture
def notes(agentadmit_service: Service, monkeypatch: pytest.MonkeyPatch) -> App:
    """The app of the notes, whose settings stand in the environment."""
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    for name, value in app.environ.items():
        monkeypatch.setenv(name, value)
    return app


@pytest.fixture
def place(notes: App, tmp_path: Path) -> Callable[..., Place]:
    """Where a server runs, with variables of its own."""

    def make(folder: str = "server", **environ: str) -> Place:
        home = tmp_path / folder
        home.mkdir()
        shutil.copy(NOTES / "agentadmit.yaml", home)
        return Place(notes, home, environ).with_script((NOTES / "notes.py").read_text())

    return make
