"""Statements over a real PostgreSQL server: typed, bounded, and read-only unless they say so."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from callgate import Gate, Principal
from callgate.session import Session
from callgate.settings.sources import SqlSettings
from callgate.sources.secrets import EnvironmentVault, Secrets
from callgate.sources.sql.source import SqlSource, sql
from callgate.types import Status
from canaries import MARK, canary

TABLES = b"""
CREATE TABLE orders (id serial PRIMARY KEY, customer int, item text, total numeric, made date);
INSERT INTO orders (customer, item, total, made) VALUES
  (7, 'pen', 1.50, '2026-01-02'), (7, 'ink 100%', 2.5, '2026-02-03'), (8, 'cup', 9, NULL);
CREATE TABLE log (key text PRIMARY KEY, text text);
CREATE VIEW big AS SELECT id FROM orders WHERE total > 5;
"""
STATEMENTS = """\
-- tool: orders_of
-- description: Orders of one customer.
-- param customer integer
-- param item text = null
-- param since date = null
SELECT id, item, total, made FROM orders
WHERE customer = :customer AND (:item IS NULL OR item = :item)
AND (:since IS NULL OR made >= :since)
ORDER BY id;

-- tool: percent
-- description: Items with a percent sign.
SELECT item FROM orders WHERE item LIKE '%\\%%';

-- tool: put_once
-- description: Keep a text once.
-- effect: idempotent
-- param text text
INSERT INTO log VALUES (:call_key, :text) ON CONFLICT DO NOTHING;

-- tool: add
-- description: Add an order.
-- effect: irreversible
-- param item text
INSERT INTO orders (customer, item) VALUES (1, :item) RETURNING item;

-- tool: sleep
-- description: Sleep.
SELECT pg_sleep(60);

