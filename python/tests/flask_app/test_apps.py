"""What an app's own handlers see, what it may do wrong, and bodies that are read twice."""

from __future__ import annotations

import functools
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, g, jsonify, request
from flask.views import MethodView
from no_answer import play_no_answers
from servers import serving_wsgi
from support import Site, Spy, bearer

from agentadmit.exceptions import (
    AgentAdmitError,
    ConfigurationError,
    InsufficientScopeError,
    InvalidTokenError,
)
from agentadmit.integrations.flask_integration import AgentAdmitFlask
from agentadmit.testing import App

Config = Callable[..., Path]
FORM = ("Content-Type", "application/x-www-form-urlencoded")


def shop_of(config: Config, **told: Any) -> tuple[Flask, AgentAdmitFlask]:
    app = Flask("shop")
    aa = AgentAdmitFlask(app, config(), **told)
    app.add_url_rule("/orders", "orders", aa.require_scope_if_agent("read:orders")(lambda: "data"))
    return app, aa


def test_handlers_of_the_app_see_what_guards_raise(config: Config, shop: App) -> None:
    seen: list[AgentAdmitError] = []
    app, aa = shop_of(config)

    @app.errorhandler(InsufficientScopeError)
    def lacking(error: InsufficientScopeError) -> Any:
        seen.append(error)
        return jsonify(lacks=error.required_scope), 402

    @app.errorhandler(Exception)
    def anything(error: Exception) -> Any:
        raise AssertionError("a handler of everything does not answer for a guard") from error

    part = Blueprint("part", __name__)

    @part.errorhandler(InvalidTokenError)
    def junk(error: InvalidTokenError) -> Any:
        return f"the part says: {error.reason}", 401

    @part.get("/part")
    @aa.require_scope("read:orders")
    def view() -> str:
        return "data"

    app.register_blueprint(part)
    client = app.test_client()
    lacks = shop.user("alice").agent("read:profile")
    reply = client.get("/orders", headers=lacks.headers)
    assert (reply.status_code, reply.json) == (402, {"lacks": "read:orders"})
    error = seen.pop()
    assert isinstance(error, InsufficientScopeError)
    assert error.granted_scopes == ("read:profile",)
    assert error.audit_id is not None
    lacks.revoke()
    reply = client.get("/orders", headers=lacks.headers)
    assert (reply.status_code, reply.json["reason"]) == (401, "revoked")
    assert reply.headers["www-authenticate"].startswith('Bearer error="invalid_token", ')
    reply = client.get("/part", headers=lacks.headers)
    assert (reply.status_code, reply.text) == (401, "the part says: revoked")


def test_a_handler_that_was_there_before(config: Config, shop: App) -> None:
    app = Flask("shop")
    app.register_error_handler(AgentAdmitError, lambda error: ("the app's own", 499))
    aa = AgentAdmitFlask(app, config())
    app.add_url_rule("/agents", "agents", aa.require_scope("read:orders")(lambda: "data"))
    assert app.test_client().get("/agents").status_code == 499


def test_an_error_that_no_guard_raised_is_the_apps_own(config: Config, shop: App) -> None:
    app, _ = shop_of(config)

    @app.get("/own")
    def own() -> str:
        shop.client.verify("ag_at_junk")
        return "never"

    app.testing = True
    with pytest.raises(InvalidTokenError):
        app.test_client().get("/own")


def test_when_the_service_gives_no_answer(config: Config, shop: App, spy: Spy) -> None:
    seen: list[Any] = []
    app, aa = Flask("shop"), AgentAdmitFlask()
    read = aa.require_scope_if_agent("read:orders")

    @app.get("/orders")
    @read
    def orders() -> str:
        return "data"

    aa.init_app(app, config(max_retries=0))

    @app.before_request
    def noting() -> None:
        try:
            read.check()
        except AgentAdmitError as error:
            seen.append(error)
            raise

    client = app.test_client()
    headers = shop.user("alice").agent("read:orders").headers

    def ask() -> tuple[int, dict[str, str], str]:
        reply = client.get("/orders", headers=headers)
        return reply.status_code, {k.lower(): v for k, v in reply.headers.items()}, reply.text

    play_no_answers(ask, seen, spy)


