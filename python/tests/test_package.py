"""What the package shows: names, types, texts, and nothing that it should not."""

from __future__ import annotations

import copy
import inspect
import os
import pickle
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

import agentadmit
from agentadmit import AgentAdmit, AsyncAgentAdmit, ConfigurationError, exceptions

from .conftest import Both
from .fake import APP, KEY

FRAMEWORKS = ("fastapi", "starlette", "flask", "django", "mcp", "sqlalchemy", "pymongo")


@pytest.mark.skipif("AGENTADMIT_TESTS_WHEEL" not in os.environ, reason="not a test of the wheel")
def test_the_wheel_is_what_is_tested() -> None:
    assert str(Path(agentadmit.__file__)).startswith(sysconfig.get_path("purelib"))


def test_it_is_typed() -> None:
    assert Path(agentadmit.__file__).with_name("py.typed").is_file()


def test_every_name_is_there_and_documented() -> None:
    assert set(agentadmit.__all__) <= set(dir(agentadmit))
    for name in agentadmit.__all__:
        value = getattr(agentadmit, name)
        assert inspect.getdoc(value), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        agentadmit.nothing  # noqa: B018


def test_the_table_of_names_has_tests_that_exist() -> None:
    page = (Path(__file__).parents[2] / "docs" / "differences.md").read_text()
    named = set(re.findall(r"`([a-z_/]*test_[a-z_]+\.py)`", page))
    there = {
        str(path.relative_to(Path(__file__).parent)) for path in Path(__file__).parent.rglob("*.py")
    }
    # a name without a folder is one of the row's folder
    names = {Path(path).name for path in there}
    assert named
    assert {path for path in named if path not in there and path not in names} == set()


def test_an_import_loads_no_framework_and_nothing_early() -> None:
    program = f"""if True:
        import sys, agentadmit
        assert "agentadmit._core" not in sys.modules
        agentadmit.AgentAdmit, agentadmit.AsyncAgentAdmit
        assert "agentadmit.answers" not in sys.modules, "a process that only verifies has no use"
        loaded = [name for name in {FRAMEWORKS!r} if name in sys.modules]
        assert not loaded, loaded
    """
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_both_clients_have_the_same_calls() -> None:
    def calls(kind: type) -> dict[str, inspect.Signature]:
        members = inspect.getmembers(kind, inspect.isfunction)
        return {name: inspect.signature(each) for name, each in members if name[0] != "_"}

    assert calls(AgentAdmit) == calls(AsyncAgentAdmit)
    assert set(calls(AgentAdmit)) == {
        "audit", "connection", "connections", "credential", "exchange", "issue_token", "narrow",
        "open_consent_session", "put_scopes", "revoke", "revoke_of_user", "scopes", "usage",
        "verify",
    }  # fmt: skip


@pytest.mark.parametrize(
    "error",
    [
        exceptions.RateLimitError(1, 2, 3, 4),
        exceptions.InvalidTokenError("revoked", description="gone", active=False),
        exceptions.InsufficientScopeError("a:b", ["c:d"]),
        exceptions.CallRefusedError("conflict", "held", status=409, field="x"),
        exceptions.ServiceUnavailableError(5),
        exceptions.ConfigurationError("set this"),
    ],
)
def test_an_error_crosses_a_process_whole(error: exceptions.AgentAdmitError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_the_errors_of_the_readme() -> None:
    error = exceptions.RateLimitError(retry_after=7, limit=100, remaining=0, reset=1767225600)
    assert (error.retry_after, error.limit, error.remaining, error.reset) == (7, 100, 0, 1767225600)
    assert issubclass(exceptions.InvalidTokenError, exceptions.CallRefusedError)
    assert issubclass(exceptions.InsufficientScopeError, exceptions.CallRefusedError)
    for name in exceptions.__all__:
        assert issubclass(getattr(exceptions, name), exceptions.AgentAdmitError)


def test_no_secret_is_shown(ask: Callable[..., Both]) -> None:
    client = ask(service_url="http://127.0.0.1:1", app_id=APP, api_key=KEY).client
    for shown in (repr(client), str(client), repr(client.settings)):
        assert KEY not in shown
        assert "127.0.0.1:1" in shown
    assert client.settings.app_id == APP
    assert client.settings.environment == "test"


def test_arguments_win_over_variables_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "agentadmit.yaml"
    file.write_text("service_url: http://127.0.0.1:1111\nname: Shop\n")
    monkeypatch.setenv("AGENTADMIT_API_KEY", KEY)
    assert AgentAdmit(file).settings.service_url == "http://127.0.0.1:1111/"
    monkeypatch.setenv("AGENTADMIT_SERVICE_URL", "http://127.0.0.1:2222")
    assert AgentAdmit(file).settings.service_url == "http://127.0.0.1:2222/"
    ours = AgentAdmit(str(file), service_url="http://127.0.0.1:3333")
    assert ours.settings.service_url == "http://127.0.0.1:3333/"
    # without a path it is the file of the current folder, where there is one
    monkeypatch.delenv("AGENTADMIT_SERVICE_URL")
    with pytest.raises(ConfigurationError, match="there is no default"):
        AgentAdmit()
    monkeypatch.chdir(tmp_path)
    assert AgentAdmit().settings.service_url == "http://127.0.0.1:1111/"


def test_a_wrong_file_is_named_by_line(tmp_path: Path) -> None:
    file = tmp_path / "agentadmit.yaml"
    file.write_text("service_url: http://127.0.0.1:1\nmax_retry: 5\n")
    with pytest.raises(ConfigurationError, match=r"agentadmit.yaml:2.*max_retries"):
        AgentAdmit(file, api_key=KEY)


def test_placeholders_are_no_error_at_import(tmp_path: Path) -> None:
    file = tmp_path / "agentadmit.yaml"
    file.write_text("service_url: http://127.0.0.1:1\napp_id: app_yourappid\n")
    assert AgentAdmit(file, api_key=KEY).settings.app_id is None
