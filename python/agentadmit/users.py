"""The app's users, in the database that `storage.url` names.

For an agent the record whose `storage.user_id_field` equals the id that the service answered is
looked up, by parameter. No such record, two of them, one that is not active
(`storage.active_field`), and a database that cannot be reached: each refuses the call.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import UUID

from agentadmit._extras import how_to_install
from agentadmit.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import Engine, Select, Table
    from sqlalchemy.engine import URL
    from sqlalchemy.ext.asyncio import AsyncEngine

    from agentadmit._core import Settings

__all__ = ["UserSource", "source_of"]

_MONGODB = ("mongodb://", "mongodb+srv://")


class UserSource(Protocol):
    """Where users are found."""

    def load(self, user_id: str) -> dict[str, Any] | None:
        """The user's record with `user_id` in it, or `None`. Raises what the database does."""

    async def load_async(self, user_id: str) -> dict[str, Any] | None:
        """The same, without holding the event loop."""

    async def close_async(self) -> None:
        """Closes what the running event loop has open."""


def source_of(settings: Settings, collection: str | None) -> UserSource | None:
    """The source that `storage` and the name of a table or collection make; `None` without both."""
    if collection is None or not settings.has_storage:
        return None
    url = settings.storage_url
    if url is None:
        raise ConfigurationError(
            "storage.url is not set: write the database's address into agentadmit.yaml, or set "
            "AGENTADMIT_STORAGE_URL"
        )
    field = settings.user_id_field
    active = settings.active_field
    if url.startswith(_MONGODB):
        return MongoUsers(url, collection, field, active)
    return SqlUsers(url, collection, field, active)


def _missing(extra: str, error: ModuleNotFoundError) -> ConfigurationError:
    return ConfigurationError(
        f"storage.url needs the package {error.name!r}: {how_to_install(extra)}, and the "
        "database's driver"
    )


def _checked(
    records: list[dict[str, Any]], user_id: str, field: str, active: str | None
) -> dict[str, Any] | None:
    """The one active record of exactly this id."""
    if len(records) != 1:
        return None
    record = records[0]
    # a database may compare more loosely than the service: case, blanks, numbers as text
    if str(record.get(field)) != user_id:
        return None
    if active is not None and record.get(active) not in (True, 1):
        return None
    record["user_id"] = user_id
    return record


class _PerProcess:
    """What a forked child must make anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()

    def lock(self) -> threading.Lock:
        if self._process != os.getpid():
            self._lock = threading.Lock()
            self._process = os.getpid()
            self.forget()
        return self._lock

    def forget(self) -> None:
        raise NotImplementedError

    def close_at_the_end(self, close: Callable[[], object]) -> None:
        """Calls `close` when this is gone or the process ends: threads have no event for that."""
        weakref.finalize(self, _close_here, close, self._process)


def _close_here(close: Callable[[], object], process: int) -> None:
    # a forked child has no business with its parent's connections
    if os.getpid() == process:
        close()


class SqlUsers(_PerProcess):
    """Users in a table, through SQLAlchemy. `schema.table` names one outside of the default."""

    def __init__(self, url: str, table: str, field: str, active: str | None) -> None:
        """Connects nothing yet. Raises `ConfigurationError` when a package is missing."""
        super().__init__()
        try:
            from sqlalchemy.engine import make_url
            from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        except ModuleNotFoundError as error:
            raise _missing("sql", error) from error
        try:
            self._url: URL = make_url(url)
            dialect = self._url.get_dialect()
            dialect.import_dbapi()
            if dialect.is_async:
                import greenlet  # type: ignore[import-untyped] # noqa: F401 what SQLAlchemy's asyncio stands on
        except (ArgumentError, NoSuchModuleError):
            raise ConfigurationError(
                "storage.url is no address of a database that SQLAlchemy knows, such as "
                "postgresql+asyncpg://… or sqlite:///shop.db"
            ) from None
        except ModuleNotFoundError as error:
            raise _missing("sql", error) from error
        self._is_async: bool = dialect.is_async
        schema, _, name = table.rpartition(".")
        self._name, self._schema = name, schema or None
        self._field, self._active = field, active
        self._engine: Engine | None = None
        self._engines: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncEngine]
        self._engines = weakref.WeakKeyDictionary()
        self._table: Table | None = None

    def forget(self) -> None:
        """Leaves the parent's connections to the parent."""
        self._engine = None
        self._engines = weakref.WeakKeyDictionary()

    def load(self, user_id: str) -> dict[str, Any] | None:
        """With the driver of `storage.url`, on this thread."""
        if self._is_async:
            return asyncio.run(self._load_once(user_id))
        from sqlalchemy import create_engine

        with self.lock():
            if self._engine is None:
                self._engine = create_engine(self._url, pool_pre_ping=True)
                self.close_at_the_end(self._engine.dispose)
            engine = self._engine
        with engine.connect() as connection:
            query = self._query(self._reflected(connection), user_id)
            if query is None:
                return None
            rows = [dict(row) for row in connection.execute(query).mappings()]
        return _checked(rows, user_id, self._field, self._active)

    async def load_async(self, user_id: str) -> dict[str, Any] | None:
        """With an async driver in the loop; with another one on a thread."""
        if not self._is_async:
            return await asyncio.to_thread(self.load, user_id)
        from sqlalchemy.ext.asyncio import create_async_engine

        loop = asyncio.get_running_loop()
        with self.lock():
            engine = self._engines.get(loop)
            if engine is None:
                engine = create_async_engine(self._url, pool_pre_ping=True)
                self._engines[loop] = engine
        return await self._load_with(engine, user_id)

    async def close_async(self) -> None:
        """Closes the connections of the running event loop, and those of threads."""
        with self.lock():
            engine = self._engines.pop(asyncio.get_running_loop(), None)
            other, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()
        if other is not None:
            other.dispose()

    async def _load_once(self, user_id: str) -> dict[str, Any] | None:
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine(self._url)
        try:
            return await self._load_with(engine, user_id)
        finally:
            await engine.dispose()

    async def _load_with(self, engine: AsyncEngine, user_id: str) -> dict[str, Any] | None:
        async with engine.connect() as connection:
            table = await connection.run_sync(self._reflected)
            query = self._query(table, user_id)
            if query is None:
                return None
            rows = [dict(row) for row in (await connection.execute(query)).mappings()]
        return _checked(rows, user_id, self._field, self._active)

    def _reflected(self, connection: Any) -> Table:
        """The table as the database describes it, read once: the column's type is part of it."""
        if self._table is None:
            from sqlalchemy import MetaData, Table
            from sqlalchemy.exc import NoSuchTableError

            try:
                table = Table(self._name, MetaData(), schema=self._schema, autoload_with=connection)
            except NoSuchTableError:
                raise ConfigurationError(
                    f"users_collection: the database has no table `{self._name}`"
                ) from None
            for field in (self._field, self._active):
                if field is not None and field not in table.columns:
                    raise ConfigurationError(f"the table `{self._name}` has no column `{field}`")
            self._table = table
        return self._table

    def _query(self, table: Table, user_id: str) -> Select[Any] | None:
        from sqlalchemy import select

        column = table.columns[self._field]
        value = _as_column(user_id, column.type)
        if value is None:
            return None
        return select(table).where(column == value).limit(2)


