"""The mounted routes and the discovery document."""

# no `from __future__ import annotations` here: FastAPI reads annotations that name locals

import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Cookie, Depends, FastAPI, HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from support import ORIGIN, SCOPES, Site, Spy, as_page, bearer, serving, session

from agentadmit import AgentAdmitMiddleware, create_agentadmit_router, require_scope_if_agent
from agentadmit.integrations.fastapi_integration import check
from agentadmit.testing import App

Config = Callable[..., Path]


def current_user(session: Annotated[str | None, Cookie()] = None) -> dict[str, str]:
    if session is None:
        raise HTTPException(401, "sign in")
    return {"user_id": session, "user_label": f"{session} of the shop"}


def is_admin(user: dict[str, str]) -> bool:
    return user["user_id"] == "root"


def filtered(user: dict[str, str], scopes: list[dict[str, Any]]) -> list[Any]:
    """Bob may not let anybody write; the scopes come back as they came or by name."""
    left = [it for it in scopes if user["user_id"] != "bob" or it["name"] != "write:orders"]
    return left if user["user_id"] == "bob" else [it["name"] for it in left]


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


def test_the_whole_story(site: Site, spy: Spy) -> None:
    alice = as_page("alice")
    names = [
        it["name"] for it in site.get("/agentadmit/scopes", Cookie="session=alice").json["scopes"]
    ]
    assert names == ["read:orders", "write:orders", "read:profile"]
    asked = {"scopes": ["read:orders"], "duration_seconds": 3600, "agent_label": "Claude"}
    issued = site.ask("POST", "/agentadmit/connections/generate-token", alice, json_body=asked)
    assert issued.status == 201
    assert issued.headers["cache-control"] == "no-store"
    assert f"{ORIGIN}/agentadmit/token/exchange" in issued.json["prompt"]
    token = {"token": issued.json["token"]}
    exchanged = site.ask("POST", "/agentadmit/token/exchange", json_body=token)
    assert exchanged.status == 200
    assert exchanged.json["user_label"] == "alice of the shop"
    connection = site.get("/agentadmit/connections", Cookie="session=alice").json["connections"][0]
    path = f"/agentadmit/connections/{connection['connection_id']}"
    assert site.ask("DELETE", path, as_page("mallory")).status == 404
    activity = site.get(f"{path}/activity", Cookie="session=alice")
    assert {it["event"] for it in activity.json["events"]} >= {"connection_exchanged"}
    assert site.ask("PATCH", path, alice, json_body={"remove_scopes": []}).status in (200, 422)
    ended = site.ask("DELETE", path, alice)
    assert (ended.status, ended.json["status"]) == (200, "revoked")
    revokes = [seen.body for seen in spy.take() if seen.path == "/v1/revoke"]
    assert [it["on_behalf_of"] for it in revokes] == ["user:alice"]
    assert site.get("/agentadmit/prompt-templates", Cookie="session=alice").status == 200


def test_the_connections_page(site: Site) -> None:
    page = site.get("/agentadmit", Cookie="session=alice")
    assert (page.status, page.headers.get_content_type()) == (200, "text/html")
    assets = set(re.findall(rb"/agentadmit(/assets/[^\"]+)", page.body))
    assert assets
    for asset in assets:
        assert site.get(f"/agentadmit{asset.decode()}").status == 200
    assert site.get("/agentadmit/admin", Cookie="session=root").status == 200
    assert site.get("/agentadmit/admin", Cookie="session=alice").status == 403


def test_what_may_be_granted(site: Site) -> None:
    def generate(user: str, scopes: list[str], **more: Any) -> tuple[int, str | None]:
        body = {"scopes": scopes, **more}
        path = "/agentadmit/connections/generate-token"
        reply = site.ask("POST", path, as_page(user), json_body=body)
        return reply.status, reply.error

    assert generate("alice", ["write:orders"]) == (201, None)
    assert generate("bob", ["write:orders"]) == (400, "invalid_scope")
    assert generate("alice", ["close:shop"]) == (400, "invalid_scope")
    assert generate("root", ["close:shop"]) == (201, None)
    assert generate("alice", ["read:orders"], duration_seconds=61) == (400, "invalid_duration")
    assert generate("alice", ["read:orders"], more=1) == (422, "invalid_request")


