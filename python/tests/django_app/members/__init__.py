"""The users of the projects under test: their id is a word, as in the tests of every framework."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from agentadmit.exceptions import AgentAdmitError


async def by_header(request: Any) -> dict[str, str] | None:
    """A user source of the project's own, and an async one."""
    name = request.headers.get("X-User")
    return None if name is None else {"user_id": name}


def handling(get_response: Any) -> Any:
    """The project's own words for what guards raise."""

    def middleware(request: HttpRequest) -> Any:
        return get_response(request)

    def process_exception(request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, AgentAdmitError):
            return HttpResponse(type(error).__name__, status=418)
        return None

    middleware.process_exception = process_exception  # type: ignore[attr-defined]
    return middleware


seen: list[Exception] = []
"""What guards have raised, as the project's own code saw it."""


def seeing(get_response: Any) -> Any:
    """Looks at what guards raise and has no answer of its own."""

    def middleware(request: HttpRequest) -> Any:
        return get_response(request)

    middleware.process_exception = lambda _, error: seen.append(error)  # type: ignore[attr-defined]
    return middleware
