"""`examples/fastapi-shop`, under uvicorn with several workers and under gunicorn."""

import base64
import shutil
from pathlib import Path

import pytest
from agent_story import play_agent
from bridge_story import move, play_bridge, play_connect
from panel_calls import play_calls
from servers import GUNICORN, free_port, served
from shop_story import play_shop
from support import NO_LIMITS

from agentadmit.testing import Service

SHOP = Path(__file__).parents[3] / "examples" / "fastapi-shop"
SCOPES = ["read:orders", "write:orders"]

WORKERS = ["shop:app", "-w", "2"]
SERVERS = {
    "uvicorn": ["-m", "uvicorn", "shop:app", "--workers", "2", "--fd"],
    "gunicorn": [*GUNICORN, *WORKERS, "-k", "uvicorn.workers.UvicornWorker", "-b"],
    "gunicorn-preload": [
        *GUNICORN,
        *WORKERS,
        "--preload",
        "-k",
        "uvicorn.workers.UvicornWorker",
        "-b",
    ],
    "gunicorn-asgi": [*GUNICORN, *WORKERS, "-k", "asgi", "-b"],
}


def signed_in(name: str) -> tuple[str, str]:
    """What a browser sends once somebody has typed name and password."""
    login = base64.b64encode(f"{name}:{name}'s password".encode()).decode()
    return ("Authorization", f"Basic {login}")


@pytest.mark.parametrize("server", SERVERS)
def test_the_shop(server: str, agentadmit_service: Service, tmp_path: Path) -> None:
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    for name in ("shop.py", "agentadmit.yaml"):
        shutil.copy(SHOP / name, tmp_path)
    with served(SERVERS[server], tmp_path, app.environ) as site:
        play_shop(site, [signed_in("alice"), ("Origin", "http://127.0.0.1:8000")])


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_the_panels_calls(server: str, agentadmit_service: Service, tmp_path: Path) -> None:
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    for name in ("shop.py", "agentadmit.yaml"):
        shutil.copy(SHOP / name, tmp_path)
    with served(SERVERS[server], tmp_path, app.environ) as site:
        names = {"user": "alice", "other": "bob", "admin": "root"}
        sessions = {who: [signed_in(name)] for who, name in names.items()}
        play_calls(site, "http://127.0.0.1:8000", sessions, "alice")


def test_an_mcp_client_uses_it(agentadmit_service: Service, tmp_path: Path) -> None:
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    for name in ("shop.py", "agentadmit.yaml"):
        shutil.copy(SHOP / name, tmp_path)
    port = free_port()
    here = move(tmp_path / "agentadmit.yaml", port)
    with served(SERVERS["uvicorn"], tmp_path, app.environ, port) as site:
        page = [signed_in("alice"), ("Origin", here)]
        play_connect(site, page, tmp_path)
        play_bridge(site, page, tmp_path)


@pytest.mark.slow
def test_a_scripted_agent_uses_it(agentadmit_service: Service, tmp_path: Path) -> None:
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    for name in ("shop.py", "agentadmit.yaml"):
        shutil.copy(SHOP / name, tmp_path)
    port = free_port()
    here = move(tmp_path / "agentadmit.yaml", port)
    with served(SERVERS["uvicorn"], tmp_path, app.environ, port) as site:
        page = [signed_in("alice"), ("Origin", here)]
        play_agent(site, page, "FastAPI: `examples/fastapi-shop`", "write:orders", "tea")
