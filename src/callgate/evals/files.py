"""Files of an evaluation: JSON lines, plain or gzip, read one at a time and held to their hash."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import orjson

from callgate.errors import EvaluationDataError
from callgate.schema.values import is_object

__all__ = ["check_hash", "of_form", "read_json", "read_lines", "write", "written"]

_MAGIC = b"\x1f\x8b"
_LONG_NUMBER = re.compile(rb"\d{19}")
_PIECE = 1 << 20
_LONGEST = 256 * 1024 * 1024
"""Bytes that one line may have: a damaged file must not fill the memory."""


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines; empty lines are skipped.

    Args:
        path: The file; whether it is gzip is seen from its first bytes, not from its name.

    Raises:
        EvaluationDataError: The file cannot be read, is cut off, or a line is not a JSON object.
    """
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            value = _parsed(line)
        except (ValueError, RecursionError) as error:
            raise EvaluationDataError(f"{path.name}:{number}: not JSON: {error}") from error
        if not is_object(value):
            raise EvaluationDataError(f"{path.name}:{number}: expected a JSON object")
        yield value


def read_json(path: Path) -> Any:
    """Return the one JSON value of a file, plain or gzip.

    Raises:
        EvaluationDataError: The file cannot be read, is cut off, or is not JSON.
    """
    text = b"".join(_lines(path))
    try:
        return _parsed(text)
    except (ValueError, RecursionError) as error:
        raise EvaluationDataError(f"{path.name}: not JSON: {error}") from error


def check_hash(path: Path, sha256: str) -> None:
    """Hold a file to the hash it must have.

    Args:
        path: The file, hashed as it lies on the disk.
        sha256: The expected hash in hexadecimal digits.

    Raises:
        EvaluationDataError: The file cannot be read or is another one.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        raise _unreadable(path, error) from error
    if digest.hexdigest() != sha256.strip().lower():
        raise EvaluationDataError(
            f"{path.name}: its SHA-256 is {digest.hexdigest()}, expected {sha256}. Get the file "
            "again, or pin the hash of the one you mean."
        )


@contextmanager
def of_form(where: str) -> Generator[None]:
    """Tell what foreign data of another form raise as an error that names the place.

    Args:
        where: The file and the item that are looked at.

    Raises:
        EvaluationDataError: The data lacked something, or had it as another type.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise EvaluationDataError(
            f"{where} is not of the form that is read: {type(error).__name__}: {error}. Get the "
            "file again; `callgate eval fetch` writes the form."
        ) from error


def written(value: Any) -> bytes:
    """Return the one text of a JSON value by which it is compared; 1 and 1.0 are two values.

    What `read_lines` reads has one, lone surrogates and whole numbers of any length included.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(value, sort_keys=True).encode()


def _parsed(text: bytes) -> Any:
    """Read JSON as Python writes it: with NaN, lone surrogates, whole numbers of any length."""
    if not _LONG_NUMBER.search(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return json.loads(text)


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == _MAGIC
            plain.seek(0)
            file = cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if packed else plain
            while line := file.readline(_LONGEST):
                if len(line) == _LONGEST:
                    raise EvaluationDataError(f"{path.name}: a line has over {_LONGEST:,} bytes")
                yield line
    except EOFError as error:
        raise EvaluationDataError(f"{path.name}: cut off before its end; get it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise EvaluationDataError(f"{path.name}: damaged: {error}; get it again") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> EvaluationDataError:
    return EvaluationDataError(f"{path}: cannot be read: {error.strerror or error}")


def write(path: Path, pieces: Iterable[str]) -> None:
    """Write a file; what no text can hold, as a model may have written it, becomes its escape.

    Raises:
        EvaluationDataError: It cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces)
    except OSError as error:
        raise EvaluationDataError(f"{path.name} cannot be written: {error.strerror}") from error
