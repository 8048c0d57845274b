"""Files of recorded exchanges: JSON lines, plain or gzip, one exchange with a provider per line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, cast

import orjson

from callgate.errors import CallgateError

__all__ = ["ANSWERS", "Exchange", "Json", "Recording", "RecordingError", "files_of", "read"]

Json: TypeAlias = dict[str, Any]

ANSWERS = ("response", "response_sse", "response_events", "chunks")
"""The fields that hold what the provider answered; an exchange has one of them."""

_GZIP = b"\x1f\x8b"
_ENDINGS = ("*.jsonl", "*.jsonl.gz")


class RecordingError(CallgateError):
    """A file of recorded exchanges cannot be read, or is of another form."""

    code = "recording"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One recorded exchange.

    Attributes:
        id: Its name in reports, and what `followup` refers to.
        wire: The wire as the recording names it, such as `openai.chat`.
        model: The model that was asked; empty where it is not known.
        status: The HTTP status; None for a response without its request.
        request: The body that was sent; empty where it is not known.
        answer: Which field of `ANSWERS` holds what came.
        value: What came: a JSON value for `response`, text for `response_sse`, a list else.
        headers: The headers of the answer, names in lower case.
        expected: The calls that the provider's own client read; None where nobody has looked.
        followup: The id of a later exchange whose request has these calls in its history.
    """

    id: str
    wire: str
    model: str = ""
    status: int | None = None
    request: Json = field(default_factory=dict[str, Any])
    answer: str
    value: Any
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    expected: tuple[Json, ...] | None = None
    followup: str = ""

    @property
    def streamed(self) -> bool:
        """Whether the answer came as a stream."""
        return self.answer != "response"

    @property
    def answered(self) -> bool:
        """Whether the provider did what was asked, as far as the status tells."""
        return self.status is None or 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One file of exchanges.

    Attributes:
        name: The path as it was given.
        exchanges: What it holds, in its order.
    """

    name: str
    exchanges: tuple[Exchange, ...]


def files_of(paths: Iterable[Path]) -> Iterator[Path]:
    """Return the files that paths name: a folder stands for its `*.jsonl` and `*.jsonl.gz`.

    Raises:
        RecordingError: A folder has no such file.
    """
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for ending in _ENDINGS for file in path.glob(ending))
        if not found:
            raise RecordingError(f"{path}: the folder has no {' or '.join(_ENDINGS)}")
        yield from found


def read(path: Path) -> Recording:
    """Read a file of exchanges; empty lines are passed over.

    Raises:
        RecordingError: It cannot be read, or a line is not an exchange.
    """
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if data.startswith(_GZIP) else data
    except (OSError, EOFError, zlib.error) as exc:
        why = getattr(exc, "strerror", None) or exc
        raise RecordingError(f"{path}: cannot be read: {why}") from exc
    lines = [(number, line) for number, line in enumerate(data.split(b"\n"), 1) if line.strip()]
    return Recording(
        name=str(path), exchanges=tuple(_exchange(line, f"{path}:{at}") for at, line in lines)
    )


def _exchange(line: bytes, place: str) -> Exchange:
    try:
        record = _loads(line)
    except ValueError as exc:
        raise RecordingError(f"{place}: not JSON: {exc}") from exc
    if not isinstance(record, dict):
        raise RecordingError(f"{place}: expected an object, got {type(record).__name__}")
    return _Reader(cast("Json", record), place).exchange()


def _loads(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        # The standard parser takes what recorders write and orjson refuses: lone surrogates.
        return json.loads(line)


class _Reader:
    """Takes the fields of one record and refuses those of a wrong type."""

    def __init__(self, record: Json, place: str) -> None:
        self._record = record
        self._place = place

    def exchange(self) -> Exchange:
        answer = self._answer()
        expected = self._field("expected_calls", list, None)
        headers = self._field("headers", dict, {})
        return Exchange(
            id=self._field("id", str, self._place),
            wire=self._wire(),
            model=self._field("model", str, ""),
            status=self._field("status", int, None),
            request=self._field("request", dict, {}),
            answer=answer,
            value=self._record[answer],
            headers={str(name).lower(): str(value) for name, value in headers.items()},
            expected=None if expected is None else tuple(map(self._call, expected)),
            followup=self._field("followup_id", str, ""),
        )

    def _wire(self) -> str:
        wire = self._field("wire", str, "")
        if not wire:
            raise RecordingError(f"{self._place}: has no wire")
        return wire

    def _answer(self) -> str:
        found = [name for name in ANSWERS if self._record.get(name) is not None]
        if len(found) != 1:
            raise RecordingError(
                f"{self._place}: has {' and '.join(found) or 'no answer'}; "
                f"an exchange has one of {', '.join(ANSWERS)}"
            )
        (name,) = found
        if name != "response":
            self._field(name, str if name == "response_sse" else list, None)
        return name

    def _field(self, name: str, kind: type[Any], default: Any) -> Any:
        value = self._record.get(name)
        if value is None:
            return default
        if not isinstance(value, kind) or isinstance(value, bool):
            raise RecordingError(
                f"{self._place}: {name} is {type(value).__name__}, not {kind.__name__}"
            )
        return value

    def _call(self, call: Any) -> Json:
        match call:
            case {"name": str(), "arguments": _}:
                return cast("Json", call)
            case _:
                raise RecordingError(f"{self._place}: a call of expected_calls has no name")
