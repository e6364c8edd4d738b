"""The guards, as decorators of views."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import Blueprint, current_app, g

from agentadmit.context import AuthContext
from agentadmit.integrations._guards import BaseGuard, mark
from agentadmit.integrations.flask_integration import gate
from agentadmit.integrations.flask_integration.state import FlaskRequest

View = TypeVar("View", bound=Callable[..., Any])


class RouteGuard(BaseGuard):
    """A guard: a decorator of a view, plain or async, or of a method of a `MethodView`.

    It stands below `@app.route`. Errors are raised here, so that the app's own error handlers see
    them; without one the answer is PROTOCOL's. The view finds `auth_ctx` as `flask.g.agentadmit`.
    """

    def __call__(self, view: View) -> View:
        """Guards a view."""
        if inspect.isclass(view):
            raise TypeError("a guard of a class-based view stands in its `decorators`")

        @functools.wraps(view)
        def guarded(*arguments: Any, **named: Any) -> Any:
            self.check()
            return current_app.ensure_sync(view)(*arguments, **named)

        mark(guarded, self.core, before=view)
        return cast("View", guarded)

    def blueprint(self, blueprint: Blueprint) -> Blueprint:
        """Guards every view of a blueprint, and of those that are nested in it."""
        mark(blueprint, self.core, before=blueprint)
        blueprint.before_request(self._before)
        return blueprint

    def _before(self) -> None:
        self.check()

    def check(self) -> None:
        """Lets the request at hand pass or raises."""
        known = gate.of_request()
        known.is_guarded = True
        if known.is_agent:
            known.admit(self.core)
        elif self.agents_only:
            known.refuse_people(self.core)
        else:
            self.let_user_pass(known)

    def let_user_pass(self, known: FlaskRequest) -> None:
        """People pass: who they are is the app's own matter."""
        g.setdefault("agentadmit", None)


class UserOrAgent(RouteGuard):
    """`@aa.get_current_user_or_agent`: `g.agentadmit` is `auth_ctx` of the user or of an agent."""

    def let_user_pass(self, known: FlaskRequest) -> None:
        """The signed-in user. Nobody hears what the app says."""
        user = known.current_user()
        if user is None:
            known.refuse_nobody()
        g.agentadmit = AuthContext(user)
