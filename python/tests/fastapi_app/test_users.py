"""`users_collection`, with drivers for event loops and for threads."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from databases import UsersStory
from fastapi import Depends, FastAPI
from servers import serving
from support import Site

from agentadmit import AgentAdmitMiddleware, get_current_user_or_agent, open_to_agents
from agentadmit.exceptions import ConfigurationError

Config = Callable[..., Path]


class TestUsers(UsersStory):
    """The story that is the same in every framework."""

    def serving(
        self, config: Config, table: str | None, **more: Any
    ) -> contextlib.AbstractContextManager[Site]:
        app = FastAPI()
        app.add_middleware(AgentAdmitMiddleware, config(**more), users_collection=table)

        @app.get("/me", dependencies=[Depends(open_to_agents)])
        async def me(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> Any:
            return {name: str(value) for name, value in auth_ctx["user"].items()}

        return serving(app)


def test_storage_that_is_set_up_wrongly_is_an_error_of_the_start(config: Config) -> None:
    for storage, text in (
        ({"active_field": "active"}, "AGENTADMIT_STORAGE_URL"),
        ({"url": "mongodb://127.0.0.1/"}, "names no database"),
        ({"url": "postgresql+nodriver://x/y"}, "SQLAlchemy"),
    ):
        from agentadmit.integrations.fastapi_integration import create_agentadmit_router

        with pytest.raises(ConfigurationError, match=text):
            create_agentadmit_router(config(storage=storage), users_collection="users")
