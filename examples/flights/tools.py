"""The tools of the demo: plain functions over the flight database, each one a contract.

Planes and weather are not in reach of `query`: they answer only to their own tools, so that a
question about the plane of a flight needs one call that depends on another.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Annotated, Any

from pydantic import Field

from callgate.errors import ToolFailedError
from callgate.tool import tool
from callgate.types import CallContext
from examples.flights.data import DATABASE, cache_folder

MOST_ROWS = 20
# Steps of SQLite's machine; about two seconds. A model may write a query that never ends.
MOST_STEPS = 20_000_000
QUERYABLE = frozenset({"flights", "airlines", "airports"})

Month = Annotated[int, Field(ge=1, le=12)]
Day = Annotated[int, Field(ge=1, le=31)]
Hour = Annotated[int, Field(ge=0, le=23)]
Carrier = Annotated[str, Field(min_length=2, max_length=2)]
Airport = Annotated[str, Field(min_length=3, max_length=3)]


@contextmanager
def connected(*, write: bool = False) -> Iterator[sqlite3.Connection]:
    """Open the database for one call; read-only unless `write`."""
    path = (cache_folder() / DATABASE).resolve()
    mode = "rw" if write else "ro"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def rows(sql: str, values: Sequence[Any]) -> list[dict[str, Any]]:
    """Run one of our own statements and return its first rows."""
    with connected() as connection:
        return [dict(row) for row in connection.execute(sql, values).fetchmany(MOST_ROWS)]


def one(sql: str, values: Sequence[Any], missing: str) -> dict[str, Any]:
    """Return the first row, or fail with the sentence the model should read."""
    found = rows(sql, values)
    if not found:
        raise ToolFailedError(missing)
    return found[0]


@tool(effect="read")
def lookup_flight(carrier: Carrier, flight: int, month: Month, day: Day) -> dict[str, Any]:
    """Look up one flight whose number is known: its plane, airports, hour and delays.

    Args:
        carrier: Two-letter code.
        flight: Flight number.
        month: Month.
        day: Day.
    """
    found = one(
        "SELECT tailnum, origin, dest, hour AS scheduled_hour, dep_delay, arr_delay FROM flights "
        "WHERE carrier = ? AND flight = ? AND month = ? AND day = ?",
        (carrier.upper(), flight, month, day),
        f"There was no flight {carrier} {flight} on {month}/{day}.",
    )
    # A result that names the next step keeps a small model from guessing the rest.
    return {**found, "next": "plane_details(tailnum) tells more of the plane"}


@tool(effect="read")
def plane_details(tailnum: str) -> dict[str, Any]:
    """Look up a plane by tail number: year built, manufacturer, model, engines, seats.

    Args:
        tailnum: Tail number, found by another call before.
    """
    return one(
        "SELECT tailnum, year AS year_built, manufacturer, model, engines, seats FROM planes "
        "WHERE tailnum = ?",
        (tailnum.upper(),),
        f"No plane {tailnum} is registered; lookup_flight or query finds a tail number.",
    )


@tool(effect="read")
def weather_at(origin: Airport, month: Month, day: Day, hour: Hour) -> dict[str, Any]:
    """Look up temperature, wind and rain at EWR, JFK or LGA in one hour.

    Args:
        origin: EWR, JFK or LGA.
        month: Month.
        day: Day.
        hour: Hour of the day, 0 to 23; scheduled_hour of a flight.
    """
    return one(
        "SELECT temp AS temperature_f, wind_speed AS wind_mph, humid AS humidity, "
        "precip AS rain_inches, visib AS visibility_miles FROM weather "
        "WHERE origin = ? AND month = ? AND day = ? AND hour = ?",
        (origin.upper(), month, day, hour),
        f"There is no weather of {origin} on {month}/{day} at {hour}:00; airports: EWR, JFK, LGA.",
    )


@tool(
    effect="read",
    examples=[
        {"sql": "SELECT count(*) FROM flights WHERE dest = 'BOS' AND month = 5"},
        {"sql": "SELECT carrier, flight, tailnum FROM flights ORDER BY air_time DESC LIMIT 1"},
    ],
)
def query(sql: str) -> list[dict[str, Any]]:
    """Look up, count, average or rank anything in these tables with one SQLite SELECT.

    CREATE TABLE flights (year, month, day, carrier, flight, tailnum, origin, dest,
    dep_time /* NULL: cancelled */, dep_delay /* minutes late leaving */,
    arr_delay /* minutes late arriving */, air_time, distance /* miles */);
    CREATE TABLE airlines (carrier, name);
    CREATE TABLE airports (faa, name);

    Args:
        sql: The statement.
    """
    with connected() as connection:
        steps = iter(range(MOST_STEPS // 100_000))
        connection.set_progress_handler(lambda: next(steps, None) is None, 100_000)
        connection.set_authorizer(allow)
        try:
            found = connection.execute(sql).fetchmany(MOST_ROWS)
        except sqlite3.Error as exc:
            raise ToolFailedError(f"SQLite says: {exc}. {hint(str(exc))}") from exc
    return [dict(row) for row in found]


def allow(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Let a model's statement read three tables, and nothing else."""
    if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE):
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_READ and first in QUERYABLE:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def hint(problem: str) -> str:
    """Say what to do about an error of SQLite."""
    if "prohibited" in problem or "not authorized" in problem or "no such table" in problem:
        return (
            "Only flights, airlines and airports can be read here. SELECT tailnum FROM flights "
            "first, then call plane_details(tailnum); weather_at knows the weather."
        )
    if "interrupted" in problem:
        return "The statement takes too long; ask for less."
    return "Correct the statement."


@tool(effect="idempotent")
def watch_flight(
    carrier: Carrier, flight: int, month: Month, day: Day, call: CallContext, note: str = ""
) -> dict[str, Any]:
    """Put a flight on the watch list, only if the user asks to watch or remember it.

    Args:
        carrier: Two-letter code.
        flight: Flight number.
        month: Month.
        day: Day.
        note: The user's note.
        call: The call itself; its key makes a repetition harmless.
    """
    one(
        "SELECT 1 FROM flights WHERE carrier = ? AND flight = ? AND month = ? AND day = ?",
        (carrier.upper(), flight, month, day),
        f"There was no flight {carrier} {flight} on {month}/{day}; nothing was written.",
    )
    with connected(write=True) as connection, connection:
        connection.execute(
            "INSERT OR IGNORE INTO watchlist VALUES (?, ?, ?, ?, ?, ?)",
            (call.key, carrier.upper(), flight, month, day, note),
        )
    return {"watching": f"{carrier.upper()} {flight} on {month}/{day}", "note": note}


TOOLS = (query, lookup_flight, plane_details, weather_at, watch_flight)
