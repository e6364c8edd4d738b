"""Mounted apps, several apps in one process, apps of Starlette, and the app's own handlers."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from no_answer import play_no_answers
from servers import serving
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from support import SCOPES, Spy, bearer, session, yaml_of

from agentadmit import (
    AgentAdmitMiddleware,
    create_agentadmit_router,
    get_current_user_or_agent,
    require_scope,
    require_scope_if_agent,
)
from agentadmit.exceptions import (
    AgentAdmitError,
    ConfigurationError,
    InsufficientScopeError,
)
from agentadmit.testing import App, Service

Config = Callable[..., Path]
READ = require_scope_if_agent("read:orders")


def user(request: Request) -> dict[str, str]:
    if "session" not in request.cookies:
        raise HTTPException(401)
    return {"user_id": request.cookies["session"]}


async def data() -> str:
    return "data"


def test_guards_in_mounted_apps(config: Config, shop: App, spy: Spy, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("public")
    inner = FastAPI()
    inner.add_api_route("/orders/{order_id}", data, dependencies=[Depends(READ)])
    inner.add_api_route("/plain", data)

    @inner.get("/me")
    async def me(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> Any:
        return auth_ctx["user"]

    @READ.endpoint
    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("a page")

    @require_scope("read:orders").endpoint
    def agents(request: Request) -> PlainTextResponse:
        return PlainTextResponse("for agents")

    star = Starlette(routes=[Route("/page", page), Route("/agents", agents)])
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config_path=config(), get_current_user=user)
    app.mount("/inner", inner)
    app.mount("/star", star)
    app.mount("/files", StaticFiles(directory=tmp_path))
    agent = shop.user("alice").agent("read:orders")
    with serving(app) as site:

        def by_agent(path: str) -> Any:
            return site.ask("GET", path, [bearer(agent.token)])

        assert by_agent("/inner/orders/7").json == "data"
        assert by_agent("/star/page").body == b"a page"
        assert by_agent("/star/agents").body == b"for agents"
        assert [it["endpoint"] for it in spy.verifies()] == [
            "/inner/orders/{order_id}",
            "/star/page",
            "/star/agents",
        ]
        for closed in ("/inner/plain", "/inner/me", "/inner/nothing", "/files/file.txt", "/docs"):
            assert by_agent(closed).error == "agent_not_allowed", closed
        assert site.get("/files/file.txt").body == b"public"
        assert site.get("/star/page").body == b"a page"
        assert site.get("/star/agents").status == 401
        assert site.get("/inner/me", Cookie="session=alice").json == {"user_id": "alice"}
        paths = [it["path"] for it in site.get("/.well-known/agentadmit").json["routes"]]
        assert paths == ["/inner/orders/{order_id}", "/star/page", "/star/agents"]


def test_several_apps_in_one_process(
    config: Config, agentadmit_service: Service, shop: App, spy: Spy, tmp_path: Path
) -> None:
    other = agentadmit_service.app(SCOPES)
    path = tmp_path / "other.yaml"
    path.write_text(yaml_of(other, spy.url))
    second = FastAPI()
    second.add_middleware(
        AgentAdmitMiddleware, config={**_told(other, spy), "name": "Other"}, get_current_user=user
    )
    second.add_api_route("/orders", data, dependencies=[Depends(READ)])
    first = FastAPI()
    first.add_middleware(AgentAdmitMiddleware, config_path=config(), get_current_user=user)
    first.add_api_route("/orders", data, dependencies=[Depends(READ)])
    first.mount("/second", second)
    tokens = {each: each.user("alice").agent("read:orders").token for each in (shop, other)}
    with serving(first) as site:

        def status(path: str, app: App) -> int:
            return site.ask("GET", path, [bearer(tokens[app])]).status

        assert (status("/orders", shop), status("/orders", other)) == (200, 401)
        assert (status("/second/orders", shop), status("/second/orders", other)) == (401, 200)
        ids = [site.get(f"{at}/.well-known/agentadmit").json["app"]["id"] for at in ("", "/second")]
        assert ids == [shop.app_id, other.app_id]
        # the mounted app's own mounted routes, in front of its own gate
        assert site.get("/second/agentadmit/scopes", Cookie="session=alice").status == 200


def _told(app: App, spy: Spy) -> dict[str, str]:
    return {
        "service_url": spy.url,
        "app_id": app.app_id,
        "api_key": app.api_key,
        "public_url": "https://other.example",
    }


def test_an_app_of_starlette(config: Config, shop: App, spy: Spy) -> None:
    @READ.endpoint
    async def orders(request: Request) -> JSONResponse:
        context = await get_current_user_or_agent(request)
        return JSONResponse({"type": context.type, "user": context.user})

    async def plain(request: Request) -> PlainTextResponse:
        return PlainTextResponse("plain")

    async def signed_in(request: Request) -> dict[str, str] | None:
        name = request.cookies.get("session")
        return {"user_id": name} if name else None

    gate = Middleware(AgentAdmitMiddleware, config_path=config(), get_current_user=signed_in)
    routes = [Mount("/api", routes=[Route("/orders", orders)]), Route("/plain", plain)]
    agent = shop.user("alice").agent("read:orders")
    with serving(Starlette(routes=routes, middleware=[gate])) as site:
        by_agent = site.ask("GET", "/api/orders", [bearer(agent.token), session("mallory")])
        assert by_agent.json == {"type": "agent", "user": {"user_id": "alice"}}
        assert len(spy.verifies()) == 1
        assert site.get("/api/orders", Cookie="session=bob").json["user"] == {"user_id": "bob"}
        assert site.get("/api/orders").status == 401
        assert site.ask("GET", "/plain", [bearer(agent.token)]).status == 403
        assert site.get("/agentadmit/scopes", Cookie="session=bob").status == 200


def test_handlers_of_the_app_see_what_guards_raise(config: Config, shop: App) -> None:
    seen: list[AgentAdmitError] = []
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config_path=config())

    @app.exception_handler(InsufficientScopeError)
    async def lacking(request: Request, error: InsufficientScopeError) -> JSONResponse:
        seen.append(error)
        return JSONResponse({"lacks": error.required_scope}, 402)

    app.add_api_route("/orders", data, dependencies=[Depends(READ)])
    client = TestClient(app)
    lacks = shop.user("alice").agent("read:profile")
    reply = client.get("/orders", headers=lacks.headers)
    assert (reply.status_code, reply.json()) == (402, {"lacks": "read:orders"})
    error = seen.pop()
    assert isinstance(error, InsufficientScopeError)
    assert error.granted_scopes == ("read:profile",)
    assert error.audit_id is not None
    lacks.revoke()
    reply = client.get("/orders", headers=lacks.headers)
    assert (reply.status_code, reply.json()["reason"]) == (401, "revoked")
    assert reply.headers["www-authenticate"].startswith('Bearer error="invalid_token", ')


@pytest.mark.parametrize("set_up", ["middleware", "routers"])
def test_when_the_service_gives_no_answer(set_up: str, config: Config, shop: App, spy: Spy) -> None:
    seen: list[AgentAdmitError] = []

    async def noting(request: Request) -> None:
        try:
            await READ(request)
        except AgentAdmitError as error:
            seen.append(error)
            raise

    app = FastAPI()
    path = config(max_retries=0)
    if set_up == "middleware":
        app.add_middleware(AgentAdmitMiddleware, path)
    else:
        for router in create_agentadmit_router(path):
            app.include_router(router, prefix="/aa" if len(router.routes) > 2 else "")
    app.add_api_route("/orders", data, dependencies=[Depends(noting), Depends(READ)])
    headers = shop.user("alice").agent("read:orders").headers
    client = TestClient(app)

    def ask() -> tuple[int, dict[str, str], str]:
        reply = client.get("/orders", headers=headers)
        return reply.status_code, dict(reply.headers), reply.text

    play_no_answers(ask, seen, spy)


@pytest.mark.parametrize("trouble", ["down", "silent", "garbage", "a stranger's certificate"])
def test_a_service_that_is_not_there(
    trouble: str,
    config: Config,
    shop: App,
    fake: Any,
    own_tls: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake.answers = lambda _: None if trouble == "silent" else b"\x15\x03 garbage\r\n\r\n"
    if trouble == "a stranger's certificate":
        fake.tls = own_tls[0]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = FastAPI()
    settings = config(service_url=nobody if trouble == "down" else fake.url, timeout_seconds=1)
    app.add_middleware(AgentAdmitMiddleware, settings, get_current_user=user)
    app.add_api_route("/orders", data, dependencies=[Depends(READ)])
    client = TestClient(app, cookies={"session": "alice"})
    reply = client.get("/orders", headers=shop.user("alice").agent("read:orders").headers)
    assert (reply.status_code, reply.json()["error"]) == (503, "authorization_unavailable")
    assert reply.headers["retry-after"] == "1"
    assert "no answer of the AgentAdmit service" in caplog.text
    assert client.get("/orders").json() == "data", "people notice nothing"
    assert client.get("/agentadmit/connections").status_code == 503


def test_a_guard_that_does_not_run_lets_nothing_out(config: Config, shop: App) -> None:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config_path=config())

    @app.middleware("http")
    async def cache(request: Request, call_next: Any) -> Response:
        return PlainTextResponse("somebody's data")

    app.user_middleware.reverse()  # inside of the gate
    app.add_api_route("/orders", data, dependencies=[Depends(READ)])
    client = TestClient(app)
    assert client.get("/orders").text == "somebody's data"
    reply = client.get("/orders", headers=shop.user("alice").agent("read:orders").headers)
    assert (reply.status_code, reply.json()["error"]) == (403, "agent_not_allowed")


def test_a_guard_without_agentadmit_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    app.add_api_route("/orders", data, dependencies=[Depends(READ)])
    reply = TestClient(app).get("/orders")
    assert (reply.status_code, reply.json()["error"]) == (500, "internal")
    assert "app.add_middleware(AgentAdmitMiddleware" in caplog.text


def test_what_has_no_answer_names_the_argument(config: Config) -> None:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config())

    @app.get("/me")
    async def me(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> None: ...

    client = TestClient(app)
    for path in ("/me", "/agentadmit/scopes"):
        reply = client.get(path)
        assert reply.status_code == 501
        assert "`get_current_user=`" in reply.json()["error_description"]


def test_a_verifier_alone_is_asked_for_bearers_that_are_no_agents(config: Config) -> None:
    asked: list[str] = []

    def verify(token: str) -> dict[str, str] | None:
        asked.append(token)
        return {"user_id": token} if token == "alice" else None

    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config(), verify_user_token=verify)
    client = TestClient(app)
    for value, status in (
        ("Bearer alice", 200),
        ("Bearer mallory", 401),
        ("Basic alice", 401),
        ("Bearer ag_at_x", 403),
        ("Bearer AG_CT_x", 401),
        ("Bearer tag_x", 401),
    ):
        headers = {"Authorization": value}
        assert client.get("/agentadmit/scopes", headers=headers).status_code == status, value
    assert asked == ["alice", "mallory", "tag_x"]


def test_a_guard_that_is_set_up_wrongly_says_so() -> None:
    with pytest.raises(ConfigurationError, match="orders"):
        require_scope_if_agent("orders")
    with pytest.raises(TypeError):
        require_scope()


def test_a_wrong_configuration_is_an_error_of_the_start(tmp_path: Path) -> None:
    path = tmp_path / "agentadmit.yaml"
    path.write_text("service_urll: http://127.0.0.1:1\n")
    with pytest.raises(ConfigurationError, match="service_url"):
        create_agentadmit_router(path)
