"""`users_collection`: the user in whose name an agent calls, from a real database."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import mongo
import postgres
import pytest
import sqlalchemy
from bson import ObjectId
from support import Site, bearer

from agentadmit.testing import App

Config = Callable[..., Path]

INJECTIONS = (
    "' OR '1'='1",
    "alice' --",
    'alice"; DROP TABLE users; --',
    "%",
    "ALICE",
    "alice ",
    '{"$ne": null}',
    "$where",
    "1 OR 1=1",
)


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    programs = postgres.programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL (Debian: `apt-get install postgresql`)")
    with postgres.running(programs) as address:
        yield address


@pytest.fixture(params=["sqlite", "sqlite+aiosqlite", "postgresql+asyncpg", "postgresql+psycopg"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with users, under each driver."""
    if request.param.startswith("sqlite"):
        address = f"///{tmp_path / 'shop.db'}"
        fill(f"sqlite:{address}")
    else:
        address = request.getfixturevalue("postgres_address")
        fill(f"postgresql+psycopg:{address}")
    return f"{request.param}:{address}"


def fill(url: str) -> None:
    tables = sqlalchemy.MetaData()
    text, number = sqlalchemy.String(128), sqlalchemy.Integer
    people = sqlalchemy.Table(
        "users",
        tables,
        sqlalchemy.Column("user_id", text),
        sqlalchemy.Column("name", text),
        sqlalchemy.Column("active", sqlalchemy.Boolean),
    )
    accounts = sqlalchemy.Table(
        "accounts",
        tables,
        sqlalchemy.Column("id", number, primary_key=True),
        sqlalchemy.Column("user id", text),
        sqlalchemy.Column("name", text),
    )
    engine = sqlalchemy.create_engine(url)
    tables.drop_all(engine)
    tables.create_all(engine)
    with engine.begin() as connection:
        rows = [
            ("alice", True),
            ("locked", False),
            ("unsure", None),
            ("twice", True),
            ("twice", True),
        ]
        for user_id, active in rows:
            values = {"user_id": user_id, "name": user_id.title(), "active": active}
            connection.execute(people.insert().values(values))
        connection.execute(accounts.insert().values({"id": 7, "user id": "x'y", "name": "Seven"}))
    engine.dispose()


@pytest.fixture
def documents() -> Iterator[mongo.Responder]:
    with mongo.running() as responder:
        yield responder


def asker(site: Site, shop: App) -> Callable[[str], tuple[int, Any]]:
    def ask(user: str) -> tuple[int, Any]:
        agent = shop.user(user).agent("read:orders")
        reply = site.ask("GET", "/me", [bearer(agent.token)])
        return reply.status, reply.json if reply.status == 200 else reply.error

    return ask


UNKNOWN = (403, "user_unknown")
ALICE = {"user_id": "alice", "name": "Alice", "active": "True"}


class UsersStory:
    """Its tests want `serving`: an app with a route `/me`, open to agents, that shows its user."""

    def serving(
        self, config: Config, table: str | None, **more: Any
    ) -> contextlib.AbstractContextManager[Site]:
        """Runs it with users in that table or collection."""
        raise NotImplementedError

    def test_users_in_sql(self, database: str, config: Config, shop: App) -> None:
        storage = {"url": database, "active_field": "active"}
        with self.serving(config, "users", storage=storage) as site:
            ask = asker(site, shop)
            status, user = ask("alice")
            assert (status, user["user_id"], user["name"]) == (200, "alice", "Alice")
            for user_id in ("nobody", "locked", "unsure", "twice", *INJECTIONS):
                assert ask(user_id) == UNKNOWN, user_id
            # and the table is still there
            assert ask("alice")[0] == 200

    def test_a_number_as_id_and_a_column_with_a_blank(
        self, database: str, config: Config, shop: App
    ) -> None:
        storage = {"url": database, "user_id_field": "id"}
        with self.serving(config, "accounts", storage=storage) as site:
            ask = asker(site, shop)
            assert ask("7") == (200, {"id": "7", "user_id": "7", "user id": "x'y", "name": "Seven"})
            for user_id in ("07", "7.0", " 7", "seven", "\u0667", "9" * 40, *INJECTIONS):
                assert ask(user_id) == UNKNOWN, user_id

    def test_a_database_that_cannot_be_asked_refuses(
        self, config: Config, shop: App, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        empty = f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
        nowhere = f"postgresql+asyncpg://shop:hunter2@/postgres?host={quote(str(tmp_path))}"
        for url, table in ((empty, "users"), (nowhere, "users")):
            with (
                caplog.at_level(logging.ERROR),
                self.serving(config, table, storage={"url": url}) as site,
            ):
                assert asker(site, shop)("alice") == (503, "authorization_unavailable")
        assert "no table `users`" in caplog.text
        assert "hunter2" not in caplog.text

    def test_without_storage_the_user_is_an_id(self, config: Config, shop: App) -> None:
        with self.serving(config, "users") as site:
            assert asker(site, shop)("alice") == (200, {"user_id": "alice"})

    def test_users_in_mongodb(self, documents: mongo.Responder, config: Config, shop: App) -> None:
        oid = ObjectId("0123456789abcdef01234567")
        documents.documents = [
            {"_id": oid, "user_id": "alice", "name": "Alice", "active": True},
            {"_id": 2, "user_id": "locked", "active": False},
            {"_id": 3, "user_id": "twice", "active": True},
            {"_id": 4, "user_id": "twice", "active": True},
            {"_id": 5, "user_id": 7, "active": True},
        ]
        url = f"mongodb://127.0.0.1:{documents.port}/shop"
        storage = {"url": url, "active_field": "active"}
        with self.serving(config, "users", storage=storage) as site:
            ask = asker(site, shop)
            assert ask("alice") == (200, {"_id": str(oid), **ALICE})
            for user_id in ("nobody", "locked", "twice", "7", *INJECTIONS):
                assert ask(user_id) == UNKNOWN, user_id
                # whatever it looks like, it went as a text to compare with
                assert documents.filters[-1] == {"user_id": {"$eq": user_id}}
            documents.mode = "error"
            assert ask("alice") == (503, "authorization_unavailable")
        storage = {"url": url, "user_id_field": "_id"}
        documents.mode = "find"
        with self.serving(config, "users", storage=storage) as site:
            assert asker(site, shop)(str(oid))[0] == 200

    def test_a_mongodb_that_does_not_answer(
        self, documents: mongo.Responder, config: Config, shop: App
    ) -> None:
        documents.mode = "silent"
        url = f"mongodb://127.0.0.1:{documents.port}/shop?timeoutMS=300"
        with self.serving(config, "users", storage={"url": url}) as site:
            assert asker(site, shop)("alice") == (503, "authorization_unavailable")
