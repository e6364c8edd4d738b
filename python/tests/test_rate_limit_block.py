"""The block of the SDK 1.0.0 README about exhausted retries, the same in every framework."""

import contextlib
import io
from collections.abc import Callable

from readme import run

from agentadmit.exceptions import RateLimitError

OUR_OWN = {
    "rate_limit.py": """
from agentadmit.exceptions import RateLimitError

try:
    ...
except RateLimitError as e:
    print(f"Rate limited. Retry after {e.retry_after}s")
    print(f"Limit: {e.limit}, Remaining: {e.remaining}, Reset: {e.reset}")
""",
}


def test_exhausted_retries(block: Callable[[str], str]) -> None:
    source = block("rate_limit.py")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        run(source, "rate_limit.py")
    assert said.getvalue() == ""
    assert source.count("    ...\n") == 1
    limited = source.replace("    ...\n", "    raise RateLimitError(7, 100, 0, 1700000000)\n")
    with contextlib.redirect_stdout(said):
        run(limited, "rate_limit.py")
    assert said.getvalue() == (
        "Rate limited. Retry after 7s\nLimit: 100, Remaining: 0, Reset: 1700000000\n"
    )
    assert issubclass(RateLimitError, Exception)
