"""The pytest plugin, as somebody else's project uses it."""

from __future__ import annotations

import pytest

from agentadmit import CallRefusedError
from agentadmit.testing import App, Service

pytest_plugins = ["pytester"]


def test_a_project_gets_the_fixtures_by_itself(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os
        import pytest
        from agentadmit import AgentAdmit, InvalidTokenError

        @pytest.fixture
        def agentadmit_scopes():
            return ["read:orders", {"name": "write:orders", "description": "Change your orders"}]

        def test_an_agent_comes_and_goes(agentadmit_environ):
            app = agentadmit_environ
            grant = app.user("alice", label="Alice").grant("read:orders", purpose="Books")
            agent = grant.exchange(agent_label="robot")
            client = AgentAdmit()  # finds the service by its variables
            assert client.verify(agent.token, "read:orders").user_label == "Alice"
            assert agent.connection.agent_label == "robot"
            assert agent.headers == {"Authorization": f"Bearer {agent.token}"}
            agent.revoke()
            with pytest.raises(InvalidTokenError):
                client.verify(agent.token, "read:orders")
            assert [record.event for record in app.records()][-2:] == [
                "connection_revoked", "refused"
            ]

        def test_every_test_has_an_app_of_its_own(agentadmit_app):
            assert "AGENTADMIT_API_KEY" not in os.environ
            assert agentadmit_app.records("connection_created") == ()

        async def test_and_a_client_for_asyncio(agentadmit_app):
            assert (await agentadmit_app.async_client.scopes()).scopes[1].name == "write:orders"
        """
    )
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function")
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=3)


def test_two_services_know_nothing_of_each_other(app: App) -> None:
    agent = app.user("alice").agent("read:orders")
    with Service() as other:
        elsewhere = other.app(["read:orders"])
        with pytest.raises(CallRefusedError):
            elsewhere.client.verify(agent.token)
    other.stop()  # once more is nothing
    with pytest.raises(RuntimeError, match="stopped"):
        other.app()


def test_narrow_and_the_operators_requests(app: App) -> None:
    agent = app.user("alice").agent("read:orders", "write:orders")
    assert agent.narrow("write:orders").scopes == ("read:orders",)
    shown = app.service.operate("GET", f"/v1/operator/apps/{app.app_id}")
    assert shown["name"] == "App under test"
    with pytest.raises(CallRefusedError, match="not_found"):
        app.service.operate("GET", "/v1/operator/apps/app_01h455vb4pex5vsknk084sn02q")


def test_nothing_is_shown_of_secrets(app: App) -> None:
    user = app.user("alice")
    agent = user.agent("read:orders")
    for shown in (repr(app), repr(user), repr(agent), repr(user.grant("read:orders"))):
        assert app.api_key not in shown
        assert "ag_" not in shown
