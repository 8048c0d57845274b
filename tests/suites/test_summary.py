"""Figures of a run, and two runs side by side."""

from decimal import Decimal

import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.statistics import clustered, wilson
from callgate.evals.suite.comparison import compare_runs
from callgate.evals.suite.summary import summarise
from tests.suites.made import result


def test_items_selection_and_costs_are_summed_up():
    report = summarise(
        [
            result("a", arguments=2, argument_count=2, tags=["x"], requests=1, seconds=1.5),
            result("b", passed=False, tags=["x"]),
            result(
                "c", passed=False, failure="abstained", outcome="abstained", selected=[["add", ""]]
            ),
            result("d", passed=False, failure="unfinished", outcome="unfinished", selected=[]),
        ]
    ).to_json()
    assert (report["items"], report["passed"], report["unfinished"]) == (4, 1, 1)
    assert report["accuracy"] == 0.25
    assert report["interval"] == list(wilson(1, 4))
    assert report["failures"] == {"wrong_tool": 1, "abstained": 1, "unfinished": 1}
    assert report["selection"] == {
        "right": 1,
        "wrong": 1,
        "missed": 2,
        "precision": 0.5,
        "recall": 1 / 3,
        "f1": 0.4,
    }
    assert report["tools"]["multiply"] == {
        "right": 0,
        "wrong": 1,
        "missed": 0,
        "precision": 0.0,
        "recall": None,
        "f1": 0.0,
    }
    assert report["arguments"] == {"right": 2, "expected": 2, "accuracy": 1.0}
    assert report["tags"]["x"]["accuracy"] == 0.5
    assert report["repetitions"] == {"cases": 4, "pass_at": {"1": 0.25}, "pass_hat": {"1": 0.25}}
    assert report["efficiency"]["cost"] == "0.04"


def test_repetitions_and_clusters_widen_the_interval():
    twice = [
        result("a"),
        result("a", repetition=1, passed=False),
        result("b"),
        result("b", repetition=1),
    ]
    summary = summarise(twice)
    assert summary.interval == clustered([1, 0, 1, 1], ["a", "a", "b", "b"])
    assert summary.to_json()["repetitions"]["pass_hat"] == {"1": 0.75, "2": 0.5}
    together = summarise([result("a", cluster="one"), result("b", cluster="one", passed=False)])
    assert together.interval == clustered([1, 0], ["one", "one"])


def test_an_unknown_price_makes_the_whole_cost_unknown():
    assert summarise([result("a"), result("b", cost=None)]).cost is None
    assert summarise([result("a"), result("b")]).cost == Decimal("0.02")


def test_no_items_have_no_figures():
    report = summarise([]).to_json()
    assert (report["items"], report["accuracy"], report["interval"]) == (0, None, None)


def test_two_runs_are_compared_pair_by_pair():
    before = [result(str(n), passed=n < 5) for n in range(10)]
    after = [result(str(n), passed=2 <= n < 9) for n in range(11)]
    told = compare_runs(before, after).to_json()
    assert (told["items"], told["gains"], told["regressions"]) == (10, 4, 2)
    assert (told["only_before"], told["only_after"], told["flips"]) == (0, 1, 0.6)
    assert told["delta"] == pytest.approx(0.2)
    assert told["p"] == pytest.approx(0.6875)
    assert told["interval"][0] < 0.2 < told["interval"][1]
    assert [one["case"] for one in told["regressed"]] == ["0", "1"]


def test_two_equal_runs_differ_in_nothing():
    same = [result(str(n)) for n in range(5)]
    told = compare_runs(same, same).to_json()
    assert (told["regressions"], told["gains"], told["flips"], told["p"]) == (0, 0, 0.0, 1.0)


def test_runs_without_a_common_item_cannot_be_compared():
    with pytest.raises(EvaluationDataError, match="no item in common"):
        compare_runs([result("a")], [result("b")])
