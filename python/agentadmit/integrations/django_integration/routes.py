"""The project's views: which guard stands before which, and where each is."""

from __future__ import annotations

import functools
import itertools
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.admindocs.utils import (
    remove_non_capturing_groups,
    replace_metacharacters,
    replace_named_groups,
    replace_unnamed_groups,
)
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver, get_resolver

from agentadmit._core import Guard
from agentadmit.integrations._guards import MARK, joined, with_summary
from agentadmit.integrations._request import Plan

OURS = "__agentadmit_mounted__"
"""On the views of mounted routes."""

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_numbers = itertools.count()


def new_mark() -> str:
    """A name for a guard on a function.

    Each guard has one of its own: `method_decorator` takes over what a decorator leaves on a
    function, and of two decorators that leave the same name only one.
    """
    return f"{MARK}{next(_numbers)}"


def is_ours(view: Any) -> bool:
    """Whether a view is a mounted one."""
    return getattr(view, OURS, False) is True


def plan_for(view: Any, request: HttpRequest) -> Plan | None:
    """The guards of the view that a request has reached; `None` where it has none."""
    guard = guard_of(view, request.method or "GET")
    if guard is None:
        return None
    match = request.resolver_match
    return Plan(template_of(match.route if match is not None else ""), guard)


def guard_of(view: Any, method: str) -> Guard | None:
    """The guards of a view for a method, joined; `None` where it has none."""
    return joined(list(_guards(view, method)))


def _guards(view: Any, method: str) -> Iterator[Guard]:
    while isinstance(view, functools.partial):
        yield from _on(view)
        view = view.func
    yield from _on(view)
    kind = _class_of(view)
    if kind is None:
        return
    yield from _on(getattr(kind, "dispatch", None))
    yield from _on(_handler(view, kind, method))
    if "rest_framework" in sys.modules:
        from agentadmit.integrations.django_integration import drf

        yield from drf.guards_in(view, kind, method)


def _on(function: Any) -> Iterator[Guard]:
    for name, value in getattr(function, "__dict__", {}).items():
        if name.startswith(MARK) and isinstance(value, Guard):
            yield value


def _class_of(view: Any) -> Any:
    """The class behind `as_view()`, Django's or that of Django REST framework."""
    return getattr(view, "view_class", None) or getattr(view, "cls", None)


def _handler(view: Any, kind: Any, method: str) -> Any:
    """What answers to a method in a class."""
    actions: dict[str, str] = getattr(view, "actions", None) or {}
    name = actions.get(method.lower(), method.lower())
    found = getattr(kind, name, None)
    return getattr(kind, "get", None) if found is None and method == "HEAD" else found


@functools.lru_cache(4096)
def template_of(route: str) -> str:
    """A route as agents read it: `/orders/{order_id}` for `orders/<int:order_id>` and for
    `^orders/(?P<order_id>[0-9]+)$`."""
    plain = remove_non_capturing_groups(route)
    plain = replace_metacharacters(replace_unnamed_groups(replace_named_groups(plain)))
    plain = re.sub(r"\\([./-])", r"\1", plain)
    return "/" + re.sub(r"<(?:[^<>:]+:)?([^<>]+)>", r"{\1}", plain).lstrip("/")


def views() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every view of the project with its template, in the order in which they are looked for."""
    yield from _below(get_resolver().url_patterns, "")


def _below(
    patterns: list[URLPattern | URLResolver], prefix: str
) -> Iterator[tuple[str, Callable[..., Any]]]:
    for pattern in patterns:
        own = str(pattern.pattern)
        route = prefix + (own.removeprefix("^") if prefix else own)
        if isinstance(pattern, URLResolver):
            yield from _below(pattern.url_patterns, route)
        elif pattern.callback is not None:
            yield template_of(route), pattern.callback


def guarded_routes() -> Iterator[tuple[str, str, Guard]]:
    """Every guarded route with its method and template."""
    seen: set[tuple[str, str]] = set()
    for template, view in views():
        for method in methods_of(view):
            guard = guard_of(view, method)
            if (method, template) in seen:
                continue
            seen.add((method, template))
            if guard is not None:
                yield method, template, with_summary(guard, _about(view, method))


def methods_of(view: Any) -> list[str]:
    """What a view answers to. A function says it by `require_http_methods` and its kin; one that
    says nothing counts as read."""
    actions = getattr(view, "actions", None)
    if actions:
        return [method for method in _METHODS if method.lower() in actions]
    kind = _class_of(view)
    if kind is not None:
        named = {name.lower() for name in kind.http_method_names}
        return [it for it in _METHODS if it.lower() in named and hasattr(kind, it.lower())]
    while view is not None:
        code = getattr(view, "__code__", None)
        cells = getattr(view, "__closure__", None) or ()
        for name, cell in zip(getattr(code, "co_freevars", ()), cells, strict=False):
            if name == "request_method_list":
                return [method for method in _METHODS if method in cell.cell_contents]
        view = getattr(view, "__wrapped__", None)
    return ["GET"]


def _about(view: Any, method: str) -> str | None:
    """What the app's own documentation says of a view."""
    kind = _class_of(view)
    handler = view if kind is None else _handler(view, kind, method)
    about: str | None = getattr(handler, "__doc__", None)
    # of a class only what stands in itself: what it inherits says nothing of this view
    return about or (None if kind is None else kind.__dict__.get("__doc__"))
