"""The blocks about FastAPI of the SDK 1.0.0 README, and those about the command."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Cookie, Depends, FastAPI, HTTPException
from readme import run
from servers import serving
from starlette.testclient import TestClient
from support import Spy, bearer, session

import agentadmit
from agentadmit.testing import App

Config = Callable[..., Path]

OUR_OWN = {
    "fastapi_quickstart.py": """
from agentadmit import AgentAdmitMiddleware, get_current_user_or_agent, require_scope_if_agent
from fastapi import Depends, FastAPI

app = FastAPI()
app.add_middleware(
    AgentAdmitMiddleware,
    config_path="agentadmit.yaml",
    get_current_user=your_auth_dependency,
    verify_user_token=your_token_verifier,
    users_collection="users",
)


@app.get("/api/orders")
async def orders(
    who=Depends(get_current_user_or_agent), _=Depends(require_scope_if_agent("read:orders"))
):
    return {"orders": get_orders_for_user(who["user"]["user_id"])}
""",
    "route_order_correct.py": """
@app.get("/agentadmit/scopes")
async def own(current_user: dict = Depends(get_current_user)):
    ...

wellknown_router, agentadmit_router = create_agentadmit_router(...)
app.include_router(wellknown_router)
app.include_router(agentadmit_router, prefix="/agentadmit")
""",
    "agentadmit.yaml.snippet": "max_retries: 5\n",
}


def your_auth_dependency(session: Annotated[str | None, Cookie()] = None) -> dict[str, str]:
    if session is None:
        raise HTTPException(401, "sign in")
    return {"user_id": session}


def your_token_verifier(token: str) -> dict[str, str] | None:
    return None


def test_the_quick_start(
    block: Callable[[str], str],
    config: Config,
    shop: App,
    spy: Spy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(config().parent)
    names = run(
        block("fastapi_quickstart.py"),
        "fastapi_quickstart.py",
        your_auth_dependency=your_auth_dependency,
        your_token_verifier=your_token_verifier,
        get_orders_for_user=lambda user_id: [f"an order of {user_id}"],
    )
    agent = shop.user("alice").agent("read:orders")
    lacking = shop.user("alice").agent("read:profile")
    with serving(names["app"]) as site:
        by_user = site.ask("GET", "/api/orders", [session("bob")])
        assert by_user.json == {"orders": ["an order of bob"]}
        assert spy.verifies() == []
        by_agent = site.ask("GET", "/api/orders", [bearer(agent.token), session("bob")])
        assert by_agent.json == {"orders": ["an order of alice"]}
        assert [it["scope_used"] for it in spy.verifies()] == ["read:orders"]
        assert site.get("/api/orders").status == 401
        assert site.ask("GET", "/api/orders", [bearer(lacking.token)]).status == 403
        agent.revoke()
        assert site.ask("GET", "/api/orders", [bearer(agent.token)]).status == 401
        # what the README promises beside it
        assert site.get("/.well-known/agentadmit").status == 200
        assert site.get("/agentadmit/connections", Cookie="session=alice").status == 200


def test_the_order_of_routes(block: Callable[[str], str], config: Config) -> None:
    app = FastAPI()

    def create(*_: object) -> Any:
        return agentadmit.create_agentadmit_router(config(), get_current_user=your_auth_dependency)

    run(
        block("route_order_correct.py"),
        "route_order_correct.py",
        app=app,
        Depends=Depends,
        get_current_user=your_auth_dependency,
        create_agentadmit_router=create,
    )
    client = TestClient(app, cookies={"session": "alice"})
    assert client.get("/agentadmit/scopes").json() is None  # the app's own, which says nothing
    assert client.get("/agentadmit/connections").json()["connections"] == []
    assert client.get("/.well-known/agentadmit").status_code == 200


def test_the_line_of_the_configuration(block: Callable[[str], str], config: Config) -> None:
    path = config()
    path.write_text(path.read_text() + block("agentadmit.yaml.snippet"))
    said = command("check", folder=path.parent)
    assert "max_retries" in said.stdout
    assert "5" in said.stdout.split("max_retries")[1].split("\n")[0]


def test_the_commands(tmp_path: Path) -> None:
    assert command("init", folder=tmp_path).returncode == 0
    assert command("check", folder=tmp_path).returncode == 0
    before = (tmp_path / "agentadmit-private-key.pem").read_bytes()
    assert command("keys", folder=tmp_path).returncode == 0
    assert (tmp_path / "agentadmit-private-key.pem").read_bytes() == before


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agentadmit", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
