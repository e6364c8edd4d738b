"""The blocks of docs/fastapi.md, as they stand there."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Header
from starlette.testclient import TestClient
from support import SCOPES

import agentadmit
from agentadmit.testing import App

PAGE = (Path(__file__).parents[3] / "docs" / "fastapi.md").read_text()
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def get_current_user(x_user: str = Header()) -> dict[str, str]:
    return {"user_id": x_user}


@pytest.fixture
def ask(config: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., TestClient]:
    """Runs a block in an app, in the folder of its settings."""
    monkeypatch.chdir(config().parent)

    def run(block: str, **names: Any) -> TestClient:
        app = FastAPI()
        own = {"app": app, "Depends": Depends, "get_current_user": get_current_user, **names}
        exec(compile(block, "docs/fastapi.md", "exec"), own)
        return TestClient(app)

    return run


def test_the_five_lines_at_its_beginning(ask: Callable[..., TestClient], shop: App) -> None:
    first = BLOCKS[0]
    assert len([line for line in first.splitlines() if line]) == 5
    client = ask(first, orders_of=lambda user_id: [f"an order of {user_id}"])
    agent = shop.user("alice").agent("read:orders")
    lacking = shop.user("alice").agent("read:profile")
    assert client.get("/api/orders", headers=agent.headers).json() == ["an order of alice"]
    assert client.get("/api/orders", headers={"X-User": "bob"}).json() == ["an order of bob"]
    assert client.get("/api/orders", headers=lacking.headers).status_code == 403
    assert client.get("/docs", headers=agent.headers).status_code == 403
    assert client.get("/.well-known/agentadmit").status_code == 200


def test_its_routers(ask: Callable[..., TestClient]) -> None:
    [block] = [block for block in BLOCKS if "agentadmit_router" in block]
    made = agentadmit.create_agentadmit_router
    client = ask(block, create_agentadmit_router=made)
    reply = client.get("/agentadmit/scopes", headers={"X-User": "alice"})
    assert {scope["name"] for scope in reply.json()["scopes"]} <= {it["name"] for it in SCOPES}
    assert client.get("/.well-known/agentadmit").status_code == 200
