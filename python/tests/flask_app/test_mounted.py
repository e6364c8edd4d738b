"""The mounted routes and the discovery document in Flask."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, abort, redirect, request
from flask.views import MethodView
from mounted_story import (
    AUTHORIZE,
    BACK,
    DURATIONS,
    MountedStory,
    filtered,
    is_admin,
    labelled,
    offers_durations,
)
from servers import serving_wsgi
from shop_app import Browser, app_with_login
from shop_story import check_of
from support import ORIGIN, Site, Spy, as_page, bearer
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from agentadmit.integrations._mounted import METADATA
from agentadmit.integrations.flask_integration import AgentAdmitFlask, check
from agentadmit.testing import App

Config = Callable[..., Path]


def by_cookie() -> dict[str, str] | None:
    name = request.cookies.get("session")
    return labelled(name) if name else None


def simple(config: Config, **more: Any) -> Flask:
    """An app without sessions, whose user is in a cookie."""
    app = Flask("simple")
    AgentAdmitFlask(app, config(**more), by_cookie, is_admin, filtered)
    return app


class TestByArgument(MountedStory):
    """Users by `get_current_user`."""

    @pytest.fixture
    def site(self, config: Config) -> Iterator[Site]:
        with serving_wsgi(simple(config)) as site:
            yield site


def test_the_apps_own_durations_are_offered(config: Config, spy: Spy) -> None:
    with serving_wsgi(simple(config, durations=DURATIONS)) as site:
        offers_durations(site, spy, as_page("alice"))


def test_nobody_is_sent_to_sign_in(config: Config) -> None:
    client = simple(config, login_path="/enter?back={next}").test_client()
    assert client.get(AUTHORIZE).headers["location"] == f"/enter?back={BACK}"
    app = app_with_login()
    app.login_manager.login_view = "me"  # type: ignore[attr-defined]
    AgentAdmitFlask(app, config())
    reply = app.test_client().get(AUTHORIZE)
    assert (reply.status_code, reply.headers["location"]) == (303, f"/me?next={BACK}")

    def leads() -> None:
        abort(redirect("/own"))

    app = Flask("leads")
    AgentAdmitFlask(app, config(), leads)
    assert app.test_client().get(AUTHORIZE).headers["location"] == "/own"

    def says_no() -> None:
        abort(401)

    app = Flask("says no")
    AgentAdmitFlask(app, config(login_path="/enter?back={next}"), says_no)
    assert app.test_client().get(AUTHORIZE).headers["location"] == f"/enter?back={BACK}"


def test_the_metadata_of_a_resource_with_a_path(config: Config) -> None:
    client = simple(config, resource=f"{ORIGIN}/mcp").test_client()
    for path in (METADATA, f"{METADATA}/mcp"):
        assert client.get(path).json["resource"] == f"{ORIGIN}/mcp"
    assert client.get(f"{METADATA}/other").status_code == 404


class TestByFlaskLogin(MountedStory):
    """Users by flask-login, and pages that send flask-wtf's token."""

    browsers: dict[str, Browser]

    @pytest.fixture
    def site(self, config: Config) -> Iterator[Site]:
        app = app_with_login()
        AgentAdmitFlask(app, config(), is_admin=is_admin, filter_scopes_for_user=filtered)
        with serving_wsgi(app) as site:
            self.browsers = {
                name: Browser(site, name) for name in ("alice", "bob", "mallory", "root")
            }
            yield site

    def session(self, user: str) -> tuple[str, str]:
        return self.browsers[user].cookie

    def page(self, user: str) -> list[tuple[str, str]]:
        return [*super().page(user), self.browsers[user].csrf]


def by_alice(site: Site, path: str, method: str = "GET", body: Any = None) -> Any:
    headers = [("Cookie", "session=alice"), ("Origin", ORIGIN)]
    return site.ask(method, path, headers, json_body=body)


