import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from callgate import Gate, Session
from callgate.types import Status
from examples.flights import tools
from examples.flights.tools import TOOLS

UA = {"carrier": "UA", "flight": 1545, "month": 1, "day": 1}


@pytest.fixture
async def session(database: Path) -> AsyncIterator[Session]:
    gate = Gate(TOOLS)
    yield gate.session(id="s")
    await gate.close()


@pytest.mark.parametrize(
    ("name", "arguments", "value"),
    [
        (
            "lookup_flight",
            {**UA, "carrier": "ua"},
            {
                "tailnum": "N14228",
                "origin": "EWR",
                "dest": "IAH",
                "scheduled_hour": 5,
                "dep_delay": 2,
                "arr_delay": 11,
                "next": "plane_details(tailnum) tells more of the plane",
            },
        ),
        (
            "plane_details",
            {"tailnum": "n14228"},
            {
                "tailnum": "N14228",
                "year_built": 1999,
                "manufacturer": "BOEING",
                "model": "737-824",
                "engines": None,
                "seats": None,
            },
        ),
        (
            "weather_at",
            {"origin": "EWR", "month": 1, "day": 1, "hour": 5},
            {
                "temperature_f": 39.0,
                "wind_mph": 12.7,
                "humidity": None,
                "rain_inches": None,
                "visibility_miles": None,
            },
        ),
        ("query", {"sql": "SELECT count(*) AS n FROM flights"}, [{"n": 1}]),
        ("query", {"sql": "SELECT name FROM airports WHERE faa = 'IAHX'"}, [{"name": "IAH Annex"}]),
    ],
)
async def test_a_read_gives_the_rows_of_the_database(
    session: Session, name: str, arguments: dict[str, object], value: object
) -> None:
    assert (await session.call(name, arguments)).unwrap() == value


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("lookup_flight", {**UA, "flight": 1}, "There was no flight UA 1 on 1/1."),
        ("plane_details", {"tailnum": "X"}, "No plane X is registered; lookup_flight or"),
        (
            "weather_at",
            {"origin": "IAH", "month": 1, "day": 1, "hour": 5},
            "There is no weather of IAH on 1/1 at 5:00; airports: EWR, JFK, LGA.",
        ),
    ],
)
async def test_what_is_not_there_is_told_to_the_model(
    session: Session, name: str, arguments: dict[str, object], told: str
) -> None:
    result = await session.call(name, arguments)
    assert result.status is Status.ERROR
    assert result.text().startswith(told)


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT * FROM planes", "weather_at knows the weather."),
        ("SELECT * FROM plane_details", "weather_at knows the weather."),
        ("DELETE FROM flights", "weather_at knows the weather."),
        (
            "INSERT INTO watchlist VALUES (1, 2, 3, 4, 5, 6)",
            "weather_at knows the weather.",
        ),
        ("PRAGMA user_version", "weather_at knows the weather."),
        ("SELECT name FROM sqlite_master", "weather_at knows the weather."),
        ("SELECT nope FROM flights", "Correct the statement."),
        ("SELECT 1; SELECT 2", "Correct the statement."),
    ],
)
async def test_a_statement_may_read_three_tables_and_nothing_else(
    session: Session, sql: str, hint: str
) -> None:
    result = await session.call("query", {"sql": sql})
    assert result.status is Status.ERROR
    assert result.text().endswith(hint)


async def test_a_statement_that_never_ends_is_stopped(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "MOST_STEPS", 200_000)
    endless = "WITH RECURSIVE a(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM a) SELECT max(x) FROM a"
    result = await session.call("query", {"sql": endless})
    assert result.text().endswith("The statement takes too long; ask for less.")


async def test_the_same_intent_is_written_once(session: Session, database: Path) -> None:
    arguments = {**UA, "note": "pick up Ana"}
    for key in ("one", "one", "two"):
        assert (await session.call("watch_flight", arguments, key=key)).ok
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT carrier, flight, note FROM watchlist").fetchall()
    assert rows == [("UA", 1545, "pick up Ana")] * 2


async def test_a_flight_that_never_was_is_not_written(session: Session, database: Path) -> None:
    result = await session.call("watch_flight", {**UA, "flight": 1})
    assert result.text() == "There was no flight UA 1 on 1/1; nothing was written."
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM watchlist").fetchone() == (0,)


def test_a_model_sees_five_short_contracts_and_never_the_key() -> None:
    seen = {item.tool.name: item.tool.effect.value for item in TOOLS}
    assert seen == {
        "query": "read",
        "lookup_flight": "read",
        "plane_details": "read",
        "weather_at": "read",
        "watch_flight": "idempotent",
    }
    assert all("call" not in item.tool.parameters["properties"] for item in TOOLS)
