"""The file of the exchanged token: whose it may be, who may read it, and what a crash leaves."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from agentadmit.exceptions import ConfigurationError, ServiceUnavailableError
from agentadmit.mcp.store import TokenStore, default_path

CONNECTION = "ag_ct_one"


class Exchanges:
    """What was asked for, and with which key."""

    def __init__(self, *outcomes: Exception | str) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[tuple[str, str]] = []

    def __call__(self, token: str, key: str) -> str:
        self.asked.append((token, key))
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "folder" / "token.json"


def test_it_is_exchanged_once_and_kept(path: Path) -> None:
    exchanges = Exchanges("ag_at_one", "ag_at_two")
    for _ in range(3):
        assert TokenStore(path).access_token(CONNECTION, exchanges) == "ag_at_one"
    assert len(exchanges.asked) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert CONNECTION not in path.read_text()
    # another connection token takes its place
    assert TokenStore(path).access_token("ag_ct_two", exchanges) == "ag_at_two"
    assert exchanges.asked[0][1] != exchanges.asked[1][1]
    assert {each.name for each in path.parent.iterdir()} == {"token.json", "token.json.lock"}


def test_an_exchange_without_an_answer_is_asked_for_again_with_the_same_key(path: Path) -> None:
    exchanges = Exchanges(ServiceUnavailableError(), "ag_at_one")
    with pytest.raises(ServiceUnavailableError):
        TokenStore(path).access_token(CONNECTION, exchanges)
    assert TokenStore(path).access_token(CONNECTION, exchanges) == "ag_at_one"
    first, second = exchanges.asked
    assert first == second
    assert 22 <= len(first[1]) <= 64


def test_whoever_comes_second_waits_for_the_first(path: Path) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()
    answers: list[str] = []

    def slow(token: str, key: str) -> str:
        is_asked.set()
        assert may_answer.wait(60)
        return "ag_at_one"

    def want() -> None:
        answers.append(TokenStore(path).access_token(CONNECTION, slow))

    first = threading.Thread(target=want)
    first.start()
    assert is_asked.wait(60)
    is_asked.clear()
    second = threading.Thread(target=want)
    second.start()
    may_answer.set()
    for thread in (first, second):
        thread.join(60)
    assert answers == ["ag_at_one"] * 2
    assert not is_asked.is_set(), "the second asked too"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o604])
def test_a_file_that_others_can_read_is_refused(path: Path, mode: int) -> None:
    exchanges = Exchanges("ag_at_one")
    TokenStore(path).access_token(CONNECTION, exchanges)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="others can read the token store"):
        TokenStore(path).access_token(CONNECTION, exchanges)


def test_a_file_of_somebody_else_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exchanges = Exchanges("ag_at_one")
    TokenStore(path).access_token(CONNECTION, exchanges)
    somebody = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: somebody)
    with pytest.raises(ConfigurationError, match="is not a file of this user"):
        TokenStore(path).access_token(CONNECTION, exchanges)


@pytest.mark.parametrize("what", ["link", "folder", "no json", "no text", "no key"])
def test_what_it_did_not_write_is_refused(path: Path, what: str) -> None:
    path.parent.mkdir(parents=True)
    if what == "link":
        target = path.with_name("elsewhere")
        target.write_text("{}")
        path.symlink_to(target)
    elif what == "folder":
        path.mkdir(mode=0o700)
    else:
        digest = TokenStoreDigest.of(CONNECTION)
        texts = {"no json": b"ag_at_secret", "no text": b"\xff\xfe"}
        path.write_bytes(texts.get(what, json.dumps(digest).encode()))
        path.chmod(0o600)
    exchanges = Exchanges("ag_at_one")
    with pytest.raises(ConfigurationError) as refused:
        TokenStore(path).access_token(CONNECTION, exchanges)
    assert "token store" in str(refused.value)
    assert "secret" not in str(refused.value)
    assert exchanges.asked == []


class TokenStoreDigest:
    """A file with the right token's name in it, and nothing else."""

    @staticmethod
    def of(connection_token: str) -> dict[str, str]:
        from agentadmit.mcp.store import digest

        return {"connection_token_sha256": digest(connection_token)}


def test_a_folder_that_cannot_be_written_is_found_out_before_the_exchange(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    exchanges = Exchanges("ag_at_one")
    with pytest.raises(ConfigurationError, match="cannot be used"):
        TokenStore(tmp_path / "file" / "token.json").access_token(CONNECTION, exchanges)
    assert exchanges.asked == []


def test_where_it_is_by_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    at_home = default_path("app_x", CONNECTION)
    assert at_home.parent == tmp_path / ".local" / "state" / "agentadmit"
    assert at_home.name.startswith("app_x-")
    assert CONNECTION not in at_home.name
    assert default_path("app_x", "ag_ct_two") != at_home
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert default_path("app_x", CONNECTION) == at_home, "a relative folder does not count"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_path(None, CONNECTION).parent == tmp_path / "state" / "agentadmit"
