"""The contract of sources, kept by statements over a real PostgreSQL server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import psycopg
import pytest
from psycopg import sql as literal

from callgate.settings.sources import SqlSettings
from callgate.sources.secrets import EnvironmentVault, Secrets
from callgate.sources.sql.source import SqlSource, sql
from callgate.types import Status, Tool, ToolCall, ToolResult
from canaries import canary
from tests.sources.contract import (
    Absence,
    Answers,
    Arrival,
    Deadlines,
    Keys,
    Outcomes,
    Secrecy,
    Subject,
    everything,
    session_over,
)
from tests.sources.webserver import free_port

WORD = canary("of-the-database")

# What has arrived is written over a connection of the server's own, so that it stays when the
# transaction that it arrived in is undone.
TABLES = """
CREATE EXTENSION dblink;
CREATE TABLE seen (id serial PRIMARY KEY, role text, key text, text text);
CREATE TABLE log (key text, role text, text text, UNIQUE (key, role));
CREATE ROLE {guest} LOGIN PASSWORD {word};
GRANT ALL ON log TO {guest};
CREATE FUNCTION played(role text, key text, text text) RETURNS text LANGUAGE plpgsql
SECURITY DEFINER AS $$
BEGIN
    PERFORM dblink_exec({own}, format('INSERT INTO seen (role, key, text) VALUES (%L, %L, %L)',
                                      role, key, text));
    IF role = 'refuse' THEN
        RAISE EXCEPTION 'There is no order 77 for %', session_user;
    ELSIF role LIKE 'hang%' THEN
        PERFORM pg_sleep(600);
    ELSIF role LIKE 'break%' AND (SELECT count(*) FROM seen s WHERE s.role = $1) = 1 THEN
        PERFORM pg_terminate_backend(pg_backend_pid());
        PERFORM pg_sleep(600);
    ELSIF role = 'flood' THEN
        RETURN repeat('x', 2000000);
    END IF;
    RETURN text;
END $$;
"""
READ = "SELECT played('{role}', :call_key, :text) AS text"
WRITE = (
    "INSERT INTO log VALUES (:call_key, '{role}', played('{role}', :call_key, :text)) "
    "ON CONFLICT (key, role) DO UPDATE SET text = excluded.text RETURNING text"
)
# No garbage: the driver reads the answers of one protocol, and no server of it breaks that.
# No `busy`: no database says when to come back.
STATEMENTS = {
    "echo": ("read", READ),
    "put": ("idempotent", WRITE),
    "send": ("irreversible", WRITE),
    "refuse": ("read", READ),
    "flood": ("read", READ),
    "hang": ("read", READ),
    "hang_send": ("irreversible", WRITE),
    "break_read": ("read", READ),
    "break_put": ("idempotent", WRITE),
    "break_send": ("irreversible", WRITE),
}


class Database:
    """The server as those see it who run it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = url.rpartition("/")[2]

    def rows(self, query: str, *values: Any) -> list[Any]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def guest(self, word: str) -> str:
        """Return the connection string of one who needs a password."""
        place = self.url.rpartition("@")[2]
        return f"postgresql://{self.name}:{quote(word, safe='')}@{place}"

    def prepare(self) -> None:
        """Make the tables, and a role that is let in by its password alone."""
        host, _, port = self.url.rpartition("@")[2].partition("/")[0].partition(":")
        own = f"host={host} port={port} dbname={self.name} user=callgate"
        made = literal.SQL(TABLES).format(
            guest=literal.Identifier(self.name),
            word=literal.Literal(WORD),
            own=literal.Literal(own),
        )
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(made)
            ((file,),) = connection.execute("SHOW hba_file").fetchall()
            lines = [f"host all {self.name} all scram-sha-256", "host all all all trust"]
            asked = "COPY (SELECT unnest({lines}::text[])) TO {file}"
            given = literal.SQL(asked).format(
                lines=literal.Literal(lines), file=literal.Literal(file)
            )
            connection.execute(given)
            connection.execute("SELECT pg_reload_conf()")
        until = time.monotonic() + 30
        while self._lets_in("another word"):
            assert time.monotonic() < until, "the server does not ask for a password"
        assert self._lets_in(WORD)

    def _lets_in(self, word: str) -> bool:
        try:
            psycopg.connect(self.guest(word)).close()
        except psycopg.OperationalError:
            return False
        return True

    async def until(self, met: Callable[[], bool]) -> None:
        """Ask until it is so."""
        while not await asyncio.to_thread(met):
            pass

    async def begun(self, role: str) -> None:
        await self.until(lambda: bool(self.rows("SELECT 1 FROM seen WHERE role = %s", role)))

    async def quiet(self) -> None:
        busy = "SELECT 1 FROM pg_stat_activity WHERE usename = %s"
        await self.until(lambda: not self.rows(busy, self.name))


class Watched(Subject):
    """What the server itself has seen."""

    database: Database

    def of(self, role: str) -> list[Arrival]:
        found = self.database.rows(
            "SELECT role, text, key FROM seen WHERE role = %s ORDER BY id", role
        )
        return [Arrival(role=role, text=text, key=key) for role, text, key in found]


class OneRow:
    """The source, with the first row instead of all."""

    def __init__(self, source: SqlSource, shown: set[str]) -> None:
        self.source = source
        self.shown = shown

    def list(self) -> list[Tool]:
        return list(self.source.list())

    async def call(self, call: ToolCall) -> ToolResult:
        result = await self.source.call(call)
        # Whoever is answered was let in, by the password.
        self.shown.add(WORD)
        row = result.value[0]
        return ToolResult(status=Status.OK, value=row, body=orjson.dumps(row))

    async def aclose(self) -> None:
        await self.source.aclose()


def made(folder: Path, url: str, shown: set[str]) -> OneRow:
    settings = SqlSettings(
        statements=("roles.sql",), postgresql="env:DSN", write=True, schema=False, timeout=60
    )
    secrets = Secrets({"env": EnvironmentVault({"DSN": url})})
    return OneRow(sql("shop", settings, root=folder, secrets=secrets), shown)


@pytest.fixture
async def subject(tmp_path: Path, postgres_url: str) -> AsyncIterator[Subject]:
    (tmp_path / "roles.sql").write_text(
        "\n".join(
            f"-- tool: {role}\n-- description: The role {role}.\n-- effect: {effect}\n"
            f"-- param text text\n{text.format(role=role)};"
            for role, (effect, text) in STATEMENTS.items()
        )
    )
    database = Database(postgres_url)
    await asyncio.to_thread(database.prepare)
    shown: set[str] = set()
    source = made(tmp_path, database.guest(WORD), shown)
    nowhere = f"postgresql://guest:{quote(WORD, safe='')}@127.0.0.1:{await free_port()}/x"
    watched = Watched(
        source=source,
        absent=made(tmp_path, nowhere, set()),
        begun=database.begun,
        quiet=database.quiet,
        canaries=(WORD,),
        shown=shown,
        roles=tuple(STATEMENTS),
    )
    watched.database = database
    yield watched
    await source.aclose()


class TestPostgresSource(Absence, Answers, Deadlines, Keys, Outcomes, Secrecy):
    """A database has no wait to ask for, and a key is a value there: no protocol it could break."""

    async def test_a_door_that_stays_shut_does_not_show_the_secret_it_was_tried_with(
        self, subject: Subject
    ) -> None:
        assert subject.absent is not None
        result = await session_over(subject.absent).call("send", {"text": "x"})
        assert result.status is Status.ERROR
        assert [text for text in everything(result) if WORD in text] == []
