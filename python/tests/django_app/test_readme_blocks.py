"""The blocks about Django of the SDK 1.0.0 README: a project of them, served by gunicorn."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import GUNICORN, served
from support import Spy, bearer

from agentadmit.testing import App

OUR_OWN = {
    "django_settings.py": """
AGENTADMIT = {
    "APP_ID": "app_yourappid",
    "API_KEY": "aa_test_yourkey",
    "VERIFY_URL": "https://api.agentadmit.com/v1/verify",
}
""",
    "django_views.py": """
from agentadmit.integrations.django_integration import require_scope_if_agent


@require_scope_if_agent("read:orders")
def get_orders(request):
    return get_user_orders(request)
""",
}

AROUND = """
SECRET_KEY = "x" * 50
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "urls"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "agentadmit.integrations.django_integration",
]
MIDDLEWARE = [
    "agentadmit.integrations.django_integration.AgentAdmitMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "project.db"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""

ORDERS = """
from django.http import JsonResponse


def get_user_orders(request):
    return JsonResponse({"orders": [f"an order of {request.user.get_username() or 'nobody'}"]})
"""

PROJECT = {
    "urls.py": "import views\nfrom django.urls import path\n"
    'urlpatterns = [path("api/orders", views.get_orders)]\n',
    "wsgi.py": "import os\nfrom django.core.wsgi import get_wsgi_application\n"
    'os.environ["DJANGO_SETTINGS_MODULE"] = "settings"\napplication = get_wsgi_application()\n',
    "manage.py": "import os, sys\nfrom django.core.management import execute_from_command_line\n"
    'os.environ["DJANGO_SETTINGS_MODULE"] = "settings"\nexecute_from_command_line(sys.argv)\n',
}


@pytest.fixture
def folder(block: Callable[[str], str], shop: App, spy: Spy, tmp_path: Path) -> Path:
    """A project with the blocks as printed, but for its own id, key and address."""
    settings = block("django_settings.py")
    for printed, own in (
        ("app_yourappid", shop.app_id),
        ("aa_test_yourkey", shop.api_key),
        ("https://api.agentadmit.com", spy.url),
    ):
        assert settings.count(printed) == 1
        settings = settings.replace(printed, own)
    (tmp_path / "settings.py").write_text(AROUND + settings)
    (tmp_path / "views.py").write_text(ORDERS + block("django_views.py"))
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_beginning_of_the_page(shop: App, spy: Spy, tmp_path: Path) -> None:
    """`docs/django.md` begins with lines that work, where they are put into a new project."""
    page = (Path(__file__).parents[3] / "docs" / "django.md").read_text(encoding="utf-8")
    lines, views = (block.partition("```")[0] for block in page.split("```python\n")[1:3])
    settings, urls = lines.split("# urls.py\n")
    around = "".join(line for line in AROUND.splitlines(True) if "agentadmit" not in line)
    for shown, own in (
        ("app_…", shop.app_id),
        ("aa_test_…", shop.api_key),
        ("https://auth.example.com", spy.url),
    ):
        assert settings.count(shown) == 1
        settings = settings.replace(shown, own)
    before = "from django.urls import include, path\nfrom views import get_orders\n"
    texts = {**PROJECT, "settings.py": around + settings, "urls.py": before + urls}
    for name, text in {**texts, "views.py": ORDERS + views}.items():
        (tmp_path / name).write_text(text)
    assert manage(tmp_path, "migrate").returncode == 0
    said = manage(tmp_path, "check")
    assert said.stderr.count("agentadmit.") == said.stderr.count("agentadmit.W004")
    server = ["-W", "error", *GUNICORN, "wsgi", "-b"]
    with served(server, tmp_path, {}) as site:
        assert site.get("/api/orders").json == {"orders": ["an order of nobody"]}
        agent = shop.user("1").agent("read:orders")
        assert site.ask("GET", "/api/orders", [bearer(agent.token)]).error == "user_unknown"
        [route] = site.get("/.well-known/agentadmit").json["routes"]
        assert (route["path"], route["scope"]) == ("/api/orders", "read:orders")


def manage(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_blocks(folder: Path, shop: App, spy: Spy) -> None:
    assert manage(folder, "migrate").returncode == 0
    create = (
        "from django.contrib.auth.models import User as U; U.objects.create(id=7, username='alice')"
    )
    assert manage(folder, "shell", "-c", create).returncode == 0
    agent = shop.user("7").agent("read:orders")
    lacking = shop.user("7").agent("read:profile")
    server = ["-W", "error", *GUNICORN, "wsgi", "-w", "2", "-b"]
    with served(server, folder, {}) as site:
        assert site.get("/api/orders").json == {"orders": ["an order of nobody"]}
        spy.take()
        by_agent = site.ask("GET", "/api/orders", [bearer(agent.token)])
        assert by_agent.json == {"orders": ["an order of alice"]}
        [call] = spy.verifies()
        assert (call["scope_used"], call["endpoint"]) == ("read:orders", "/api/orders")
        assert site.ask("GET", "/api/orders", [bearer(lacking.token)]).status == 403
        agent.revoke()
        assert site.ask("GET", "/api/orders", [bearer(agent.token)]).status == 401


def test_the_checks_say_what_the_blocks_lack(folder: Path) -> None:
    said = manage(folder, "check")
    assert said.returncode == 0
    assert "agentadmit.W001" in said.stderr
    settings = folder / "settings.py"
    line = '    "agentadmit.integrations.django_integration.AgentAdmitMiddleware",\n'
    settings.write_text(settings.read_text().replace(line, ""))
    said = manage(folder, "check")
    assert said.returncode == 1
    assert "agentadmit.E001" in said.stderr
    assert line.strip(' ",\n') in said.stderr


def test_placeholders_are_no_error_at_import(block: Callable[[str], str], tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text(AROUND + block("django_settings.py"))
    (tmp_path / "views.py").write_text(ORDERS + block("django_views.py"))
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text)
    said = manage(tmp_path, "check")
    assert said.returncode == 0
    assert "agentadmit.W006" in said.stderr
    assert manage(tmp_path, "migrate").returncode == 0
