"""Long answers, event streams and WebSockets of agents end when the agent may not go on."""

import asyncio
import http.client
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, WebSocket
from fastapi.responses import StreamingResponse
from servers import serving
from shop_fixtures import Clock
from starlette.websockets import WebSocketDisconnect
from support import LIMIT, Site, Spy, bearer, opened
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from agentadmit import (
    AgentAdmitMiddleware,
    get_current_user_or_agent,
    require_scope,
    require_scope_if_agent,
)
from agentadmit.testing import Agent, App

Config = Callable[..., Path]


class Lines:
    """An answer whose lines a test lets out one by one."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.queue: asyncio.Queue[str | None] = asyncio.Queue()

    async def lines(self) -> AsyncIterator[str]:
        self.loop = asyncio.get_running_loop()
        yield "begin\n"
        while (line := await self.queue.get()) is not None:
            yield line

    def put(self, line: str | None) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.queue.put_nowait, line)


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def site(config: Config, lines: Lines) -> Iterator[Site]:
    app = FastAPI()

    async def user(x_user: str = "") -> dict[str, str]:
        raise HTTPException(401)

    app.add_middleware(
        AgentAdmitMiddleware,
        config_path=config(),
        get_current_user=user,
        verify_user_token=lambda token: {"user_id": token} if token == "alice" else None,
    )

    @app.get("/lines", dependencies=[Depends(require_scope_if_agent("read:orders"))])
    async def stream() -> StreamingResponse:
        return StreamingResponse(lines.lines(), media_type="text/plain")

    @app.websocket("/echo")
    async def echo(
        socket: WebSocket,
        auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)],
        _scope: Annotated[Any, Depends(require_scope_if_agent("read:orders"))],
    ) -> None:
        await socket.accept()
        await socket.send_text(f"{auth_ctx.type} {auth_ctx.user['user_id']}")
        try:
            async for text in socket.iter_text():
                await socket.send_text(text)
        except WebSocketDisconnect:
            pass

    @app.websocket("/agents", dependencies=[Depends(require_scope("read:orders"))])
    async def agents(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("in")
        await socket.close()

    @app.websocket("/raw")
    async def raw(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    with serving(app) as site:
        yield site


@pytest.fixture
def agent(shop: App) -> Agent:
    return shop.user("alice").agent("read:orders")


def test_a_stream_is_asked_about_every_30_s(
    site: Site, lines: Lines, clock: Clock, agent: Agent, spy: Spy
) -> None:
    with opened(site, "/lines", agent.token) as response:
        assert response.readline() == b"begin\n"
        assert len(spy.verifies()) == 1
        clock.now += 29.9
        lines.put("before\n")
        assert response.readline() == b"before\n"
        assert spy.verifies() == []
        clock.now += 0.1
        lines.put("after\n")
        assert response.readline() == b"after\n"
        assert [it["scope_used"] for it in spy.verifies()] == ["read:orders"]
        clock.now += 30
        agent.revoke()
        lines.put("secret\n")
        with pytest.raises(http.client.IncompleteRead) as broken:
            response.read()
        assert b"secret" not in broken.value.partial


def test_a_stream_is_broken_off_when_the_service_cannot_be_asked(
    site: Site, lines: Lines, clock: Clock, agent: Agent, spy: Spy
) -> None:
    with opened(site, "/lines", agent.token) as response:
        assert response.readline() == b"begin\n"
        spy.answer = (503, {}, b"")
        clock.now += 31
        lines.put("secret\n")
        with pytest.raises(http.client.IncompleteRead):
            response.read()


def test_a_slow_beginning_is_asked_about_before_anything_goes_out(
    config: Config, clock: Clock, agent: Agent
) -> None:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config_path=config())

    @app.get("/slow", dependencies=[Depends(require_scope_if_agent("read:orders"))])
    def slow() -> str:
        clock.now += 60
        agent.revoke()
        return "secret"

    with serving(app) as site:
        reply = site.ask("GET", "/slow", [bearer(agent.token)])
    assert (reply.status, reply.error) == (401, "invalid_token")


def test_people_are_not_watched(site: Site, lines: Lines, clock: Clock, spy: Spy) -> None:
    with opened(site, "/lines") as response:
        assert response.readline() == b"begin\n"
        clock.now += 3600
        lines.put("more\n")
        lines.put(None)
        assert response.read() == b"more\n"
        assert spy.take() == []


def socket_of(site: Site, path: str, *headers: tuple[str, str]) -> Any:
    return connect(
        f"ws://{site.host}:{site.port}{path}", additional_headers=list(headers), proxy=None
    )


def test_a_socket_is_asked_about_for_each_message(site: Site, agent: Agent, spy: Spy) -> None:
    with socket_of(site, "/echo", bearer(agent.token)) as socket:
        assert socket.recv(LIMIT) == "agent alice"
        socket.send("one")
        assert socket.recv(LIMIT) == "one"
        assert [it["endpoint"] for it in spy.verifies()] == ["/echo", "/echo"]
        agent.revoke()
        socket.send("two")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(LIMIT)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "invalid_token")


def test_sockets_of_people(site: Site, spy: Spy) -> None:
    with socket_of(site, "/echo", bearer("alice")) as socket:
        assert socket.recv(LIMIT) == "user alice"
        socket.send("hello")
        assert socket.recv(LIMIT) == "hello"
    with pytest.raises(InvalidStatus) as refused:
        socket_of(site, "/echo")
    assert refused.value.response.status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        socket_of(site, "/agents", bearer("alice"))
    assert refused.value.response.status_code == 403
    assert b"agent_required" in (refused.value.response.body or b"")
    with socket_of(site, "/raw"):
        pass
    assert spy.take() == []


def test_sockets_that_agents_may_not_open(site: Site, agent: Agent, shop: App, spy: Spy) -> None:
    lacking = shop.user("alice").agent("read:profile")
    for path, token, code in (
        ("/raw", agent.token, b"agent_not_allowed"),
        ("/nowhere", agent.token, b"agent_not_allowed"),
        ("/echo", lacking.token, b"insufficient_scope"),
        ("/echo?t=" + agent.token, agent.token, b"invalid_request"),
    ):
        with pytest.raises(InvalidStatus) as refused:
            socket_of(site, path, bearer(token))
        assert code in (refused.value.response.body or b""), path
    with socket_of(site, "/agents", bearer(agent.token)) as socket:
        assert socket.recv(LIMIT) == "in"


def test_a_socket_without_a_verifier_names_the_argument(config: Config) -> None:
    app = FastAPI()
    app.add_middleware(AgentAdmitMiddleware, config(), get_current_user=lambda: None)

    @app.websocket("/echo")
    async def echo(
        socket: WebSocket, auth_ctx: Annotated[Any, Depends(get_current_user_or_agent)]
    ) -> None:
        raise AssertionError("nobody knows who this is")

    with serving(app) as site, pytest.raises(InvalidStatus) as refused:
        socket_of(site, "/echo", bearer("alice"))
    assert refused.value.response.status_code == 501
    assert b"verify_user_token" in (refused.value.response.body or b"")


def test_background_tasks_and_lifespan(config: Config, agent: Agent) -> None:
    story: list[str] = []

    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        story.append("up")
        yield {"shop": "open"}
        story.append("down")

    from contextlib import asynccontextmanager

    app = FastAPI(lifespan=asynccontextmanager(lifespan))
    app.add_middleware(AgentAdmitMiddleware, config_path=config())

    @app.get("/later", dependencies=[Depends(require_scope_if_agent("read:orders"))])
    async def later(background: BackgroundTasks) -> str:
        background.add_task(story.append, "later")
        return "now"

    with serving(app) as site:
        assert site.ask("GET", "/later", [bearer(agent.token)]).json == "now"
    assert story == ["up", "later", "down"]
