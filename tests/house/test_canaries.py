"""Proof that a secret that leaks anywhere in the test run is found; its own place is none."""

import base64
import gzip
from pathlib import Path

import pytest

from canaries import MARK, canary, found_in, scan
from tests.house.conftest import Run

# Every way a test can write, one test each; the mark stands in none of these lines.
LEAKS = """
import base64, gzip, logging, sqlite3, subprocess, sys
import pytest
from canaries import canary

SECRET = canary("of-the-test")

def test_file(tmp_path):
    (tmp_path / "notes.txt").write_text("x" * 100 + SECRET)

def test_basic(tmp_path):
    (tmp_path / "head.txt").write_bytes(base64.b64encode(f"ana:{SECRET}".encode()))

def test_packed(tmp_path):
    (tmp_path / "tape.jsonl.gz").write_bytes(gzip.compress(SECRET.encode()))

def test_database(tmp_path):
    with sqlite3.connect(tmp_path / "store.db") as database:
        database.execute("CREATE TABLE records (value)")
        database.execute("INSERT INTO records VALUES (?)", (SECRET,))
    database.close()

def test_shared(tmp_path_factory):
    (tmp_path_factory.mktemp("shared") / "run.log").write_text(SECRET)

def test_log():
    logging.getLogger("shop").warning("sent %s", SECRET)

def test_quiet_log(caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("shop").debug("sent it", extra={}, exc_info=ValueError(SECRET))
    caplog.clear()

def test_output():
    print(SECRET)

def test_taken_output(capfd):
    print(SECRET, file=sys.stderr)
    capfd.readouterr()

def test_child():
    code = "import canaries; print(canaries.canary('of-the-test'))"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
"""

SONGS = {
    "file test_file0/notes.txt, byte 100 below",
    "file test_basic0/head.txt, byte 6 below",
    "file test_packed0/tape.jsonl.gz, byte 0 below",
    "file test_database0/store.db, byte",
    "file shared0/run.log, byte 0 below",
    "a log record of shop, in a test of tests/suite/test_sample.py::test_log",
    "a log record of shop, in a test of tests/suite/test_sample.py::test_quiet_log",
    "Captured log call of tests/suite/test_sample.py::test_log",
    "Captured log call of tests/suite/test_sample.py::test_quiet_log",
    "Captured stdout call of tests/suite/test_sample.py::test_output",
    "captured errors of tests/suite/test_sample.py::test_taken_output",
    "output of a child process of tests/suite/test_sample.py::test_child",
}


def sung(output: str) -> set[str]:
    """The findings of a run, each without what is different in each run."""
    told = [line for line in output.splitlines() if line.startswith("FAILED a canary")]
    assert len(told) == len(set(told))
    lines = {line.partition(" is in: ")[2] for line in told}
    known = {song for song in SONGS if any(line.startswith(song) for line in lines)}
    rest = {line for line in lines if not any(line.startswith(song) for song in SONGS)}
    return known | rest


def test_a_leaked_secret_fails_the_run_and_is_told_with_its_place(run: Run):
    code, output = run(LEAKS)
    assert (code, "10 passed" in output) == (1, True)
    assert sung(output) == SONGS
    assert MARK not in output


def test_a_leaked_secret_is_found_in_every_process_of_a_run(run: Run):
    code, output = run(LEAKS, "-p", "no:cacheprovider", "-p", "no:pytest_cov", "-n", "2")
    assert (code, "10 passed" in output) == (1, True)
    assert sung(output) == SONGS


def test_a_secret_in_the_place_that_its_test_has_named_is_no_leak(run: Run):
    code, output = run(
        "from canaries import canary\n"
        "def test_a(tmp_path, secret_place, monkeypatch):\n"
        "    monkeypatch.setenv('KEY', canary('x'))\n"
        "    secret_place(tmp_path / 'token').write_text(canary('x'))\n"
    )
    assert (code, sung(output)) == (0, set())


def test_a_secret_beside_the_place_that_its_test_has_named_is_a_leak(run: Run):
    code, output = run(
        "from canaries import canary\n"
        "def test_a(tmp_path, secret_place):\n"
        "    secret_place(tmp_path / 'token').write_text(canary('x'))\n"
        "    (tmp_path / 'copy').write_text(canary('x'))\n"
    )
    assert code == 1
    assert [line.partition(",")[0] for line in sung(output)] == ["file test_a0/copy"]


@pytest.mark.parametrize("before", range(6))
def test_a_secret_is_found_however_it_is_written(before: int):
    text = b"\xff" * before + canary("x").encode()
    assert found_in(base64.b64encode(text)) >= 0
    assert found_in(base64.urlsafe_b64encode(text + b"\xff\xff")) >= 0
    assert found_in(text.hex().encode()) >= 0
    assert found_in(text) == before
    assert found_in(base64.b64encode(b"\xff" * before + b"canary of nobody")) == -1


def test_a_secret_across_two_pieces_of_a_large_file_is_found(tmp_path: Path, secret_place):
    large = secret_place(tmp_path / "large")
    at = 4 * 1024 * 1024 - 3
    large.write_bytes(b"." * at + canary("x").encode() + b"." * 100)
    assert list(scan(tmp_path, set())) == [f"large, byte {at}"]
    assert list(scan(tmp_path, {large})) == []


def test_a_broken_archive_is_read_as_it_is(tmp_path: Path, secret_place):
    packed = secret_place(tmp_path / "cut.gz")
    packed.write_bytes(canary("x").encode())
    assert list(scan(tmp_path, set())) == ["cut.gz, byte 0"]
    packed.write_bytes(gzip.compress(b"nothing" * 1000)[:-10])
    assert list(scan(tmp_path, set())) == []


def test_of_a_database_server_the_tables_of_others_are_read(tmp_path: Path, secret_place):
    base, wal = tmp_path / "data/base/5", tmp_path / "data/pg_wal"
    for folder in (base, wal):
        folder.mkdir(parents=True)
    for folder in (base, base.parent.parent):
        (folder / "PG_VERSION").write_text("18")
    written = [base / "1249", base / "2619_fsm", base / "24576", base / "24576.1", wal / "0001"]
    for path in written:
        secret_place(path).write_text(canary("x"))
    found = sorted(scan(tmp_path, set()))
    assert found == ["data/base/5/24576, byte 0", "data/base/5/24576.1, byte 0"]
