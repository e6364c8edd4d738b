"""A framework that is not installed is named with the extra that brings it."""

import subprocess
import sys

import pytest

NAMES = {
    "AgentAdmitFlask": "flask",
    "AgentAdmitMiddleware": "fastapi",
    "create_agentadmit_router": "fastapi",
    "get_agentadmit_user": "fastapi",
    "get_current_user_or_agent": "fastapi",
    "open_to_agents": "fastapi",
    "require_scope": "fastapi",
    "require_scope_if_agent": "fastapi",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_framework_is_named(name: str) -> None:
    said = importing(f"from agentadmit import {name}")
    assert f"pip install './python[{NAMES[name]}]'" in said


@pytest.mark.parametrize("extra", sorted(set(NAMES.values())))
def test_a_missing_framework_of_an_integration_is_named(extra: str) -> None:
    said = importing(f"import agentadmit.integrations.{extra}_integration")
    assert f"agentadmit.integrations.{extra}_integration needs the package '" in said
    assert f"pip install './python[{extra}]'" in said


def importing(statement: str) -> str:
    """What is said where no framework is installed."""
    program = f"""if True:
        import sys
        sys.modules["fastapi"] = sys.modules["starlette"] = sys.modules["flask"] = None
        try:
            {statement}
        except ModuleNotFoundError as error:
            print(error)
    """
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    ).stdout


def test_a_missing_database_package_is_an_error_of_the_start() -> None:
    program = """if True:
        import sys
        for missing in ("sqlalchemy", "pymongo"):
            sys.modules[missing] = None
        from agentadmit.exceptions import ConfigurationError
        from agentadmit.users import MongoUsers, SqlUsers
        for kind, url in ((SqlUsers, "sqlite:///x"), (MongoUsers, "mongodb://127.0.0.1/x")):
            try:
                kind(url, "users", "user_id", None)
            except ConfigurationError as error:
                print(error)
    """
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert "./python[sql]" in said
    assert "./python[mongodb]" in said
