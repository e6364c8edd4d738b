"""From an empty folder to an agent's first allowed call, with the commands that the page names."""

import os
import re
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from support import LIMIT, Site, bearer

APP = """
from fastapi import Depends, FastAPI, Header
from agentadmit import AgentAdmitMiddleware, get_current_user_or_agent, require_scope_if_agent

def get_current_user(x_user: str = Header()):
    return {"user_id": x_user}

app = FastAPI()
app.add_middleware(AgentAdmitMiddleware, get_current_user=get_current_user)

@app.get("/api/orders", dependencies=[Depends(require_scope_if_agent("read:orders"))])
def orders(auth_ctx=Depends(get_current_user_or_agent)):
    return {"orders of": auth_ctx["user"]["user_id"]}
"""


def test_init_check_dev(tmp_path: Path) -> None:
    first_call(tmp_path, Path(sys.executable))


@pytest.mark.slow
@pytest.mark.skipif("AGENTADMIT_TESTS_WHEEL" not in os.environ, reason="not a test of the wheel")
def test_init_check_dev_from_the_wheel_alone(tmp_path: Path) -> None:
    python = with_nothing_else(tmp_path / "venv", os.environ["AGENTADMIT_TESTS_WHEEL"])
    shop = tmp_path / "shop"
    shop.mkdir()
    first_call(shop, python)


def with_nothing_else(place: Path, wheel: str) -> Path:
    """A new environment with what an owner of an app installs: no package of these tests."""
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    tested = (Path(__file__).parents[2] / "requirements-test.txt").read_text().splitlines()
    # the versions that are tested; pip takes no extras here
    constraints = place / "constraints.txt"
    constraints.write_text("".join(f"{line}\n" for line in tested if "[" not in line))
    wanted = [f"{wheel}[fastapi]", "uvicorn", "--constraint", str(constraints)]
    subprocess.run([*pip, "install", "--quiet", *wanted], check=True)
    listed = subprocess.run([*pip, "list"], check=True, capture_output=True, text=True).stdout
    assert "pytest" not in listed
    assert "trustme" not in listed
    return python


def command(python: Path, *arguments: str) -> list[str]:
    """The command of an environment: the script, where the package is installed."""
    script = python.with_name("agentadmit")
    program = [str(script)] if script.exists() else [str(python), "-m", "agentadmit"]
    return [*program, *arguments]


def first_call(folder: Path, python: Path) -> None:
    """The whole way, from an empty folder."""
    for arguments in (["init"], ["check"]):
        subprocess.run(command(python, *arguments), cwd=folder, check=True, capture_output=True)
    (folder / "shop.py").write_text(APP)
    checked = subprocess.run(
        command(python, "check", "--app", "shop:app"), cwd=folder, capture_output=True, text=True
    )
    assert checked.returncode == 2, "without `dev` there is no app_id and no key yet"
    server = [str(python), "-m", "uvicorn", "shop:app", "--port", "0"]
    dev = subprocess.Popen(
        command(python, "dev", "--listen", "127.0.0.1:0", "--", *server),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert dev.stderr is not None
    try:
        site = site_of(dev.stderr)
        user = [("X-User", "alice"), ("Origin", "http://127.0.0.1:8000")]
        path = "/agentadmit/connections/generate-token"
        asked = {"scopes": ["read:orders"], "duration_seconds": 3600}
        issued = site.ask("POST", path, user, json_body=asked)
        assert issued.status == 201, issued.body
        exchange = {"token": issued.json["token"]}
        token = site.ask("POST", "/agentadmit/token/exchange", json_body=exchange)
        reply = site.ask("GET", "/api/orders", [bearer(token.json["access_token"])])
        assert reply.json == {"orders of": "alice"}
        document = site.get("/.well-known/agentadmit").json
        assert document["signed_metadata"].count(".") == 2
    finally:
        dev.send_signal(signal.SIGTERM)
        said = dev.communicate(timeout=LIMIT)[1]
    assert "Traceback" not in said


def site_of(lines: object) -> Site:
    """Where uvicorn says that it listens."""
    for line in lines:  # type: ignore[attr-defined]
        found = re.search(r"Uvicorn running on http://([\d.]+):(\d+)", line)
        if found:
            return Site(found[1], int(found[2]))
    raise AssertionError("the app did not start")
