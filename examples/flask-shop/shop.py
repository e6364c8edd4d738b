"""A small shop: customers with passwords, their orders, and a door for their agents.

Customers sign in with flask-login, flask-wtf guards their forms. Users are in `shop.db`.
"""

import hashlib
import hmac
import os
import sqlite3
from typing import Any

from flask import Flask, abort, g, redirect, render_template_string, request
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_wtf import CSRFProtect

from agentadmit.integrations.flask_integration import AgentAdmitFlask

DATABASE = os.environ.get("SHOP_DB", "shop.db")

TABLES = """
CREATE TABLE IF NOT EXISTS users (
    user_id TEXT PRIMARY KEY, password TEXT NOT NULL, active INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE IF NOT EXISTS orders (
    order_id INTEGER PRIMARY KEY, user_id TEXT NOT NULL, what TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'open'
);
"""

LOGIN = """<!doctype html><title>Shop</title><form method="post">
<input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
<input name="name" placeholder="Name"> <input name="password" type="password">
<button>Sign in</button></form>"""


def hashed(password: str) -> str:
    # a real shop salts each password by itself
    return hashlib.scrypt(password.encode(), salt=b"flask-shop", n=2**12, r=8, p=1).hex()


def fill() -> None:
    """The shop's first customers. Several workers may do this at once."""
    with sqlite3.connect(DATABASE, timeout=30) as database:
        database.executescript(TABLES)
        for name in ("alice", "bob", "root"):
            user = (name, hashed(f"{name}'s password"))
            database.execute("INSERT OR IGNORE INTO users (user_id, password) VALUES (?, ?)", user)
        for number, name, what in ((1, "alice", "tea"), (2, "alice", "bread"), (3, "bob", "salt")):
            order = (number, name, what)
            database.execute("INSERT OR IGNORE INTO orders VALUES (?, ?, ?, 'open')", order)
    database.close()


fill()

app = Flask("shop")
# a real shop has a key of its own, the same in all workers
app.secret_key = os.environ.get("SHOP_SECRET", "only for a shop that nobody buys from")
CSRFProtect(app)
login_manager = LoginManager(app)
aa = AgentAdmitFlask(
    app,
    config_path=os.path.join(app.root_path, "agentadmit.yaml"),
    # who looks after the shop, and so after everybody's agents: /agentadmit/admin
    is_admin=lambda customer: bool(customer.id == "root"),
)


def database() -> sqlite3.Connection:
    if "database" not in g:
        g.database = sqlite3.connect(DATABASE, timeout=30)
        g.database.row_factory = sqlite3.Row
    connection: sqlite3.Connection = g.database
    return connection


@app.teardown_appcontext
def close_database(_error: BaseException | None) -> None:
    if "database" in g:
        g.pop("database").close()


class Customer(UserMixin):
    def __init__(self, row: sqlite3.Row) -> None:
        self.id = row["user_id"]
        self.password = row["password"]


@login_manager.user_loader
def load_customer(user_id: str) -> Customer | None:
    """The customer of a session, and the one in whose name an agent calls."""
    query = "SELECT user_id, password FROM users WHERE user_id = ? AND active"
    row = database().execute(query, (user_id,)).fetchone()
    return Customer(row) if row else None


@app.route("/login", methods=["GET", "POST"])
def login() -> Any:
    if request.method == "GET":
        return render_template_string(LOGIN)
    customer = load_customer(request.form["name"])
    expected = customer.password if customer else ""
    if not hmac.compare_digest(hashed(request.form["password"]), expected):
        abort(401)
    login_user(customer)
    return redirect("/agentadmit")


@app.get("/api/orders")
@login_required
@aa.require_scope_if_agent("read:orders")
def list_orders() -> list[dict[str, Any]]:
    """Your orders."""
    query = "SELECT order_id, what, status FROM orders WHERE user_id = ? ORDER BY order_id"
    return [dict(row) for row in database().execute(query, (current_user.id,))]


@app.post("/api/orders/<int:order_id>/cancel")
@login_required
@aa.require_scope_if_agent("read:orders", "write:orders")
def cancel_order(order_id: int) -> dict[str, Any]:
    """Cancels one of your orders."""
    query = "UPDATE orders SET status = 'cancelled' WHERE order_id = ? AND user_id = ?"
    with database() as transaction:
        changed = transaction.execute(query, (order_id, current_user.id)).rowcount
    if changed == 0:
        abort(404)
    return {"order_id": order_id, "status": "cancelled"}


@app.get("/api/me")
@aa.open_to_agents
@aa.get_current_user_or_agent
def who_am_i() -> dict[str, str]:
    """Whose account this is, and who asks."""
    return {"user_id": g.agentadmit.user.id, "asked_by": g.agentadmit.type}