-- tool: sleep_and_add
-- description: Sleep, then add.
-- effect: irreversible
INSERT INTO orders (item) SELECT 'late' FROM pg_sleep(60);
"""


@pytest.fixture
def url(postgres_url: str) -> str:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(TABLES)
    return postgres_url


def made(folder: Path, url: str, text: str = STATEMENTS, **settings: Any) -> SqlSource:
    (folder / "all.sql").write_text(text, encoding="utf-8")
    given: dict[str, Any] = {"write": True, **settings}
    chosen = SqlSettings(statements=("all.sql",), postgresql="env:DSN", **given)
    return sql(
        "shop", chosen, root=folder, secrets=Secrets({"env": EnvironmentVault({"DSN": url})})
    )


@pytest.fixture
async def session(tmp_path: Path, url: str) -> AsyncIterator[Session]:
    source = made(tmp_path, url)
    yield Gate([source]).session(Principal(id="ana"))
    await source.aclose()


def rows(url: str, query: bytes) -> list[Any]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


async def test_typed_parameters_choose_rows_and_null_leaves_them_open(session: Session) -> None:
    both = await session.call("orders_of", {"customer": 7})
    assert both.unwrap() == [
        {"id": 1, "item": "pen", "total": "1.50", "made": "2026-01-02"},
        {"id": 2, "item": "ink 100%", "total": "2.5", "made": "2026-02-03"},
    ]
    late = await session.call("orders_of", {"customer": 7, "since": "2026-02-01"})
    assert [row["id"] for row in late.unwrap()] == [2]
    assert (await session.call("percent", {})).unwrap() == [{"item": "ink 100%"}]


async def test_an_effect_is_committed_once_for_each_intent(session: Session, url: str) -> None:
    for _ in range(2):
        assert (await session.call("put_once", {"text": "a"}, key="k")).ok
    assert rows(url, b"SELECT text FROM log") == [("a",)]
    assert (await session.call("add", {"item": "new"})).unwrap() == [{"item": "new"}]


INJECTIONS = [
    "' OR '1'='1",
    "'; DROP TABLE orders; --",
    "$$; DELETE FROM orders; $$",
    "%(customer)s",
    "\\'; DELETE FROM orders; --",
    "x' UNION SELECT 1, usename, 1, NULL FROM pg_user --",
]


@pytest.mark.parametrize("text", INJECTIONS)
async def test_an_injected_text_stays_a_value(session: Session, url: str, text: str) -> None:
    assert (await session.call("orders_of", {"customer": 7, "item": text})).unwrap() == []
    assert (await session.call("add", {"item": text})).unwrap() == [{"item": text}]
    assert len(rows(url, b"SELECT 1 FROM orders")) == 4


WRITES = [
    "DELETE FROM orders",
    "WITH gone AS (DELETE FROM orders RETURNING 1) SELECT * FROM gone",
    "CREATE TABLE x (y int)",
    "SELECT set_config('transaction_read_only', 'off', false), nextval('orders_id_seq')",
    "COMMIT",
    "SET TRANSACTION READ WRITE",
    "COPY orders TO PROGRAM 'true'",
    "SELECT * FROM orders FOR UPDATE",
]


@pytest.mark.parametrize("text", WRITES)
async def test_a_statement_that_does_not_say_so_changes_nothing(
    tmp_path: Path, url: str, text: str
) -> None:
    source = made(tmp_path, url, f"-- tool: bad\n-- description: Bad.\n{text};\n")
    result = await Gate([source]).session().call("bad", {})
    assert result.status is Status.ERROR
    assert len(rows(url, b"SELECT 1 FROM orders")) == 3
    assert rows(url, b"SELECT last_value FROM orders_id_seq") == [(3,)]


async def test_the_server_stops_what_takes_too_long(tmp_path: Path, url: str) -> None:
    source = made(tmp_path, url, timeout=0.3)
    result = await Gate([source]).session().call("sleep", {})
    assert result.text() == "sleep did not end within 0.3 s and was stopped; ask for less."


@pytest.mark.parametrize(
    ("name", "status"), [("sleep", Status.ERROR), ("sleep_and_add", Status.IN_DOUBT)]
)
async def test_at_its_deadline_a_statement_is_cancelled_at_the_server(
    tmp_path: Path, url: str, name: str, status: Status
) -> None:
    source = made(tmp_path, url, timeout=60)
    result = await Gate([source]).session().call(name, {}, timeout=0.5)
    assert (result.status, result.error and result.error.code) == (status, "deadline")
    query = (
        b"SELECT query FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state='active'"
    )
    busy = [text for (text,) in rows(url, query) if "pg_stat_activity" not in text]
    assert busy == []
    assert rows(url, b"SELECT 1 FROM orders WHERE item = 'late'") == []


async def test_rows_beyond_the_limit_are_left_out_and_told(tmp_path: Path, url: str) -> None:
    many = "-- tool: many\n-- description: Many.\nSELECT * FROM generate_series(1, 1000) AS n;"
    source = made(tmp_path, url, many, rows=2)
    result = await Gate([source]).session().call("many", {})
    assert result.unwrap() == [{"n": 1}, {"n": 2}]
    assert result.notes == ("[Only the first 2 rows are shown: narrow the question down.]",)


async def test_the_schema_tool_shows_tables_views_and_columns(session: Session) -> None:
    shown = {table["name"]: table for table in (await session.call("tables", {})).unwrap()}
    assert {name: table["kind"] for name, table in shown.items()} == {
        "big": "view",
        "log": "table",
        "orders": "table",
    }
    assert shown["log"]["columns"][0] == {"name": "key", "type": "text", "null": False}


async def test_a_server_that_is_not_there_has_not_acted_and_its_address_is_not_told(
    tmp_path: Path,
) -> None:
    source = made(tmp_path, f"postgresql://ana:{canary('word')}@127.0.0.1:9/x")
    result = await Gate([source], chance=lambda: 0.0).session().call("add", {"item": "a"})
    assert (result.status, result.attempts) == (Status.ERROR, 3)
    assert result.text().startswith("add: the database at env:DSN cannot be reached.")
    assert MARK not in repr(result)


async def test_a_connection_string_that_is_not_there_is_told_by_its_place(tmp_path: Path) -> None:
    source = made(tmp_path, "")
    result = await Gate([source]).session().call("sleep", {})
    assert result.text().startswith("sleep: env:DSN: there is no secret")
