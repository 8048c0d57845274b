"""BFCL's multi-turn items: official verdicts on real trajectories, and the rules on small ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.bfcl import multi_turn
from tests.conftest import ROOT
from tests.evals.conftest import Write


@pytest.fixture(scope="module")
def folder() -> Path:
    """The environments, as `make environments` put them."""
    path = ROOT / ".cache/bfcl-eval"
    if not (path / "bfcl_eval").is_dir():
        pytest.skip("needs bfcl-eval: make environments")
    return path


def test_every_verdict_is_the_official_one_also_the_second_time(evals: Path, folder: Path) -> None:
    questions = evals / "bfcl_v4_multi_turn_questions.jsonl.gz"
    first, second = (
        multi_turn.score(questions, evals / "bfcl_v4_multi_turn_base.jsonl.gz", folder=folder)
        for _ in range(2)
    )
    assert first.items == first.compared == 3 * 200
    assert (first.differences, first.examples) == (0, [])
    assert second.to_json() == first.to_json()


ITEM: dict[str, Any] = {
    "id": "multi_turn_base_x",
    "initial_config": {
        "GorillaFileSystem": {"root": {"home": {"type": "directory", "contents": {}}}}
    },
    "involved_classes": ["GorillaFileSystem"],
    "ground_truth": [["mkdir(dir_name='a')"], [], ["cd('a')", "pwd()"]],
}
GOOD = [[[{"mkdir": '{"dir_name": "a"}'}]], [], [[{"cd": '{"folder": "a"}'}, {"pwd": "{}"}], []]]


MISMATCH = "multi_turn:instance_state_mismatch"
RESPONSE = "multi_turn:execution_response_mismatch"
EMPTY = "multi_turn:empty_turn_model_response"

TRAJECTORIES: list[tuple[str, Any, str | None]] = [
    ("right, with one step that says nothing", GOOD, None),
    ("no answer", "Error", "multi_turn:inference_error"),
    ("cut off", GOOD[:2], "multi_turn:force_terminated"),
    ("nothing done in a turn", [[[]], *GOOD[1:]], EMPTY),
    ("a call that cannot be read takes its step away", [[["mkdir"]], *GOOD[1:]], EMPTY),
    ("arguments that are no JSON", [[[{"mkdir": "{"}]], *GOOD[1:]], EMPTY),
    ("arguments that are no object", [[[{"mkdir": "[]"}]], *GOOD[1:]], EMPTY),
    ("another state", [[[{"mkdir": '{"dir_name": "b"}'}]], *GOOD[1:]], MISMATCH),
    ("a call that fails", [[[{"mkdir": '{"x": 1}'}]], *GOOD[1:]], MISMATCH),
    ("an unknown call", [[[{"open": '{"file": "x"}'}]], *GOOD[1:]], MISMATCH),
    ("a forbidden call", [[[{"remove": '{"x": NaN}'}]], *GOOD[1:]], MISMATCH),
    ("NaN has no literal", [[[{"mkdir": '{"dir_name": NaN}'}]], *GOOD[1:]], MISMATCH),
    ("a result that was not seen", [*GOOD[:2], [[{"cd": '{"folder": "a"}'}]]], RESPONSE),
    ("a call as one object and not a list", [[{"mkdir": {"dir_name": "a"}}], *GOOD[1:]], None),
    ("calls where none were needed", [GOOD[0], [[{"ls": "{}"}]], GOOD[2]], None),
]


def test_a_trajectory_is_judged_turn_by_turn(folder: Path, write: Write) -> None:
    outputs = [
        {"run": told, "id": ITEM["id"], "result": result, "valid": not error, "error_type": error}
        for told, result, error in TRAJECTORIES
    ]
    tally = multi_turn.score(write("q.jsonl", [ITEM]), write("o.jsonl", outputs), folder=folder)
    assert (tally.compared, tally.examples) == (len(TRAJECTORIES), [])


def test_a_methods_name_in_a_text_is_changed_as_the_benchmark_changes_it(
    folder: Path, write: Write
) -> None:
    """There a text with `pwd(` in it is never equal to the right one, even if it is the same."""
    write_it = """(content='pwd (x)', file_name='f')"""
    item = {**ITEM, "ground_truth": [["touch(file_name='f')", f"echo{write_it}"]]}
    arguments = '{"content": "pwd (x)", "file_name": "f"}'
    same = [[[{"touch": '{"file_name": "f"}'}, {"echo": arguments}]]]
    outputs = [{"run": "a", "id": ITEM["id"], "result": same}]
    tally = multi_turn.score(write("q.jsonl", [item]), write("o.jsonl", outputs), folder=folder)
    assert tally.errors["a"] == {MISMATCH: 1}
    assert tally.compared == 0


def test_code_in_a_trajectory_is_never_run(folder: Path, write: Write, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f"__import__('os').system('touch {mark}')"
    step = [{code: "{}"}, {"mkdir": json.dumps({"dir_name": code, f"x={code}": 1})}]
    outputs = [{"run": "a", "id": ITEM["id"], "result": [[step], [], [step]]}]
    tally = multi_turn.score(write("q.jsonl", [ITEM]), write("o.jsonl", outputs), folder=folder)
    assert tally.items == 1
    assert not mark.exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ground_truth": []}, "item 'multi_turn_base_x' has no expectation"),
        ({"ground_truth": [["f(", "g"], [], []]}, "a right call cannot be read: 'f('"),
        ({"ground_truth": [["f(a=g())"], [], []]}, "a right call cannot be read: 'f(a=g())'"),
        ({"id": "other"}, "has no item 'multi_turn_base_x'"),
        (
            {"involved_classes": ["Bank"]},
            "_base_x': the environments cannot judge it: there is no environment 'Bank'",
        ),
        ({"initial_config": {"GorillaFileSystem": {"root": 7}}}, "cannot judge it: AttributeError"),
    ],
)
def test_an_item_that_cannot_be_judged_is_told(
    folder: Path, write: Write, change: dict[str, Any], told: str
) -> None:
    questions = write("q.jsonl", [{**ITEM, **change}])
    outputs = write("o.jsonl", [{"run": "a", "id": ITEM["id"], "result": GOOD}])
    with pytest.raises(EvaluationDataError) as caught:
        multi_turn.score(questions, outputs, folder=folder)
    assert told in caught.value.message


def test_a_folder_without_environments_says_how_to_make_one(write: Write, tmp_path: Path) -> None:
    with pytest.raises(EvaluationDataError, match="holds no environments; make it: pip install"):
        multi_turn.score(write("q.jsonl", []), write("o.jsonl", []), folder=tmp_path)
