"""Files of evaluations that are damaged, absent, or not the ones meant."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.files import check_hash, read_json, read_lines
from tests.evals.conftest import Write


def test_plain_and_packed_lines_are_read_whatever_the_name(write: Write, tmp_path: Path) -> None:
    lines = [{"a": 1}, {"b": "ü"}]
    for name in ("plain.jsonl", "packed.jsonl.gz"):
        path = write(name, lines)
        assert list(read_lines(path)) == lines
        assert list(read_lines(path.rename(tmp_path / "other"))) == lines


def test_empty_lines_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('\n{"a": 1}\n\n')
    assert list(read_lines(tmp_path / "a")) == [{"a": 1}]


def test_what_python_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"a": NaN, "b": "\\ud800", "c": 123456789012345678901}\n')
    (line,) = read_lines(tmp_path / "a")
    assert line["a"] != line["a"]
    assert (line["b"], line["c"]) == ("\ud800", 123456789012345678901)


def told(call: Callable[[], object]) -> str:
    with pytest.raises(EvaluationDataError) as caught:
        call()
    return caught.value.message


def test_damage_is_told_with_the_file_and_the_line(write: Write, tmp_path: Path) -> None:
    whole = write("a.jsonl.gz", [{"number": n} for n in range(1_000)]).read_bytes()
    cut, bent = tmp_path / "cut.gz", tmp_path / "bent.gz"
    cut.write_bytes(whole[: len(whole) // 2])
    bent.write_bytes(whole[:40] + b"\xff" * 20 + whole[60:])
    assert told(lambda: list(read_lines(cut))) == "cut.gz: cut off before its end; get it again"
    assert told(lambda: list(read_lines(bent))).startswith("bent.gz: damaged: ")
    (tmp_path / "text").write_text('{"a": 1}\n{"a": \n')
    assert told(lambda: list(read_lines(tmp_path / "text"))).startswith("text:2: not JSON: ")
    (tmp_path / "list").write_text("[1]\n")
    assert told(lambda: list(read_lines(tmp_path / "list"))) == "list:1: expected a JSON object"
    assert told(lambda: read_json(tmp_path / "text")).startswith("text: not JSON: ")
    assert told(lambda: list(read_lines(tmp_path / "gone"))).endswith(
        "gone: cannot be read: No such file or directory"
    )


def test_a_file_is_held_to_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"{}"))
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    check_hash(path, right.upper())
    assert told(lambda: check_hash(path, "0" * 64)).startswith(
        f"a.gz: its SHA-256 is {right}, expected 000"
    )
    assert "cannot be read" in told(lambda: check_hash(tmp_path / "gone", right))
