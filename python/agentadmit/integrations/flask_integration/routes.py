"""An app's routes: which guards stand before which, and which of them are the mounted ones."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agentadmit._core import Guard
from agentadmit.integrations._guards import guard_on, joined, with_summary
from agentadmit.integrations._request import Plan

if TYPE_CHECKING:
    from flask import Flask, Request
    from werkzeug.routing import Rule

log = logging.getLogger("agentadmit")

OURS = "__agentadmit_mounted__"
"""On the view functions of mounted routes: the path below the prefix, or of the document."""

Plans = dict[tuple[str, str, str], tuple[Any, Plan | None]]
"""By endpoint, rule and method, with the view that it was made for."""

_DYNAMIC = re.compile(r"<(?:[^<>]*:)?\s*([A-Za-z_]\w*)\s*>")
_UNSHOWN = ("HEAD", "OPTIONS")


def template_of(rule: str) -> str:
    """A rule as PROTOCOL writes it: `/orders/<int:order_id>` is `/orders/{order_id}`."""
    return _DYNAMIC.sub(r"{\1}", rule)


def mounted_path(view: Any) -> str | None:
    """Which mounted route a view function is."""
    path = getattr(view, OURS, None)
    return path if isinstance(path, str) else None


def is_mounted(app: Flask, request: Request) -> bool:
    """Whether a request reached a mounted route."""
    if request.routing_exception is not None or request.endpoint is None:
        return False
    return mounted_path(app.view_functions.get(request.endpoint)) is not None


def plan_for(plans: Plans, app: Flask, request: Request) -> Plan | None:
    """The route that a request has reached, when guards stand before it."""
    rule = request.url_rule
    if rule is None or request.routing_exception is not None:
        return None
    view = app.view_functions.get(rule.endpoint)
    key = (rule.endpoint, rule.rule, request.method)
    known = plans.get(key)
    if known is None or known[0] is not view:
        guard = guard_of(app, rule, request.method)
        template = template_of(rule.rule)
        if guard is not None and guard.fault:
            log.error("%s: agents are refused: %s", template, guard.fault)
        plan = None if guard is None else Plan(template, guard)
        known = plans[key] = (view, plan)
    return known[1]


def guard_of(app: Flask, rule: Rule, method: str) -> Guard | None:
    """The guards of a route, joined: of its blueprints, its view, and its method."""
    view = app.view_functions.get(rule.endpoint)
    found = [guard_on(app.blueprints.get(name)) for name in _blueprints(rule.endpoint)]
    found += [guard_on(view), guard_on(_method_of(view, method))]
    return joined([guard for guard in found if guard is not None])


def _blueprints(endpoint: str) -> Iterator[str]:
    """The blueprints that an endpoint is in, the outermost first."""
    parts = endpoint.split(".")[:-1]
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _method_of(view: Any, method: str) -> Any:
    """The function of a class-based view that answers a method."""
    kind = getattr(view, "view_class", None)
    if kind is None:
        return None
    names = (method.lower(), "get") if method == "HEAD" else (method.lower(),)
    found = next((getattr(kind, name) for name in names if hasattr(kind, name)), None)
    return found if found is not None else getattr(kind, "dispatch_request", None)


def guarded_routes(app: Flask, root: str = "") -> Iterator[tuple[str, str, Guard]]:
    """Every guarded route with its method and template, for the discovery document."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions.get(rule.endpoint)
        for method in sorted((rule.methods or set()).difference(_UNSHOWN)):
            guard = guard_of(app, rule, method)
            if guard is not None:
                text = _documentation(_method_of(view, method)) or _documentation(view)
                yield method, root + template_of(rule.rule), with_summary(guard, text)


def _documentation(function: Any) -> str | None:
    return None if function is None else getattr(function, "__doc__", None)


def rules_of(app: Flask) -> Iterator[tuple[Rule, str | None]]:
    """The rules of an app in their order, and which mounted route each is."""
    for rule in app.url_map.iter_rules():
        yield rule, mounted_path(app.view_functions.get(rule.endpoint))


def prefix_in(app: Flask) -> str | None:
    """Where the mounted routes are registered; `None` where they are not, or not at one place."""
    found = {rule.rule for rule, path in rules_of(app) if path == ""}
    prefix = found.pop() if len(found) == 1 else None
    return None if prefix is None or "<" in prefix else prefix
