"""An agent runs as its user: whatever session, cookie or token against other sites comes along."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, flash, g, jsonify, session
from flask_login import current_user, login_required, login_user
from flask_wtf import FlaskForm
from servers import serving_wsgi
from shop_app import Browser, Person, app_with_login
from support import Site, Spy, bearer
from wtforms import StringField

from agentadmit.exceptions import AgentAdmitError
from agentadmit.integrations.flask_integration import AgentAdmitFlask
from agentadmit.testing import App

Config = Callable[..., Path]


class Order(FlaskForm):
    what = StringField()


def shop_of(app: Flask, aa: AgentAdmitFlask) -> Flask:
    read = aa.require_scope_if_agent("read:orders")

    @app.before_request
    def look() -> None:
        g.looked = current_user.get_id() if current_user.is_authenticated else None

    @app.route("/orders", methods=["GET", "POST"])
    @login_required
    @read
    def orders() -> Any:
        context = g.agentadmit
        return jsonify(
            current=current_user.get_id(),
            kind=type(current_user._get_current_object()).__name__,
            looked=g.looked,
            basket=session.get("basket"),
            agent=None if context is None else context.user.get_id(),
        )

    @app.post("/form")
    @read
    def form() -> Any:
        order = Order()
        return jsonify(valid=order.validate_on_submit(), what=order.what.data)

    @app.post("/write")
    @read
    def write() -> str:
        session["basket"] = "an agent's"
        flash("kept?")
        return session["basket"]

    @app.post("/sign-in")
    @read
    def sign_in() -> Response:
        assert login_user(Person("alice"), remember=True)
        response = Response("signed in")
        response.set_cookie("own", "whatever")
        return response

    @app.get("/both")
    @read
    @aa.get_current_user_or_agent
    def both() -> str:
        return f"{g.agentadmit.type} {g.agentadmit.user.get_id()}"

    return app


@pytest.fixture(params=["before", "after"])
def site(request: pytest.FixtureRequest, config: Config) -> Iterator[Site]:
    """AgentAdmit is set up before the other extensions, or after them."""
    app = app_with_login()
    aa = AgentAdmitFlask()
    if request.param == "after":
        aa.init_app(shop_of(app, aa), config())
    else:
        aa.init_app(app, config())
        shop_of(app, aa)
    with serving_wsgi(app) as site:
        yield site


def test_an_agent_runs_as_its_user(site: Site, shop: App, spy: Spy) -> None:
    mallory = Browser(site, "mallory")
    agent = bearer(shop.user("alice").agent("read:orders").token)
    alice = {
        "current": "alice", "kind": "Person", "looked": "alice", "basket": None, "agent": "alice",
    }  # fmt: skip
    for headers in ([agent], [agent, mallory.cookie], [agent, mallory.cookie, mallory.csrf]):
        for method in ("GET", "POST"):
            spy.take()
            reply = site.ask(method, "/orders", headers)
            assert (reply.status, reply.json) == (200, alice)
            assert len(spy.verifies()) == 1
            assert "set-cookie" not in reply.headers
    by_mallory = site.ask("GET", "/orders", [mallory.cookie]).json
    assert by_mallory == {
        "current": "mallory", "kind": "Person", "looked": "mallory", "basket": "mallory",
        "agent": None,
    }  # fmt: skip


def test_a_remembered_user_is_not_looked_at(site: Site, shop: App) -> None:
    cookie = ("Cookie", "remember_token=mallory|whatever")
    agent = bearer(shop.user("alice").agent("read:orders").token)
    assert site.ask("GET", "/orders", [agent, cookie]).json["current"] == "alice"


def test_csrf_is_skipped_for_an_agent_that_was_let_in_and_for_no_other(
    site: Site, shop: App
) -> None:
    alice, agent = Browser(site, "alice"), shop.user("alice").agent("read:orders")
    cases: list[tuple[list[tuple[str, str]], int]] = [
        ([alice.cookie], 400),
        ([alice.cookie, alice.csrf], 200),
        ([], 400),
        ([alice.csrf], 400),
        ([bearer(agent.token)], 200),
        ([bearer(agent.token), alice.cookie], 200),
        ([bearer("ag_at_junk"), alice.cookie], 401),
        ([bearer("ag_at_junk"), alice.cookie, alice.csrf], 401),
        ([("Authorization", "Bearer other"), alice.cookie], 400),
        ([("Authorization", "Basic YTpi"), alice.cookie], 400),
    ]
    for headers, status in cases:
        for path in ("/orders", "/write"):
            reply = site.ask("POST", path, headers)
            assert reply.status == status, (headers, path, reply.body)
    lacking = bearer(shop.user("alice").agent("read:profile").token)
    assert site.ask("POST", "/write", [lacking, alice.cookie, alice.csrf]).status == 403
    agent.revoke()
    assert site.ask("POST", "/write", [bearer(agent.token), alice.cookie]).status == 401


def test_forms_of_flask_wtf(site: Site, shop: App) -> None:
    alice, agent = Browser(site, "alice"), bearer(shop.user("alice").agent("read:orders").token)
    typed = ("Content-Type", "application/x-www-form-urlencoded")
    reply = site.ask("POST", "/form", [agent, typed], "what=tea")
    assert reply.json == {"valid": True, "what": "tea"}
    body = f"what=tea&csrf_token={alice.csrf[1]}"
    reply = site.ask("POST", "/form", [alice.cookie, typed], body)
    assert reply.json == {"valid": True, "what": "tea"}
    assert site.ask("POST", "/form", [alice.cookie, typed], "what=tea").status == 400


def test_what_an_agent_puts_into_a_session_is_not_kept(site: Site, shop: App) -> None:
    alice, agent = Browser(site, "alice"), bearer(shop.user("alice").agent("read:orders").token)
    reply = site.ask("POST", "/write", [agent, alice.cookie])
    assert (reply.body, reply.headers.get("set-cookie")) == (b"an agent's", None)
    assert site.ask("GET", "/orders", [alice.cookie]).json["basket"] == "alice"


@pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning")  # flask-login's own
def test_an_agent_is_handed_no_session(site: Site, shop: App) -> None:
    alice, agent = Browser(site, "alice"), bearer(shop.user("alice").agent("read:orders").token)
    for headers in ([agent], [agent, alice.cookie]):
        reply = site.ask("POST", "/sign-in", headers)
        assert (reply.body, reply.headers.get_all("set-cookie")) == (b"signed in", None)
    reply = site.ask("POST", "/sign-in", [alice.cookie, alice.csrf])
    names = {it.split("=")[0] for it in reply.headers.get_all("set-cookie")}
    assert names == {"own", "remember_token", "session"}


def test_users_whom_flask_login_does_not_let_in(site: Site, shop: App) -> None:
    for user in ("gone", "locked"):
        agent = bearer(shop.user(user).agent("read:orders").token)
        assert site.ask("GET", "/orders", [agent]).error == "user_unknown", user


def test_a_page_for_errors_sees_nobody_who_was_refused(config: Config, shop: App) -> None:
    app = app_with_login()

    @app.errorhandler(AgentAdmitError)
    def page(error: AgentAdmitError) -> tuple[str, int]:
        return "welcome" if current_user.is_authenticated else "who are you?", 403

    shop_of(app, AgentAdmitFlask(app, config()))
    alice = shop.user("alice")
    lacking, reading = alice.agent("read:profile"), alice.agent("read:orders")
    with serving_wsgi(app) as site:
        mallory = Browser(site, "mallory")
        for agent, path in ((lacking, "/orders"), (reading, "/me"), (reading, "/nowhere")):
            reply = site.ask("GET", path, [bearer(agent.token), mallory.cookie])
            assert (reply.status, reply.body) == (403, b"who are you?"), path
        junk = site.ask("GET", "/orders", [bearer("ag_at_junk"), mallory.cookie])
        assert junk.body == b"who are you?"


def test_a_user_of_the_apps_own_kind_beside_flask_logins(config: Config, shop: App) -> None:
    app = app_with_login()
    aa = AgentAdmitFlask(app, config())

    @aa.user_loader
    def load(user_id: str) -> dict[str, str]:
        return {"user_id": user_id, "name": user_id.title()}

    @app.get("/names")
    @aa.require_scope_if_agent("read:orders")
    def names() -> list[str]:
        return [g.agentadmit.user["name"], current_user.get_id()]

    with serving_wsgi(app) as site:
        for user, status in (("alice", 200), ("locked", 403), ("gone", 403)):
            agent = bearer(shop.user(user).agent("read:orders").token)
            reply = site.ask("GET", "/names", [agent])
            assert reply.status == status, user
            if status == 200:
                assert reply.json == ["Alice", "alice"]


def test_views_without_a_guard(site: Site, shop: App, spy: Spy) -> None:
    alice, agent = Browser(site, "alice"), bearer(shop.user("alice").agent("read:orders").token)
    spy.take()
    for path in ("/me", "/nowhere", "/static/x.css", "/login/mallory", "/csrf"):
        for headers in ([agent], [agent, alice.cookie]):
            reply = site.ask("GET", path, headers)
            assert (reply.status, reply.error) == (403, "agent_not_allowed"), path
            assert "set-cookie" not in reply.headers
    assert spy.verifies() == []
    assert site.ask("GET", "/me", [alice.cookie]).body == b"alice"


def test_nobody_hears_what_flask_login_says(site: Site) -> None:
    assert site.get("/both").status == 401
    assert site.ask("GET", "/both", [Browser(site, "bob").cookie]).body == b"user bob"


def test_nobody_is_sent_to_the_apps_page(config: Config, shop: App) -> None:
    app = app_with_login()
    app.login_manager.login_view = "login"  # type: ignore[attr-defined]
    aa = AgentAdmitFlask(app, config())
    app.add_url_rule("/sign-in", "login_page", lambda: "sign in")
    app.login_manager.login_view = "login_page"  # type: ignore[attr-defined]
    shop_of(app, aa)
    app.add_url_rule("/agents", "agents", aa.require_scope("read:orders")(lambda: "agents"))
    with serving_wsgi(app) as site:
        reply = site.get("/both")
        assert (reply.status, reply.headers["location"]) == (302, "/sign-in?next=%2Fboth")
        assert site.get("/agents").error == "unauthenticated"
        agent = bearer(shop.user("alice").agent("read:orders").token)
        assert site.ask("GET", "/both", [agent]).body == b"agent alice"


def test_tests_that_share_an_app_context_do_not_share_an_agents_user(
    config: Config, shop: App
) -> None:
    app = app_with_login()
    shop_of(app, AgentAdmitFlask(app, config()))
    agent = shop.user("alice").agent("read:orders")
    with app.app_context():
        client = app.test_client()
        assert client.get("/orders", headers=agent.headers).json["current"] == "alice"
        assert client.get("/me").text == "nobody"
