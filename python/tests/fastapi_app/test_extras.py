"""A framework that is not installed is named with the extra that brings it."""

import subprocess
import sys

import pytest

NAMES = {
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
    program = f"""if True:
        import sys
        sys.modules["fastapi"] = sys.modules["starlette"] = None
        try:
            from agentadmit import {name}
        except ModuleNotFoundError as error:
            print(error)
    """
    said = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert f"pip install './python[{NAMES[name]}]'" in said


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
