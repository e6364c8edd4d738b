"""The mounted routes and the discovery document."""

# no `from __future__ import annotations` here: FastAPI reads annotations that name locals

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Cookie, Depends, FastAPI, HTTPException
from mounted_story import (
    AUTHORIZE,
    BACK,
    DURATIONS,
    MountedStory,
    filtered,
    is_admin,
    labelled,
    offers_durations,
)
from servers import serving
from shop_story import check_of
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from support import ORIGIN, Site, Spy, as_page

from agentadmit import AgentAdmitMiddleware, create_agentadmit_router, require_scope_if_agent
from agentadmit.integrations._mounted import METADATA
from agentadmit.integrations.fastapi_integration import check
from agentadmit.testing import App

Config = Callable[..., Path]


def current_user(session: Annotated[str | None, Cookie()] = None) -> dict[str, str]:
    if session is None:
        raise HTTPException(401, "sign in")
    return labelled(session)


def told(config: Config, **more: Any) -> dict[str, Any]:
    return {
        "config_path": config(**more),
        "get_current_user": current_user,
        "is_admin": is_admin,
        "filter_scopes_for_user": filtered,
    }


def by_middleware(config: Config, **more: Any) -> FastAPI:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, **told(config, **more))
    return app


def by_routers(config: Config, **more: Any) -> FastAPI:
    app = FastAPI()
    wellknown, mounted = create_agentadmit_router(**told(config, **more))
    app.include_router(wellknown)
    app.include_router(mounted, prefix="/agentadmit")
    return app


@pytest.fixture(params=[by_middleware, by_routers])
def site(request: pytest.FixtureRequest, config: Config) -> Iterator[Site]:
    with serving(request.param(config)) as site:
        yield site


class TestMounted(MountedStory):
    """The story that is the same in every framework."""


def test_nobody_is_sent_to_sign_in_by_the_app_itself_or_by_the_setting(config: Config) -> None:
    app = by_middleware(config, login_path="/enter?back={next}")
    client = TestClient(app, follow_redirects=False)
    assert client.get(AUTHORIZE).headers["location"] == f"/enter?back={BACK}"
    assert client.get("/agentadmit/scopes").status_code == 401

    def leads() -> dict[str, str]:
        raise HTTPException(302, headers={"Location": "/own"})

    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config_path=config(), get_current_user=leads)
    reply = TestClient(app, follow_redirects=False).get(AUTHORIZE)
    assert (reply.status_code, reply.headers["location"]) == (302, "/own")


def test_the_apps_own_durations_are_offered(config: Config, spy: Spy) -> None:
    with serving(by_middleware(config, durations=DURATIONS)) as site:
        offers_durations(site, spy, as_page("alice"))


def test_the_metadata_of_a_resource_with_a_path(config: Config) -> None:
    for set_up in (by_middleware, by_routers):
        client = TestClient(set_up(config, resource=f"{ORIGIN}/mcp"))
        for path in (METADATA, f"{METADATA}/mcp"):
            assert client.get(path).json()["resource"] == f"{ORIGIN}/mcp"
        assert client.get(f"{METADATA}/other").status_code == 404

    app = FastAPI()

    @app.get(f"{METADATA}/mcp")
    def own() -> str:
        return "the app's own"

    app.add_middleware(AgentAdmitMiddleware, **told(config, resource=f"{ORIGIN}/mcp"))
    client = TestClient(app)
    assert client.get(f"{METADATA}/mcp").json() == "the app's own"
    assert client.get(METADATA).json()["resource"] == f"{ORIGIN}/mcp"


def test_without_an_admin_check_there_are_no_admin_routes(config: Config) -> None:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config_path=config(), get_current_user=current_user)
    client = TestClient(app, cookies={"session": "root"})
    assert client.get("/agentadmit/admin/connections").status_code == 404
    names = [it["name"] for it in client.get("/agentadmit/scopes").json()["scopes"]]
    assert names == ["read:orders", "write:orders", "read:profile"]


