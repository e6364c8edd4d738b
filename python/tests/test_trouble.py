"""What a call ends with when the service is not as it should be: never with a yes."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from agentadmit import (
    CallRefusedError,
    ConfigurationError,
    RateLimitError,
    ServiceUnavailableError,
)

from .conftest import Both
from .fake import ALLOWED, APP, KEY, TOKEN, FakeService, answer

Ask = Callable[..., Both]


def test_a_good_answer_is_a_yes(ask: Ask, fake: FakeService) -> None:
    assert ask(**fake.arguments).verify(TOKEN, "read:orders").user_id == "alice"


def test_nobody_listens(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ours = ask(service_url=f"http://127.0.0.1:{port}", api_key=KEY)
    with pytest.raises(ServiceUnavailableError, match="refused") as caught:
        ours.verify(TOKEN)
    assert caught.value.retry_after is None


def test_silence_ends_with_the_time_out(ask: Ask, fake: FakeService) -> None:
    fake.answers = lambda seen: None
    with pytest.raises(ServiceUnavailableError, match="took too long"):
        ask(**{**fake.arguments, "timeout_seconds": 2}).verify(TOKEN)
    # what was sent may be read later
    assert fake.waits_for(1)
    assert len(fake.seen) == 1, "a time-out is not asked again"


@pytest.mark.parametrize(
    "told",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n{",
        answer(200, b"{"),
        answer(200, ALLOWED, kind="text/html"),
        answer(200, {**ALLOWED, "active": False}),
        answer(200, {**ALLOWED, "active": "true"}),
        answer(200, {**ALLOWED, "scopes": []}),
        answer(200, {"active": True}),
        answer(204, b""),
        answer(403, b"<html>a proxy's</html>", kind="text/html"),
        answer(403, {"error": "invalid_token", "error_description": "no active"}),
        answer(500, {"error": "internal", "error_description": "", "request_id": ""}),
        answer(503, {"error": "unavailable", "error_description": "", "request_id": ""}),
    ],
    ids=lambda told: told.decode()[:24].split("\r")[0] + str(len(told)),
)
def test_what_is_no_yes_is_no_yes(ask: Ask, fake: FakeService, told: bytes) -> None:
    fake.answers = lambda seen: told
    with pytest.raises(ServiceUnavailableError):
        # the rest of an answer that breaks off is waited for
        ask(**{**fake.arguments, "timeout_seconds": 1}).verify(TOKEN, "read:orders")


def test_a_503_says_when_to_come_back(ask: Ask, fake: FakeService) -> None:
    fake.answers = lambda seen: answer(503, {}, Retry_After="7")
    with pytest.raises(ServiceUnavailableError) as caught:
        ask(**fake.arguments).verify(TOKEN)
    assert caught.value.retry_after == 7
    assert len(fake.seen) == 1, "503 is not asked again"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (answer(302, b"", Location="http://127.0.0.1/"), "redirect is never followed"),
        (answer(401, {"error": "invalid_api_key", "error_description": ""}), "API key"),
        (answer(404, b"", kind="text/html"), "no AgentAdmit service at service_url"),
        (
            answer(200, {**ALLOWED, "app_id": "app_01h455vb4pex5vsknk084sn02r"}),
            "set the key of this app",
        ),
        (answer(200, {**ALLOWED, "environment": "live"}), "answers for live"),
    ],
)
def test_what_the_app_must_mend(ask: Ask, fake: FakeService, told: bytes, words: str) -> None:
    fake.answers = lambda seen: told
    with pytest.raises(ConfigurationError, match=words):
        ask(**fake.arguments).verify(TOKEN, "read:orders")


def test_a_refusal_of_a_code_from_the_future_is_a_refusal(ask: Ask, fake: FakeService) -> None:
    body = {"active": True, "error": "confirmation_required", "error_description": "Ask"}
    fake.answers = lambda seen: answer(403, body)
    with pytest.raises(CallRefusedError, match="Ask") as caught:
        ask(**fake.arguments).verify(TOKEN)
    assert type(caught.value) is CallRefusedError
    assert caught.value.error == "confirmation_required"


def test_a_429_with_every_header(ask: Ask, fake: FakeService) -> None:
    fake.answers = lambda seen: answer(
        429,
        {"error": "rate_limited", "error_description": "", "limit": "key"},
        Retry_After="0",
        X_RateLimit_Limit="4000",
        X_RateLimit_Remaining="0",
        X_RateLimit_Reset="1767225601",
    )
    with pytest.raises(RateLimitError) as caught:
        ask(**fake.arguments).verify(TOKEN)
    error = caught.value
    assert (error.retry_after, error.limit, error.remaining) == (0, 4000, 0)
    assert (error.reset, error.of) == (1767225601, "key")
    assert len(fake.seen) == 4, "the first and three more"


def test_a_429_without_headers(ask: Ask, fake: FakeService) -> None:
    fake.answers = lambda seen: answer(429, b"", kind="text/plain")
    with pytest.raises(RateLimitError) as caught:
        ask(**fake.arguments, max_retries=0).verify(TOKEN)
    error = caught.value
    assert (error.retry_after, error.limit, error.remaining, error.reset) == (None,) * 4
    assert error.of is None
    assert len(fake.seen) == 1


def test_a_wrong_certificate(ask: Ask, own_tls: tuple[ssl.SSLContext, Path]) -> None:
    context, certificate = own_tls
    with FakeService(tls=context) as fake:
        with pytest.raises(ConfigurationError, match="certificate"):
            ask(**fake.arguments).verify(TOKEN)
        assert fake.seen == [], "nothing was said to a stranger"
        trusting = ask(**fake.arguments, ca_file=certificate)
        assert trusting.verify(TOKEN, "read:orders").user_id == "alice"


def test_plain_http_is_for_this_machine_alone(ask: Ask) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        ask(service_url="http://agents.example.com", app_id=APP, api_key=KEY)


def test_a_ca_file_that_is_none(ask: Ask, tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        ask(service_url="https://127.0.0.1:1", api_key=KEY, ca_file=missing)
