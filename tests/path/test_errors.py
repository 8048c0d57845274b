"""The error tree: drawn as it is, told to models, kept as JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from callgate import errors
from callgate.errors import CallError, CallgateError, TransientError, call_error_from_json


def _walk(kind: type[CallgateError], depth: int = 0) -> Iterator[tuple[int, type[CallgateError]]]:
    yield depth, kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _walk(child, depth + 1)


KINDS = [kind for _, kind in _walk(CallgateError)]
CALL_KINDS = [kind for kind in KINDS if issubclass(kind, CallError)]


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: list[tuple[int, str, str | None, bool]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.search(r"(\w+Error)\b(?:\s+\[(\w+)\])?( \*)?", line)
        if found and ("── " in line or line.strip() == "CallgateError"):
            depth = 0 if "──" not in line else (line.index("──") - 5) // 4 + 1
            drawn.append((depth, found[1], found[2], found[3] is not None))
    real = {kind.__name__: (depth, kind) for depth, kind in _walk(CallgateError)}
    assert {name for _, name, _, _ in drawn} == set(real)
    for depth, name, code, retryable in drawn:
        assert real[name][0] == depth, name
        if code is not None:
            assert (real[name][1].code, real[name][1].retryable) == (code, retryable), name


def test_every_code_belongs_to_one_kind_of_error() -> None:
    codes = [kind.code for kind in KINDS]
    assert len(codes) == len(set(codes))


def test_all_kinds_are_public() -> None:
    assert {kind.__name__ for kind in KINDS} <= set(errors.__all__)


@pytest.mark.parametrize("kind", CALL_KINDS, ids=lambda kind: kind.code)
def test_a_call_error_survives_json(kind: type[CallError]) -> None:
    error = kind("It broke.", details={"at": 3})
    again = call_error_from_json(error.to_json())
    assert type(again) is kind
    assert (again.message, again.details, again.tell()) == ("It broke.", {"at": 3}, error.tell())


@pytest.mark.parametrize(
    "kind", [kind for kind in CALL_KINDS if not kind.__subclasses__()], ids=lambda kind: kind.code
)
def test_a_model_is_told_what_to_do_next(kind: type[CallError]) -> None:
    told = kind("It broke.").tell()
    assert told.startswith("It broke.")
    assert kind.told or kind.code == "tool_failed"


def test_a_code_of_a_newer_version_stays_readable() -> None:
    error = call_error_from_json({"code": "from_the_future", "message": "New."})
    assert (type(error), error.message) == (CallError, "New.")


def test_a_transient_error_says_when_and_whether_it_acted() -> None:
    error = TransientError("Busy.", retry_after=2.5, acted=True)
    assert (error.retry_after, error.acted, error.retryable) == (2.5, True, True)
