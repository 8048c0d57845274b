"""`Database`: one store behind a URL, SQLite or PostgreSQL, and its tables brought up to date."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from callgate.errors import MissingDependencyError, SchemaError, SettingsError, StoreError

__all__ = ["Database", "Sync", "told"]

_Made = TypeVar("_Made")

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7_360_184_412  # of PostgreSQL: one process at a time changes the tables


class Sync(StrEnum):
    """What a commit that has to last waits for."""

    FULL = "full"
    """The disk: it survives a loss of power."""
    NORMAL = "normal"
    """The operating system: it survives the end of the process, not of the machine."""


class Database:
    """One SQLite file in WAL mode, or one PostgreSQL database.

    Work runs in threads of its own, so that a slow disk holds up nobody on the event loop.
    """

    def __init__(
        self, url: str, *, sync: Sync = Sync.FULL, patience: float = 5.0, threads: int = 4
    ) -> None:
        """Prepare to connect; nothing is opened yet.

        Args:
            url: `sqlite:///path/to/file.db` or `postgresql://user@host/name`.
            sync: What a commit that has to last waits for; defaults to `full`.
            patience: Seconds to wait for a lock or a connection; defaults to 5.
            threads: Pieces of work that may run at once; defaults to 4.

        Raises:
            SettingsError: The URL is of no store.
            MissingDependencyError: The extra `postgres` is not installed.
        """
        self.url = _read(url)
        self.sync = sync
        self.patience = patience
        self.engine = self._engine()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="callgate-store")

    @property
    def name(self) -> str:
        """What messages call it: the URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @property
    def postgres(self) -> bool:
        """Whether it is PostgreSQL."""
        return self.engine.dialect.name == "postgresql"

    # --- work -----------------------------------------------------------------------------

    @contextmanager
    def begin(self, *, reading: bool = False) -> Generator[Connection]:
        """Open a transaction that is committed at the end; blocks.

        Args:
            reading: Whether it only reads, so that it does not wait for writers.

        Raises:
            StoreError: The database does not do what it must.
        """
        try:
            with self.engine.connect() as opened:
                connection = opened.execution_options(callgate_reading=reading)
                with connection.begin():
                    yield connection
        except SQLAlchemyError as exc:
            raise told(exc, self.name) from exc

    async def run(self, work: Callable[[Connection], _Made], *, reading: bool = False) -> _Made:
        """Do `work` in a transaction in a thread, and return what it returns.

        A caller that stops waiting does not stop the work.

        Args:
            work: Is given the connection; must not keep it.
            reading: As in `begin`.

        Raises:
            StoreError: The database does not do what it must.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, self._work, work, reading
        )

    def _work(self, work: Callable[[Connection], _Made], reading: bool) -> _Made:
        with self.begin(reading=reading) as connection:
            return work(connection)

    def close(self) -> None:
        """Let threads and connections end; work that has begun is finished."""
        self._pool.shutdown(wait=True)
        self.engine.dispose()

    # --- the tables -----------------------------------------------------------------------

    def upgrade(self) -> tuple[str, ...]:
        """Bring the tables to the form that this version needs, and return its names.

        Several processes may do so at once; one of them does it.

        Raises:
            SchemaError: The tables are of a newer version.
            StoreError: The database does not do what it must.
        """
        script = _script()
        with self.begin() as connection:
            if self.postgres:
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            self._refuse_newer(script, self._heads(connection))
            config = Config()
            config.set_main_option("script_location", str(_MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, "heads")
        return tuple(sorted(script.get_heads()))

    def check(self) -> None:
        """Make sure that the tables are those of this version; an empty SQLite file gets them.

        Raises:
            SchemaError: They are of an older or newer version, or there are none.
            StoreError: The database does not do what it must.
        """
        script = _script()
        with self.begin(reading=True) as connection:
            heads = self._heads(connection)
        self._refuse_newer(script, heads)
        if heads == set(script.get_heads()):
            return
        if not heads and not self.postgres:
            self.upgrade()
            return
        raise SchemaError(
            f"{self.name}: its tables are of an older version ({', '.join(sorted(heads)) or 'none'}"
            "): callgate db upgrade"
        )

    def _heads(self, connection: Connection) -> set[str]:
        return set(MigrationContext.configure(connection).get_current_heads())

    def _refuse_newer(self, script: ScriptDirectory, heads: set[str]) -> None:
        known = {revision.revision for revision in script.walk_revisions()}
        if newer := sorted(heads - known):
            raise SchemaError(
                f"{self.name}: its tables are of a newer version ({', '.join(newer)}) than this "
                "program knows: update callgate, or use another database."
            )

    # --- the engine -----------------------------------------------------------------------

    def _engine(self) -> Engine:
        if self.url.get_backend_name() == "postgresql":
            return self._postgres()
        engine = create_engine(self.url, creator=self.connect_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _postgres(self) -> Engine:
        options = {"connect_timeout": max(2, round(self.patience))}
        try:
            return create_engine(self.url, connect_args=options, pool_pre_ping=True)
        except ModuleNotFoundError as exc:
            raise MissingDependencyError(
                'PostgreSQL needs psycopg: pip install "callgate[postgres]"'
            ) from exc

    def connect_sqlite(self) -> sqlite3.Connection:
        """Open the file; transactions are begun by hand."""
        connection = sqlite3.connect(
            self.url.database or "",
            timeout=self.patience,
            isolation_level=None,
            check_same_thread=False,
        )
        self._use_wal(connection)
        connection.execute(f"PRAGMA synchronous={self.sync.value}")
        return connection

    def _use_wal(self, connection: sqlite3.Connection) -> None:
        # SQLite waits for a lock when it writes, but not when it changes the kind of journal:
        # of two that open a new file at once, one would be told that it is locked.
        until = time.monotonic() + self.patience
        while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as exc:
                busy = exc.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() >= until:
                    raise
                time.sleep(0.01)


def _begin_sqlite(connection: Connection) -> None:
    # Taking the lock for writing at once is what keeps two writers from refusing each other later.
    reading = connection.get_execution_options().get("callgate_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(_MIGRATIONS))


def _read(text: str) -> URL:
    allowed = "sqlite:///path/to/file.db or postgresql://user@host/name"
    try:
        url = make_url(text)
    except ArgumentError as exc:
        raise SettingsError(f"The store's URL cannot be read; allowed is {allowed}") from exc
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return url
    shown = url.render_as_string(hide_password=True)
    raise SettingsError(f"{shown} is no store; allowed is {allowed}")


_ADVICE = (
    ("locked", "another process holds it; if that lasts, find out which one writes so long"),
    ("busy", "another process holds it; if that lasts, find out which one writes so long"),
    ("disk is full", "the disk is full: make room, nothing that was committed is lost"),
    ("no space left", "the disk is full: make room, nothing that was committed is lost"),
    ("readonly", "it may not be written: check the rights of the file and of its folder"),
    ("read-only", "it may not be written: check its rights"),
    ("unable to open", "it cannot be opened: check that the folder exists and may be written"),
    ("no such table", "its tables are missing: callgate db upgrade"),
    ("does not exist", "its tables are missing, or the database is: callgate db upgrade"),
    ("malformed", "the file is damaged: restore it from a backup"),
    ("not a database", "the file is no SQLite database: choose another path"),
)


def told(exc: BaseException, name: str) -> StoreError:
    """Return an error of ours that says what is wrong with a database and what to do.

    Args:
        exc: What the driver or SQLAlchemy raised.
        name: The database, without its password.
    """
    origin: Any = exc.orig if isinstance(exc, DBAPIError) else exc
    line = str(origin).strip().partition("\n")[0][:300] or type(origin).__name__
    advice = next((advice for sign, advice in _ADVICE if sign in line.lower()), "")
    return StoreError(f"{name}: {line}" + (f"; {advice}" if advice else ""))