def test_guarded_routes_are_collected(config: Config) -> None:
    app, aa = Flask("shop"), AgentAdmitFlask()
    orders = Blueprint("orders", __name__, url_prefix="/orders")
    aa.require_scope_if_agent("read:orders").blueprint(orders)

    class Order(MethodView):
        """One order."""

        def get(self, order_id: int) -> str:
            return str(order_id)

        @aa.require_scope_if_agent("write:orders").summary("Cancels")
        def delete(self, order_id: int) -> str:
            return str(order_id)

    orders.add_url_rule("/<int:order_id>", view_func=Order.as_view("order"))

    @app.route("/secret")
    @aa.require_scope_if_agent("read:orders").hidden()
    def secret() -> None: ...

    @app.route("/close")
    @aa.require_scope_if_agent("close:shop")
    def close() -> None: ...

    @app.route("/login")
    def login() -> None: ...

    @app.route("/names/<any('a:b', c):kind>/<path:name>", methods=["PUT"])
    @aa.require_scope_if_agent("read:profile")
    def names(kind: str, name: str) -> None:
        """Names.

        More about them."""

    aa.init_app(app, config())
    client = app.test_client()
    app.register_blueprint(orders, url_prefix="/api/orders")
    assert client.get("/.well-known/agentadmit").json["routes"] == [
        {
            "method": "PUT",
            "path": "/names/{kind}/{name}",
            "scope": "read:profile",
            "summary": "Names.",
        },
        {
            "method": "DELETE",
            "path": "/api/orders/{order_id}",
            "scope": "read:orders write:orders",
            "summary": "Cancels",
        },
        {
            "method": "GET",
            "path": "/api/orders/{order_id}",
            "scope": "read:orders",
            "summary": "One order.",
        },
    ]


def test_the_apps_own_route_wins_whatever_the_order(config: Config) -> None:
    app = Flask("shop")

    @app.get("/agentadmit/connections")
    def first() -> str:
        return "first"

    AgentAdmitFlask(app, config(), by_cookie)

    @app.get("/agentadmit/scopes")
    def later() -> str:
        return "later"

    @app.route("/<path:anything>")
    def everything(anything: str) -> str:
        return "a page"

    with serving_wsgi(app) as site:
        assert by_alice(site, "/agentadmit/connections").body == b"first"
        assert by_alice(site, "/agentadmit/scopes").body == b"later"
        assert by_alice(site, "/agentadmit/scopes", "POST").status == 405
        assert by_alice(site, "/agentadmit/prompt-templates").status == 200
        assert by_alice(site, "/else/where").body == b"a page"
        assert site.get("/.well-known/agentadmit").status == 200
        agent = site.ask("GET", "/agentadmit/scopes", [("Authorization", "Bearer ag_at_x")])
        assert agent.error == "agent_not_allowed"


def test_without_an_admin_check_there_are_no_admin_routes(config: Config) -> None:
    app = Flask("shop")
    AgentAdmitFlask(app, config(), by_cookie)
    with serving_wsgi(app) as site:
        assert by_alice(site, "/agentadmit/admin/connections").status == 404
        names = [it["name"] for it in by_alice(site, "/agentadmit/scopes").json["scopes"]]
        assert names == ["read:orders", "write:orders", "read:profile"]


def test_without_users_a_sentence_says_what_to_add(config: Config) -> None:
    app = Flask("shop")
    AgentAdmitFlask(app, config())
    reply = app.test_client().get("/agentadmit/scopes")
    assert reply.status_code == 501
    assert "AgentAdmitFlask(app, get_current_user=…)" in reply.json["error_description"]


def of_dispatcher(app: Flask) -> Any:
    return DispatcherMiddleware(Flask("outer"), {"/shop": app})


def of_configuration(app: Flask) -> Any:
    """A server in front takes the prefix away and says nothing of it."""
    app.config["APPLICATION_ROOT"] = "/shop"
    return app


def own_blueprint(config: Config) -> Flask:
    """The routes in a blueprint of the app's own."""
    app = Flask("shop")
    aa = AgentAdmitFlask(app, config(), by_cookie, mount=False)
    outer = Blueprint("outer", __name__, url_prefix="/api")
    outer.register_blueprint(aa.blueprint, url_prefix="/agents")
    add_orders(app, aa)
    app.register_blueprint(outer)
    return app


def own_prefix(config: Config) -> Flask:
    app = Flask("shop")
    add_orders(app, AgentAdmitFlask(app, config(route_prefix="/api/agents"), by_cookie))
    return app


def add_orders(app: Flask, aa: AgentAdmitFlask) -> None:
    @app.get("/orders")
    @aa.require_scope_if_agent("read:orders")
    def orders() -> str:
        return "orders"


