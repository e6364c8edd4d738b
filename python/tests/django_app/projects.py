"""Django projects of one process: one setting up, and settings and urls for each test."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.test import override_settings
from servers import serving, serving_wsgi
from support import ORIGIN, SCOPES, Reply, Site

from agentadmit.testing import App

GATE = "agentadmit.integrations.django_integration.AgentAdmitMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    GATE,
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    AUTHENTICATION,
    "django.contrib.messages.middleware.MessageMiddleware",
]

CSRF = "c" * 32
"""What a page of the project has in its cookie, and sends back."""


def set_up() -> None:
    """Once for the process: Django has one set of settings."""
    if settings.configured:
        return
    folder = tempfile.mkdtemp(prefix="agentadmit-django-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    settings.configure(
        SECRET_KEY="x" * 50,
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "agentadmit.integrations.django_integration",
            "members",
        ],
        MIDDLEWARE=MIDDLEWARE,
        AUTH_USER_MODEL="members.Member",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": Path(folder) / "project.db",
                "OPTIONS": {"timeout": 30},
            }
        },
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGGING_CONFIG=None,
        USE_TZ=True,
    )
    django.setup()


def told(app: App, service_url: str, **more: Any) -> dict[str, Any]:
    """The setting `AGENTADMIT` of a project."""
    return {
        "APP_ID": app.app_id,
        "API_KEY": app.api_key,
        "SERVICE_URL": service_url,
        "NAME": "Shop",
        "PUBLIC_URL": ORIGIN,
        "SCOPES": SCOPES,
        "TIMEOUT_SECONDS": 20,
        **more,
    }


@contextlib.contextmanager
def project(urlpatterns: Sequence[Any], **changed: Any) -> Iterator[None]:
    """A project with these urls and settings."""
    urls = types.ModuleType("urls_of_a_test")
    urls.urlpatterns = list(urlpatterns)  # type: ignore[attr-defined]
    with override_settings(ROOT_URLCONF=urls, **changed):
        yield


@contextlib.contextmanager
def served_by(kind: str) -> Iterator[Site]:
    """The project under a server, for browsers that have its CSRF token."""
    serve = (
        serving_wsgi(WSGIHandler()) if kind == "wsgi" else serving(ASGIHandler(), lifespan="off")
    )
    with serve as site:
        yield Browser(site.host, site.port)


class Browser(Site):
    """People come with the token of their page; an agent has none."""

    def ask(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | str | None = None,
        json_body: Any = None,
    ) -> Reply:
        if not any("ag_" in value.lower() for name, value in headers if name == "Authorization"):
            cookies = [value for name, value in headers if name == "Cookie"]
            others = [pair for pair in headers if pair[0] != "Cookie"]
            cookie = "; ".join([*cookies, f"csrftoken={CSRF}"])
            headers = [*others, ("Cookie", cookie), ("X-CSRFToken", CSRF)]
        return super().ask(method, target, headers, body, json_body)


def session(user_id: str) -> tuple[str, str]:
    """The cookie of a user who has signed in."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from members.models import Member

    user = Member.objects.get_or_create(user_id=user_id)[0]
    store = SessionStore()
    store[SESSION_KEY] = user_id
    store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.save()
    connections.close_all()
    return ("Cookie", f"sessionid={store.session_key}")
