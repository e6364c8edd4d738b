"""The app's own users: those that it names itself, else those of flask-login."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, NoReturn

from flask import Flask, abort, current_app, has_app_context
from werkzeug.exceptions import HTTPException

from agentadmit.integrations._request import nobody
from agentadmit.integrations._setup import AppHooks as BaseHooks
from agentadmit.integrations._setup import unknown_users
from agentadmit.integrations._sync import RequestHooks

LOGIN_USER = "_login_user"
"""Where flask-login keeps the user of a request, on `g`."""


def behind(proxy: Any) -> Any:
    """What a proxy of Flask's stands for now."""
    return proxy._get_current_object()


def members_of(proxy: Any) -> dict[str, Any]:
    """The members of what a proxy of Flask's stands for now."""
    found: dict[str, Any] = behind(proxy).__dict__
    return found


class AppHooks(BaseHooks):
    """What the app said when it was set up, and its own way to know who is signed in."""

    def __init__(self, app: Flask, get_current_user: Callable[[], Any] | None, **told: Any) -> None:
        """`told`: the hooks of any framework."""
        super().__init__(**told)
        self.flask = app
        self.current = get_current_user

    @property
    def login_manager(self) -> Any:
        """flask-login's, where the app has one."""
        return getattr(self.flask, "login_manager", None)


class FlaskHooks(RequestHooks):
    """The same for one request."""

    app: AppHooks

    def __init__(self, app: AppHooks, *, is_for_agents: bool = False) -> None:
        """`is_for_agents`: whoever the app does not know is nobody, and no error."""
        super().__init__(app, is_for_agents=is_for_agents)
        self.login_user: Any = None

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """A function of the app's, plain or async. An answer that is still going out has left the
        app's context: it gets one.
        """
        context = contextlib.nullcontext() if has_app_context() else self.app.flask.app_context()
        with context:
            return self.app.flask.ensure_sync(function)(*arguments)

    def signed_in(self) -> Any:
        """By the argument, else by flask-login."""
        if self.app.current is not None:
            return self.call(self.app.current)
        if self.app.login_manager is None:
            raise unknown_users(
                "who signs in to this app is not known here: add "
                "`AgentAdmitFlask(app, get_current_user=…)`, a function of your own that answers "
                "the signed-in user or None, or set up flask-login"
            )
        from flask_login import current_user  # type: ignore[import-untyped]

        user = behind(current_user)
        return user if user.is_authenticated else None

    def means_nobody(self, error: Exception) -> bool:
        """What the app answers to whoever is not signed in."""
        if isinstance(error, HTTPException):
            status = error.code or (error.response.status_code if error.response else 0)
            return status in (301, 302, 303, 401, 403)
        return super().means_nobody(error)

    def load_user(self, user_id: str) -> Any:
        """The user in whose name an agent calls. With flask-login it is also `current_user`."""
        names_users = self.app.load is not None or self.app.source is not None
        manager = self.app.login_manager
        loader = getattr(manager, "_user_callback", None)
        if loader is None:
            return super().load_user(user_id)
        user = super().load_user(user_id) if names_users else self.call(loader, user_id)
        if user is None:
            return None
        login_user = user if hasattr(user, "is_authenticated") else self.call(loader, user_id)
        if login_user is None or not login_user.is_active:
            return None
        self.login_user = login_user
        return user

    def id_of(self, user: Any, *, is_loaded: bool) -> str | None:
        """The id of a user of flask-login is what its loader takes."""
        get_id = getattr(user, "get_id", None)
        if self.app.login_manager is not None and callable(get_id):
            user_id = get_id()
            return None if user_id is None else str(user_id)
        return super().id_of(user, is_loaded=is_loaded)

    def sign_in_page(self, back: str) -> Any:
        """flask-login's `login_view`, where the app has one."""
        manager = self.app.login_manager
        if manager is None or not manager.login_view:
            return None
        import flask_login  # pyright: ignore[reportMissingTypeStubs]

        library: Any = flask_login
        return library.login_url(manager.login_view, next_url=back)

    def refuse_nobody(self) -> NoReturn:
        """Raises what the app answers to whoever is not signed in."""
        manager = self.app.login_manager
        if self.app.current is None and manager is not None:
            abort(current_app.make_response(manager.unauthorized()))
        raise nobody()


class VisitorHooks(FlaskHooks):
    """For a page that sends whoever is not signed in to sign in: the app's 401 means nobody. Where
    it answers with the way to its own page itself, that goes through.
    """

    def means_nobody(self, error: Exception) -> bool:
        """Whether the app says that nobody is signed in, and no more."""
        if not isinstance(error, HTTPException):
            return False
        status = error.code or (error.response.status_code if error.response else 0)
        return status in (401, 403)