def _as_column(user_id: str, kind: Any) -> Any:
    """The id as a column of this type holds it; `None` when no row can."""
    try:
        wanted = kind.python_type
    except NotImplementedError:
        return user_id
    if wanted is int:
        is_number = user_id.isascii() and user_id.isdigit() and len(user_id) < 19
        return int(user_id) if is_number and str(int(user_id)) == user_id else None
    if wanted is UUID:
        try:
            return UUID(user_id)
        except ValueError:
            return None
    return user_id if wanted is str else None


class MongoUsers(_PerProcess):
    """Users in a collection, through pymongo. Its database is the one that `storage.url` names."""

    def __init__(self, url: str, collection: str, field: str, active: str | None) -> None:
        """Connects nothing yet. Raises `ConfigurationError` when a package is missing."""
        super().__init__()
        try:
            from pymongo.errors import PyMongoError
            from pymongo.uri_parser import parse_uri
        except ModuleNotFoundError as error:
            raise _missing("mongodb", error) from error
        try:
            # mongodb+srv would be looked up in the DNS here: that is left to the first use
            named = url.startswith(_MONGODB[1]) or parse_uri(url)["database"]
        except (PyMongoError, ValueError):
            raise ConfigurationError("storage.url is no address of a MongoDB server") from None
        if not named:
            raise ConfigurationError(
                "storage.url names no database: write it behind the server, as in "
                "mongodb://db.example/shop"
            )
        self._url, self._collection = url, collection
        self._field, self._active = field, active
        self._client: Any = None
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Any]
        self._clients = weakref.WeakKeyDictionary()

    def forget(self) -> None:
        """Leaves the parent's connections to the parent."""
        self._client = None
        self._clients = weakref.WeakKeyDictionary()

    async def close_async(self) -> None:
        """Closes the connections of the running event loop."""
        with self.lock():
            client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    def _filter(self, user_id: str) -> Mapping[str, Any]:
        """The id is a value and never an operator, whatever it looks like."""
        if self._field == "_id":
            from bson import ObjectId

            if ObjectId.is_valid(user_id):
                return {"_id": {"$in": [user_id, ObjectId(user_id)]}}
        return {self._field: {"$eq": user_id}}

    def load(self, user_id: str) -> dict[str, Any] | None:
        """On this thread."""
        from pymongo import MongoClient

        with self.lock():
            if self._client is None:
                self._client = MongoClient(self._url)
                self.close_at_the_end(self._client.close)
            users = self._client.get_default_database()[self._collection]
        found = list(users.find(self._filter(user_id), limit=2))
        return _checked(cast("list[dict[str, Any]]", found), user_id, self._field, self._active)

    async def load_async(self, user_id: str) -> dict[str, Any] | None:
        """In the event loop."""
        from pymongo import AsyncMongoClient

        loop = asyncio.get_running_loop()
        with self.lock():
            if loop not in self._clients:
                self._clients[loop] = AsyncMongoClient(self._url)
            users: Any = self._clients[loop].get_default_database()[self._collection]
        found: list[dict[str, Any]] = await users.find(self._filter(user_id), limit=2).to_list()
        return _checked(found, user_id, self._field, self._active)
