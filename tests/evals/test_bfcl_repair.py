"""What repair does to verdicts: on real outputs nothing is lost, on small ones it is seen why."""

from pathlib import Path
from typing import Any

import pytest

from callgate.evals.benchmarks.bfcl.repair import Repairs, measure
from tests.evals.conftest import Write, described


@pytest.mark.parametrize("edition", ["v1", "v4"])
def test_repair_gains_items_of_real_models_and_loses_none(evals: Path, edition: str) -> None:
    found = measure(
        evals / f"bfcl_{edition}_questions.jsonl.gz", evals / f"bfcl_{edition}_verdicts.jsonl.gz"
    )
    assert found.lost == []
    assert len(found.gained) >= 7
    assert len(found.runs) >= 3


QUESTION = {
    "category": "simple_python",
    "id": "a",
    "question": [],
    "function": [
        described("m.add", x={"type": "array", "items": {"type": "integer"}}, y="integer")
    ],
    "possible_answer": [{"m.add": {"x": [[1]], "y": [2]}}],
}
RIGHT = '{"x": [1], "y": 2}'


@pytest.fixture
def repaired(write: Write) -> Any:
    def run(raw: Any, **change: Any) -> Repairs:
        question = {**QUESTION, **change}
        outputs = {"category": question["category"], "id": "a", "outputs": {"one": raw}}
        settings = write("s.json", [{"underscore_to_dot_models": ["one"]}])
        return measure(write("q.jsonl", [question]), write("o.jsonl", [outputs]), models=settings)

    return run


@pytest.mark.parametrize(
    ("raw", "gained", "kinds"),
    [
        ([{"m_add": RIGHT}], [], {}),
        ([{"m_add": '{"x": [1], "y": 2.0}'}], ["type_error:simple"], {"integral_float": 1}),
        ([{"m_add": '{"x": 1, "y": 2}'}], ["type_error:simple"], {"wrapped_in_array": 1}),
        ([{"m_add": '{"y": 2, "x": [1]'}], ["ast_decoder:decoder_failed"], {"missing_closers": 1}),
        ([{"m_add": '{"x": [1], "y": 2'}], [], {}),
        ([{"m_add": '{"x": [1], "y": "two"}'}], [], {}),
        ([{"m_add": '{"x": [1], "y": 2, "z": }'}], [], {}),
        ([{"other": '{"x": 1'}], [], {}),
        ([{"other": '{"x": 1}'}], [], {}),
        ("[m_add(x=1, y=2)]", ["type_error:simple"], {"wrapped_in_array": 1}),
        ("[m_add(x=1, y=2", [], {}),
        ([0, "ast_decoder:decoder_wrong_output_format", ["m_add()"]], [], {}),
        ([0, "simple_function_checker:wrong_count", []], [], {}),
        ([0, "x", [{"m_add": {"x": {"__tuple__": [1]}, "y": 2}}]], [], {}),
    ],
)
def test_a_repaired_call_is_judged_again(
    repaired: Any, raw: Any, gained: list[str], kinds: dict[str, int]
) -> None:
    found = repaired(raw)
    assert ([error for _, _, error in found.gained], found.lost) == (gained, [])
    assert dict(found.kinds) == kinds


def test_a_repair_that_loses_an_item_is_told(repaired: Any) -> None:
    """Here the accepted value is one that the declared type does not have."""
    answer = [{"m.add": {"x": [["1"]], "y": [2]}}]
    found = repaired([{"m_add": '{"x": ["1"], "y": 2}'}], possible_answer=answer)
    assert found.gained == []
    assert found.lost == [("one", "a", "value_error:list/tuple")]
    assert found.to_json(seed=1)["lost"] == 1


def test_whether_anything_was_called_is_no_matter_of_arguments(repaired: Any) -> None:
    found = repaired([{"m_add": '{"x": [1'}], category="irrelevance")
    assert (found.gained, found.lost) == ([], [])


def test_the_report_has_an_interval_per_model(repaired: Any) -> None:
    told = repaired([{"m_add": '{"x": [1], "y": 2.0}'}]).to_json(seed=3)
    assert (told["items"], told["gained"], told["lost"], told["seed"]) == (1, 1, 0, 3)
    assert told["models"]["one"] == {
        "items": 1,
        "gained": 1,
        "lost": 0,
        "before": 0.0,
        "after": 1.0,
        "delta": 1.0,
        "interval": [1.0, 1.0],
        "gained_interval": [0.206549, 1.0],
        "p": 1.0,
    }
    assert told["examples"] == {"gained": [["one", "a", "type_error:simple"]], "lost": []}
