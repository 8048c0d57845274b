"""Statements over SQLite: typed, bounded, and read-only unless they say otherwise."""

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from callgate import Gate
from callgate.errors import SettingsError
from callgate.session import Session
from callgate.settings.sources import SqlSettings
from callgate.sources.secrets import Secrets
from callgate.sources.sql.source import SqlSource, sql
from callgate.sources.sql.sqlite import SqliteDatabase
from callgate.sources.sql.statements import parse
from callgate.testing import FakeClock
from callgate.types import Effect, Principal, Status, Tool, ToolCall, ToolResult
from tests.sources.contract import Answers, Arrival, Deadlines, Keys, Subject

TABLES = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, item TEXT, total REAL, owner TEXT);
INSERT INTO orders VALUES (1, 7, 'pen', 1.5, 'ana'), (2, 7, 'ink', 2.5, 'ana');
INSERT INTO orders VALUES (3, 8, 'cup', 9, 'bo');
CREATE TABLE log (key TEXT PRIMARY KEY, role TEXT, text TEXT);
CREATE VIEW big AS SELECT id FROM orders WHERE total > 5;
"""
STATEMENTS = """\
-- tool: orders_of
-- description: Orders of one customer.
-- param customer integer: The customer's number.
-- param item text = null: Only orders of this item; a ":colon" and a ; in it mean nothing.
SELECT id, item, total FROM orders
WHERE customer = :customer AND (:item IS NULL OR item = :item) -- :not a parameter;
ORDER BY id;

-- tool: mine
-- description: Orders of whoever asks.
SELECT id FROM orders WHERE owner = :call_principal

-- tool: add_order
-- description: Add an order.
-- effect: irreversible
-- param customer integer
-- param item text
INSERT INTO orders (customer, item) VALUES (:customer, :item);

-- tool: put_once
-- description: Keep a text once.
-- effect: idempotent
-- param text text
INSERT INTO log VALUES (:call_key, 'put', :text) ON CONFLICT DO NOTHING;

-- tool: count_up
-- description: Count for ever.
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.executescript(TABLES)
    connection.close()
    (tmp_path / "orders.sql").write_text(STATEMENTS, encoding="utf-8")
    return tmp_path


def made(folder: Path, **settings: Any) -> SqlSource:
    chosen = {"statements": ("*.sql",), "sqlite": "shop.db", "write": True} | settings
    return sql("shop", SqlSettings(**chosen), root=folder, secrets=Secrets({}))


@pytest.fixture
async def source(folder: Path) -> AsyncIterator[SqlSource]:
    source = made(folder)
    yield source
    await source.aclose()


@pytest.fixture
def session(source: SqlSource) -> Session:
    return Gate([source]).session(Principal(id="ana"))