@pytest.mark.parametrize("trouble", ["down", "silent", "garbage"])
def test_a_service_that_is_not_there(
    trouble: str, config: Config, shop: App, fake: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fake.answers = lambda _: None if trouble == "silent" else b"\x15\x03 garbage\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = Flask("shop")
    settings = config(service_url=nobody if trouble == "down" else fake.url, timeout_seconds=1)
    aa = AgentAdmitFlask(app, settings, lambda: {"user_id": "alice"})
    app.add_url_rule("/orders", "orders", aa.require_scope_if_agent("read:orders")(lambda: "data"))
    client = app.test_client()
    reply = client.get("/orders", headers=shop.user("alice").agent("read:orders").headers)
    assert (reply.status_code, reply.json["error"]) == (503, "authorization_unavailable")
    assert reply.headers["retry-after"] == "1"
    assert "no answer of the AgentAdmit service" in caplog.text
    assert client.get("/orders").text == "data", "people notice nothing"
    assert client.get("/agentadmit/connections").status_code == 503


def test_a_guard_that_does_not_run_lets_nothing_out(
    config: Config, shop: App, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever stands in front of it: a cache, a hook that answers, Flask's own OPTIONS."""
    app, aa = shop_of(config)
    headers = shop.user("alice").agent("read:orders").headers

    def cached(view: Callable[..., Any]) -> Callable[..., Any]:
        return functools.wraps(view)(lambda: "somebody's data")

    @app.get("/cached")
    @cached
    @aa.require_scope_if_agent("read:orders")
    def behind_a_cache() -> str:
        return "data"

    @app.get("/hooked")
    @aa.require_scope_if_agent("read:orders")
    def hooked() -> str:
        return "data"

    @app.before_request
    def answers() -> str | None:
        return "somebody's data" if request.path == "/hooked" else None

    client = app.test_client()
    for path in ("/cached", "/hooked"):
        assert client.get(path).text == "somebody's data"
        reply = client.get(path, headers=headers)
        assert (reply.status_code, reply.json["error"]) == (403, "agent_not_allowed"), path
    assert "guard did not run" in caplog.text
    assert client.options("/orders").status_code == 200
    assert client.options("/orders", headers=headers).status_code == 403
    reply = client.head("/orders", headers=headers)
    assert (reply.status_code, reply.data) == (200, b"")


def test_what_caches_are_told(config: Config, shop: App) -> None:
    app, aa = shop_of(config)

    @app.get("/public")
    @aa.require_scope_if_agent("read:orders")
    def public() -> Any:
        response = jsonify("data")
        response.headers["Cache-Control"] = "public, max-age=60, s-maxage=600"
        return response

    app.add_url_rule("/plain", "plain", lambda: "plain")
    client = app.test_client()
    headers = shop.user("alice").agent("read:orders").headers
    reply = client.get("/public")
    assert (reply.headers["vary"], reply.cache_control.public) == ("Authorization", True)
    reply = client.get("/public", headers=headers)
    assert reply.headers["vary"] == "Authorization"
    assert reply.cache_control.to_header() == "max-age=60, private"
    assert client.get("/orders", headers=headers).headers["cache-control"] == "private"
    reply = client.get("/plain", headers=headers)
    assert (reply.status_code, reply.headers["cache-control"]) == (403, "no-store")
    assert "vary" not in client.get("/plain").headers


def test_a_guard_without_agentadmit_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    app, aa = Flask("bare"), AgentAdmitFlask()
    app.add_url_rule("/orders", "orders", aa.require_scope_if_agent("read:orders")(lambda: "data"))
    reply = app.test_client().get("/orders")
    assert (reply.status_code, reply.json["error"]) == (500, "internal")
    assert "AgentAdmitFlask(app)" in caplog.text


def test_a_view_that_is_called_without_its_way_is_guarded(config: Config, shop: App) -> None:
    app, _ = shop_of(config)
    headers = shop.user("alice").agent("read:orders").headers
    view: Any = app.view_functions["orders"]
    with app.test_request_context("/orders", headers=headers):
        assert view() == "data"
        assert g.agentadmit.user == {"user_id": "alice"}
    with (
        app.test_request_context("/orders", headers={"Authorization": "Bearer ag_at_x"}),
        pytest.raises(InvalidTokenError),
    ):
        view()


def test_what_has_no_answer_says_what_to_add(config: Config) -> None:
    app, aa = shop_of(config)
    app.add_url_rule("/me", "me", aa.get_current_user_or_agent(lambda: "me"))
    reply = app.test_client().get("/me")
    assert reply.status_code == 501
    assert "`AgentAdmitFlask(app, get_current_user=…)`" in reply.json["error_description"]


def test_what_is_set_up_wrongly_says_so(config: Config, tmp_path: Path) -> None:
    app, aa = shop_of(config)
    with pytest.raises(ConfigurationError, match="one is enough"):
        AgentAdmitFlask(app, config())
    with pytest.raises(ConfigurationError, match="orders"):
        aa.require_scope_if_agent("orders")
    with pytest.raises(TypeError, match="names the scopes"):
        aa.require_scope()
    with pytest.raises(TypeError, match="decorators"):
        aa.require_scope("read:orders")(type("View", (MethodView,), {}))
    with pytest.raises(TypeError, match="users_colection"):
        AgentAdmitFlask().init_app(Flask("x"), config(), users_colection="users")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("service_urll: http://127.0.0.1:1\n")
    with pytest.raises(ConfigurationError, match="service_url"):
        AgentAdmitFlask(Flask("x"), wrong)


def test_async_hooks(config: Config, shop: App) -> None:
    app = Flask("shop")

    async def current_user() -> dict[str, str] | None:
        name = request.headers.get("X-User")
        return {"user_id": name} if name else None

    async def is_admin(user: dict[str, str]) -> bool:
        return user["user_id"] == "root"

    aa = AgentAdmitFlask(app, config(), current_user, is_admin)

    @aa.user_loader
    async def load(user_id: str) -> dict[str, str]:
        return {"user_id": user_id, "name": user_id.title()}

    @app.get("/me")
    @aa.open_to_agents
    @aa.get_current_user_or_agent
    async def me() -> Any:
        return dict(g.agentadmit.user)

    client = app.test_client()
    headers = shop.user("alice").agent("read:orders").headers
    assert client.get("/me", headers=headers).json == {"user_id": "alice", "name": "Alice"}
    assert client.get("/me", headers={"X-User": "bob"}).json == {"user_id": "bob"}
    assert client.get("/me").status_code == 401
    for user, status in (("root", 200), ("bob", 403)):
        reply = client.get("/agentadmit/admin/connections", headers={"X-User": user})
        assert reply.status_code == status


def reading(config: Config) -> Flask:
    """Views that read their body in each way that Flask has."""
    app, aa = shop_of(config)
    read = aa.require_scope_if_agent("read:orders")
    ways: dict[str, Callable[[], Any]] = {
        "form": lambda: request.form["what"],
        "data": lambda: request.get_data(),
        "stream": lambda: request.stream.read(),
        "lines": lambda: b"".join(request.stream),
        "input": lambda: request.environ["wsgi.input"].read(request.content_length),
    }
    for name, way in ways.items():
        app.add_url_rule(f"/{name}", name, read(way), methods=["POST"])
    return app


@pytest.mark.parametrize("length", [10, 70_000, 1_000_000])
def test_a_form_is_looked_at_and_read_again(config: Config, shop: App, length: int) -> None:
    what = "t" * length
    agent = bearer(shop.user("alice").agent("read:orders").token)
    app = reading(config)
    app.config["MAX_FORM_MEMORY_SIZE"] = 2_000_000
    with serving_wsgi(app) as site:
        for way in ("form", "data", "stream", "lines", "input"):
            for headers in ([FORM], [FORM, agent]):
                reply = site.ask("POST", f"/{way}", headers, f"what={what}")
                whole = what if way == "form" else f"what={what}"
                assert reply.body.decode() == whole, way
        token = agent[1].split()[1]
        reply = site.ask("POST", "/data", [FORM], f"what=tea&t={token}")
        assert (reply.status, reply.error) == (400, "invalid_request")


def test_the_app_still_limits_bodies(config: Config) -> None:
    app = reading(config)
    app.config["MAX_CONTENT_LENGTH"] = 1000
    with serving_wsgi(app) as site:
        assert site.ask("POST", "/form", [FORM], "what=tea").body == b"tea"
        assert site.ask("POST", "/form", [FORM], "what=" + "t" * 2000).status == 413


def test_logs_name_no_token(config: Config, shop: App, caplog: pytest.LogCaptureFixture) -> None:
    app, _ = shop_of(config)
    agent = shop.user("alice").agent("read:profile")
    with caplog.at_level(logging.DEBUG), serving_wsgi(app) as site:
        assert site.ask("GET", "/orders", [bearer(agent.token)]).status == 403
        assert site.ask("GET", "/nowhere", [bearer(agent.token)]).status == 403
    assert agent.token not in caplog.text


def test_codes_of_the_site(config: Config) -> None:
    """What is no agent's is the app's own: 404, 405, redirects."""
    app, _ = shop_of(config)
    app.add_url_rule("/shelf/", "shelf", lambda: "shelf")
    with serving_wsgi(app) as site:
        codes = {path: _status(site, path) for path in ("/nowhere", "/shelf", "/shelf/")}
        assert codes == {"/nowhere": 404, "/shelf": 308, "/shelf/": 200}
        assert site.ask("POST", "/orders").status == 405


def _status(site: Site, path: str) -> int:
    return site.get(path).status
