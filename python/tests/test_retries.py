"""The retry rules, by the times at which a service was asked."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from agentadmit import AgentAdmit, CallRefusedError, RateLimitError, ServiceUnavailableError

from .conftest import Both
from .fake import ALLOWED, CONNECTION, TOKEN, FakeService, Seen, answer

Ask = Callable[..., Both]
TOO_MANY = {"error": "rate_limited", "error_description": "", "limit": "key"}


def gaps(fake: FakeService) -> list[float]:
    return [after.at - before.at for before, after in pairwise(fake.seen)]


def then(*told: bytes) -> Callable[[Seen], bytes]:
    """One answer after the other; the last for ever."""
    left = list(told)

    def answers(seen: Seen) -> bytes:
        return left.pop(0) if len(left) > 1 else left[0]

    return answers


@pytest.mark.slow
def test_a_wait_is_a_second_then_two(ask: Ask, fake: FakeService) -> None:
    too_many = answer(429, TOO_MANY)
    fake.answers = then(too_many, too_many, answer(200, ALLOWED))
    assert ask(**fake.arguments).verify(TOKEN, "read:orders").user_id == "alice"
    first, second = gaps(fake)
    assert first >= 1
    assert second >= 2


@pytest.mark.slow
def test_retry_after_overrides_the_wait(ask: Ask, fake: FakeService) -> None:
    fake.answers = then(answer(429, TOO_MANY, Retry_After="1"), answer(200, ALLOWED))
    ask(**fake.arguments).verify(TOKEN)
    [gap] = gaps(fake)
    assert gap >= 1


def test_max_retries_counts(ask: Ask, fake: FakeService) -> None:
    fake.answers = then(answer(429, TOO_MANY, Retry_After="0"))
    with pytest.raises(RateLimitError):
        ask(**fake.arguments, max_retries=5).verify(TOKEN)
    assert len(fake.seen) == 6


@pytest.mark.parametrize(
    "told",
    [
        answer(429, {**TOO_MANY, "limit": "connection"}, Retry_After="1"),
        answer(429, TOO_MANY, Retry_After="31"),
    ],
    ids=["the agent's own limit", "too far away"],
)
def test_what_is_not_waited_for(ask: Ask, fake: FakeService, told: bytes) -> None:
    fake.answers = then(told)
    with pytest.raises(RateLimitError):
        ask(**fake.arguments).verify(TOKEN)
    assert len(fake.seen) == 1


def test_no_place_to_wait(ask: Ask, fake: FakeService) -> None:
    fake.answers = then(answer(429, TOO_MANY, Retry_After="1"))
    with pytest.raises(RateLimitError):
        ask(**fake.arguments, max_waiting=0).verify(TOKEN)
    assert len(fake.seen) == 1


@pytest.mark.parametrize("told", [b"", answer(502, b""), answer(504, b"")])
def test_one_immediate_retry_on_a_fresh_connection(
    ask: Ask, fake: FakeService, told: bytes
) -> None:
    fake.answers = then(told, answer(200, ALLOWED))
    assert ask(**fake.arguments).verify(TOKEN).user_id == "alice"
    assert (len(fake.seen), fake.connections) == (2, 2)


def test_not_a_second_one(ask: Ask, fake: FakeService) -> None:
    fake.answers = then(b"")
    with pytest.raises(ServiceUnavailableError):
        ask(**fake.arguments).verify(TOKEN)
    assert len(fake.seen) == 2


def test_an_issue_is_never_repeated_an_exchange_only_with_its_key(
    ask: Ask, fake: FakeService
) -> None:
    fake.answers = then(b"")
    ours = ask(**fake.arguments)
    for call, requests in (
        (lambda: ours.issue_token("alice", ["read:orders"]), 1),
        (lambda: ours.exchange("ag_ct_x"), 1),
        (lambda: ours.exchange("ag_ct_x", idempotency_key="k" * 22), 2),
        (lambda: ours.revoke(CONNECTION), 2),
        (lambda: ours.narrow(CONNECTION), 1),
        (lambda: ours.connections(), 2),
    ):
        fake.seen.clear()
        with pytest.raises(ServiceUnavailableError):
            call()
        assert len(fake.seen) == requests


def test_a_no_is_not_asked_again(fake: FakeService) -> None:
    fake.answers = then(answer(409, {"error": "conflict", "error_description": "held"}))
    with pytest.raises(CallRefusedError, match="held"):
        AgentAdmit(**fake.arguments).put_scopes([{"name": "a:b", "description": "c"}])
    assert len(fake.seen) == 1


def test_connections_are_kept(ask: Ask, fake: FakeService) -> None:
    client = ask(**fake.arguments)
    for _ in range(5):
        client.verify(TOKEN)
    assert (len(fake.seen), fake.connections) == (5, 1)
