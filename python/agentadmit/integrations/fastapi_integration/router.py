"""The mounted routes as two routers that the app includes itself, in FastAPI's own order."""

# no `from __future__ import annotations` here: FastAPI reads the annotations of the endpoints

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Request, Response

from agentadmit.integrations import _findings
from agentadmit.integrations._mounted import below_prefix, of_anyone
from agentadmit.integrations._setup import Config
from agentadmit.integrations.fastapi_integration import routes
from agentadmit.integrations.fastapi_integration.integration import Integration
from agentadmit.integrations.fastapi_integration.middleware import protect
from agentadmit.integrations.fastapi_integration.mounted import route_path, serve


def create_agentadmit_router(
    config_path: str | os.PathLike[str] | None = None,
    *,
    config: Config | None = None,
    get_current_user: Callable[..., Any] | None = None,
    verify_user_token: Callable[[str], Any] | None = None,
    is_admin: Callable[[Any], Any] | None = None,
    filter_scopes_for_user: Callable[..., Any] | None = None,
    users_collection: str | None = None,
    load_user: Callable[[str], Any] | None = None,
) -> tuple[APIRouter, APIRouter]:
    """`(wellknown_router, agentadmit_router)`, for `app.include_router`.

        app.include_router(wellknown_router)
        app.include_router(agentadmit_router, prefix="/agentadmit")

    FastAPI's order rule holds: of two routes for one path the one that was added first wins.
    `is_admin(user)`: the app's admin check; without it there are no admin routes.
    `filter_scopes_for_user(user, scopes)`: what of the catalogue a user may grant, as a list of
    scopes or of their names. The other arguments are those of `AgentAdmitMiddleware`, which comes
    with the routers: a route without a guard is closed to agents. Raises `ConfigurationError`.
    """
    integration = Integration(
        config_path,
        config,
        get_current_user=get_current_user,
        verify_user_token=verify_user_token,
        users_collection=users_collection,
        load_user=load_user,
        is_admin=is_admin,
        filter_scopes_for_user=filter_scopes_for_user,
    )

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncGenerator[None]:
        protect(app, integration)
        yield

    wellknown = APIRouter(tags=["agentadmit"])
    mounted = APIRouter(tags=["agentadmit"], lifespan=lifespan)
    below = below_prefix(is_admin is not None)
    for router, table in ((wellknown, of_anyone(integration.documents)), (mounted, below)):
        for method, path, summary in table:
            router.add_api_route(
                path,
                _endpoint(integration, path),
                methods=[method],
                summary=summary,
                response_model=None,
                name=f"agentadmit{path}",
            )
    return wellknown, mounted


def _endpoint(integration: Integration, path: str) -> Callable[..., Any]:
    async def endpoint(request: Request) -> Response:
        app = request.app
        protect(app, integration)
        here = route_path(request.scope)
        root = request.scope.get("root_path", "").rstrip("/")
        if path in integration.documents:
            prefix = mounted_at(app, integration)
            return await serve(integration, integration.gate(root + prefix), path, request, app)
        below = path
        for name, value in request.path_params.items():
            below = below.replace(f"{{{name}}}", str(value))
        prefix = root + here.removesuffix(below)
        gate = integration.gate(prefix)
        return await serve(integration, gate, prefix + below, request, app)

    setattr(endpoint, routes.OURS, (integration, path))
    return endpoint


def _ours(app: Any) -> list[tuple[Any, Integration, str]]:
    """The mounted routes that an app has included."""
    found: list[tuple[Any, Integration, str]] = []
    for route in routes.routes_of(app):
        mark = getattr(getattr(route, "endpoint", None), routes.OURS, None)
        if mark is not None:
            found.append((route, *mark))
    return found


def integration_in(app: Any) -> Integration | None:
    """What the routers of an app were made with; `None` where it includes none."""
    return next((integration for _, integration, _ in _ours(app)), None)


def mounted_at(app: Any, integration: Integration) -> str:
    """The prefix under which an app has included the routers."""
    for route, its, path in _ours(app):
        if its is integration and path not in integration.documents:
            return routes.template_of(route).removesuffix(path)
    return integration.settings.route_prefix


def shadowed(app: Any) -> list[str]:
    """The app's own routes that are never reached: the mounted ones were added before them."""
    found: list[str] = []
    ours: set[tuple[str, str]] = set()
    for route in routes.routes_of(app):
        template = routes.template_of(route)
        for method in sorted(getattr(route, "methods", None) or []):
            if routes.is_ours(route):
                ours.add((method, template))
            elif (method, template) in ours and method != "HEAD":
                what_to_do = "add the app's own before app.include_router"
                found.append(_findings.shadowed(method, template, what_to_do))
    return found


def own_scopes(app: Any, integration: Integration) -> str | None:
    """The path of `/scopes`, where the app answers it itself."""
    path = f"{mounted_at(app, integration)}/scopes"
    winner = routes.first_of(routes.routes_of(app), path, "GET")
    if winner is None or routes.template_of(winner) != path:
        return None
    return None if routes.is_ours(winner) else path
