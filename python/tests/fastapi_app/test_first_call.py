"""From an empty folder to an agent's first allowed call, with the commands that the page names."""

import re
import signal
import subprocess
import sys
from pathlib import Path

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


def command(*arguments: str) -> list[str]:
    """The command of this environment: the script, where the package is installed."""
    script = Path(sys.executable).with_name("agentadmit")
    program = [str(script)] if script.exists() else [sys.executable, "-m", "agentadmit"]
    return [*program, *arguments]


def test_init_check_dev(tmp_path: Path) -> None:
    for arguments in (["init"], ["check"]):
        subprocess.run(command(*arguments), cwd=tmp_path, check=True, capture_output=True)
    (tmp_path / "shop.py").write_text(APP)
    checked = subprocess.run(
        command("check", "--app", "shop:app"), cwd=tmp_path, capture_output=True, text=True
    )
    assert checked.returncode == 2, "without `dev` there is no app_id and no key yet"
    server = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0"]
    dev = subprocess.Popen(
        command("dev", "--listen", "127.0.0.1:0", "--", *server),
        cwd=tmp_path,
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
