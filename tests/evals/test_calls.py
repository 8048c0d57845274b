"""API-Bank and Seal-Tools by equality of calls, with every item in the denominator."""

from pathlib import Path
from typing import Any

import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.calls import api_bank, score, seal_tools, told
from tests.evals.conftest import Write


@pytest.mark.parametrize(
    ("name", "reader", "items"),
    [
        ("apibank_items", api_bank, 597),
        ("apibank_dialogues", api_bank, 508),
        ("retrieval_sealtools_queries", seal_tools, 2_054),
    ],
)
def test_the_right_calls_score_everything(evals: Path, name: str, reader: Any, items: int) -> None:
    gold = told(score(reader(evals / f"{name}.jsonl.gz"), None))
    report = gold["models"]["gold"]
    assert gold["items"] == report["items"] == items
    assert report["accuracy"]["exact"]["accuracy"] == report["partial"] == 1.0
    assert report["format_accuracy"] == 1.0
    assert report["tools"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "wrong_sibling": 0}
    assert report["parameters"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert {share["accuracy"] for share in report["groups"].values()} == {1.0}


def item(name: str, *calls: Any) -> dict[str, Any]:
    return {"id": name, "split": "dev", "calling": list(calls)}


ADD = {"api": "add", "parameters": {"a": 1, "b": "Two"}}
ITEMS = [item("1", ADD), item("2", ADD), item("3", ADD), item("4", ADD), item("5", ADD, ADD)]


@pytest.fixture
def reports(write: Write) -> Any:
    def run(*outputs: Any) -> dict[str, Any]:
        lines = [{"id": name, "outputs": by_model} for name, by_model in outputs]
        found = score(seal_tools(write("q.jsonl", ITEMS)), write("o.jsonl", lines))
        return told(found)["models"]

    return run


def test_items_without_an_output_and_unreadable_ones_count_as_failed(reports: Any) -> None:
    one = reports(
        ("1", {"one": [ADD], "other": [ADD]}),
        ("2", {"one": [{"name": "add", "arguments": {"a": 1, "b": "two"}}]}),
        ("3", {"one": None}),
        ("4", {"one": "add(1, 2)"}),
        ("5", {"one": [ADD]}),
    )
    report = one["one"]
    assert (report["items"], report["missing"], report["unreadable"]) == (5, 1, 1)
    assert report["format_accuracy"] == 0.6
    rights = {strength: share["right"] for strength, share in report["accuracy"].items()}
    assert rights == {"exact": 1, "typed": 1, "normalised": 2}
    assert report["partial"] == pytest.approx((1 + 1 + 0.5) / 5)
    assert report["tools"]["recall"] == 0.5
    assert report["parameters"]["precision"] == pytest.approx(5 / 6)
    assert report["parameters"]["recall"] == pytest.approx(5 / 12)
    assert report["by_type"]["string"]["exact"]["right"] == 2
    assert one["other"]["missing"] == 4
    assert one["other"]["accuracy"]["exact"]["accuracy"] == 0.2


@pytest.mark.parametrize(
    "output", [{"add": 1}, [1], [{"name": 1, "parameters": {}}], [{"name": "a"}]]
)
def test_what_is_no_list_of_calls_is_unreadable(reports: Any, output: Any) -> None:
    assert reports(("1", {"one": output}))["one"]["unreadable"] == 1


def test_an_abstention_is_readable(reports: Any) -> None:
    report = reports(("1", {"one": []}))["one"]
    assert (report["unreadable"], report["missing"]) == (0, 4)
    assert report["tools"]["precision"] is None


def test_files_of_another_form_are_refused(reports: Any, write: Write) -> None:
    with pytest.raises(EvaluationDataError, match="'9' is no item of the data"):
        reports(("9", {"one": []}))
    with pytest.raises(EvaluationDataError, match="item 'a' has no expectation"):
        api_bank(write("a.jsonl", [{"id": "a"}]))
    with pytest.raises(
        EvaluationDataError, match="'b' has no expectation: expected a list of calls"
    ):
        seal_tools(write("b.jsonl", [{"id": "b"}]))
