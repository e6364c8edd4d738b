"""The extension: one line to set up, and the decorators."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask

from agentadmit.exceptions import ConfigurationError
from agentadmit.integrations._guards import named
from agentadmit.integrations._setup import Config
from agentadmit.integrations.flask_integration import gate, mounted
from agentadmit.integrations.flask_integration.guards import RouteGuard, UserOrAgent
from agentadmit.integrations.flask_integration.people import AppHooks
from agentadmit.integrations.flask_integration.state import EXTENSION, FlaskSetup

Loader = TypeVar("Loader", bound=Callable[[str], Any])


class AgentAdmitFlask:
    """Lets users' agents into an app.

        aa = AgentAdmitFlask(app, config_path="agentadmit.yaml")

    It brings the mounted routes and the discovery document; the app's own route for one of their
    paths wins. A view without a guard is closed to agents. With a factory: `AgentAdmitFlask()`,
    and `aa.init_app(app, …)` there; one extension serves any number of apps.
    """

    def __init__(
        self,
        app: Flask | None = None,
        config_path: str | os.PathLike[str] | None = None,
        get_current_user: Callable[[], Any] | None = None,
        is_admin: Callable[[Any], Any] | None = None,
        filter_scopes_for_user: Callable[..., Any] | None = None,
        users_collection: str | None = None,
        *,
        config: Config | None = None,
        mount: bool = True,
    ) -> None:
        """`get_current_user`: a function of the app that answers the signed-in user, or `None`;
        without it flask-login is asked, where it is set up.

        `is_admin(user)`: the app's admin check; without it there are no admin routes.
        `filter_scopes_for_user(user, scopes)`: what of the catalogue a user may grant, as a list of
        scopes or of their names. `users_collection`: the table or collection of `storage.url` that
        holds users. `config`: settings, or a mapping of them, instead of a file. `mount=False`: the
        app registers `aa.blueprint` itself. Raises `ConfigurationError`, when there is an app.
        """
        self.blueprint = mounted.blueprint()
        self._load_user: Callable[[str], Any] | None = None
        self._hooks: list[AppHooks] = []
        self._told: dict[str, Any] = {
            "config_path": config_path,
            "get_current_user": get_current_user,
            "is_admin": is_admin,
            "filter_scopes_for_user": filter_scopes_for_user,
            "users_collection": users_collection,
            "config": config,
            "mount": mount,
        }
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, config_path: Any = None, **told: Any) -> None:
        """Sets an app up. What is told here wins over what the extension was made with.

        Raises `ConfigurationError`.
        """
        if EXTENSION in app.extensions:
            raise ConfigurationError("this app has AgentAdmitFlask already: one is enough")
        if config_path is not None:
            told["config_path"] = config_path
        unknown = told.keys() - self._told.keys()
        if unknown:
            raise TypeError(f"init_app() knows no argument {sorted(unknown)[0]!r}")
        told = {**self._told, **told}
        hooks = AppHooks(
            app,
            told["get_current_user"],
            load_user=self._load_user,
            is_admin=told["is_admin"],
            filter_scopes_for_user=told["filter_scopes_for_user"],
        )
        setup = FlaskSetup(told["config_path"], told["config"], hooks, told["users_collection"])
        app.extensions[EXTENSION] = setup
        self._hooks.append(hooks)
        gate.stand_before(app)
        app.register_blueprint(mounted.documents(setup.documents))
        if told["mount"]:
            app.register_blueprint(self.blueprint, url_prefix=setup.settings.route_prefix)

    def user_loader(self, function: Loader) -> Loader:
        """`(user_id) -> user or None`: the user in whose name an agent calls, as a decorator.

        Without it: the record of `users_collection`, else what flask-login's loader answers.
        """
        self._load_user = function
        for hooks in self._hooks:
            hooks.load = function
        return function

    def require_scope_if_agent(self, *scopes: str) -> RouteGuard:
        """People pass unchanged and without a call to the service; agents with all these scopes."""
        return RouteGuard(named(scopes))

    def require_scope(self, *scopes: str) -> RouteGuard:
        """Only agents with all of these scopes pass."""
        return RouteGuard(named(scopes), agents_only=True)

    get_current_user_or_agent = UserOrAgent()
    """Decorator: `g.agentadmit` is `auth_ctx`, of the app's user or of an agent. A view for agents
    names a scope in another guard, or is marked with `open_to_agents`."""

    get_agentadmit_user = RouteGuard(agents_only=True)
    """Decorator: for views of agents alone; `g.agentadmit.agent` is the agent."""

    open_to_agents = RouteGuard(is_open=True)
    """Marks a view as open to agents: with no scope named in another guard, every agent with a
    live connection passes."""
