"""What an agent hears when the service gives no answer: never 200, never the app's data."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from support import Spy

from agentadmit.exceptions import AgentAdmitError, RateLimitError, ServiceUnavailableError

_KEY, _CONNECTION = (
    {"error": "rate_limited", "error_description": "slow down", "request_id": "r", "limit": it}
    for it in ("key", "connection")
)
_RATES = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "7"}
_TYPED = {"Content-Type": "application/json"}

# what the service answers, and what the app then answers and raises
NO_ANSWERS: list[tuple[tuple[int, dict[str, str], bytes], int, type[AgentAdmitError]]] = [
    (
        (429, {**_TYPED, **_RATES, "Retry-After": "3"}, json.dumps(_CONNECTION).encode()),
        429,
        RateLimitError,
    ),
    (
        (429, {**_TYPED, **_RATES, "Retry-After": "4"}, json.dumps(_KEY).encode()),
        429,
        RateLimitError,
    ),
    ((429, {}, b""), 429, RateLimitError),
    ((503, {"Retry-After": "9"}, b""), 503, ServiceUnavailableError),
    ((200, _TYPED, b"{}"), 503, ServiceUnavailableError),
    ((200, {}, b"<html>"), 503, ServiceUnavailableError),
    ((401, _TYPED, b'{"error": "invalid_api_key"}'), 503, ServiceUnavailableError),
    ((403, {}, b"a proxy"), 503, ServiceUnavailableError),
    ((302, {"Location": "https://elsewhere.example"}, b""), 503, ServiceUnavailableError),
]


def play_no_answers(
    ask: Callable[[], tuple[int, dict[str, str], str]], seen: list[Any], spy: Spy
) -> None:
    """Every one of them. `ask` is an agent that may: status, headers in lower case, and text.

    `seen` has the errors that the app's own code saw. The data of the route is `data`.
    """
    for answer, status, kind in NO_ANSWERS:
        spy.answer = answer
        seen.clear()
        answered, headers, text = ask()
        assert answered == status, answer
        assert headers["retry-after"] == answer[1].get("Retry-After", "1")
        assert "data" not in text
        (error,) = seen
        assert type(error) is kind
        if isinstance(error, RateLimitError) and "X-RateLimit-Limit" in answer[1]:
            assert (error.limit, error.remaining, error.reset) == (100, 0, 7)
            shown = "x-ratelimit-limit" in headers
            assert shown == (b"connection" in answer[2])
        if answer[2] == b"" and status == 429:
            assert isinstance(error, RateLimitError)
            assert error.limit is None
    spy.answer = None
    answered, _, text = ask()
    assert (answered, "data" in text) == (200, True)
