"""Secrets of tests that sing: fails the run when one is found where it was not meant to be.

A test that needs a secret makes it with `canary("name")`. All of them carry one mark, and whatever
the suite writes is looked through for it: the files below its temporary folder, log records,
captured output, the output of child processes. Only a file that a test has named as the place of
its secret (the fixture `secret_place`) may hold it; what a test's server receives stays in memory.

The mark is looked for as it is, in base64 at each of its three offsets, and in hexadecimal; files
that end in `.gz` are unpacked. Only the standard library and pytest are used: the guards are tried
by `tests/house` in a copy of the house.
"""

from __future__ import annotations

import base64
import gzip
import logging
import os
import subprocess
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

__all__ = ["MARK", "SecretPlace", "canary", "found_in", "look", "scan"]

SecretPlace: TypeAlias = Callable[[Path], Path]
"""What the fixture `secret_place` gives."""

MARK = "".join(("canary", "7c1e"))
"""What every secret of a test holds: letters and digits that no wire writes in another way.

Put together, so that neither this file nor what Python makes of it sings.
"""

_PIECE = 4 * 1024 * 1024
"""Bytes of a file that are read at once."""

_OWN_RELATIONS = 16_384
"""PostgreSQL numbers the tables of others from here on; below are its own, the same everywhere."""

_KEY = "canaries"


def canary(name: str) -> str:
    """Return a secret for a test, the same for the same name.

    Args:
        name: What tells it from others; characters that are hard to write belong here.
    """
    return f"{MARK}-{name}"


def _needles() -> tuple[bytes, ...]:
    mark = MARK.encode()
    # The first and the last character of each depend on what stands beside the mark.
    coded = [base64.b64encode(b"\0" * offset + mark) for offset in range(3)]
    inner = [
        text[(8 * offset + 5) // 6 : (8 * (offset + len(mark))) // 6]
        for offset, text in enumerate(coded)
    ]
    return (mark, mark.upper(), *inner, mark.hex().encode())


_NEEDLES = _needles()
_LONGEST = max(map(len, _NEEDLES))


def found_in(data: bytes) -> int:
    """Return where the first canary begins in `data`; -1 if there is none."""
    return min((at for needle in _NEEDLES if (at := data.find(needle)) >= 0), default=-1)


# ------------------------------------------------------------------ files


def scan(folder: Path, allowed: set[Path]) -> Iterator[str]:
    """Give a line for every file below `folder` that holds a canary.

    Args:
        folder: What was written.
        allowed: Files that are the place of a secret.
    """
    for place, folders, names in os.walk(folder):
        _leave_out_postgres(Path(place), folders, names)
        for name in sorted(names):
            path = Path(place, name)
            if not path.is_file() or path.is_symlink() or path.resolve() in allowed:
                continue
            if (at := _first(path)) >= 0:
                yield f"{path.relative_to(folder)}, byte {at}"


def _leave_out_postgres(place: Path, folders: list[str], names: list[str]) -> None:
    """Leave out what a database server keeps twice: its log, and what it begins each database with.

    A hundred databases of its own catalogue are a gigabyte that no test has written.
    """
    if "PG_VERSION" not in names:
        return
    if "pg_wal" in folders:
        folders.remove("pg_wal")
    if place.parent.name == "base":
        names[:] = [name for name in names if not _is_postgres_own(name)]


def _is_postgres_own(name: str) -> bool:
    number = name.partition("_")[0].partition(".")[0]
    return not number.isdigit() or int(number) < _OWN_RELATIONS


def _first(path: Path) -> int:
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        kept, passed = b"", 0
        try:
            while piece := file.read(_PIECE):
                if (at := found_in(kept + piece)) >= 0:
                    return passed - len(kept) + at
                passed += len(piece)
                kept = piece[-_LONGEST:]
        except (EOFError, gzip.BadGzipFile):
            # A test has cut it off or called something else so: it is read as it is.
            return found_in(path.read_bytes())
    return -1


# ------------------------------------------------------------------ the run


class _Watch:
    """What one process of the run has seen."""

    def __init__(self) -> None:
        self.test = "no test"
        self.allowed: set[Path] = set()
        self.factory: pytest.TempPathFactory | None = None
        self.seen: list[str] = []

    def look(self, text: str | bytes | None, what: str) -> None:
        data = text.encode(errors="replace") if isinstance(text, str) else text or b""
        if found_in(data) >= 0 and (told := f"{what} of {self.test}") not in self.seen:
            self.seen.append(told)

    def finish(self) -> list[str]:
        if self.factory is not None:
            folder = self.factory.getbasetemp()
            self.seen += [f"file {line} below {folder}" for line in scan(folder, self.allowed)]
        return self.seen


_watch = _Watch()


def look(text: str | bytes | None, what: str) -> None:
    """Look through what was written in a way that the plug-in does not see by itself.

    Args:
        text: What was written.
        what: How it is named in the finding.
    """
    _watch.look(text, what)


class _Ears(logging.Handler):
    """Looks at every record that a logger lets through, with its traceback."""

    _form = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = f"{self._form.format(record)} {record.args!r}"
        except (TypeError, ValueError):
            self.handleError(record)
        else:
            _watch.look(text, f"a log record of {record.name}, in a test")


def _eavesdrop(patch: pytest.MonkeyPatch) -> None:
    """Look at the output that a test takes away before it reaches its report."""
    read = pytest.CaptureFixture.readouterr
    communicate = subprocess.Popen.communicate

    def readouterr(self: pytest.CaptureFixture[Any]) -> Any:
        taken: Any = read(self)
        _watch.look(taken.out, "captured output")
        _watch.look(taken.err, "captured errors")
        return taken

    def communicated(self: Any, *args: Any, **named: Any) -> tuple[Any, Any]:
        out, err = communicate(self, *args, **named)
        _watch.look(out, "output of a child process")
        _watch.look(err, "errors of a child process")
        return out, err

    patch.setattr(pytest.CaptureFixture, "readouterr", readouterr)
    patch.setattr(subprocess.Popen, "communicate", communicated)


def pytest_configure(config: pytest.Config) -> None:
    """Begin to listen."""
    patch = pytest.MonkeyPatch()
    _eavesdrop(patch)
    ears = _Ears()
    logging.getLogger().addHandler(ears)
    config.add_cleanup(patch.undo)
    config.add_cleanup(lambda: logging.getLogger().removeHandler(ears))


@pytest.fixture(scope="session", autouse=True)
def _canaries_nest(tmp_path_factory: pytest.TempPathFactory) -> None:
    _watch.factory = tmp_path_factory


@pytest.fixture
def secret_place() -> SecretPlace:
    """Name a file as the place of a secret, which may hold it; returns the file."""

    def named(path: Path) -> Path:
        _watch.allowed.add(path.resolve())
        return path

    return named


def pytest_runtest_logstart(nodeid: str) -> None:
    """Remember which test is at work."""
    _watch.test = nodeid


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Look at what a test has printed and logged."""
    report = yield
    for title, text in report.sections:
        _watch.look(text, title)
    return report


# ------------------------------------------------------------------ the end


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what a worker has found, where the run is spread over processes."""
    output: dict[str, Any] = getattr(node, "workeroutput", {})
    _watch.seen += output.get(_KEY, [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look through the files, and fail the run if anything was found."""
    found = _watch.finish()
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_KEY] = found
    elif found and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell where a canary was found."""
    for line in _watch.seen:
        terminalreporter.line(f"FAILED a canary, a test's secret, is in: {line}", red=True)
