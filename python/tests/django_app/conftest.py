from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import projects
import pytest
from support import Spy

from agentadmit.testing import App

projects.set_up()


@pytest.fixture(scope="session")
def _tables() -> None:
    from django.core.management import call_command

    call_command("migrate", run_syncdb=True, verbosity=0)


@pytest.fixture(autouse=True)
def _users(_tables: None) -> Iterator[None]:
    """Everybody but `gone`; root runs the shop."""
    from django.contrib.sessions.models import Session
    from django.db import connections
    from members.models import Member

    for name in ("alice", "bob", "mallory", "root"):
        Member.objects.create(user_id=name, is_staff=name == "root")
    connections.close_all()
    yield
    Member.objects.all().delete()
    Session.objects.all().delete()
    connections.close_all()


@pytest.fixture
def told(shop: App, spy: Spy) -> Callable[..., dict[str, Any]]:
    """The setting `AGENTADMIT`, with more members, if any."""
    return lambda **more: projects.told(shop, spy.url, **more)
