"""The package connects to the configured service and nowhere else, and sends what is listed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from . import sent
from .fake import APP, CONNECTION, TOKEN, FakeService, Seen

HERE = Path(__file__).parent

EVERY_CALL = """
import asyncio, inspect, json, sys
from agentadmit import AgentAdmit, AgentAdmitError, AsyncAgentAdmit
told = json.loads(sys.argv[1])
token, connection = told.pop("token"), told.pop("connection")
text = {"on_behalf_of": "user:alice", "user_label": "Alice"}

def calls(client):
    yield client.verify(token, "read:orders", endpoint="/x", method="GET", agent_ip="192.0.2.1")
    yield client.issue_token("alice", ["a:b"], duration_seconds=60, purpose="p",
                             user_intent="i", agent_label="l", **text)
    yield client.issue_token("alice", ["a:b"], until_revoked=True)
    yield client.open_consent_session(
        "alice", scopes=["a:b"], preselected=["a:b"], connection_id=connection, add_scopes=["c:d"],
        duration_seconds=60, purpose="p", return_url="https://shop.example/", locale="en",
        prompt_templates=[{"name": "n", "text": "t"}],
        durations=[{"label": "d", "seconds": 60}], **text)
    yield client.exchange(token, agent_label="l", agent_ip="192.0.2.1",
                          idempotency_key="k" * 22)
    yield client.revoke(connection, reason="r", on_behalf_of="user:alice")
    yield client.revoke(user_id="alice")
    yield client.revoke_of_user(connection, "alice")
    yield client.connections(user_id="alice", status="active", limit=5, cursor="x")
    yield client.connection(connection)
    yield client.narrow(connection, remove_scopes=["a:b"], expires_at="2026-01-01T00:00:00Z",
                        **text)
    yield client.scopes()
    yield client.put_scopes([{"name": "a:b", "description": "d"}], remove=["c:d"])
    yield client.audit(connection_id=connection, user_id="alice", event="verified",
                       since="2026-01-01T00:00:00Z", until="2026-01-02T00:00:00Z",
                       limit=5, cursor="x")
    yield client.usage(since="2026-01-01", until="2026-01-02")
    yield client.credential()

class Each:
    # a call at a time, whatever it comes to: the service here answers every call as a verify
    def __init__(self, client):
        self.client, self.made = client, set()
    def __getattr__(self, name):
        self.made.add(name)
        def call(*arguments, **members):
            try:
                made = getattr(self.client, name)(*arguments, **members)
                if inspect.isawaitable(made):
                    async def awaited():
                        return await made
                    asyncio.run(awaited())
            except AgentAdmitError as error:
                assert "not understood" in str(error), (name, error)
        return call

for kind in (AgentAdmit, AsyncAgentAdmit):
    each = Each(kind(**told))
    print(len(list(calls(each))))
    there = {name for name, _ in inspect.getmembers(kind, inspect.isfunction) if name[0] != "_"}
    assert each.made == there, "a call of the client is not made here"
"""


GUARDED_APP = """
import json, logging, sys
from typing import Any
from fastapi import Depends, FastAPI, Header
from starlette.testclient import TestClient
from agentadmit import AgentAdmitMiddleware, get_current_user_or_agent, require_scope_if_agent

told = json.loads(sys.argv[1])
agent = {"Authorization": "Bearer " + told.pop("token")}
user = {"X-User": "alice", "Origin": "https://shop.example"}
connection = told.pop("connection")

def get_current_user(x_user: str = Header()):
    return {"user_id": x_user, "email": "alice@example.com"}

app = FastAPI()
scopes = '[{"name": "read:orders", "description": "See your orders"}]'
config = {**told, "public_url": "https://shop.example", "scopes": scopes}
app.add_middleware(AgentAdmitMiddleware, config=config, get_current_user=get_current_user)

@app.post("/orders/{order}", dependencies=[Depends(require_scope_if_agent("read:orders"))])
async def order(auth_ctx: Any = Depends(get_current_user_or_agent)):
    return auth_ctx["user"]["user_id"]

logging.disable()
client = TestClient(app, client=("192.0.2.7", 5))
cookie = {"Cookie": "session=secret"}
for who in (agent, user):
    reply = client.post("/orders/7?note=secret", headers={**who, **cookie}, json={"card": "4111"})
    assert reply.json() == "alice", reply.text
