"""`examples/flask-shop` under gunicorn, with several workers."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import urlencode

import pytest
from agent_story import play_agent
from bridge_story import move
from panel_calls import play_calls
from servers import GUNICORN, free_port, served
from shop_story import ORDERS, let_in, play_shop
from support import NO_LIMITS, Site

from agentadmit.testing import Service

SHOP = Path(__file__).parents[3] / "examples" / "flask-shop"
SCOPES = ["read:orders", "write:orders"]
SERVERS = {
    "sync": ["-w", "2"],
    "threads": ["-w", "2", "-k", "gthread", "--threads", "4"],
    "preload": ["-w", "2", "--preload"],
}


def signed_in(site: Site, name: str) -> list[tuple[str, str]]:
    """What alice's browser sends after it has signed her in, by the shop's own form."""
    page = site.get("/login")
    cookie = page.headers["set-cookie"].split(";")[0]
    token = re.search(rb'name="csrf_token" value="([^"]+)"', page.body)
    assert token is not None
    form = {"csrf_token": token[1].decode(), "name": name, "password": f"{name}'s password"}
    headers = [("Cookie", cookie), ("Content-Type", "application/x-www-form-urlencoded")]
    reply = site.ask("POST", "/login", headers, urlencode(form))
    assert (reply.status, reply.headers["location"]) == (302, "/agentadmit")
    cookie = reply.headers["set-cookie"].split(";")[0]
    return [("Cookie", cookie), ("X-CSRFToken", form["csrf_token"])]


@pytest.mark.parametrize("server", SERVERS)
def test_the_shop(server: str, agentadmit_service: Service, tmp_path: Path) -> None:
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    for name in ("shop.py", "agentadmit.yaml"):
        shutil.copy(SHOP / name, tmp_path)
    command = [*GUNICORN, "shop:app", *SERVERS[server], "-b"]
    with served(command, tmp_path, app.environ) as site:
        alice, bob = signed_in(site, "alice"), signed_in(site, "bob")
        page = [*alice, ("Origin", "http://127.0.0.1:8000")]
        assert site.ask("GET", "/agentadmit", alice).status == 200

        def meanwhile(agent: tuple[str, str]) -> None:
            for _ in range(20):
                assert site.ask("GET", "/api/orders", [agent, *bob]).json == ORDERS
            by_bob = site.ask("GET", "/api/me", bob).json
            assert by_bob == {"user_id": "bob", "asked_by": "user"}
            path = "/api/orders/1/cancel"
            assert site.ask("POST", path, alice[:1]).status == 400, "without a CSRF token"
            assert site.ask("POST", path, alice).json["status"] == "cancelled"
            _, writing = let_in(site, page, *SCOPES)
            writer = [writing, bob[0]]
            assert site.ask("POST", "/api/orders/2/cancel", writer).json["status"] == "cancelled"
            assert site.ask("POST", "/api/orders/3/cancel", writer).status == 404, "bob's own"

        play_shop(site, page, meanwhile)


@pytest.mark.parametrize("server", ["sync", "threads"])
def test_the_panels_calls(server: str, agentadmit_service: Service, tmp_path: Path) -> None:
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    for name in ("shop.py", "agentadmit.yaml"):
        shutil.copy(SHOP / name, tmp_path)
    command = [*GUNICORN, "shop:app", *SERVERS[server], "-b"]
    with served(command, tmp_path, app.environ) as site:
        names = {"user": "alice", "other": "bob", "admin": "root"}
        sessions = {who: signed_in(site, name) for who, name in names.items()}
        play_calls(site, "http://127.0.0.1:8000", sessions, "alice")


@pytest.mark.slow
def test_a_scripted_agent_uses_it(agentadmit_service: Service, tmp_path: Path) -> None:
    app = agentadmit_service.app(SCOPES, settings=NO_LIMITS)
    for name in ("shop.py", "agentadmit.yaml"):
        shutil.copy(SHOP / name, tmp_path)
    port = free_port()
    here = move(tmp_path / "agentadmit.yaml", port)
    command = [*GUNICORN, "shop:app", *SERVERS["sync"], "-b"]
    with served(command, tmp_path, app.environ, port) as site:
        page = [*signed_in(site, "alice"), ("Origin", here)]
        play_agent(site, page, "Flask: `examples/flask-shop`", "write:orders", "tea")
