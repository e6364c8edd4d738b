"""`manage.py check`: what is missing, by id, and what to add."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import projects
import pytest
from django.core.checks import run_checks
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from projects import GATE, project

from agentadmit.exceptions import ConfigurationError
from agentadmit.integrations.django_integration import check, conf, require_scope_if_agent

Told = Callable[..., dict[str, Any]]

MOUNTED = path("", include("agentadmit.integrations.django_integration.urls"))
OTHERS = [name for name in projects.MIDDLEWARE if name != GATE]


def found(*urls: Any, **changed: Any) -> list[tuple[str, str]]:
    """Id and text of what the checks find in a project."""
    with project(urls, **changed):
        messages = run_checks(tags=["agentadmit"])
    return [(str(it.id), f"{it.msg} {it.hint or ''}") for it in messages]


def ids(*urls: Any, **changed: Any) -> list[str]:
    return [name for name, _ in found(*urls, **changed)]


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("")


def test_nothing_is_missing(told: Told) -> None:
    guarded = path("orders", require_scope_if_agent("read:orders")(view))
    assert found(MOUNTED, guarded, AGENTADMIT=told()) == []
    with project([MOUNTED, guarded], AGENTADMIT=told()):
        assert check() == []


def test_the_middleware(told: Told) -> None:
    [(name, text)] = found(MOUNTED, AGENTADMIT=told(), MIDDLEWARE=OTHERS)
    assert name == "agentadmit.E001"
    assert f"Add '{GATE}' to MIDDLEWARE" in text
    [(name, text)] = found(MOUNTED, AGENTADMIT=told(), MIDDLEWARE=[*OTHERS, GATE])
    assert name == "agentadmit.E002"
    assert "before 'django.contrib.sessions.middleware.SessionMiddleware'" in text


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("APP_IDD", "'APP_ID'"), ("max_retry", "'MAX_RETRIES'"), ("VERIFY", "'VERIFY_URL'")],
)
def test_a_wrong_key_names_the_nearest(wrong: str, nearest: str, told: Told) -> None:
    [(name, text)] = found(MOUNTED, AGENTADMIT=told(**{wrong: "x"}))
    assert name == "agentadmit.E003"
    assert repr(wrong) in text
    assert nearest in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"TIMEOUT_SECONDS": 600}, 'AGENTADMIT["TIMEOUT_SECONDS"] = 60'),
        ({"SCOPES": [{"name": "read:orders", "descripton": "x"}]}, "description"),
        ({"SERVICE_URL": None}, "AGENTADMIT_SERVICE_URL"),
        ({"IS_ADMIN": "nowhere.at_all"}, "nowhere"),
        ({"IS_ADMIN": 7}, "7"),
    ],
)
def test_a_value_that_cannot_be_used(changed: dict[str, Any], said: str, told: Told) -> None:
    setting = told(**changed)
    [(name, text)] = found(MOUNTED, AGENTADMIT=setting)
    assert name == "agentadmit.E004"
    assert said in text
    assert "--" not in text
    # the project does not start either
    with project([MOUNTED], AGENTADMIT=setting), pytest.raises(ConfigurationError):
        Client().get("/")


def test_what_somebody_else_gives_is_no_error(told: Told) -> None:
    [(name, text)] = found(MOUNTED, AGENTADMIT=told(APP_ID="app_yourappid"))
    assert name == "agentadmit.W006"
    assert "`manage.py agentadmit dev`" in text


@pytest.mark.parametrize("setting", ["no dictionary", ["APP_ID"]])
def test_what_is_no_dictionary(setting: Any) -> None:
    [(name, text)] = found(MOUNTED, AGENTADMIT=setting)
    assert name == "agentadmit.E004"
    assert "must be a dictionary" in text


def test_what_the_views_lack(told: Told) -> None:
    assert ids(AGENTADMIT=told()) == ["agentadmit.W001"]
    assert ids(path("x/", include(MOUNTED.urlconf_name)), AGENTADMIT=told()) == ["agentadmit.W001"]
    assert ids(MOUNTED, AGENTADMIT=told(PUBLIC_URL=None)) == ["agentadmit.W002"]
    users = [name for name in projects.MIDDLEWARE if "contrib.auth" not in name]
    assert ids(MOUNTED, AGENTADMIT=told(), MIDDLEWARE=users) == ["agentadmit.W003"]
    moon = path("moon", require_scope_if_agent("read:moon")(view))
    [(name, text)] = found(MOUNTED, moon, AGENTADMIT=told())
    assert (name, "GET /moon" in text, "`read:moon`" in text) == ("agentadmit.W004", True, True)
    own = path("agentadmit/scopes", view)
    assert ids(own, MOUNTED, AGENTADMIT=told()) == ["agentadmit.W005"]
    filtered = told(FILTER_SCOPES_FOR_USER=lambda user, scopes: scopes)
    assert ids(own, MOUNTED, AGENTADMIT=filtered) == []


def test_the_keys_are_those_of_the_yaml() -> None:
    schema = Path(__file__).parents[3] / "contract" / "agentadmit.schema.json"
    assert set(conf.KEYS) == set(json.loads(schema.read_text())["properties"])


def test_every_key_is_taken_and_a_variable_wins(
    told: Told, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from agentadmit.integrations.django_integration.integration import integration

    more = told(
        DESCRIPTION="a shop",
        DURATIONS=[{"LABEL": "a day", "SECONDS": 86400}],
        MAX_RETRIES=0,
        MAX_WAITING=2,
        ALLOWED_ORIGINS=["https://www.shop.example"],
        TRUSTED_PROXIES=("10.0.0.0/8",),
        STORAGE={"USER_ID_FIELD": "user_id", "ACTIVE_FIELD": "is_active"},
        PROMPT_TEMPLATES=[{"name": "t", "text": "x {y}", "scopes": ["read:orders"]}],
    )
    with project([MOUNTED], AGENTADMIT=more):
        assert integration().settings.active_field == "is_active"
        assert Client().get("/.well-known/agentadmit").json()["app"]["description"] == "a shop"
    monkeypatch.setenv("AGENTADMIT_SERVICE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AGENTADMIT_STORAGE_ACTIVE_FIELD", "is_staff")
    verify = {**more, "VERIFY_URL": "https://elsewhere.example/v1/verify", "SERVICE_URL": None}
    with project([MOUNTED], AGENTADMIT=verify):
        assert integration().settings.service_url == "http://127.0.0.1:1/"
        assert integration().settings.active_field == "is_staff"
    monkeypatch.delenv("AGENTADMIT_SERVICE_URL")
    file = tmp_path / "agentadmit.yaml"
    file.write_text("service_url: http://127.0.0.1:2\nmax_retries: 7\n")
    with project([MOUNTED], AGENTADMIT={**told(SERVICE_URL=None), "CONFIG_PATH": file}):
        assert integration().settings.service_url == "http://127.0.0.1:2/"
