"""A request's head and form, as servers of PEP 3333 hand them over."""

from __future__ import annotations

import io

import pytest

from agentadmit._core import Gate, Settings
from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations._wsgi import Again, form_of, head_of

TOKEN = "ag_at_" + "0" * 49
DIGEST = 'Digest username="ag, Basic x", realm="a b", nonce="c,Bearer d"'


@pytest.fixture
def gate() -> Gate:
    told = {
        "service_url": "http://127.0.0.1:1",
        "public_url": "http://127.0.0.1:2",
        "app_id": "app_01h455vb4pex5vsknk084sn02q",
    }
    return Gate(Settings(None, told))


def whose(gate: Gate, **environ: str) -> bool | int:
    """Whether a request is an agent's, or the status of its refusal."""
    try:
        return gate.is_agents(head_of({"REQUEST_METHOD": "GET", **environ}, "/"))
    except AgentAdmitError as error:
        return error.http[0] if error.http else 0


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        ("Bearer other", False),
        (DIGEST, False),
        ("Negotiate YII=, x", False),
        ("", False),
        (f"Bearer {TOKEN},Bearer {TOKEN}", 400),
        (f"Bearer {TOKEN}, Basic YTpi", 400),
        ("Basic YTpi,Basic YTpi", 400),
        (f"{DIGEST}, Bearer {TOKEN}", 400),
        (f"Bearer {TOKEN},", 401),
        (f"Bearer {TOKEN}, x", 401),
        (f"Token {TOKEN}", 401),
        ("Bearer \xe9", False),
        ("Bearer \u20ac", False),
    ],
)
def test_headers_that_a_server_has_joined(
    gate: Gate, authorization: str, expected: bool | int
) -> None:
    assert whose(gate, HTTP_AUTHORIZATION=authorization) == expected


def test_tokens_elsewhere(gate: Gate) -> None:
    assert whose(gate, QUERY_STRING=f"a=b&t={TOKEN}") == 400
    assert whose(gate, HTTP_COOKIE=f"a=b; t={TOKEN}") == 400
    assert whose(gate, HTTP_COOKIE=f"a=b,t={TOKEN}") == 400
    assert whose(gate, HTTP_X_TOKEN=TOKEN) is False


def test_many_commas_take_no_time(gate: Gate) -> None:
    assert whose(gate, HTTP_AUTHORIZATION="a," * 100_000) is False


def test_what_a_form_is() -> None:
    typed = {"CONTENT_TYPE": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}
    assert head_of(typed, "/").is_form
    assert not head_of({"CONTENT_TYPE": "multipart/form-data; boundary=x"}, "/").is_form
    assert not head_of({}, "/").is_form


class Slow(io.BytesIO):
    """Gives out a few bytes at a time, and notes how much was wanted."""

    wanted = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.wanted += size or 0
        return super().read(min(size or 0, 7))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 200_000])
def test_a_body_is_read_again_and_no_byte_behind_it(size: int) -> None:
    body = bytes(index % 251 for index in range(size))
    stream = Slow(body + b"the next request")
    beginning = form_of(stream, size)
    assert beginning == body[: min(size, 65_536)]
    again = Again(beginning, stream)
    assert again.read(size) == body
    assert stream.tell() == size


def test_a_body_without_a_length() -> None:
    stream = Slow(b"what=tea")
    beginning = form_of(stream, None)
    assert beginning == b"what=tea"
    assert Again(beginning, stream).readline() == b"what=tea"
