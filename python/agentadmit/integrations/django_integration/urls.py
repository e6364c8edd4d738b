"""The mounted routes below `ROUTE_PREFIX`, and the discovery document: for the root of a project.

urlpatterns: list[URLPattern] = [
    path("", include("agentadmit.integrations.django_integration.urls")),
    ...
]
"""

from __future__ import annotations

import re

from django.urls import URLPattern, path, re_path

from agentadmit.exceptions import ConfigurationError
from agentadmit.integrations._mounted import DOCUMENTS
from agentadmit.integrations.django_integration.integration import integration
from agentadmit.integrations.django_integration.mounted import below_prefix, document

app_name = "agentadmit"


def _prefix() -> str:
    try:
        return integration().settings.route_prefix.lstrip("/")
    except ConfigurationError:
        # the checks say what is wrong; the routes will say it too
        return "agentadmit"


def _documents() -> tuple[str, ...]:
    try:
        return integration().threads.documents
    except ConfigurationError:
        return DOCUMENTS


urlpatterns: list[URLPattern] = [
    *(path(each.lstrip("/"), document, name=f"document{n}") for n, each in enumerate(_documents())),
    path(_prefix(), below_prefix, name="page"),
    re_path(rf"^{re.escape(_prefix())}(?P<below>/.*)$", below_prefix, name="below"),
]
