"""Files of suites that are cut off, and answers that hold code."""

import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import orjson
import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.files import read_lines
from callgate.evals.reports.page import page
from callgate.evals.suite.answers import Answers
from callgate.evals.suite.estimate import estimate
from callgate.evals.suite.reading import read_suite
from callgate.evals.suite.results import ResultsFile, read_results
from callgate.evals.suite.runner import run_suite
from callgate.evals.suite.summary import summarise
from callgate.testing import ScriptedModel, calls, says
from tests.suites.made import case, result

CASE = {"id": "a", "ask": "Hi", "expect": {"abstain": True}}


@pytest.mark.parametrize(
    ("read", "line"),
    [(read_suite, CASE), (read_results, result().to_json())],
    ids=["suite", "results"],
)
def test_a_file_that_is_cut_off_is_told_and_not_taken_for_a_short_one(
    tmp_path: Path, read: Callable[[Path], Iterable[object]], line: object
):
    whole = gzip.compress(orjson.dumps(line) + b"\n")
    path = tmp_path / "file.jsonl"
    path.write_bytes(whole[:-9])
    with pytest.raises(EvaluationDataError, match=r"file\.jsonl: cut off before its end"):
        list(read(path))
    path.write_bytes(gzip.decompress(whole)[:-9])
    with pytest.raises(EvaluationDataError, match=r"file\.jsonl:1: not JSON"):
        list(read(path))


async def test_code_in_an_answer_is_never_run(tmp_path: Path):
    mark = tmp_path / "ran"
    code = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    answers = [
        calls(("add", code)),
        calls(("add", json.dumps({"a": code, code: 3}))),
        calls((code, "{}")),
        says(code),
    ]
    suite = [case(f"case {n}", ask=f"{n}?") for n in range(len(answers))]
    path = tmp_path / "out.jsonl"
    with ResultsFile(path, {}) as results:
        model = ScriptedModel(answers)
        spent = await run_suite(suite, model, results, Answers(tmp_path / "answers"))
    assert (spent.items, spent.passed) == (4, 0)
    pieces = page({"out": summarise(read_results(path))}, (("out", r) for r in read_results(path)))
    assert code not in "".join(pieces)
    assert not mark.exists()


def test_an_answer_that_no_text_can_hold_is_reported_all_the_same(tmp_path: Path):
    odd = result("\ud800", calls=[{"name": "add", "arguments": {"a": 10**30}, "status": ""}])
    text = "".join(page({"out": summarise([odd])}, [("out", odd)]))
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps(odd.to_json()) + "\n")
    assert [line["case"] for line in read_lines(path)] == ["\ud800"]


@pytest.mark.parametrize("name", [name for name in result().to_json() if name != "cost"])
def test_a_field_of_the_wrong_type_is_told_with_its_name(tmp_path: Path, name: str):
    path = tmp_path / "out.jsonl"
    path.write_text(json.dumps({**result().to_json(), name: {"not": "it"}}) + "\n")
    with pytest.raises(EvaluationDataError, match=f"{name} is "):
        list(read_results(path))


def test_an_order_that_is_no_place_is_told(tmp_path: Path):
    wrong = {**CASE, "expect": {"calls": [{"name": "add", "after": [[7]]}]}}
    (tmp_path / "suite.jsonl").write_text(json.dumps(wrong) + "\n")
    with pytest.raises(EvaluationDataError, match=r"suite\.jsonl:1: after holds places"):
        list(read_suite(tmp_path / "suite.jsonl"))


def test_a_tool_that_no_text_can_hold_is_estimated(tmp_path: Path):
    odd = {**CASE, "tools": [{"name": "add", "parameters": {"title": "\ud800"}}]}
    (tmp_path / "suite.jsonl").write_text(json.dumps(odd) + "\n")
    ahead = estimate(
        read_suite(tmp_path / "suite.jsonl"), repetitions=1, model="scripted", price=None
    )
    assert ahead.items == 1
