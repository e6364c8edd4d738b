"""The block about Flask of the SDK 1.0.0 README, and the first lines of our own page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import GUNICORN, served
from support import Spy, bearer, session

from agentadmit.testing import App

Config = Callable[..., Path]
PAGE = Path(__file__).parents[3] / "docs" / "flask.md"

OUR_OWN = {
    "flask_quickstart.py": """
from flask import Flask
from agentadmit.integrations.flask_integration import AgentAdmitFlask

app = Flask("own")
aa = AgentAdmitFlask(app, config_path="agentadmit.yaml")


@app.get("/api/orders")
@aa.require_scope_if_agent("read:orders")
def orders():
    return get_user_orders()
""",
}

# what a block expects to be there
AROUND = """
from flask import Flask, g, request

def get_user_orders():
    who = g.agentadmit.user["user_id"] if g.agentadmit else request.cookies.get("session")
    return {"orders": [f"an order of {who}"]}
"""
AROUND_THE_PAGE = """
from flask import Blueprint, Flask, g
from flask_login import LoginManager, UserMixin, current_user

class User(UserMixin):
    def __init__(self, id):
        self.id = id

app = Flask(__name__)
LoginManager(app).user_loader(User)
orders_blueprint = Blueprint("orders", __name__)

def orders_of(user):
    return {"orders": [f"an order of {user.get_id()}"]}
"""
BEHIND_THE_PAGE = """
orders_blueprint.add_url_rule("/part", "part", lambda: "part")
app.register_blueprint(orders_blueprint)
"""


@pytest.mark.parametrize("workers", [["-w", "1"], ["-w", "2", "--preload"]])
def test_the_quick_start(
    workers: list[str], block: Callable[[str], str], config: Config, shop: App, spy: Spy
) -> None:
    folder = config().parent
    (folder / "block.py").write_text(AROUND + block("flask_quickstart.py"))
    agent = shop.user("alice").agent("read:orders")
    lacking = shop.user("alice").agent("read:profile")
    with served([*GUNICORN, "block:app", *workers, "-b"], folder, {}) as site:
        by_user = site.ask("GET", "/api/orders", [session("bob")])
        assert by_user.json == {"orders": ["an order of bob"]}
        assert spy.verifies() == []
        by_agent = site.ask("GET", "/api/orders", [bearer(agent.token), session("bob")])
        assert by_agent.json == {"orders": ["an order of alice"]}
        assert [it["scope_used"] for it in spy.verifies()] == ["read:orders"]
        assert site.ask("GET", "/api/orders", [bearer(lacking.token)]).status == 403
        assert site.ask("GET", "/static/x", [bearer(agent.token)]).error == "agent_not_allowed"
        agent.revoke()
        assert site.ask("GET", "/api/orders", [bearer(agent.token)]).status == 401
        assert site.get("/.well-known/agentadmit").status == 200
        # neither flask-login nor get_current_user: what to add is said
        assert site.get("/agentadmit/connections").status == 501


def test_the_first_lines_of_the_page(config: Config, shop: App) -> None:
    first, guarded = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    assert len([line for line in first.splitlines() if line]) == 5
    folder = config().parent
    (folder / "page.py").write_text(AROUND_THE_PAGE + first + guarded + BEHIND_THE_PAGE)
    agent = shop.user("alice").agent("read:orders")
    with served([*GUNICORN, "page:app", "-w", "2", "-b"], folder, {}) as site:
        reply = site.ask("GET", "/api/orders", [bearer(agent.token)])
        assert reply.json == {"orders": ["an order of alice"]}
        assert site.ask("GET", "/part", [bearer(agent.token)]).body == b"part"
        assert site.get("/agentadmit").status == 401
