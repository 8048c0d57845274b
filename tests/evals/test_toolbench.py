"""ToolBench: which APIs were called, by any of their names, and verdicts that were recorded."""

from pathlib import Path
from typing import Any

import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.toolbench import read_queries, score, wire_name
from callgate.evals.files import read_lines
from tests.evals.conftest import Write

SOLVED, UNSURE, UNSOLVED = (f"AnswerStatus.{word}" for word in ("Solved", "Unsure", "Unsolved"))


def test_the_needed_apis_score_everything_by_either_name(evals: Path, write: Write) -> None:
    path = evals / "retrieval_toolbench_queries.jsonl.gz"
    queries = read_queries(path)
    lines = [
        {
            "id": line["id"],
            "outputs": {
                "ids": line["relevant"],
                "names": [wire_name(api) for api in line["relevant"]] + ["Finish"],
                "all": [wire_name(api) for api in line["candidates"]],
            },
        }
        for line in read_lines(path)
    ]
    found = score(queries, None) | score(queries, write("o.jsonl", lines))
    told = {model: report.to_json() for model, report in found.items()}
    for model in ("gold", "ids", "names"):
        assert told[model]["items"] == told[model]["exact"]["right"] == 765
        assert told[model]["apis"]["f1"] == 1.0
        assert {group["f1"] for group in told[model]["groups"].values()} == {1.0}
    assert told["all"]["all_relevant"]["right"] == 765
    assert (told["all"]["apis"]["recall"], told["all"]["unknown"]) == (1.0, 0)
    assert told["all"]["apis"]["precision"] < 0.5
    assert {one["pass"] for one in told.values()} == {None}


@pytest.mark.parametrize(
    ("api", "name"),
    [
        ("TheClique::Transfermarkt details", "transfermarkt_details_for_theclique"),
        (
            "Kick.com API | Kick API::Get Chat User (like user from chat)",
            "get_chat_user_like_user_from_chat_for_kick_com_api_kick_api",
        ),
        ("Keyword Analysis::QueryKeywords", "querykeywords_for_keyword_analysis"),
        ("2 Quotes::3 a day_", "get_3_a_day_for_get_2_quotes"),
        ("T::Id", "is_id_for_t"),
        ("T::" + 60 * "x" + "yz", 56 * "x" + "yz_for_t"),
    ],
)
def test_a_name_on_the_wire_is_the_one_of_the_recorded_conversations(api: str, name: str) -> None:
    assert wire_name(api) == name


LONG = "Company Consultation Reportero Industrial Mexicano API"
ITEMS = [
    {"id": "1", "group": "x", "relevant": ["T::f", "T::g"], "candidates": ["T::f", "T::g", "T::h"]},
    {
        "id": "2",
        "group": "y",
        "relevant": [f"{LONG}::Product By Name"],
        "candidates": [f"{LONG}::Company By Name", f"{LONG}::Product By Name"],
    },
]


@pytest.fixture
def reports(write: Write) -> Any:
    def run(*outputs: Any, items: Any = ITEMS) -> dict[str, Any]:
        lines = [{"id": name, "outputs": by_model} for name, by_model in outputs]
        found = score(read_queries(write("q.jsonl", items)), write("o.jsonl", lines))
        return {model: report.to_json() for model, report in found.items()}

    return run


def test_an_api_counts_once_and_one_that_was_not_offered_is_told(reports: Any) -> None:
    made = ["f_for_t", {"name": "f_for_t", "arguments": "{}"}, "T::h", "invented", "Finish"]
    one = reports(("1", {"one": made}))["one"]
    assert one["apis"] == {
        "hits": 1,
        "missed": 2,
        "extra": 2,
        "precision": pytest.approx(1 / 3),
        "recall": pytest.approx(1 / 3),
        "f1": pytest.approx(1 / 3),
    }
    assert (one["missing"], one["unknown"]) == (1, 1)
    assert one["groups"]["x"]["recall"] == 0.5
    assert one["groups"]["y"]["recall"] == 0.0


def test_a_name_that_several_apis_share_stands_for_the_needed_one(reports: Any) -> None:
    name = wire_name(ITEMS[1]["candidates"][0])
    assert name == wire_name(ITEMS[1]["candidates"][1])
    one = reports(("1", {"one": ["T::f", "T::g"]}), ("2", {"one": [name]}))["one"]
    assert one["exact"]["right"] == 2


@pytest.mark.parametrize("output", ["f_for_t", [7], [{"arguments": {}}], {"calls": "f"}])
def test_an_output_that_cannot_be_read_is_failed_and_listed_apart(
    reports: Any, output: Any
) -> None:
    one = reports(("1", {"one": output}), ("2", {"one": None}))["one"]
    assert (one["items"], one["unreadable"], one["missing"]) == (2, 1, 1)
    assert one["all_relevant"]["right"] == 0


def test_recorded_verdicts_are_added_up_as_the_benchmark_does(reports: Any) -> None:
    """Its own three examples have 66.7 % over three judgings that all agree."""
    items = [{**ITEMS[0], "id": name} for name in "abc"]
    agreed = [dict.fromkeys("012", said) for said in (UNSOLVED, SOLVED, SOLVED)]
    lines = [
        (name, {"one": {"calls": [], "is_solved": said}})
        for name, said in zip("abc", agreed, strict=True)
    ]
    passed = reports(*lines, items=items)["one"]["pass"]
    assert (passed["rate"], passed["deviation"]) == (0.666667, 0.0)
    assert (passed["judgings"], passed["unjudged"]) == (3, 0)
    low, high = passed["interval"]
    assert low < 0.666667 < high


def test_an_item_without_a_verdict_has_not_passed(reports: Any) -> None:
    lines = [
        ("1", {"one": {"calls": ["T::f"], "is_solved": {"0": SOLVED, "1": UNSURE}}, "two": []}),
        ("2", {"one": {"calls": ["T::f"], "is_solved": {"0": SOLVED}}}),
    ]
    told = reports(*lines, items=[*ITEMS, {**ITEMS[0], "id": "3"}, {**ITEMS[0], "id": "4"}])
    passed = told["one"]["pass"]
    assert passed["rate"] == pytest.approx((2 / 4 + 0.5 / 4) / 2)
    assert passed["deviation"] == pytest.approx((2 / 4 - 0.5 / 4) / 2)
    assert passed["unjudged"] == 2
    assert told["two"]["pass"] is None


@pytest.mark.parametrize(
    ("item", "output", "told"),
    [
        ({"relevant": []}, [], "item '1' has no expectation: `relevant` lists"),
        ({"candidates": None}, [], "item '1' has no list `candidates`"),
        ({}, {"calls": [], "is_solved": {"0": "yes"}}, "item '1': `is_solved` holds AnswerStatus"),
        ({}, {"calls": [], "is_solved": {"x": SOLVED}}, "by the number of the judging"),
    ],
)
def test_files_of_another_form_are_refused(reports: Any, item: Any, output: Any, told: str) -> None:
    with pytest.raises(EvaluationDataError, match=told):
        reports(("1", {"one": output}), items=[{**ITEMS[0], **item}])
