"""`examples/django-shop`, under gunicorn (prefork and threads) and under uvicorn."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlencode

import pytest
from agent_story import play_agent
from bridge_story import move, play_bridge
from panel_calls import play_calls
from servers import GUNICORN, free_port, served
from shop_story import let_in, play_shop
from support import NO_LIMITS, Site

from agentadmit.testing import App, Service

SHOP = Path(__file__).parents[3] / "examples" / "django-shop"
SCOPES = ["read:orders", "write:orders"]
TWO = ["-W", "error", *GUNICORN, "-w", "2"]
UVICORN = ["-W", "error", "-m", "uvicorn"]
SERVERS = {
    "gunicorn": [*TWO, "shop.wsgi", "-b"],
    "gunicorn-preload": [*TWO, "--preload", "shop.wsgi", "-b"],
    "gunicorn-threads": [*TWO, "--threads", "4", "shop.wsgi", "-b"],
    "gunicorn-asgi": [*TWO, "-k", "asgi", "shop.asgi", "-b"],
    "uvicorn": [*UVICORN, "shop.asgi:application", "--lifespan", "off", "--workers", "2", "--fd"],
}


def manage(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=folder,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example with its tables filled."""
    folder = tmp_path / "django-shop"
    shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns("__pycache__", "*.db"))
    done = manage(folder, "migrate")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def app(agentadmit_service: Service) -> App:
    return agentadmit_service.app(SCOPES, settings=NO_LIMITS)


def signed_in(site: Site, name: str) -> list[tuple[str, str]]:
    """Signs in as a browser does, and answers what it sends from then on."""
    form = site.get("/login")
    csrf = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', form.body)
    assert csrf
    [cookie] = re.findall(r"csrftoken=\w+", form.headers["set-cookie"])
    fields = {"username": name, "password": f"{name}'s password"}
    body = urlencode({**fields, "csrfmiddlewaretoken": csrf[1].decode()})
    headers = [("Cookie", cookie), ("Content-Type", "application/x-www-form-urlencoded")]
    reply = site.ask("POST", "/login", headers, body)
    assert (reply.status, reply.headers["location"]) == (302, "/agentadmit"), reply
    cookies = " ".join(reply.headers.get_all("set-cookie") or [])
    session, csrf_cookie = (
        re.search(rf"{name}=(\w+)", cookies) for name in ("sessionid", "csrftoken")
    )
    assert session
    assert csrf_cookie
    return [
        ("Cookie", f"{session[0]}; {csrf_cookie[0]}"),
        ("X-CSRFToken", csrf_cookie[1]),
        ("Origin", "http://127.0.0.1:8000"),
    ]


@pytest.mark.parametrize(
    "server",
    [
        name if name in ("gunicorn", "uvicorn") else pytest.param(name, marks=pytest.mark.slow)
        for name in SERVERS
    ],
)
def test_the_shop(server: str, folder: Path, app: App) -> None:
    with served(SERVERS[server], folder, app.environ) as site:
        alice = signed_in(site, "alice")
        own = [pair for pair in alice if pair[0] != "Origin"]
        assert b"<agentadmit-" in site.ask("GET", "/agentadmit", own).body

        def meanwhile(agent: tuple[str, str]) -> None:
            assert site.ask("GET", "/api/me", own).json == {"user": "alice", "asked_by": "user"}
            assert site.ask("GET", "/admin/", [agent]).error == "agent_not_allowed"
            assert site.ask("GET", "/agentadmit/admin/connections", own).status == 403
            root = signed_in(site, "root")
            every = site.ask("GET", "/agentadmit/admin/connections", root).json
            assert every["total"] == 1
            _, writer = let_in(site, alice, *SCOPES)
            path = "/api/orders/1/cancel"
            assert site.ask("POST", path, [writer]).json["status"] == "cancelled"
            path = "/api/orders/2/cancel"
            assert site.ask("POST", path, own).json["status"] == "cancelled"
            assert site.ask("POST", "/api/orders/3/cancel", own).status == 404
            assert site.ask("POST", path, own[:1]).status == 403  # no CSRF token

        play_shop(site, alice, meanwhile, {"user": "alice"})


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn"])
def test_the_panels_calls(server: str, folder: Path, app: App) -> None:
    with served(SERVERS[server], folder, app.environ) as site:
        names = {"user": "alice", "other": "bob", "admin": "root"}
        sessions = {
            who: [pair for pair in signed_in(site, name) if pair[0] != "Origin"]
            for who, name in names.items()
        }
        play_calls(site, "http://127.0.0.1:8000", sessions, "1")


def test_its_commands(folder: Path, app: App) -> None:
    assert manage(folder, "makemigrations", "--check").returncode == 0
    said = manage(folder, "check", **app.environ)
    assert (said.returncode, said.stderr) == (0, ""), said.stderr
    said = manage(folder, "agentadmit", "check", **app.environ)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "read:orders" in said.stdout
    # what is still to come is a note
    assert manage(folder, "agentadmit", "check").returncode == 0
    # a finding about a view
    urls = folder / "shop" / "urls.py"
    urls.write_text(urls.read_text().replace('path("", include', 'path("x/", include'))
    said = manage(folder, "agentadmit", "check", **app.environ)
    assert said.returncode == 1
    assert "project: agentadmit.W001" in said.stdout
    # an agentadmit.yaml is taken too, and `agentadmit check --app` looks at a project as at any app
    assert manage(folder, "agentadmit", "init").returncode == 0
    assert manage(folder, "agentadmit", "check", **app.environ).returncode == 1
    done = subprocess.run(
        [sys.executable, "-m", "agentadmit", "check", "--app", "shop.wsgi:application"],
        cwd=folder,
        env={**os.environ, **app.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "app: agentadmit.W001" in done.stdout


def test_dev_gives_it_a_service(folder: Path) -> None:
    program = (
        "import django; django.setup(); "
        "from agentadmit.integrations.django_integration.integration import integration; "
        "it = integration(); print(it.settings.environment, bool(it.settings.app_id))"
    )
    said = manage(
        folder, "agentadmit", "dev", "--listen", "127.0.0.1:0", "--", sys.executable, "-c", program,
        DJANGO_SETTINGS_MODULE="shop.settings",
    )  # fmt: skip
    assert said.stdout.split() == ["test", "True"], said.stdout + said.stderr


def test_an_mcp_client_uses_it(folder: Path, app: App, tmp_path: Path) -> None:
    port = free_port()
    here = move(folder / "shop" / "settings.py", port)
    with served(SERVERS["gunicorn"], folder, app.environ, port) as site:
        page = [pair for pair in signed_in(site, "alice") if pair[0] != "Origin"]
        play_bridge(site, [*page, ("Origin", here)], tmp_path)


@pytest.mark.slow
def test_a_scripted_agent_uses_it(folder: Path, app: App) -> None:
    port = free_port()
    here = move(folder / "shop" / "settings.py", port)
    with served(SERVERS["gunicorn"], folder, app.environ, port) as site:
        page = [pair for pair in signed_in(site, "alice") if pair[0] != "Origin"]
        page.append(("Origin", here))
        play_agent(site, page, "Django: `examples/django-shop`", "write:orders", "tea")