@pytest.mark.parametrize("make", [own_blueprint, own_prefix])
@pytest.mark.parametrize("where", [of_dispatcher, of_configuration])
def test_addresses_are_those_of_the_real_mounts(
    config: Config, make: Callable[[Config], Flask], where: Callable[[Flask], Any]
) -> None:
    seen = "/shop" if where is of_dispatcher else ""
    with serving_wsgi(where(make(config))) as site:
        document = site.get(f"{seen}/.well-known/agentadmit").json
        assert document["token_exchange_endpoint"] == f"{ORIGIN}/shop/api/agents/token/exchange"
        assert document["connections_page"] == f"{ORIGIN}/shop/api/agents"
        assert [it["path"] for it in document["routes"]] == ["/shop/orders"]
        page = by_alice(site, f"{seen}/api/agents")
        assert set(re.findall(rb"(/\S*)/assets/", page.body)) == {b"/shop/api/agents"}
        path = f"{seen}/api/agents/connections/generate-token"
        issued = by_alice(site, path, "POST", {"scopes": ["read:orders"]})
        assert f"{ORIGIN}/shop/api/agents/token/exchange" in issued.json["prompt"]
        token = {"token": issued.json["token"]}
        path = f"{seen}/api/agents/token/exchange"
        exchanged = site.ask("POST", path, json_body=token)
        headers = [bearer(exchanged.json["access_token"])]
        assert site.ask("GET", f"{seen}/orders", headers).body == b"orders"


def test_what_check_finds(config: Config) -> None:
    assert check(Flask("bare")) == [
        "this app has no AgentAdmitFlask: AgentAdmitFlask(app), or aa.init_app(app)"
    ]
    app = Flask("shop")
    aa = AgentAdmitFlask(app, config(), mount=False)
    assert [it for it in check(app) if "app.register_blueprint(aa.blueprint)" in it]
    app.register_blueprint(aa.blueprint)
    assert check(app) == []
    app.add_url_rule("/agentadmit/scopes", "scopes", lambda: "")
    app.add_url_rule("/moon", "moon", aa.require_scope_if_agent("read:moon")(lambda: ""))
    app.add_url_rule("/agentadmit", "page", lambda: "")
    found = check(app)
    assert len(found) == 3
    assert found[0] == ("GET /moon: no connection can hold `read:moon`: it is not among `scopes`")
    assert found[1].startswith("GET /agentadmit is never reached")
    assert found[2].startswith("/agentadmit/scopes is the app's own")


def test_the_command_looks_at_apps_and_factories(config: Config) -> None:
    folder = config().parent
    (folder / "shop.py").write_text(
        "from flask import Flask\n"
        "from agentadmit.integrations.flask_integration import AgentAdmitFlask\n"
        "app = Flask('shop')\n"
        "aa = AgentAdmitFlask(app, 'agentadmit.yaml')\n"
        "app.add_url_rule('/agentadmit', 'page', lambda: '')\n"
        "def create_app():\n"
        "    made = Flask('made')\n"
        "    aa.init_app(made, 'agentadmit.yaml')\n"
        "    return made\n"
        "def told(name): ...\n"
        "nothing = 7\n"
    )

    code, said = check_of(folder, "shop:app")
    assert code == 1
    assert "app: GET /agentadmit is never reached" in said
    for made in ("shop:create_app", "shop:create_app()"):
        assert check_of(folder, made)[0] == 0, made
    for wrong in ("shop:told", "shop:nothing", "shop:missing", "shop:aa"):
        assert check_of(folder, wrong)[0] == 2, wrong


def test_several_apps_in_one_process(config: Config, shop: App) -> None:
    """One extension for two apps, one below the other, and a third app without any."""
    aa = AgentAdmitFlask(get_current_user=by_cookie)
    inner, outer = Flask("inner"), Flask("outer")
    for app in (inner, outer):
        add_orders(app, aa)
    aa.init_app(outer, config())
    aa.init_app(inner, config={"name": "Inner", **told_of(shop)})
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(
            serving_wsgi(DispatcherMiddleware(outer, {"/inner": inner, "/bare": Flask("bare")}))
        )
        agent = [bearer(shop.user("alice").agent("read:orders").token)]
        names = [
            site.get(f"{at}/.well-known/agentadmit").json["app"]["name"] for at in ("", "/inner")
        ]
        assert names == ["Shop", "Inner"]
        for at in ("", "/inner"):
            assert site.ask("GET", f"{at}/orders", agent).body == b"orders"
            assert site.ask("GET", f"{at}/nothing", agent).error == "agent_not_allowed"
        assert site.ask("GET", "/bare/nothing", agent).status == 404


def told_of(app: App) -> dict[str, str]:
    return {
        "service_url": app.service.url,
        "app_id": app.app_id,
        "api_key": app.api_key,
        "public_url": "https://inner.example",
    }
