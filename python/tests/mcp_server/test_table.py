"""`contract/tool-guard-cases.json`, row by row: the guard of HTTP before a server on real sockets,
and the guard inside of a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from guard_table import never_issued
from servers import serving
from support import NO_LIMITS, ORIGIN, Reply, Site, Spy, spying, yaml_of

from agentadmit.mcp import ToolGuard, ToolRefusedError, message
from agentadmit.testing import App, Service

TABLE = json.loads(
    (Path(__file__).parents[3] / "contract" / "tool-guard-cases.json").read_text(encoding="utf-8")
)
GUARD = TABLE["guard"]
RESOURCE = f"{ORIGIN}/mcp"
METADATA_URL = f"{ORIGIN}/.well-known/oauth-protected-resource/mcp"
OWN_SESSION = (b"mcp-session-id", b"s.1")


class Server:
    """Answers 200 to whatever reaches it, and remembers it."""

    def __init__(self) -> None:
        self.reached: list[tuple[list[tuple[bytes, bytes]], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for done in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{done}.complete"})
            return
        message = await receive()
        assert not message["more_body"]
        self.reached.append((list(scope["headers"]), message["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": [OWN_SESSION]})
        await send({"type": "http.response.body", "body": b"{}"})


class World:
    """An app, the spy before its service, and its tokens by name."""

    def __init__(self, app: App, spy: Spy, folder: Path) -> None:
        self.app, self.spy, self.server = app, spy, Server()
        file = folder / "agentadmit.yaml"
        file.write_text(yaml_of(app, spy.url, resource=RESOURCE, max_retries=0), encoding="utf-8")
        self.guard = ToolGuard(
            GUARD["tools"],
            config_path=file,
            api_key=app.api_key,
            open_methods=GUARD["open_methods"],
        )
        alice, bob = app.user("alice"), app.user("bob")
        both = ("read:orders", "write:orders")
        revoked = alice.agent(*both)
        revoked.revoke()
        self.tokens = {
            "agent": alice.agent(*both).token,
            "reader": alice.agent("read:orders").token,
            "lacking": alice.agent("read:profile").token,
            "other": bob.agent(*both).token,
            "revoked": revoked.token,
            "unknown": never_issued(),
            "connection": alice.grant(*both).token,
        }

    def filled(self, text: str) -> str:
        for name, token in self.tokens.items():
            text = text.replace(f"{{{name}}}", token)
        return text

    def answering(self, case: Any) -> None:
        """What the service says to a case."""
        self.spy.take()
        self.spy.answer = None
        if "service" in case:
            it = TABLE["services"][case["service"]]
            headers = {"content-type": "application/json", **it["headers"]}
            self.spy.answer = (it["status"], headers, json.dumps(it["body"]).encode())


@pytest.fixture
def world(agentadmit_service: Service, tmp_path: Path) -> Iterator[World]:
    scopes = ["read:orders", "write:orders", "read:profile"]
    app = agentadmit_service.app(scopes, settings=NO_LIMITS)
    with spying(app.service.url) as spy:
        yield World(app, spy, tmp_path)


def body_of(world: World, request: Any) -> str | None:
    if "method" in request:
        return None
    text = request["body"] if "body" in request else world.filled(json.dumps(request["message"]))
    return text.ljust(request.get("length", 0))


def test_every_request_caller_and_answer_has_a_row() -> None:
    for part, name in (("requests", "request"), ("callers", "caller"), ("services", "service")):
        assert {case[name] for case in TABLE["cases"] if name in case} == set(TABLE[part])
    told = {case["challenge"] for case in TABLE["cases"]} - {None}
    assert told == set(TABLE["challenges"])


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":1,"method":"ping","params":' + b'{"a":' * 100_000,
        b'{"id":1,"method":"ping","params":{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
        '{"id":1,"method":"ping"}'.encode("utf-16"),
        b'\xef\xbb\xbf{"id":1,"method":"ping"}',
        b'{"id":1,"method":"p\xc3\x28ng"}',
        b'{"id":1,"id":2,"method":"ping"}',
        b'{"id":1,"method":7}',
    ],
)
def test_what_is_no_message(body: bytes) -> None:
    asked = message.read(body)
    assert asked.fault is not None
    assert asked.fault[:2] == (400, -32700)


def test_many_members_are_read_in_one_go() -> None:
    # comparing each with each of them would take minutes, before anybody knows who sent them
    names = [*map(str, range(90_000)), "method", "method"]
    body = "{" + ",".join(f'"{name}":"ping"' for name in names) + "}"
    fault = message.read(body.encode()).fault
    assert fault is not None
    assert fault[0] == 400


def test_the_guard_of_http(world: World) -> None:
    behind = world.guard.over_http(
        world.server,
        first_scopes=[GUARD["first_scopes"]],
        max_message_bytes=GUARD["max_message_bytes"],
    )
    with serving(behind) as site:
        begun = ask(site, world, "initialize", "agent")
        world.tokens["session"] = begun.headers["mcp-session-id"]
        for case in TABLE["cases"]:
            world.answering(case)
            world.server.reached.clear()
            reply = ask(site, world, case["request"], case["caller"])
            check(world, case, reply)
    assert len(TABLE["cases"]) > 100


def ask(site: Site, world: World, request: str, caller: str) -> Reply:
    asked, by = TABLE["requests"][request], TABLE["callers"][caller]
    headers = [(name, world.filled(value)) for name, value in by["headers"]]
    headers += [("Content-Type", "application/json"), *map(tuple, asked.get("headers", []))]
    target = "/mcp" + (f"?{world.filled(by['query'])}" if "query" in by else "")
    return site.ask(asked.get("method", "POST"), target, headers, body_of(world, asked))


def check(world: World, case: Any, reply: Reply) -> None:
    asked = TABLE["requests"][case["request"]]
    where = f"{case['request']} by {case['caller']}: {reply.status} {reply.body!r}"
    assert reply.status == case["status"], where
    assert (reply.error if case["rpc"] is None else None) == case["error"], where
    assert reply.headers["www-authenticate"] == challenge(case), where
    assert rpc(reply) == case["rpc"], where
    reached = world.server.reached
    assert len(reached) == case["ran"], where
    for headers, body in reached:
        names = {name for name, _ in headers}
        assert b"authorization" not in names, where
        assert {value for name, value in headers if name == b"mcp-session-id"} <= {b"s.1"}, where
        assert body.decode() == (body_of(world, asked) or ""), where
    calls = world.spy.verifies()
    assert len(calls) == case["calls"], where
    for call in calls:
        assert call["endpoint"] == asked["endpoint"], where
        assert call.get("scope_used") == GUARD["tools"].get(tool_of(case)), where
        assert call["method"] == "CALL", where


def rpc(reply: Reply) -> int | str | None:
    """The code of an error of JSON-RPC, or that a tool was not run."""
    try:
        message = reply.json
    except ValueError:
        return None
    if isinstance(message.get("error"), dict):
        return message["error"]["code"]
    return "refused" if message.get("result", {}).get("isError") else None


def tool_of(case: Any) -> str:
    """The tool that is called; empty where none is."""
    endpoint: str = TABLE["requests"][case["request"]]["endpoint"]
    return endpoint.removeprefix("tool:") if endpoint.startswith("tool:") else ""


def caller_of(case: Any) -> Any:
    return TABLE["callers"][case["caller"]]


def challenge(case: Any) -> str | None:
    if case["challenge"] is None:
        return None
    scope = GUARD["tools"].get(tool_of(case), GUARD["first_scopes"])
    text: str = TABLE["challenges"][case["challenge"]]
    parts = {"metadata": METADATA_URL, "scope": scope, "first": GUARD["first_scopes"]}
    for name, value in parts.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def test_the_guard_inside_of_a_server(world: World) -> None:
    rows = [case for case in TABLE["cases"] if "inside" in case]
    for case in rows:
        world.answering(case)
        headers = caller_of(case)["headers"]
        authorization = [world.filled(it) for name, it in headers if name == "Authorization"]
        asked = TABLE["requests"][case["request"]]
        params = json.loads(world.filled(json.dumps(asked["message"]["params"])))
        where = f"{case['request']} by {case['caller']}"
        code = None
        try:
            admitted = world.guard.admit_http(params["name"], params["arguments"], authorization)
            assert admitted.auth.user["user_id"] == "alice", where
            assert admitted.arguments == {}, "the token is no argument of a tool"
        except ToolRefusedError as refused:
            code = refused.code
        assert code == case["inside"], where
    assert len(rows) > 30
