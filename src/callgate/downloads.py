"""Files from elsewhere, fetched so that a download that was cut goes on where it stopped.

A download is kept as `<file>.partial`, always a prefix of the final file. What a place gives is
never trusted: whoever fetches holds the whole to a hash before it takes its name.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, TypeAlias
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from callgate.errors import DownloadError

if sys.platform != "win32":
    import fcntl

__all__ = [
    "CHUNK",
    "INDEX",
    "Progress",
    "Report",
    "from_address",
    "from_index",
    "keep",
    "locked",
    "opened_at",
    "sha256_of",
    "size_of",
]

CHUNK = 4 << 20
INDEX = "package index"
"""The source of what pip fetched, in `Progress`."""
SILENCE_SECONDS = 8.0
"""How long a server may keep silent."""
_TOTAL = re.compile(r"bytes (?:[\d-]+|\*)/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a download is.

    Attributes:
        source: An address, or "package index".
        done: Bytes that are there.
        total: Bytes of the whole; None if the server does not say.
    """

    source: str
    done: int
    total: int | None


Report: TypeAlias = Callable[[Progress], None]


def from_address(
    url: str, partial: Path, *, size: int | None = None, report: Report | None = None
) -> None:
    """Append to `partial` what it still lacks of the file at `url`.

    Args:
        url: Where the file is.
        partial: A prefix of it; made if missing.
        size: Bytes of the whole, where they are known; else the server's word is taken.
        report: Called after every few megabytes.

    Raises:
        DownloadError: The server gave no or not the whole file, or the disk took none of it. What
            came is kept.
    """
    done = size_of(partial)
    if size is not None and done >= size:
        return
    try:
        with _answer(url, done) as response:
            # Without a range the server sends the whole file again.
            done = done if response.status == HTTPStatus.PARTIAL_CONTENT else 0
            total = size if size is not None else _total(response, done)
            done = _append(response, partial, done, report or _silent, (url, total))
    except HTTPError as exc:
        if size is None and done and _is_whole(exc, done):
            return
        raise DownloadError(f"{url}: HTTP {exc.code} {exc.reason}") from exc
    except (OSError, HTTPException) as exc:
        raise DownloadError(f"{url}: {exc}") from exc
    if total is not None and done != total:
        raise DownloadError(f"{url} gave {done} of {total} bytes")


def from_index(pins: tuple[str, ...], into: Path) -> None:
    """Fetch the wheels of pinned requirements from the package index that pip is set to.

    Args:
        pins: Such as `package==1.0`.
        into: A folder that exists.

    Raises:
        DownloadError: pip did not get them; the message has its words.
    """
    # pip, because it follows the index, proxy and certificate settings of this machine.
    command = [sys.executable, "-m", "pip", "download", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary", ":all:", "--dest", str(into), *pins]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.splitlines()
        lines = [line for line in lines if line.startswith("ERROR")] or lines
        raise DownloadError(
            f"pip download of {pins[0]} failed: {lines[-1] if lines else 'no message'}"
        )


def keep(out: IO[bytes], piece: bytes) -> int:
    """Write a piece of a download; return its length.

    Raises:
        DownloadError: The disk is full, or cannot be written.
    """
    left = memoryview(piece)
    try:
        while left:
            left = left[out.write(left) :]
    except OSError as exc:
        raise DownloadError(
            f"{Path(out.name).name} cannot be written: {exc.strerror}. What has come is kept: "
            "make room, then start again"
        ) from exc
    return len(piece)


def opened_at(path: Path, position: int) -> IO[bytes]:
    """Open a file for what comes after its first `position` bytes; the rest is cut off.

    Raises:
        DownloadError: It cannot be written.
    """
    try:
        # Without a buffer: what is written is on the file, and closing it cannot fail once more.
        out = path.open("ab", buffering=0)
        out.truncate(position)
    except OSError as exc:
        raise DownloadError(f"{path} cannot be written: {exc.strerror}") from exc
    return out


def size_of(path: Path) -> int:
    """Return the bytes of a file; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Let one process at a time fetch a file; the others wait and then find it there."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        if sys.platform != "win32":
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _answer(url: str, done: int) -> HTTPResponse:
    headers = {"Range": f"bytes={done}-", "User-Agent": "callgate"}
    return urlopen(Request(url, headers=headers), timeout=SILENCE_SECONDS)


def _append(
    response: HTTPResponse, partial: Path, done: int, report: Report, told: tuple[str, int | None]
) -> int:
    source, total = told
    with opened_at(partial, done) as out:
        while piece := response.read(CHUNK):
            done += keep(out, piece)
            report(Progress(source=source, done=done, total=total))
    return done


def _total(response: HTTPResponse, done: int) -> int | None:
    length = response.headers.get("Content-Length", "")
    return done + int(length) if length.isdecimal() else None


def _is_whole(error: HTTPError, done: int) -> bool:
    """Tell whether nothing is left to ask for: a run that was killed had the whole file."""
    total = _TOTAL.fullmatch(error.headers.get("Content-Range", ""))
    return (
        error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        and total is not None
        and int(total[1]) == done
    )


def _silent(_: Progress) -> None:
    return