client.get("/.well-known/agentadmit")
# what the service answers makes no sense for these: what they send does
at = "/agentadmit/connections"
grant = {"scopes": ["read:orders"], "duration_seconds": 3600}
client.post(at + "/generate-token", headers={**user, **cookie}, json=grant)
client.post("/agentadmit/token/exchange", headers=cookie, json={"token": "ag_ct_x"})
for method, path in (("GET", ""), ("DELETE", "/" + connection)):
    client.request(method, at + path, headers={**user, **cookie})
"""


@pytest.fixture(scope="session")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that notes where a process connects to."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler, and the loader of Linux")
    library = tmp_path_factory.mktemp("guard") / "guard.so"
    source = HERE / "connect_guard.c"
    command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True)
    return library


def guarded(guard: Path, notes: Path, program: str, **told: object) -> tuple[str, list[str]]:
    """What a program printed, and where it connected to."""
    environment = {**os.environ, "LD_PRELOAD": str(guard), "AGENTADMIT_GUARD": str(notes)}
    command = [sys.executable, "-W", "error", "-c", program, json.dumps(told)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout, notes.read_text().splitlines() if notes.exists() else []


def test_the_guard_sees_what_happens(guard: Path, tmp_path: Path) -> None:
    program = """if True:
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
            there.connect(("192.0.2.9", 53))
        socket.getaddrinfo("localhost", None)
    """
    _, notes = guarded(guard, tmp_path / "notes", program)
    assert "connect 192.0.2.9 53" in notes
    assert "getaddrinfo localhost 0" in notes


def test_an_import_and_a_client_connect_nowhere(guard: Path, tmp_path: Path) -> None:
    program = """if True:
        import agentadmit, json, sys
        for name in ("AgentAdmit", "AsyncAgentAdmit"):
            getattr(agentadmit, name)(**json.loads(sys.argv[1]))
    """
    with FakeService() as fake:
        _, notes = guarded(guard, tmp_path / "notes", program, **fake.arguments)
    assert notes == []


def test_every_call_goes_to_the_service_and_sends_what_is_listed(
    guard: Path, tmp_path: Path, fake: FakeService
) -> None:
    said, notes = guarded(
        guard,
        tmp_path / "notes",
        EVERY_CALL,
        token=TOKEN,
        connection=CONNECTION,
        **fake.arguments,
    )
    assert said == "16\n16\n"
    place = urlsplit(fake.url)
    assert set(notes) == {f"connect {place.hostname} {place.port}"}
    assert len(fake.seen) == 32
    assert members_of(fake.seen) == sent.MEMBERS
    assert {name for seen in fake.seen for name in seen.headers} == sent.HEADER
    ours = f"agentadmit-python/{version('agentadmit')}"
    assert {seen.headers["user-agent"] for seen in fake.seen} == {ours}


def members_of(requests: list[Seen]) -> dict[tuple[str, str], set[str]]:
    """By method and path: every member of a body or a query."""
    found: dict[tuple[str, str], set[str]] = {}
    for seen in requests:
        target = urlsplit(seen.target)
        path = target.path.replace(APP, "{app_id}").replace(CONNECTION, "{connection_id}")
        members = set(seen.json) if seen.body else set(parse_qs(target.query))
        found.setdefault((seen.method, path), set()).update(members)
    return found


def test_an_app_with_guards_sends_no_more_and_nothing_of_its_people(
    guard: Path, tmp_path: Path, fake: FakeService
) -> None:
    told = {"token": TOKEN, "connection": CONNECTION, **fake.arguments}
    _, notes = guarded(guard, tmp_path / "notes", GUARDED_APP, **told)
    place = urlsplit(fake.url)
    assert set(notes) == {f"connect {place.hostname} {place.port}"}
    verify, *others = fake.seen
    assert verify.json == {
        "token": TOKEN,
        "scope_used": "read:orders",
        "endpoint": "/orders/{order}",
        "method": "POST",
        "agent_ip": "192.0.2.7",
    }
    assert "/v1/verify" not in {seen.target for seen in others}, "nothing is asked about people"
    found = members_of(fake.seen)
    assert len(found) == 5
    for call, members in found.items():
        assert members <= sent.MEMBERS[call], call
    said = b"".join(seen.target.encode() + seen.body for seen in fake.seen).decode()
    for private in ("secret", "4111", "alice@example.com", "/orders/7"):
        assert private not in said