def test_guarded_routes_are_collected(config: Config) -> None:
    app = by_middleware(config)
    orders = APIRouter(
        prefix="/orders", dependencies=[Depends(require_scope_if_agent("read:orders"))]
    )

    @orders.get("/{order_id}")
    async def order(order_id: str) -> str:
        """One order.

        More about it."""
        return order_id

    @orders.delete(
        "/{order_id}",
        dependencies=[Depends(require_scope_if_agent("write:orders").summary("Cancels"))],
    )
    async def cancel(order_id: str) -> str:
        return order_id

    @app.get("/secret", dependencies=[Depends(require_scope_if_agent("read:orders").hidden())])
    async def secret() -> None: ...

    @app.get("/close", dependencies=[Depends(require_scope_if_agent("close:shop"))])
    async def close() -> None: ...

    @app.get("/login")
    async def login() -> None: ...

    client = TestClient(app)
    assert client.get("/.well-known/agentadmit").json()["routes"] == []
    # whatever is added later is found too
    app.include_router(orders, prefix="/api")
    assert client.get("/.well-known/agentadmit").json()["routes"] == [
        {
            "method": "GET",
            "path": "/api/orders/{order_id}",
            "scope": "read:orders",
            "summary": "One order.",
        },
        {
            "method": "DELETE",
            "path": "/api/orders/{order_id}",
            "scope": "read:orders write:orders",
            "summary": "Cancels",
        },
    ]
    operation = client.get("/openapi.json").json()["paths"]["/api/orders/{order_id}"]["delete"]
    assert operation["security"] == [{"AgentAdmit": []}]
    schemes = client.get("/openapi.json").json()["components"]["securitySchemes"]
    assert schemes["AgentAdmit"]["scheme"] == "bearer"


def test_the_apps_own_route_wins_whatever_the_order(config: Config) -> None:
    app = by_middleware(config)
    client = TestClient(app, cookies={"session": "alice"})
    assert "scopes" in client.get("/agentadmit/scopes").json()

    @app.get("/agentadmit/scopes")
    async def own() -> str:
        return "own"

    assert client.get("/agentadmit/scopes").json() == "own"
    assert client.post("/agentadmit/scopes").status_code == 405
    assert client.get("/agentadmit/connections").status_code == 200
    agent = client.get("/agentadmit/scopes", headers={"Authorization": "Bearer ag_at_x"})
    assert agent.json()["error"] == "agent_not_allowed"


def test_a_page_for_everything_else_is_no_route_for_a_mounted_path(
    config: Config, tmp_path: Path
) -> None:
    (tmp_path / "index.html").write_text("the page")
    for add in (
        lambda app: app.mount("/", StaticFiles(directory=tmp_path, html=True)),
        lambda app: app.add_api_route("/{path:path}", lambda path: "the page"),
    ):
        app = by_middleware(config)
        add(app)
        client = TestClient(app, cookies={"session": "alice"})
        assert "the page" in client.get("/").text
        assert "scopes" in client.get("/agentadmit/scopes").json()
        assert client.get("/.well-known/agentadmit").status_code == 200


def test_with_routers_fastapis_order_rule_holds_and_a_shadow_is_said(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    app = FastAPI()

    @app.get("/agentadmit/scopes")
    async def own() -> str:
        return "own"

    wellknown, mounted = create_agentadmit_router(**told(config))
    app.include_router(wellknown)
    app.include_router(mounted, prefix="/agentadmit")
    with TestClient(app) as client:
        assert client.get("/agentadmit/scopes").json() == "own"
    assert not [it for it in check(app) if "never reached" in it]

    @app.get("/agentadmit/connections")
    async def too_late() -> str:
        return "never"

    sentence = "GET /agentadmit/connections is never reached"
    assert [it for it in check(app) if it.startswith(sentence)]
    app = by_routers(config)
    app.add_api_route("/agentadmit/connections", too_late)
    with (
        caplog.at_level(logging.WARNING, "agentadmit"),
        TestClient(app, cookies={"session": "a"}) as client,
    ):
        assert "connections" in client.get("/agentadmit/connections").json()
    assert sentence in caplog.text


def test_an_own_list_of_scopes_without_a_filter_is_said(config: Config) -> None:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config(), current_user)
    assert check(app) == []
    app.add_api_route("/agentadmit/scopes", lambda: [])
    assert [it for it in check(app) if "filter_scopes_for_user" in it]
    app.add_api_route("/x", lambda: 1, dependencies=[Depends(require_scope_if_agent("read:moon"))])
    assert [it for it in check(app) if "`read:moon`" in it]


