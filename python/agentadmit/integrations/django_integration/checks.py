"""System checks: what is missing in the settings and doubtful among the views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.urls import Resolver404, resolve

from agentadmit.exceptions import ConfigurationError
from agentadmit.integrations import _findings
from agentadmit.integrations._mounted import DOCUMENTS
from agentadmit.integrations.django_integration import conf, routes
from agentadmit.integrations.django_integration.guards import MIDDLEWARE
from agentadmit.integrations.django_integration.integration import (
    Integration,
    NotYetError,
    integration,
)

TAG = "agentadmit"
URLS = "agentadmit.integrations.django_integration.urls"

NOT_YET = "agentadmit.W006"

# what must not see an agent's cookies
_BEHIND = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
)


def register() -> None:
    """Puts the checks among Django's own."""
    for each in (of_middleware, of_setting, of_views):
        checks.register(each, TAG)


def check(_app: Any = None) -> list[str]:
    """What the checks find: sentences for the developer of a project."""
    import django

    django.setup()
    found = [it for each in (of_middleware, of_setting, of_views) for it in each(None)]
    # what is missing so far is a note of `agentadmit check`, and no finding
    found = [it for it in found if it.id != NOT_YET]
    return [f"{it.id}: {it.msg}" + (f" ({it.hint})" if it.hint else "") for it in found]


def of_middleware(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """`agentadmit.E001`, `E002`: the middleware is there, and in its place."""
    names = list(settings.MIDDLEWARE)
    if MIDDLEWARE not in names:
        return [
            checks.Error(
                "AgentAdmitMiddleware is missing: guards let nobody pass, and views without a "
                "guard are not closed to agents",
                hint=f"Add {MIDDLEWARE!r} to MIDDLEWARE, before the middleware of sessions.",
                id="agentadmit.E001",
            )
        ]
    before = [name for name in names[: names.index(MIDDLEWARE)] if name in _BEHIND]
    if before:
        return [
            checks.Error(
                f"AgentAdmitMiddleware stands behind {before[0].rpartition('.')[2]}, which so "
                "takes an agent's request for that of whoever its cookies belong to",
                hint=f"Move {MIDDLEWARE!r} before {before[0]!r}.",
                id="agentadmit.E002",
            )
        ]
    return []


def of_setting(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """`agentadmit.E003`, `E004`, `W006`: the setting has no wrong key, and can be used."""
    given = getattr(settings, conf.NAME, {})
    if isinstance(given, Mapping):
        wrong = list(conf.wrong_keys(cast("Mapping[Any, Any]", given)))
        if wrong:
            hint = "The keys are those of agentadmit.yaml, in capitals."
            return [checks.Error(each, hint=hint, id="agentadmit.E003") for each in wrong]
    try:
        integration()
    except NotYetError as error:
        hint = "A project starts without it, and its server does not."
        return [checks.Warning(str(error), hint=hint, id=NOT_YET)]
    except ConfigurationError as error:
        hint = (
            "Keys of agentadmit.yaml stand in the setting in capitals, as in "
            'AGENTADMIT["SERVICE_URL"]; a variable such as AGENTADMIT_SERVICE_URL wins.'
        )
        return [checks.Error(str(error), hint=hint, id="agentadmit.E004")]
    return []


def of_views(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """`agentadmit.W001` to `W004`: the routes are mounted and can answer; guards let agents in."""
    try:
        known = integration()
    except ConfigurationError:
        return []  # of_setting has said so
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    found: list[CheckMessage] = []
    for each in (_mounted, _users, _guards, _own_scopes):
        found.extend(each(known))
    return found


def _warning(number: int, text: str, hint: str | None = None) -> CheckMessage:
    return checks.Warning(text, hint=hint, id=f"agentadmit.W00{number}")


def _view_at(path: str) -> Callable[..., Any] | None:
    try:
        return resolve(path).func
    except Resolver404:
        return None


def _mounted(known: Integration) -> Iterator[CheckMessage]:
    if not routes.is_ours(_view_at(DOCUMENTS[0])):
        yield _warning(
            1,
            f"nothing answers at {DOCUMENTS[0]}: agents cannot find their way, and people cannot "
            "let them in",
            f'Add path("", include("{URLS}")) to the urlpatterns of ROOT_URLCONF.',
        )
    elif not known.has_public_url:
        yield _warning(
            2,
            "the app's own address is not known: the mounted routes answer 501",
            'Add AGENTADMIT["PUBLIC_URL"], such as "https://app.example.com".',
        )


def _users(known: Integration) -> Iterator[CheckMessage]:
    has_users = any(name.endswith("AuthenticationMiddleware") for name in settings.MIDDLEWARE)
    if known.hooks.current is None and not has_users:
        yield _warning(
            3,
            "who signs in is not known: the routes of users answer 501",
            "Add 'django.contrib.auth.middleware.AuthenticationMiddleware' to MIDDLEWARE, or "
            'AGENTADMIT["GET_CURRENT_USER"], a function of the request.',
        )


def _guards(known: Integration) -> Iterator[CheckMessage]:
    for sentence in _findings.of_guards(known.settings, routes.guarded_routes()):
        yield _warning(4, sentence)


def _own_scopes(known: Integration) -> Iterator[CheckMessage]:
    path = f"{known.settings.route_prefix}/scopes"
    view = _view_at(path)
    own = None if view is None or routes.is_ours(view) else path
    for sentence in _findings.own_scopes(own, known.hooks.filter is not None):
        yield _warning(5, sentence, 'Add AGENTADMIT["FILTER_SCOPES_FOR_USER"].')
