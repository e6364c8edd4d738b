"""The Django project that is measured: one route, with guards where `BENCH_GUARDED` is set.

Under ASGI its view is async.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import PermissionDenied
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

IS_GUARDED = bool(os.environ.get("BENCH_GUARDED"))
IS_ASYNC = "uvicorn" in sys.modules


def get_current_user(request: HttpRequest) -> dict[str, str]:
    """The project's own users."""
    name = request.headers.get("X-User")
    if name is None:
        raise PermissionDenied
    return {"user_id": name}


def load_user(user_id: str) -> dict[str, str]:
    """The same for an agent: no database is measured."""
    return {"user_id": user_id}


async def get_current_user_async(request: HttpRequest) -> dict[str, str]:
    """The same in an event loop."""
    return get_current_user(request)


async def load_user_async(user_id: str) -> dict[str, str]:
    """The same in an event loop."""
    return load_user(user_id)


common = ["django.middleware.common.CommonMiddleware"]
gate = ["agentadmit.integrations.django_integration.AgentAdmitMiddleware"]
settings.configure(
    SECRET_KEY="x" * 50,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=gate + common if IS_GUARDED else common,
    AGENTADMIT={
        "GET_CURRENT_USER": get_current_user_async if IS_ASYNC else get_current_user,
        "LOAD_USER": load_user_async if IS_ASYNC else load_user,
    },
)

if IS_GUARDED:
    from agentadmit.integrations.django_integration import (
        get_current_user_or_agent,
        require_scope_if_agent,
    )

    def user_of(request: Any) -> dict[str, str]:
        """Who calls, as the guard found out."""
        found: dict[str, str] = request.agentadmit["user"]
        return found

    def guarded(view: Any) -> Any:
        """The route, guarded."""
        return require_scope_if_agent("read:orders")(get_current_user_or_agent(view))
else:
    user_of = get_current_user

    def guarded(view: Any) -> Any:
        """The route as it was before."""
        return view


@guarded
def orders(request: HttpRequest) -> JsonResponse:
    """The route on a thread."""
    return JsonResponse({"orders_of": user_of(request)["user_id"]})


@guarded
async def orders_async(request: HttpRequest) -> JsonResponse:
    """The route in an event loop."""
    return JsonResponse({"orders_of": user_of(request)["user_id"]})


urlpatterns = [path("orders", orders_async if IS_ASYNC else orders)]
app = get_asgi_application() if IS_ASYNC else get_wsgi_application()