def rows(folder: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(folder / "shop.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def test_typed_parameters_choose_rows(session: Session) -> None:
    both = await session.call("orders_of", {"customer": 7})
    assert both.unwrap() == [
        {"id": 1, "item": "pen", "total": 1.5},
        {"id": 2, "item": "ink", "total": 2.5},
    ]
    one = await session.call("orders_of", {"customer": 7, "item": "ink"})
    assert [row["id"] for row in one.unwrap()] == [2]


async def test_the_principal_of_the_call_is_a_parameter_the_model_cannot_give(
    session: Session,
) -> None:
    assert (await session.call("mine", {})).unwrap() == [{"id": 1}, {"id": 2}]
    refused = await session.call("mine", {"call_principal": "bo"})
    assert refused.error is not None
    assert refused.error.code == "arguments"


async def test_an_effect_is_committed_and_tells_how_many_rows_it_changed(
    session: Session, folder: Path
) -> None:
    result = await session.call("add_order", {"customer": 9, "item": "new"})
    assert result.unwrap() == {"changed": 1}
    assert rows(folder, "SELECT item FROM orders WHERE customer = 9") == [("new",)]


async def test_an_intent_that_is_made_twice_is_kept_once(session: Session, folder: Path) -> None:
    for _ in range(2):
        assert (await session.call("put_once", {"text": "a"}, key="k")).ok
    assert len(rows(folder, "SELECT * FROM log")) == 1


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


INJECTIONS = [
    "' OR '1'='1",
    "'; DROP TABLE orders; --",
    "x' UNION SELECT sql, 1, 2 FROM sqlite_schema --",
    "\\'; DELETE FROM orders; --",
    "ink'/**/OR/**/1=1--",
    "ink\0' OR 1=1 --",
    ":customer",
    "%' OR item LIKE '%",
    "'; ATTACH DATABASE '/tmp/x' AS x; --",
    "\u2018 OR 1=1 --",
    "(SELECT item FROM orders LIMIT 1)",
    '" OR ""="',
    "1; PRAGMA writable_schema=1",
]


@pytest.mark.parametrize("text", INJECTIONS)
async def test_an_injected_text_stays_a_value(session: Session, folder: Path, text: str) -> None:
    before = rows(folder, "SELECT * FROM orders")
    result = await session.call("orders_of", {"customer": 7, "item": text})
    assert result.unwrap() == []
    assert rows(folder, "SELECT * FROM orders") == before
    added = await session.call("add_order", {"customer": 1, "item": text})
    assert added.ok
    assert rows(folder, "SELECT item FROM orders WHERE customer = 1") == [(text,)]


@pytest.mark.parametrize("value", ["7 OR 1=1", [7], {"$gt": 0}, None, 7.5, True])
async def test_a_value_of_another_type_never_reaches_the_database(
    session: Session, value: Any
) -> None:
    result = await session.call("orders_of", {"customer": value})
    assert result.error is not None
    assert result.error.code == "arguments"


WRITES = [
    "DELETE FROM orders",
    "UPDATE orders SET total = 0",
    "INSERT INTO orders DEFAULT VALUES",
    "DROP TABLE orders",
    "CREATE TABLE x (y)",
    "ATTACH DATABASE 'other.db' AS other",
    "PRAGMA query_only = 0",
    "PRAGMA writable_schema = 1",
    "VACUUM INTO 'copy.db'",
    "SELECT load_extension('x')",
    "SELECT readfile('shop.db')",
    "REINDEX",
    "BEGIN",
    "WITH x AS (SELECT 1) DELETE FROM orders",
    "REPLACE INTO orders (id) VALUES (1)",
]


@pytest.mark.parametrize("text", WRITES)
async def test_a_statement_that_does_not_say_so_changes_nothing(folder: Path, text: str) -> None:
    (folder / "orders.sql").write_text(f"-- tool: bad\n-- description: Bad.\n{text};\n")
    before = rows(folder, "SELECT * FROM orders")
    source = made(folder)
    result = await Gate([source]).session().call("bad", {})
    assert result.status is Status.ERROR
    assert rows(folder, "SELECT * FROM orders") == before
    assert files(folder) == ["orders.sql", "shop.db"]
    await source.aclose()


SCHEMA_WRITES = [
    "DROP TABLE orders",
    "ATTACH 'x.db' AS x",
    "PRAGMA user_version = 3",
    "CREATE TABLE x (y)",
]


@pytest.mark.parametrize("text", SCHEMA_WRITES)
async def test_a_statement_that_writes_still_cannot_change_the_schema(
    folder: Path, text: str
) -> None:
    said = f"-- tool: bad\n-- description: Bad.\n-- effect: irreversible\n{text};\n"
    (folder / "orders.sql").write_text(said)
    source = made(folder)
    result = await Gate([source]).session().call("bad", {})
    assert result.status is Status.ERROR
    assert result.error is not None
    assert "not authorized" in result.text()
    await source.aclose()


async def test_rows_beyond_the_limit_are_left_out_and_told(folder: Path) -> None:
    source = made(folder, rows=1)
    result = await Gate([source]).session().call("orders_of", {"customer": 7})
    assert [row["id"] for row in result.unwrap()] == [1]
    assert result.notes == ("[Only the first 1 rows are shown: narrow the question down.]",)
    await source.aclose()


async def test_the_database_itself_stops_what_takes_too_long(folder: Path) -> None:
    source = made(folder, timeout=0.2)
    result = await Gate([source]).session().call("count_up", {})
    assert result.text() == "count_up did not end within 0.2 s and was stopped; ask for less."
    await source.aclose()


async def test_the_schema_tool_shows_tables_views_and_columns(session: Session) -> None:
    shown = {table["name"]: table for table in (await session.call("tables", {})).unwrap()}
    assert sorted(shown) == ["big", "log", "orders"]
    assert shown["big"]["kind"] == "view"
    assert shown["orders"]["columns"][:2] == [
        {"name": "id", "type": "INTEGER", "null": True, "key": True},
        {"name": "customer", "type": "INTEGER", "null": True, "key": False},
    ]


async def test_a_busy_database_is_a_failure_that_passes(folder: Path) -> None:
    other = sqlite3.connect(folder / "shop.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    source = made(folder, timeout=0.1)
    result = (
        await Gate([source], chance=lambda: 0.0)
        .session()
        .call("add_order", {"customer": 1, "item": "a"})
    )
    other.close()
    assert (result.status, result.error and result.error.code) == (Status.ERROR, "transient")
    assert result.attempts == 3
    await source.aclose()


async def test_values_that_json_does_not_have_are_written_so_that_it_has(folder: Path) -> None:
    (folder / "orders.sql").write_text(
        "-- tool: odd\n-- description: Odd.\nSELECT x'00ff' AS a, 9e999 AS b, NULL AS c;\n"
    )
    source = made(folder)
    result = await Gate([source]).session().call("odd", {})
    assert result.unwrap() == [{"a": "AP8=", "b": None, "c": None}]
    await source.aclose()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("SELECT 1", "x.sql: it does not begin with `-- tool: NAME`"),
        ("-- tool: a b\n-- description: x\nSELECT 1", "it needs a name of letters"),
        ("-- tool: a\nSELECT 1", "it needs a name of letters"),
        ("-- tool: a\n-- description: x\n", "a: it has no text"),
        ("-- tool: a\n-- description: x\nSELECT 1; SELECT 2", "a tool is one statement"),
        ("-- tool: a\n-- description: x\nSELECT :b", "b stands only in one of params and text"),
        ("-- tool: a\n-- description: x\n-- param b text\nSELECT 1", "b stands only in one of"),
        ("-- tool: a\n-- description: x\nSELECT ?", "parameters are written :name, not ?"),
        ("-- tool: a\n-- description: x\nSELECT $1", "parameters are written :name, not $1"),
        ("-- tool: a\n-- description: x\n-- param b money\nSELECT :b", "'money' is no type"),
        ("-- tool: a\n-- description: x\n-- param b\nSELECT :b", "is not `-- param NAME TYPE"),
        ("-- tool: a\n-- description: x\n-- param b text = x\nSELECT :b", "the default 'x' is not"),
        ("-- tool: a\n-- description: x\n-- effect: maybe\nSELECT 1", "'maybe' is no effect"),
        ("-- tool: a\n-- description: x\n-- effect: idempotent\nSELECT 1", "takes :call_key"),
    ],
)
def test_a_statement_that_is_not_understood_is_told(text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, "x.sql")
    assert told in caught.value.message


def test_quotes_comments_and_casts_hold_no_parameters() -> None:
    text = "SELECT ':c', \":d\", $x$ :e $x$, :b::text /* :f */"
    (statement,) = parse(f"-- tool: a\n-- description: x\n-- param b text\n{text}", "x.sql")
    assert statement.names == ("b",)
    assert "".join(statement.parts) == "SELECT ':c', \":d\", $x$ :e $x$, ::text /* :f */"


def test_a_naturally_idempotent_statement_says_so() -> None:
    (statement,) = parse(
        "-- tool: a\n-- description: x\n-- effect: idempotent, natural\nSELECT 1", "x"
    )
    assert statement.effect is Effect.IDEMPOTENT


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"write": False}, "sources.shop.write: add_order says it is irreversible"),
        ({"sqlite": "gone.db"}, "sources.shop.sqlite: there is no file"),
        ({"statements": ("gone.sql",)}, "gone.sql: there is no such file"),
        ({"statements": ("*.sql", "orders.sql")}, "there are two statements 'orders_of'"),
    ],
)
def test_settings_that_fit_no_database_are_told(
    folder: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        made(folder, **settings)
    assert told in caught.value.message


# --- the contract ---------------------------------------------------------------------------

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
ROLES_SQL = {
    "echo": ("read", "SELECT :text AS text"),
    "put": (
        "idempotent",
        "INSERT INTO log VALUES (:call_key, 'put', :text) ON CONFLICT DO NOTHING RETURNING text",
    ),
    "send": ("irreversible", "INSERT INTO log VALUES (:call_key, 'send', :text) RETURNING text"),
    "refuse": ("read", "SELECT no_order_77, :text"),
    "flood": ("read", "SELECT printf('%.*c', 2000000, 'x') AS text, :text AS given"),
    "hang": ("read", f"{ENDLESS} WHERE :text <> ''"),
    "hang_send": ("irreversible", f"INSERT INTO log SELECT 1, :text, ({ENDLESS})"),
}


async def until(condition: Callable[[], bool]) -> None:
    """Give the loop turns until threads have come so far."""
    while not condition():
        await FakeClock().settle(turns=1)


class OneRow:
    """The source, with the first row instead of all, and what was asked of it."""

    def __init__(self, source: SqlSource, folder: Path) -> None:
        self.source = source
        self.folder = folder
        self.arrivals: list[Arrival] = []

    def list(self) -> list[Tool]:
        return list(self.source.list())

    async def call(self, call: ToolCall) -> ToolResult:
        text = call.arguments["text"]
        self.arrivals.append(Arrival(role=call.name, text=text))
        result = await self.source.call(call)
        if call.name == "put":
            ((key,),) = rows(
                self.folder,
                f"SELECT key FROM log WHERE text = '{text}' ORDER BY rowid DESC LIMIT 1",
            )
            self.arrivals[-1] = Arrival(role="put", text=text, key=key)
        row = result.value[0]
        return ToolResult(status=Status.OK, value=row, body=orjson.dumps(row))

    async def aclose(self) -> None:
        await self.source.aclose()


@pytest.fixture
async def subject(folder: Path) -> AsyncIterator[Subject]:
    (folder / "orders.sql").write_text(
        "\n".join(
            f"-- tool: {role}\n-- description: The role {role}.\n-- effect: {effect}\n"
            f"-- param text text\n{text};"
            for role, (effect, text) in ROLES_SQL.items()
        )
    )
    database = SqliteDatabase(folder / "shop.db")
    statements = parse((folder / "orders.sql").read_text(), "orders.sql")
    source = OneRow(SqlSource(statements, database, timeout=30, schema=False), folder)

    async def begun(role: str) -> None:
        await until(lambda: any(one.begun for one in database.running))

    async def quiet() -> None:
        await until(lambda: not database.running)

    yield Subject(
        source=source, arrivals=source.arrivals, begun=begun, quiet=quiet, roles=tuple(ROLES_SQL)
    )
    await source.aclose()


class TestSqlSource(Answers, Deadlines, Keys):
    """A database in a file has no connection to lose, no wait to ask for and no secret."""
