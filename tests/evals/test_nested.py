"""Nested calls: references, levels, and plans that run as fast as their levels."""

from pathlib import Path
from typing import Any

import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.nested import read_plan, resolve, score
from tests.evals.conftest import Write


@pytest.mark.parametrize(
    ("name", "calls", "references", "levels"),
    [("complexfuncbench", 2_537, 1_537, 1_025), ("nestful_v1", 797, 425, 609)],
)
def test_every_reference_of_a_call_resolves(
    evals: Path, name: str, calls: int, references: int, levels: int
) -> None:
    found = score(evals / f"{name}.jsonl.gz", seconds=0.001)
    assert (found.calls, found.references, found.levels) == (calls, references, levels)
    assert found.unresolved == []
    told = found.to_json()
    assert told["resolved"] == references
    assert told["speedup"]["ideal"] == pytest.approx(calls / levels, abs=1e-3)


def test_answers_of_two_samples_refer_to_calls_that_are_not_there(evals: Path) -> None:
    """They name a third call of two: the data has it so."""
    found = score(evals / "nestful_v1.jsonl.gz", seconds=0.0005)
    assert [reference for _, reference in found.unanswered] == ["$var3$", "$var3$"]


def call(label: str | None, name: str = "f", response: Any = None, **arguments: Any) -> Any:
    made = {"name": name, "arguments": arguments}
    return {**made, "response": response, **({} if label is None else {"label": label})}


def plan(*calls: Any) -> dict[str, Any]:
    return {"id": "a", "calls": list(calls)}


def test_a_level_is_one_more_than_the_highest_that_is_waited_for() -> None:
    read = read_plan(
        plan(
            call("var1"),
            call("var2", a="costs $5 and $var1$"),
            call("var3", a={"b": ["$var2.x$"]}, c="$var1.y[0]$"),
            call(None, a="$30-$90"),
            call("var3"),
        )
    )
    assert read.levels() == {"var1": 1, "var2": 2, "var3": 3, "var4": 1, "var5": 1}


def test_a_path_enters_a_list_at_its_first_element() -> None:
    response = {"a": [{"b": [1, 2]}, {"b": [3]}]}
    assert resolve(response, ("a", "b")) == [1, 2]
    assert resolve(response, ("a", "1", "b", "0")) == 3
    assert resolve(response, ()) is response
    for path in (("c",), ("a", "b", "0", "d"), ("a", "7"), ("a", "0", "b", "c")):
        with pytest.raises(LookupError):
            resolve(response, path)


def test_what_does_not_resolve_is_told_and_does_not_stop_the_plan(write: Write) -> None:
    calls = (
        call("var1", response={"x": 1}, a="$var2$"),
        call("var2", a="$var1.y$", b="$other$"),
        call(None, "var_result", z="$var1.x$", y="$var9$"),
    )
    found = score(write("a.jsonl", [plan(*calls)]), seconds=0.0001)
    assert found.unresolved == [("a", "$var2$"), ("a", "$var1.y$"), ("a", "$other$")]
    assert found.unanswered == [("a", "$var9$")]
    assert found.to_json()["answers"]["resolved"] == 1


def test_a_plan_takes_the_time_of_its_levels(write: Write) -> None:
    """Nine calls on three levels, at a call time that hides the cost of starting them."""
    calls = [call(f"a{n}") for n in range(3)]
    calls += [call(f"b{n}", a=f"$a{n}$") for n in range(3)]
    calls += [call(f"c{n}", a=f"$b{n}$") for n in range(3)]
    found = score(write("a.jsonl", [plan(*calls)]), seconds=0.1).to_json()
    assert found["speedup"]["ideal"] == 3.0
    assert 1.5 < found["speedup"]["reached"] <= 3.0


@pytest.mark.parametrize(
    "line",
    [{"id": "a"}, {"id": "a", "calls": ["f"]}, {"id": "a", "calls": [{"name": "f"}]}, plan()],
)
def test_a_sample_without_calls_is_refused(write: Write, line: Any) -> None:
    with pytest.raises(EvaluationDataError, match=r"has no list of calls|holds no calls"):
        score(write("a.jsonl", [line]))
