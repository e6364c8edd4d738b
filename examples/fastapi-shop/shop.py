"""A small shop: customers with passwords, their orders, and a door for their agents.

Users are in `shop.db`, where AgentAdmit finds them too (`storage` in agentadmit.yaml).
"""

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials

from agentadmit import (
    AgentAdmitMiddleware,
    get_current_user_or_agent,
    open_to_agents,
    require_scope_if_agent,
)

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


def hashed(password: str) -> str:
    # a real shop salts each password by itself
    return hashlib.scrypt(password.encode(), salt=b"fastapi-shop", n=2**12, r=8, p=1).hex()


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


def open_database() -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(DATABASE, timeout=30, check_same_thread=False)
    database.row_factory = sqlite3.Row
    try:
        yield database
    finally:
        database.close()


Database = Annotated[sqlite3.Connection, Depends(open_database)]


def get_current_user(
    database: Database, login: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())]
) -> dict[str, Any]:
    """The customer who signs in: the shop's own way, which AgentAdmit uses as it is."""
    query = "SELECT user_id, password FROM users WHERE user_id = ? AND active"
    user = database.execute(query, (login.username,)).fetchone()
    expected = user["password"] if user else ""
    if not hmac.compare_digest(hashed(login.password), expected):
        raise HTTPException(401, "wrong name or password", {"WWW-Authenticate": "Basic"})
    return {"user_id": user["user_id"]}


def is_admin(user: dict[str, Any]) -> bool:
    """Who looks after the shop, and so after everybody's agents: /agentadmit/admin."""
    return bool(user["user_id"] == "root")


app = FastAPI(title="Shop")
app.add_middleware(
    AgentAdmitMiddleware,
    config_path=os.path.join(os.path.dirname(os.path.abspath(__file__)), "agentadmit.yaml"),
    get_current_user=get_current_user,
    users_collection="users",
    is_admin=is_admin,
)

Caller = Annotated[Any, Depends(get_current_user_or_agent)]


@app.get("/api/orders", dependencies=[Depends(require_scope_if_agent("read:orders"))])
def list_orders(auth_ctx: Caller, database: Database) -> list[dict[str, Any]]:
    """Your orders."""
    query = "SELECT order_id, what, status FROM orders WHERE user_id = ? ORDER BY order_id"
    return [dict(row) for row in database.execute(query, (auth_ctx["user"]["user_id"],))]


@app.post(
    "/api/orders/{order_id}/cancel",
    dependencies=[Depends(require_scope_if_agent("read:orders", "write:orders"))],
)
def cancel_order(order_id: int, auth_ctx: Caller, database: Database) -> dict[str, Any]:
    """Cancels one of your orders."""
    query = "UPDATE orders SET status = 'cancelled' WHERE order_id = ? AND user_id = ?"
    with database:
        changed = database.execute(query, (order_id, auth_ctx["user"]["user_id"])).rowcount
    if changed == 0:
        raise HTTPException(404, "no such order")
    return {"order_id": order_id, "status": "cancelled"}


@app.get("/api/me", dependencies=[Depends(open_to_agents)])
def who_am_i(auth_ctx: Caller) -> dict[str, str]:
    """Whose account this is, and who asks."""
    return {"user_id": auth_ctx["user"]["user_id"], "asked_by": auth_ctx["type"]}