def test_admins(site: Site, shop: App) -> None:
    assert site.get("/agentadmit/admin/connections", Cookie="session=alice").error == "forbidden"
    assert site.get("/agentadmit/admin/connections", Cookie="session=root").status == 200
    headers = [bearer(shop.user("root").agent("manage:connections").token)]
    assert site.ask("GET", "/agentadmit/admin/connections", headers).status == 200
    # its user is no admin (any more)
    headers = [bearer(shop.user("alice").agent("manage:connections").token)]
    assert site.ask("GET", "/agentadmit/admin/connections", headers).error == "forbidden"
    ended = {"user_id": "alice", "reason": "locked"}
    path = "/agentadmit/admin/connections/revoke"
    assert site.ask("POST", path, as_page("root"), json_body=ended).json["count"] == 1


def test_other_sites_and_bodies(site: Site) -> None:
    path = "/agentadmit/connections/generate-token"
    body = {"scopes": ["read:orders"]}
    evil = [session("alice"), ("Origin", "https://evil.example")]
    assert site.ask("POST", path, evil, json_body=body).error == "cross_site_request"
    assert site.ask("POST", path, [session("alice")], json_body=body).error == "cross_site_request"
    long = b'{"scopes": ["' + b"x" * 70_000 + b'"]}'
    typed = [*as_page("alice"), ("Content-Type", "application/json")]
    reply = site.ask("POST", path, typed, long)
    assert (reply.status, reply.error) == (413, "body_too_large")
    exchange = [("Content-Type", "application/json")]
    reply = site.ask("POST", "/agentadmit/token/exchange", exchange, b"{" + b" " * 5000 + b"}")
    assert reply.status == 413
    assert site.ask("GET", "/agentadmit/token/exchange").status == 405


def test_ten_failed_exchanges_are_enough(site: Site, spy: Spy) -> None:
    for _ in range(10):
        body = {"token": "ag_ct_nonsense"}
        assert site.ask("POST", "/agentadmit/token/exchange", json_body=body).status == 400
    spy.take()
    reply = site.ask("POST", "/agentadmit/token/exchange", json_body={"token": "ag_ct_nonsense"})
    assert (reply.status, reply.json["limit"]) == (429, "address")
    assert spy.take() == []


def test_without_an_admin_check_there_are_no_admin_routes(config: Config) -> None:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config_path=config(), get_current_user=current_user)
    client = TestClient(app, cookies={"session": "root"})
    assert client.get("/agentadmit/admin/connections").status_code == 404
    names = [it["name"] for it in client.get("/agentadmit/scopes").json()["scopes"]]
    assert names == ["read:orders", "write:orders", "read:profile"]


def test_the_discovery_document(site: Site) -> None:
    document = site.get("/.well-known/agentadmit").json
    assert document["token_exchange_endpoint"] == f"{ORIGIN}/agentadmit/token/exchange"
    assert [it["name"] for it in document["scopes"]] == [
        it["name"] for it in SCOPES if not it.get("admin")
    ]
    assert site.get("/.well-known/agentadmit/jwks.json").json == {"keys": []}


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

    def check_of(named: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "agentadmit", "check", "--app", named]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    code, said = check_of("shop:app")
    assert code == 1
    assert "app: GET /agentadmit/scopes is never reached" in said
    assert check_of("shop:fine")[0] == 0
    for wrong in ("shop", "shop:missing", "nowhere:app", "shop:nothing"):
        assert check_of(wrong)[0] == 2, wrong
