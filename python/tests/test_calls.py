"""Every call of both clients, against the real service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from agentadmit import (
    CallRefusedError,
    ConfigurationError,
    InsufficientScopeError,
    InvalidTokenError,
)
from agentadmit.answers import AuditRecord, Connection, ConsentSession, IssuedToken, Scope
from agentadmit.testing import App

from .conftest import Both
from .fake import KEY, TOKEN


def test_a_verify_answers_who_calls(ours: Both, app: App) -> None:
    agent = app.user("alice", label="Alice").agent("read:orders", purpose="Bookkeeping")
    allowed = ours.verify(agent.token, "read:orders", endpoint="/orders/{id}", method="GET")
    assert allowed.user_id == "alice"
    assert allowed.user_label == "Alice"
    assert allowed.connection_id == agent.connection_id
    assert allowed.scopes == ("read:orders",)
    assert allowed.purpose == "Bookkeeping"
    assert allowed.environment == "test"
    assert allowed.expires_at - datetime.now(timezone.utc) < timedelta(days=30)
    [record] = app.records("verified")
    assert record.id == allowed.audit_id
    assert (record.scope, record.endpoint, record.method) == ("read:orders", "/orders/{id}", "GET")


def test_an_agent_is_a_mapping_of_its_attributes(ours: Both, app: App) -> None:
    agent = ours.verify(app.user("alice").agent("read:orders").token)
    assert isinstance(agent, Mapping)
    members = dict(agent)
    assert members == {name: getattr(agent, name) for name in members}
    assert "user_id" not in agent
    assert agent.get("user_id") is None
    assert agent.get("scopes", []) == ("read:orders",)
    assert agent.get(1, "nothing") == "nothing"
    assert len(agent) == len(agent.keys()) == len(agent.values()) == len(agent.items()) == 8
    with pytest.raises(KeyError, match="user_id"):
        agent["user_id"]
    with pytest.raises(AttributeError):
        agent.scopes = ()
    assert agent.to_dict()["scopes"] == ["read:orders"]
    assert agent.to_dict()["expires_at"].endswith("Z")
    assert agent.has_scope("read:orders")
    assert not agent.has_scope("write:orders")
    assert agent == agent
    assert len({agent, agent}) == 1


def test_a_scope_is_a_text_or_many(ours: Both, app: App) -> None:
    token = app.user("alice").agent("read:orders", "write:orders").token
    for needed in ("read:orders write:orders", ["write:orders", "read:orders"], None):
        assert ours.verify(token, needed).user_id == "alice"


def test_a_lacking_scope_is_named(ours: Both, app: App) -> None:
    agent = app.user("alice").agent("read:orders")
    with pytest.raises(InsufficientScopeError) as caught:
        ours.verify(agent.token, "write:orders")
    error = caught.value
    assert error.required_scope == "write:orders"
    assert error.granted_scopes == ("read:orders",)
    assert error.active is True
    assert error.status == 403
    [record] = app.records("refused")
    assert record.id == error.audit_id


def test_a_token_that_opens_nothing_has_a_reason(ours: Both, app: App) -> None:
    agent = app.user("alice").agent("read:orders")
    agent.revoke()
    for token, reason in ((agent.token, "revoked"), (TOKEN, "unknown"), ("x", "malformed")):
        with pytest.raises(InvalidTokenError) as caught:
            ours.verify(token, "read:orders")
        assert caught.value.reason == reason
        assert caught.value.active is False
        assert token not in str(caught.value)


def test_a_consent_session_is_an_address_for_one_browser(ours: Both) -> None:
    templates = [{"name": "Look", "text": "Look at {what}."}]
    opened = ours.open_consent_session(
        "bob",
        user_label="Bob",
        scopes=["read:orders", "write:orders"],
        preselected="read:orders",
        prompt_templates=templates,
        durations=[{"label": "One afternoon", "seconds": 14_400}, {"seconds": None}],
        locale="ar",
    )
    assert isinstance(opened, ConsentSession)
    assert opened.session_id.startswith("cs_")
    assert f"/consent/{opened.session_id}?code=" in opened.session_url
    assert opened.session_url not in repr(opened)
    assert timedelta(0) < opened.expires_at - datetime.now(timezone.utc) <= timedelta(minutes=10)
    issued = ours.issue_token("bob", ["read:orders"])
    more = ours.open_consent_session(
        connection_id=issued.connection_id, add_scopes=["write:orders"], duration_seconds=31536000
    )
    assert more.session_id != opened.session_id
    with pytest.raises(CallRefusedError) as caught:
        ours.open_consent_session(
            "mallory", connection_id=issued.connection_id, duration_seconds=60
        )
    assert caught.value.error == "not_found"


def test_issue_exchange_narrow_revoke(ours: Both) -> None:
    issued = ours.issue_token("bob", ["read:orders", "write:orders"], duration_seconds=3600)
    assert isinstance(issued, IssuedToken)
    assert issued.token.startswith("ag_ct_")
    assert issued.token not in repr(issued)
    assert issued["scopes"] == issued.scopes == ("read:orders", "write:orders")
    exchanged = ours.exchange(issued.token, agent_label="robot", idempotency_key="k" * 22)
    assert exchanged.app.name == "App under test"
    assert 0 < exchanged.expires_in <= 3600
    narrowed = ours.narrow(
        issued.connection_id,
        remove_scopes=["write:orders"],
        expires_at=datetime.now(timezone.utc) + timedelta(minutes=5),
    )
    assert narrowed.scopes == ("read:orders",)
    assert ours.verify(exchanged.access_token).agent_label == "robot"
    shown = ours.connection(issued.connection_id)
    assert (shown.status, shown.calls, shown.agent_label) == ("active", 1, "robot")
    with pytest.raises(CallRefusedError) as caught:
        ours.revoke_of_user(issued.connection_id, "mallory")
    assert (caught.value.status, caught.value.error) == (404, "not_found")
    revoked = ours.revoke(issued.connection_id, reason="lost phone")
    assert revoked.connection_id == issued.connection_id
    assert revoked.status == "revoked"
    assert ours.revoke_of_user(issued.connection_id, "bob").revoked_at == revoked.revoked_at


def test_all_of_a_user_are_revoked(ours: Both, app: App) -> None:
    agents = [app.user("carol").agent("read:orders") for _ in range(3)]
    assert ours.revoke(user_id="carol").count == 3
    assert {agent.connection.status for agent in agents} == {"revoked"}


def test_lists_have_pages(ours: Both, app: App) -> None:
    made = [app.user("dave").grant("read:orders").connection_id for _ in range(3)]
    first = ours.connections(user_id="dave", status="pending", limit=2)
    assert first.total == 3
    assert all(isinstance(each, Connection) for each in first.connections)
    rest = ours.connections(user_id="dave", status="pending", limit=2, cursor=first.next_cursor)
    assert rest.next_cursor is None
    found = [each.connection_id for each in (*first.connections, *rest.connections)]
    assert sorted(found) == sorted(made)


def test_the_catalogue_is_put_and_read(ours: Both) -> None:
    orders = Scope("read:orders", "See your orders", sensitive=True)
    change = ours.put_scopes([orders, {"name": "read:profile", "description": "See your profile"}])
    assert (change.added, change.updated) == (("read:profile",), ("read:orders",))
    assert change.removed == ("write:orders",)
    catalogue = ours.scopes()
    assert catalogue.scopes[0] == orders
    assert catalogue["scopes"][1].name == "read:profile"
    assert catalogue.to_dict()["scopes"][0]["sensitive"] is True


def test_audit_and_usage(ours: Both, app: App) -> None:
    agent = app.user("erin").agent("read:orders")
    ours.verify(agent.token, "read:orders")
    start = datetime(2020, 1, 1, tzinfo=timezone.utc)
    page = ours.audit(user_id="erin", event="verified", since=start, limit=10)
    assert all(isinstance(record, AuditRecord) for record in page.events)
    assert [record.scope for record in page.events] == ["read:orders"]
    assert page.to_dict()["events"][0]["occurred_at"].endswith("Z")
    assert ours.audit(until=start).events == ()
    usage = ours.usage()
    assert usage.plan.calls_used == 1
    assert usage.series[0].allowed == 1
    assert ours.usage(since=start.date(), until="2020-01-02").series == ()


def test_a_key_says_what_it_is(ours: Both, app: App) -> None:
    key = ours.credential()
    assert (key.app_id, key.environment) == (app.app_id, "test")
    assert key.permissions == ("verify", "issue", "manage")
    assert key.key_id.startswith("key_")


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda ours: ours.issue_token("u" * 129, ["read:orders"]), "user_id"),
        (lambda ours: ours.issue_token("u", []), "scopes"),
        (lambda ours: ours.issue_token("u", ["No Scope"]), "scopes[0]"),
        (lambda ours: ours.issue_token("u", ["a:b"], purpose="\u202e"), "purpose"),
        (lambda ours: ours.revoke(), "connection_id"),
        (lambda ours: ours.revoke("conn_1"), "connection_id"),
        (lambda ours: ours.connection("../apps"), "connection_id"),
        (lambda ours: ours.connections(limit=0), "limit"),
        (lambda ours: ours.connections(status="lost"), "status"),
        (
            lambda ours: ours.put_scopes([{"name": "a:b", "descripton": "x"}]),
            "scopes[0].descripton",
        ),
        (lambda ours: ours.audit(event="nothing"), "event"),
        (lambda ours: ours.usage(since="yesterday"), "from"),
        (lambda ours: ours.exchange("ag_ct_", idempotency_key="short"), "Idempotency-Key"),
    ],
)
def test_a_wrong_member_is_named(ours: Both, call: Callable[[Both], Any], field: str) -> None:
    with pytest.raises(CallRefusedError) as caught:
        call(ours)
    assert caught.value.field == field
    assert caught.value.status in (400, 422)


def test_a_time_needs_a_zone(ours: Both) -> None:
    with pytest.raises(ValueError, match="zone"):
        ours.audit(since=datetime(2026, 1, 1))


def test_a_foreign_key_is_the_apps_fault_not_the_agents(ask: Callable[..., Both], app: App) -> None:
    other = app.service.app(name="Other")
    token = app.user("alice").agent("read:orders").token
    ours = ask(service_url=app.service.url, app_id=other.app_id, api_key=app.api_key)
    with pytest.raises(ConfigurationError, match="set the key of this app"):
        ours.verify(token)
    revoked = ask(service_url=app.service.url, app_id=app.app_id, api_key=KEY)
    with pytest.raises(ConfigurationError, match="does not accept the API key"):
        revoked.verify(token)
