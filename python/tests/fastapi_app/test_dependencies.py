"""`get_current_user` is the app's own dependency, solved by FastAPI in the request's own scope."""

# no `from __future__ import annotations` here: FastAPI reads annotations that name locals

import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import (
    BackgroundTasks,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Request,
    Response,
    Security,
)
from fastapi.security import HTTPBasic, HTTPBasicCredentials, OAuth2PasswordBearer, SecurityScopes
from starlette.testclient import TestClient

from agentadmit import AgentAdmitMiddleware, get_current_user_or_agent
from agentadmit.testing import App

Config = Callable[..., Path]


def client_of(config: Config, dependency: Any, **routes: Any) -> tuple[FastAPI, TestClient]:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config_path=config(), get_current_user=dependency)

    @app.get("/me")
    async def me(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> Any:
        user = auth_ctx["user"]
        return user if isinstance(user, dict) else vars(user)

    return app, TestClient(app)


def both(client: TestClient, **request: Any) -> Any:
    """The user as a route sees it, after the mounted routes have seen the same."""
    assert client.get("/agentadmit/scopes", **request).status_code == 200
    return client.get("/me", **request).json()


def test_sync(config: Config) -> None:
    def user(x_user: Annotated[str, Header()]) -> dict[str, str]:
        return {"user_id": x_user}

    _, client = client_of(config, user)
    assert both(client, headers={"x-user": "alice"}) == {"user_id": "alice"}
    # the app's own answer to a request that it cannot read
    for path in ("/me", "/agentadmit/scopes"):
        assert client.get(path).status_code == 422


def test_async(config: Config) -> None:
    async def user(request: Request) -> dict[str, str]:
        return {"user_id": request.headers["x-user"], "path": request.url.path}

    _, client = client_of(config, user)
    assert both(client, headers={"x-user": "alice"}) == {"user_id": "alice", "path": "/me"}


def test_yield_ends_after_the_answer_and_sees_what_the_route_raises(config: Config) -> None:
    story: list[str] = []

    async def user() -> AsyncIterator[dict[str, str]]:
        story.append("in")
        try:
            yield {"user_id": "alice"}
        except ValueError as error:
            story.append(f"saw {error}")
            raise
        finally:
            story.append("out")

    app, client = client_of(config, user)

    @app.get("/broken")
    async def broken(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> None:
        story.append("route")
        raise ValueError("it")

    @app.get("/fine")
    async def fine(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> Any:
        story.append("route")
        return Response(background=_Story(story))

    with pytest.raises(ValueError, match="it"):
        client.get("/broken")
    assert story == ["in", "route", "saw it", "out"]
    story.clear()
    client.get("/fine")
    assert story == ["in", "route", "background", "out"]
    story.clear()
    assert client.get("/agentadmit/scopes").status_code == 200
    assert story == ["in", "out"]


class _Story:
    def __init__(self, story: list[str]) -> None:
        self.story = story

    async def __call__(self) -> None:
        self.story.append("background")


def test_a_sync_yield(config: Config) -> None:
    ended: list[bool] = []

    def user() -> Iterator[dict[str, str]]:
        yield {"user_id": "alice"}
        ended.append(True)

    _, client = client_of(config, user)
    assert both(client) == {"user_id": "alice"}
    assert ended == [True, True]


def test_a_class_and_a_callable_object(config: Config) -> None:
    class User:
        def __init__(self, x_user: Annotated[str, Header()]) -> None:
            self.user_id = x_user

    class Reader:
        def __init__(self, name: str) -> None:
            self.name = name

        async def __call__(self, request: Request) -> dict[str, str]:
            return {"user_id": request.headers[self.name]}

    for dependency in (User, Reader("x-user")):
        _, client = client_of(config, dependency)
        assert both(client, headers={"x-user": "alice"}) == {"user_id": "alice"}


def test_sub_dependencies_are_solved_once(config: Config) -> None:
    sessions: list[int] = []

    def session() -> int:
        sessions.append(1)
        return len(sessions)

    def account(session: Annotated[int, Depends(session)]) -> str:
        return f"account of session {session}"

    def user(
        session: Annotated[int, Depends(session)], account: Annotated[str, Depends(account)]
    ) -> dict[str, Any]:
        return {"user_id": "alice", "session": session, "account": account}

    _, client = client_of(config, user)
    assert client.get("/me").json() == {
        "user_id": "alice",
        "session": 1,
        "account": "account of session 1",
    }
    assert sessions == [1]


def test_security_schemes(config: Config) -> None:
    bearer = OAuth2PasswordBearer(tokenUrl="token", scopes={"me": "yourself"})

    def user(
        scopes: SecurityScopes, token: Annotated[str, Security(bearer, scopes=["me"])]
    ) -> dict[str, Any]:
        return {"user_id": token, "scopes": scopes.scopes}

    _, client = client_of(config, user)
    assert both(client, headers={"Authorization": "Bearer alice"})["user_id"] == "alice"
    nobody = client.get("/me")
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, "Bearer")

    basic = HTTPBasic()

    def other(credentials: Annotated[HTTPBasicCredentials, Depends(basic)]) -> dict[str, str]:
        return {"user_id": credentials.username}

    _, client = client_of(config, other)
    assert both(client, auth=("alice", "secret")) == {"user_id": "alice"}


def test_dependency_overrides(config: Config) -> None:
    def database() -> str:
        raise AssertionError("overridden")

    def user(name: Annotated[str, Depends(database)]) -> dict[str, str]:
        return {"user_id": name}

    app, client = client_of(config, user)
    app.dependency_overrides[database] = lambda: "alice"
    assert both(client) == {"user_id": "alice"}
    app.dependency_overrides = {user: lambda: {"user_id": "bob"}}
    assert both(client) == {"user_id": "bob"}


def test_path_parameters_cookies_and_background_tasks(config: Config) -> None:
    done: list[str] = []

    def user(tenant: str, response: Response, background: BackgroundTasks) -> dict[str, str]:
        response.set_cookie("seen", tenant)
        background.add_task(done.append, tenant)
        return {"user_id": tenant}

    app, client = client_of(config, user)

    @app.get("/tenants/{tenant}/me")
    async def me(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> Any:
        return auth_ctx["user"]

    reply = client.get("/tenants/acme/me")
    assert reply.json() == {"user_id": "acme"}
    assert reply.cookies["seen"] == "acme"
    assert done == ["acme"]
    # in the mounted routes the same name is a query's
    assert client.get("/agentadmit/scopes?tenant=acme").cookies["seen"] == "acme"
    assert done == ["acme", "acme"]


def test_context_variables_reach_the_route(config: Config) -> None:
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="none")

    async def user() -> dict[str, str]:
        tenant.set("acme")
        return {"user_id": "alice"}

    app, client = client_of(config, user)

    @app.get("/tenant")
    async def read(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> str:
        return tenant.get()

    assert client.get("/tenant").json() == "acme"


def test_what_the_dependency_raises_is_the_apps_answer(config: Config) -> None:
    def user() -> None:
        raise HTTPException(418, "no session", {"x-why": "tea"})

    app, client = client_of(config, user)

    @app.exception_handler(418)
    async def teapot(request: Request, error: HTTPException) -> Response:
        return Response(f"handled: {error.detail}", 418, headers=error.headers)

    for path in ("/me", "/agentadmit/scopes"):
        reply = client.get(path)
        assert (reply.status_code, reply.text, reply.headers["x-why"]) == (
            418,
            "handled: no session",
            "tea",
        )


def test_nobody_and_a_user_without_an_id(config: Config) -> None:
    users: list[Any] = [None]

    def user() -> Any:
        return users[0]

    _, client = client_of(config, user)
    for path in ("/me", "/agentadmit/scopes"):
        reply = client.get(path)
        assert (reply.status_code, reply.json()["error"]) == (401, "unauthenticated")
    for nameless in ({"name": "x"}, {"user_id": True}, {"user_id": "x" * 129}, object()):
        users[0] = nameless
        reply = client.get("/agentadmit/scopes")
        assert (reply.status_code, reply.json()["error"]) == (403, "user_unknown")
    users[0] = {"user_id": 7}
    assert client.get("/agentadmit/scopes").status_code == 200


def test_an_agents_request_never_reaches_it(config: Config, shop: App) -> None:
    def user() -> None:
        raise AssertionError("the session of an agent's request was read")

    app, client = client_of(config, user)

    @app.get("/open")
    async def read(auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]) -> str:
        raise AssertionError("this route is closed to agents")

    agent = shop.user("alice").agent("read:orders")
    headers = {**agent.headers, "Cookie": "session=alice"}
    for path in ("/open", "/agentadmit/scopes", "/agentadmit/connections"):
        reply = client.get(path, headers=headers)
        assert (reply.status_code, reply.json()["error"]) == (403, "agent_not_allowed")
