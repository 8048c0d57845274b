"""A small flight database with the layout of the real one."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from examples.flights import data

ROWS: dict[str, list[dict[str, object]]] = {
    "airlines": [{"carrier": "UA", "name": "United Air Lines Inc."}],
    "airports": [
        {"faa": "IAH", "name": "George Bush Intercontinental"},
        {"faa": "IAHX", "name": "IAH Annex"},
    ],
    "planes": [
        {"tailnum": "N14228", "year": 1999, "manufacturer": "BOEING", "model": "737-824"},
    ],
    "weather": [
        {"origin": "EWR", "month": 1, "day": 1, "hour": 5, "temp": 39.0, "wind_speed": 12.7},
    ],
    "flights": [
        {
            "carrier": "UA",
            "flight": 1545,
            "month": 1,
            "day": 1,
            "tailnum": "N14228",
            "origin": "EWR",
            "dest": "IAH",
            "hour": 5,
            "dep_delay": 2,
            "arr_delay": 11,
        },
    ],
}


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the database, which the tools of the demo find."""
    path = tmp_path / data.DATABASE
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(data.WATCHLIST)
        for table in data.TABLES:
            connection.execute(f"CREATE TABLE {table.name} ({', '.join(table.columns)})")
            for row in ROWS[table.name]:
                places = ", ".join("?" * len(row))
                insert = f"INSERT INTO {table.name} ({', '.join(row)}) VALUES ({places})"
                connection.execute(insert, list(row.values()))
    monkeypatch.setenv("CALLGATE_FLIGHTS", str(tmp_path))
    return path
