"""What is doubtful about an app, said by `agentadmit check --app`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agentadmit.integrations import _findings
from agentadmit.integrations.flask_integration import routes
from agentadmit.integrations.flask_integration.state import setup_of

if TYPE_CHECKING:
    from flask import Flask

_DYNAMIC = re.compile(r"<([^<>]*:)?[^<>]*>")


def check(app: Flask) -> list[str]:
    """What is doubtful about an app's routes: sentences for its developer."""
    setup = setup_of(app)
    if setup is None:
        return ["this app has no AgentAdmitFlask: AgentAdmitFlask(app), or aa.init_app(app)"]
    found = list(_findings.of_guards(setup.settings, routes.guarded_routes(app)))
    if routes.prefix_in(app) is None:
        found.append("the mounted routes are nowhere: app.register_blueprint(aa.blueprint)")
    found.extend(shadowed(app))
    found.extend(_findings.own_scopes(own_scopes(app), setup.hooks.filter is not None))
    return found


def shadowed(app: Flask) -> list[str]:
    """The app's own routes that are never reached: the mounted ones were added before them."""
    found: list[str] = []
    ours: set[tuple[str, str]] = set()
    for rule, path in routes.rules_of(app):
        # Werkzeug goes by the kinds of what is dynamic, not by the names
        shape = _DYNAMIC.sub(r"<\1>", rule.rule)
        for method in sorted((rule.methods or set()).difference(("HEAD", "OPTIONS"))):
            if path is not None:
                ours.add((method, shape))
            elif (method, shape) in ours:
                what_to_do = "add the app's own before AgentAdmitFlask(app)"
                found.append(_findings.shadowed(method, routes.template_of(rule.rule), what_to_do))
    return found


def own_scopes(app: Flask) -> str | None:
    """The path of `/scopes`, where the app answers it itself."""
    path = f"{routes.prefix_in(app)}/scopes"
    own = (rule for rule, ours in routes.rules_of(app) if ours is None)
    is_own = any(rule.rule == path and "GET" in (rule.methods or set()) for rule in own)
    return path if is_own else None