def test_addresses_are_those_of_the_real_mounts(config: Config, shop: App) -> None:
    app = FastAPI()
    wellknown, mounted = create_agentadmit_router(**told(config))
    app.include_router(wellknown)
    app.include_router(mounted, prefix="/api/agents")
    app.add_api_route(
        "/orders", lambda: 1, dependencies=[Depends(require_scope_if_agent("read:orders"))]
    )
    with serving(app, root_path="/shop") as site:
        document = site.get("/.well-known/agentadmit").json
        assert document["token_exchange_endpoint"] == f"{ORIGIN}/shop/api/agents/token/exchange"
        assert document["connections_page"] == f"{ORIGIN}/shop/api/agents"
        assert [it["path"] for it in document["routes"]] == ["/shop/orders"]
        path = "/api/agents/connections/generate-token"
        body = {"scopes": ["read:orders"]}
        issued = site.ask("POST", path, as_page("alice"), json_body=body)
        assert f"{ORIGIN}/shop/api/agents/token/exchange" in issued.json["prompt"]
        token = {"token": issued.json["token"]}
        assert site.ask("POST", "/api/agents/token/exchange", json_body=token).status == 200


def test_the_middlewares_prefix_and_root_path(config: Config) -> None:
    app = by_middleware(config, route_prefix="/agents")
    with serving(app, root_path="/shop") as site:
        assert site.get("/agents/scopes", Cookie="session=alice").status == 200
        assert site.get("/agentadmit/scopes", Cookie="session=alice").status == 404
        document = site.get("/.well-known/agentadmit").json
        assert document["token_exchange_endpoint"] == f"{ORIGIN}/shop/agents/token/exchange"


def test_a_session_layer_inside_of_the_gate_is_passed(config: Config) -> None:
    def signed_in(request: Request) -> dict[str, Any]:
        return {"user_id": request.session.get("user", "somebody")}

    gate = Middleware(AgentAdmitMiddleware, config_path=config(), get_current_user=signed_in)
    app = FastAPI(middleware=[gate, Middleware(SessionMiddleware, secret_key="x")])
    assert TestClient(app).get("/agentadmit/connections").json()["connections"] == []


def test_the_command_looks_at_an_app(config: Config) -> None:
    folder = config().parent
    (folder / "shop.py").write_text(
        "from fastapi import FastAPI\n"
        "from agentadmit import create_agentadmit_router\n"
        "app, fine, nothing = FastAPI(), FastAPI(), 7\n"
        "for each in (app, fine):\n"
        "    for router in create_agentadmit_router('agentadmit.yaml'):\n"
        "        prefix = '/agentadmit' if len(router.routes) > 2 else ''\n"
        "        each.include_router(router, prefix=prefix)\n"
        "@app.get('/agentadmit/scopes')\n"
        "def scopes(): ...\n"
    )

    code, said = check_of(folder, "shop:app")
    assert code == 1
    assert "app: GET /agentadmit/scopes is never reached" in said
    assert check_of(folder, "shop:fine")[0] == 0
    for wrong in ("shop", "shop:missing", "nowhere:app", "shop:nothing"):
        assert check_of(folder, wrong)[0] == 2, wrong
