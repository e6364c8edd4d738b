"""Django REST framework: an authentication class and permission classes.

    class Orders(APIView):
        authentication_classes = [AgentAdmitAuthentication, SessionAuthentication]
        permission_classes = [IsAuthenticated, RequireScopeIfAgent("read:orders")]

The decorators of this integration stand before classes, methods and `@api_view` functions as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission, OperationHolderMixin
from rest_framework.views import APIView
from rest_framework.views import exception_handler as their_handler

from agentadmit._core import Agent, Guard
from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations._request import CLOSED
from agentadmit.integrations.django_integration import guards, state

__all__ = [
    "AgentAdmitAuthentication",
    "OpenToAgents",
    "RequireScope",
    "RequireScopeIfAgent",
    "exception_handler",
]


class AgentAdmitAuthentication(BaseAuthentication):
    """The agent's user as `request.user`, and the agent as `request.auth`. Stands first.

    A refused agent hears what it lacks here, before the view's permissions are asked.
    """

    def authenticate(self, request: Any) -> tuple[Any, Agent | None] | None:
        """`None` for a request that is no agent's."""
        known = state.found(request._request)
        if known is None or not known.is_agent:
            return None
        context = known.passed(CLOSED)
        return context.user, context.agent

    def authenticate_header(self, request: Any) -> str:
        """What a 401 asks for."""
        return "Bearer"


class _Permission(OperationHolderMixin, BasePermission):
    """A guard among the permissions of a view.

    Every guard that stands among them is asked for, also those behind an `|`.
    """

    guard: guards.RouteGuard

    def __call__(self) -> _Permission:
        """Itself: the framework makes its permissions by calling what stands in the list."""
        return self

    def has_permission(self, request: Any, view: Any) -> bool:
        """Lets a request pass, or raises what the caller hears."""
        self.guard.check(request._request)
        return True


class RequireScopeIfAgent(_Permission):
    """People pass unchanged; agents with all of these scopes."""

    def __init__(self, *scopes: str) -> None:
        """Raises `ConfigurationError` for a name that is no scope's."""
        self.guard = guards.require_scope_if_agent(*scopes)


class RequireScope(_Permission):
    """Only agents with all of these scopes pass."""

    def __init__(self, *scopes: str) -> None:
        """Raises `ConfigurationError` for a name that is no scope's."""
        self.guard = guards.require_scope(*scopes)


class OpenToAgents(_Permission):
    """Every agent with a live connection passes, unless another guard names a scope."""

    guard = guards.open_to_agents


def exception_handler(error: Exception, context: dict[str, Any]) -> Any:
    """The framework's own, and PROTOCOL's answer to what a guard raises.

    For an `EXCEPTION_HANDLER` of the app that answers to every error: what this knows comes first.
    """
    if isinstance(error, AgentAdmitError):
        return state.answer_of(error)
    return their_handler(error, context)


def guards_in(view: Any, kind: Any, method: str) -> Iterator[Guard]:
    """The guards among the permissions of a view of the framework."""
    if not issubclass(kind, APIView):
        return
    for permission in _permissions(view, kind, method):
        yield from _guards_of(permission)


def _permissions(view: Any, kind: Any, method: str) -> list[Any]:
    """What the view will ask for this method; what its class names, where it wants a request to
    know."""
    initial: dict[str, Any] = getattr(view, "initkwargs", None) or {}
    actions: dict[str, str] | None = getattr(view, "actions", None)
    try:
        made = kind(**initial)
        made.args, made.kwargs, made.format_kwarg, made.request = (), {}, None, None
        made.action_map = actions
        made.action = (actions or {}).get(method.lower())
        return list(made.get_permissions())
    except Exception:
        return list(initial.get("permission_classes", kind.permission_classes))


def _guards_of(permission: Any) -> Iterator[Guard]:
    if permission is OpenToAgents or isinstance(permission, _Permission):
        yield permission.guard.core
        return
    for name in ("op1", "op2", "op1_class", "op2_class"):
        part = getattr(permission, name, None)
        if part is not None:
            yield from _guards_of(part)
