"""BFCL's files: what an item or an output may look like, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import EvaluationDataError, SettingsError
from callgate.evals.benchmarks.bfcl.items import read_settings
from callgate.evals.benchmarks.bfcl.score import score
from callgate.evals.tally import Difference
from tests.evals.conftest import Write, described

QUESTION = {
    "category": "simple",
    "id": "a",
    "question": "?",
    "function": described("m.add", x="integer"),
    "possible_answer": {"m.add": {"x": [1]}},
}


def outputs(value: Any) -> dict[str, Any]:
    return {"category": "simple", "id": "a", "outputs": {"one": value}}


@pytest.fixture
def files(write: Write) -> Callable[..., tuple[Path, Path]]:
    def make(value: Any, question: Any = QUESTION, settings: Any = None) -> tuple[Path, Path]:
        said = {"underscore_to_dot_models": []} if settings is None else settings
        write("bfcl_v1_scores.json", [said])
        return write("q.jsonl", [question]), write("o.jsonl.gz", [outputs(value)])

    return make


Files = Callable[..., tuple[Path, Path]]


def test_settings_per_model_are_looked_for_beside_the_outputs(files: Files) -> None:
    verdict = [1, None, [{"m_add": {"x": 1}}]]
    assert score(*files(verdict)).tally.errors["one"] == {
        "simple_function_checker:wrong_func_name": 1
    }
    found = score(*files(verdict, settings={"underscore_to_dot_models": ["one"], "scores": {}}))
    assert found.tally.differences == 0


def test_a_difference_is_told_with_both_verdicts(files: Files) -> None:
    found = score(*files([0, "value_error:string", [{"m.add": {"x": 2}}]]))
    expected = Difference(
        model="one",
        category="simple",
        id="a",
        ours="value_error:others",
        official="value_error:string",
    )
    assert found.tally.examples == [expected]
    told = found.to_json()
    assert (told["items"], told["compared"], told["differences"]) == (1, 1, 1)
    assert told["differences_by_model"] == {"one": 1}
    assert told["accuracy"]["one"]["simple"]["accuracy"] == 0.0


def test_published_sums_are_compared_too(files: Files) -> None:
    settings = {"underscore_to_dot_models": [], "scores": {"one": {"simple": [0, 1]}}}
    found = score(*files("[m.add(x=1)]", settings=settings))
    assert (found.compared, found.unlike) == (1, ("one: simple",))


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        ("[m.add(x=1)]", "called"),
        ([{"m.add": '{"x": 1}'}], "called"),
        ([], "abstained"),
        ("I cannot add (or subtract).", "abstained"),
        ("m.add(x=1", "unparsable"),
        ('{"name": "m_add", "arguments": {"x": 1}}', "unparsable"),
        ([0, "ast_decoder:decoder_failed", "DECODE_ERROR"], "unparsable"),
    ],
)
def test_an_output_is_a_call_an_abstention_or_cannot_be_read(
    files: Files, raw: Any, outcome: str
) -> None:
    assert score(*files(raw)).tally.outcomes["one"] == {outcome: 1}


def test_decoders_are_settings(files: Files) -> None:
    raw = "m.add(x=1);"
    assert score(*files("[m.add(x=1)]")).decoders == {"one": "text"}
    assert score(*files(raw)).decoders == {"one": "text-semicolons"}
    assert score(*files(raw), decoders={"one": "text"}).tally.outcomes["one"] == {"unparsable": 1}
    named = {"underscore_to_dot_models": [], "decoders": {"one": "text-semicolons"}}
    assert score(*files(raw, settings=named)).tally.accuracy["one"]["simple"].right == 1
    chosen = score(*files(raw), decoders={"*": "text-semicolons"})
    assert chosen.tally.accuracy["one"]["simple"].right == 1
    with pytest.raises(SettingsError, match="There is no decoder 'guess'; there are: native, "):
        score(*files(raw), decoders={"one": "guess"})


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ({"possible_answer": None}, "item 'a' has no expectation: `possible_answer` is missing"),
        ({"function": "add"}, "item 'a' offers no function"),
        ({"category": 1}, "a line lacks the texts `category` and `id`"),
        ({"id": "b"}, "the questions hold no item 'a'"),
        (
            {"function": {"name": "m.add"}},
            "item 'a': its function or answer is not of the official",
        ),
        ({"function": described("m.add", x="number")}, "item 'a': its function or answer is not"),
    ],
)
def test_an_item_that_cannot_be_judged_is_named(files: Files, question: Any, told: str) -> None:
    with pytest.raises(EvaluationDataError) as caught:
        score(*files([1, None, [{"m.add": {"x": 1}}]], {**QUESTION, **question}))
    assert told in caught.value.message


def test_outputs_and_settings_of_another_form_are_refused(
    files: Files, write: Write, tmp_path: Path
) -> None:
    questions, _ = files(None)
    bare = write("bare.jsonl", [{"category": "simple", "id": "a"}])
    with pytest.raises(EvaluationDataError, match="item 'a' has no object `outputs`"):
        score(questions, bare)
    with pytest.raises(EvaluationDataError, match="cannot be read"):
        score(questions, bare, models=tmp_path / "gone.json")
    for value in ([1], {"underscore_to_dot_models": "one"}):
        with pytest.raises(EvaluationDataError, match=r"expected a JSON object|must be a list"):
            read_settings(write("s.json", [value]))


def test_no_outputs_are_no_items(files: Files, write: Write) -> None:
    questions, _ = files(None)
    assert score(questions, write("none.jsonl", [])).to_json()["items"] == 0


def test_a_tuple_is_restored_from_its_json(files: Files) -> None:
    question = {
        **QUESTION,
        "function": described("m.add", x={"type": "tuple", "items": {"type": "integer"}}),
    }
    question["possible_answer"] = {"m.add": {"x": [[1, 2]]}}
    verdict = [1, None, [{"m.add": {"x": {"__tuple__": [1, 2]}}}]]
    assert score(*files(verdict, question)).tally.differences == 0
