"""`users_collection` in Flask: each driver on the thread of the request."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from databases import UsersStory
from flask import Flask, g
from servers import serving_wsgi
from support import Site

from agentadmit.integrations.flask_integration import AgentAdmitFlask

Config = Callable[..., Path]


class TestUsers(UsersStory):
    """The story that is the same in every framework."""

    def serving(
        self, config: Config, table: str | None, **more: Any
    ) -> contextlib.AbstractContextManager[Site]:
        app = Flask("users")
        aa = AgentAdmitFlask(app, config(**more), users_collection=table)

        @app.get("/me")
        @aa.open_to_agents
        @aa.get_current_user_or_agent
        def me() -> Any:
            return {name: str(value) for name, value in g.agentadmit.user.items()}

        return serving_wsgi(app)
