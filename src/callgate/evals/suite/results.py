"""What became of one case in one repetition: a line of the results file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

from callgate.errors import EvaluationDataError
from callgate.evals.files import read_lines

__all__ = ["ItemResult", "ResultsFile", "read_results", "result_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemResult:
    """One judged item.

    Attributes:
        case: The case's id.
        repetition: Which repetition; starts at 0.
        passed: Whether all that was expected holds.
        failure: The first thing that does not: a class such as `wrong_tool`; empty if passed.
        difference: What came and what was expected, in one line.
        outcome: `called`, `abstained`, `unparsable` or `unfinished`.
        calls: What was called: `name`, `arguments` (or `text` that cannot be read), `status`.
        expected: What should have been called: `name` and matchers, the first alternative.
        selected: For each expected or made call the expected and the called tool; empty for none.
        arguments: Right arguments among those expected, over the calls of the right tool.
        argument_count: Arguments expected there.
        answer: The text of the last answer.
        requests: Model requests, those from the cache included.
        input: Tokens read.
        output: Tokens written.
        seconds: What the item took.
        cost: US dollars as text, the grader's included; None if a price is not known.
        grade: What the grader said: `right`, `wrong`, `undecided`, or empty if it was not asked.
        error: Why it is unfinished.
        cluster: The case's cluster.
        tags: The case's tags.
    """

    case: str
    repetition: int
    passed: bool
    failure: str = ""
    difference: str = ""
    outcome: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    expected: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    selected: list[list[str]] = field(default_factory=list[list[str]])
    arguments: int = 0
    argument_count: int = 0
    answer: str = ""
    requests: int = 0
    input: int = 0
    output: int = 0
    seconds: float = 0.0
    cost: str | None = None
    grade: str = ""
    error: str = ""
    cluster: str = ""
    tags: list[str] = field(default_factory=list[str])

    @property
    def key(self) -> tuple[str, int]:
        """What names the item within its run."""
        return self.case, self.repetition

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


def _type(value: object) -> type:
    return type(value)


_EMPTY = ItemResult(case="", repetition=0, passed=False)
_FIELDS: Mapping[str, tuple[type, ...]] = {
    **{name: (_type(value),) for name, value in asdict(_EMPTY).items()},
    "seconds": (float, int),
    "cost": (str, type(None)),
}
"""The types that each field may have."""


def result_of(data: Mapping[str, Any]) -> ItemResult:
    """Make the result that `ItemResult.to_json` described; fields of later versions are left out.

    Raises:
        EvaluationDataError: It is none.
    """
    known = {name: value for name, value in data.items() if name in _FIELDS}
    for name, value in known.items():
        if type(value) not in _FIELDS[name]:
            raise EvaluationDataError(f"not the result of an item: {name} is {value!r:.80}")
    try:
        return ItemResult(**known)
    except TypeError as error:
        raise EvaluationDataError(f"not the result of an item: {error}") from error


def read_results(path: Path) -> Iterator[ItemResult]:
    """Yield the results in a file, one line at a time; its head line is passed over.

    Raises:
        EvaluationDataError: The file cannot be read, or a line is none of ours.
    """
    for line in read_lines(path):
        if "suite" not in line:
            yield result_of(line)


class ResultsFile:
    """The results of a run as JSON lines: a head that names the run, then one line per item.

    Each line is synced before the item counts. A line that was cut off by a crash is left out and
    its item runs again, with the answers that were kept.
    """

    def __init__(self, path: Path, head: Mapping[str, Any]) -> None:
        """Open or continue a file.

        Args:
            path: The file.
            head: What the run is made of; a file with another head is refused.

        Raises:
            EvaluationDataError: It cannot be written, or belongs to another run.
        """
        self._path = path
        self.done: dict[tuple[str, int], ItemResult] = {}
        fresh = {"suite": dict(head)}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size:
                _mend(path)
            if path.exists() and path.stat().st_size:
                self._read(fresh)
                self._file: BinaryIO = path.open("ab")
            else:
                self._file = path.open("wb")
                self._write(fresh)
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def add(self, result: ItemResult) -> None:
        """Write a result down.

        Raises:
            EvaluationDataError: The disk is full, or the file cannot be written.
        """
        try:
            self._write(result.to_json())
        except OSError as error:
            raise self._unwritable(error) from error
        self.done[result.key] = result

    def _read(self, head: Mapping[str, Any]) -> None:
        lines = read_lines(self._path)
        known = next(lines, None)
        if known != orjson.loads(orjson.dumps(head)):
            raise EvaluationDataError(
                f"{self._path.name} holds the results of another run (other cases, model or "
                "settings). Give another file, or delete this one."
            )
        for line in lines:
            result = result_of(line)
            self.done[result.key] = result

    def _write(self, value: Any) -> None:
        self._file.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _unwritable(self, error: OSError) -> EvaluationDataError:
        return EvaluationDataError(
            f"{self._path.name} cannot be written: {error.strerror}. What is in it stays; start "
            "again to go on."
        )


def _mend(path: Path) -> None:
    """Cut off a last line that has no end."""
    with path.open("rb+") as file:
        data = file.read()
        if not data.endswith(b"\n"):
            file.truncate(data.rfind(b"\n") + 1)
