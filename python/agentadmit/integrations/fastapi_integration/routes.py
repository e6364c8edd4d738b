"""An app's routes: which guard stands before which, and which of them are the app's own."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from starlette.routing import BaseRoute, Match, Mount

from agentadmit._core import Guard
from agentadmit.integrations._guards import guard_on, joined, with_summary
from agentadmit.integrations._request import CLOSED, Plan
from agentadmit.integrations.fastapi_integration.guards import RouteGuard

try:  # FastAPI from 0.137 on keeps included routers as they are
    from fastapi.routing import iter_route_contexts
except ImportError:  # before that it copied their routes

    def iter_route_contexts(routes: Any) -> Iterator[Any]:  # type: ignore[misc]
        """The routes themselves."""
        yield from routes


log = logging.getLogger("agentadmit")


OURS = "__agentadmit_mounted__"
"""On the endpoints of mounted routes: the integration and the path below the prefix."""

GATE = "is_agentadmit_gate"
"""On the class of the middleware."""

# plans by dependant, which is kept so that its number stays its own
_PLANS: dict[int, tuple[Any, Guard | None]] = {}
_MOST_PLANS = 16384


def routes_of(app: Any) -> list[Any]:
    """The routes of an app as they really are; none for an app that is no Starlette's."""
    return list(iter_route_contexts(getattr(app, "routes", None) or []))


def guard_of(route: Any) -> Guard | None:
    """The guards of a route, joined; `None` where it has none."""
    dependant = getattr(route, "dependant", None)
    endpoint = getattr(route, "endpoint", None)
    own = guard_on(endpoint)
    if dependant is None:
        return own
    known = _PLANS.get(id(dependant))
    if known is None or known[0] is not dependant:
        below = [guard.core for guard in _guards_below(dependant)]
        whole = joined(below if own is None else [own, *below])
        if whole is not None and whole.fault:
            log.error("%s: agents are refused: %s", template_of(route), whole.fault)
        if len(_PLANS) >= _MOST_PLANS:
            _PLANS.clear()
        known = _PLANS[id(dependant)] = (dependant, whole)
    return known[1]


def _guards_below(dependant: Any) -> Iterator[RouteGuard]:
    for below in dependant.dependencies:
        if isinstance(below.call, RouteGuard):
            yield below.call
        yield from _guards_below(below)


def template_of(route: Any) -> str:
    """The template of a route's path."""
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    return path if isinstance(path, str) else ""


def plan_for(app: Any, scope: Mapping[str, Any], prefix: str = "") -> Plan | None:
    """The route that a request will reach, when guards stand before it.

    Goes through the routes as the router will, also into mounted apps of Starlette's kind. One
    that has a gate of its own decides for itself: `OWN_GATE`.
    """
    for route in routes_of(app):
        seen = dict(scope)
        match, child = route.matches(seen)
        if match is not Match.FULL:
            continue
        inner = _mounted_app(route)
        if inner is None:
            if is_ours(route):
                return MOUNTED
            guard = guard_of(route)
            return Plan(prefix + template_of(route), guard) if guard is not None else None
        if has_gate(inner):
            return OWN_GATE
        return plan_for(inner, {**seen, **child}, prefix + _mount_path(route))
    return None


OWN_GATE = Plan("", CLOSED)
"""The route is in an app that decides for itself."""

MOUNTED = Plan("", CLOSED)
"""The route is a mounted one, which knows by itself whom it answers."""


def is_ours(route: Any) -> bool:
    """Whether a route is a mounted one that the app has included."""
    return getattr(getattr(route, "endpoint", None), OURS, None) is not None


def _mounted_app(route: Any) -> Any:
    route = getattr(route, "route", route)
    return getattr(route, "app", None) if isinstance(route, Mount) else None


def _mount_path(route: Any) -> str:
    path = getattr(route, "path", "")
    return path if isinstance(path, str) else ""


def has_gate(app: Any) -> bool:
    """Whether an app has AgentAdmit's middleware itself, or is such a guard."""
    return getattr(app, GATE, False) or any(
        getattr(getattr(layer, "cls", None), GATE, False)
        for layer in getattr(app, "user_middleware", [])
    )


def guarded_routes(app: Any, prefix: str = "") -> Iterator[tuple[str, str, Guard]]:
    """Every guarded route with its method and template, for the discovery document."""
    for route in routes_of(app):
        inner = _mounted_app(route)
        if inner is not None:
            if not has_gate(inner):
                yield from guarded_routes(inner, prefix + _mount_path(route))
            continue
        guard = guard_of(route)
        if guard is None:
            continue
        for method in sorted(getattr(route, "methods", None) or []):
            if method != "HEAD":
                yield method, prefix + template_of(route), _with_summary(guard, route)


def _with_summary(guard: Guard, route: Any) -> Guard:
    text = getattr(route, "summary", None) or getattr(route, "description", None)
    return with_summary(guard, text if isinstance(text, str) else None)


def own_route(app: Any, scope: Mapping[str, Any], below: str) -> bool:
    """Whether the app has a route of its own for a mounted path: one that names the prefix.

    One that takes any path, such as a page for everything else, is none.
    """
    for route in routes_of(app):
        named = template_of(route) or _mount_path(route)
        literal = named.split("{", 1)[0]
        if not literal.startswith(below):
            continue
        match, _ = route.matches(dict(scope))
        if match is Match.FULL:
            return True
    return False


def first_of(routes: Iterable[BaseRoute | Any], path: str, method: str) -> Any:
    """The route that wins for a path and a method; `None` without any."""
    scope: dict[str, Any] = {
        "type": "http",
        "path": path,
        "root_path": "",
        "method": method,
        "headers": [],
    }
    for route in routes:
        match, _ = route.matches(dict(scope))
        if match is Match.FULL:
            return route
    return None
