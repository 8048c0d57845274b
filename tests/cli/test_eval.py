from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.scored import FILES, put


@pytest.fixture
def files(project: Path) -> Path:
    for name, lines in FILES.items():
        put(project, name, lines)
    return project


BFCL = ("eval", "score", "bfcl", "--questions", "q.jsonl")


@pytest.mark.usefixtures("files")
def test_a_difference_is_shown_and_fails_only_a_strict_scoring(callgate: Command) -> None:
    done = callgate(*BFCL, "--outputs", "o.jsonl")
    assert done.code == 0
    assert done.out.splitlines()[-1] == "1 items, 1 compared: 1 differ"
    assert done.out.splitlines()[1].split()[:5] == ["one", "simple_python", "0", "1", "0.000"]
    assert done.err == "one a: value_error:others, officially None\n"
    assert callgate(*BFCL, "--outputs", "o.jsonl", "--strict").code == 1


@pytest.mark.usefixtures("files")
def test_a_scoring_as_json_is_one_object(callgate: Command) -> None:
    told = callgate(*BFCL, "--outputs", "o.jsonl", "--json").json
    assert (told["items"], told["differences"]) == (1, 1)
    assert told["accuracy"]["one"]["simple_python"]["right"] == 0


@pytest.mark.usefixtures("files")
def test_a_decoder_is_named_for_all_models_or_for_one(callgate: Command) -> None:
    for option in ("text", "one=text"):
        told = callgate(*BFCL, "--outputs", "raw.jsonl", "--decoder", option, "--json").json
        assert told["decoders"] == {"one": "text"}
    wrong = callgate(*BFCL, "--outputs", "raw.jsonl", "--decoder", "=text")
    assert (wrong.code, wrong.out) == (2, "")
    assert wrong.err.startswith("settings: --decoder takes NAME or MODEL=NAME")


@pytest.mark.usefixtures("files")
def test_a_file_that_cannot_be_read_is_one_line(callgate: Command) -> None:
    done = callgate(*BFCL, "--outputs", "gone.jsonl")
    assert (done.code, done.out) == (1, "")
    assert done.err == "evaluation_data: gone.jsonl: cannot be read: No such file or directory\n"
    told = callgate(*BFCL, "--outputs", "gone.jsonl", "--json").json
    assert told["error"]["code"] == "evaluation_data"


SCORINGS = [
    (("repair", "--questions", "q.jsonl", "--outputs", "raw.jsonl"), "1 items: 1 gained, 0 lost"),
    (("nested", "--data", "nested.jsonl", "--seconds", "0.001"), "items: 1"),
    (("api-bank", "--items", "bank.jsonl"), "gold: 1 of 1 right, 0 missing"),
    (("seal-tools", "--queries", "seal.jsonl"), "gold: 1 of 1 right, 0 missing"),
    (
        ("toolbench", "--queries", "apis.jsonl", "--outputs", "used.jsonl"),
        "one: 1 items, 0 missing, precision 1.0, recall 1.0, F1 1.0, pass rate 1.0\ntwo: ",
    ),
    (("toolbench", "--queries", "apis.jsonl"), "F1 1.0, pass rate not judged"),
    (("retrieval", "--tools", "tools.jsonl", "--queries", "need.jsonl"), "recall@1: 1.0"),
    (
        ("tau2", "--tasks", "tasks.jsonl", "--db", "db.json", "--trajectories", "results.json"),
        "compared: 1\ndifferences: 0\nmissing: 0\nunfinished: 0\nunjudged: 0\nreward: 1.0\n",
    ),
    (("tau2", "--tasks", "tasks.jsonl", "--db", "db.json"), "unjudged: 1\nreward: 1.0\n"),
    (("tau-airline", "--trajectories", "tau.jsonl", "--db", "db.json"), "differences: 1"),
]


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(("arguments", "line"), SCORINGS, ids=[a[0] for a, _ in SCORINGS])
def test_every_scoring_tells_its_numbers_in_lines_and_as_json(
    callgate: Command, arguments: tuple[str, ...], line: str
) -> None:
    done = callgate("eval", "score", *arguments)
    assert done.code == 0
    assert line in done.out
    told = callgate("eval", "score", *arguments, "--json").json
    assert told["items"] == 1


@pytest.mark.usefixtures("files")
def test_multi_turn_without_environments_says_how_to_get_them(callgate: Command) -> None:
    arguments = ("--questions", "q.jsonl", "--outputs", "o.jsonl", "--environments", "none")
    done = callgate("eval", "score", "bfcl-multi-turn", *arguments)
    assert (done.code, done.out) == (1, "")
    assert "make it: pip install --no-deps --target FOLDER bfcl-eval==2026.3.23" in done.err


@pytest.mark.usefixtures("files")
def test_outputs_are_held_to_their_hash(callgate: Command) -> None:
    done = callgate(*BFCL, "--outputs", "o.jsonl", "--sha256", "0" * 64)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("evaluation_data: o.jsonl: its SHA-256 is ")
