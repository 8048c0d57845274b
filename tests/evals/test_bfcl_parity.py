"""BFCL's published verdicts on recorded outputs of real models, item by item."""

import ast
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest

from callgate.evals.benchmarks.bfcl.decode import DECODERS
from callgate.evals.benchmarks.bfcl.score import Scoring, score
from callgate.evals.files import read_json, read_lines
from tests.conftest import ROOT
from tests.evals.conftest import Write


def scored(
    evals: Path,
    questions: str,
    outputs: str,
    models: Path | None = None,
    verdicts: Path | None = None,
) -> Scoring:
    return score(evals / questions, evals / outputs, models=models, verdicts=verdicts)


def test_every_verdict_of_the_first_edition_is_the_official_one(evals: Path) -> None:
    found = scored(evals, "bfcl_v1_questions.jsonl.gz", "bfcl_v1_verdicts.jsonl.gz")
    models = read_json(evals / "bfcl_v1_scores.json")["scores"]
    tally = found.tally
    assert tally.items == tally.compared == 1_390 * len(models)
    assert (tally.differences, tally.examples, found.unlike) == (0, [], ())
    assert found.compared == 7 * len(models)


def test_every_verdict_of_the_fourth_edition_is_the_official_one(evals: Path) -> None:
    found = scored(
        evals,
        "bfcl_v4_questions.jsonl.gz",
        "bfcl_v4_verdicts.jsonl.gz",
        models=evals / "bfcl_v4_scores.json",
    )
    assert found.tally.compared == found.tally.items == 3 * 3_641
    assert (found.tally.differences, found.unlike) == (0, ())
    assert found.compared == 3 * 13


def test_recorded_calls_of_the_fourth_edition_are_read_as_the_leaderboard_reads_them(
    evals: Path,
) -> None:
    """Nothing has to be said of these models: names without dots are usual there."""
    found = score(
        evals / "bfcl_v4_questions.jsonl.gz", evals / "bfcl_v4_verdicts.jsonl.gz", recorded=True
    )
    assert set(found.decoders.values()) == {"native"}
    assert found.tally.compared == 3 * 3_641
    assert (found.tally.differences, found.tally.examples) == (0, [])


@pytest.fixture(scope="module")
def recorded(evals: Path) -> Scoring:
    """Recorded text and structures, read without a word about any model."""
    return scored(
        evals,
        "bfcl_v1_questions.jsonl.gz",
        "bfcl_v1_raw.jsonl.gz",
        verdicts=evals / "bfcl_v1_verdicts.jsonl.gz",
    )


def test_native_calls_are_read_as_the_leaderboard_reads_them(recorded: Scoring) -> None:
    native = [model for model, name in recorded.decoders.items() if name == "native"]
    assert len(native) >= 7
    assert {recorded.tally.different[model] for model in native} == {0}


def test_the_style_of_other_models_is_seen_from_their_outputs(recorded: Scoring) -> None:
    styles = set(recorded.decoders.values())
    assert {"text-semicolons", "tool-call-lines"} <= styles
    assert recorded.tally.differences < 0.005 * recorded.tally.compared


def _standard(evals: Path) -> set[str]:
    """Models whose every text that was decoded is the standard one, by the data alone."""
    verdicts = read_lines(evals / "bfcl_v1_verdicts.jsonl.gz")
    others: set[str] = set()
    models: set[str] = set()
    for raw, verdict in zip(read_lines(evals / "bfcl_v1_raw.jsonl.gz"), verdicts, strict=True):
        for model, text in raw["outputs"].items():
            models.add(model)
            decoded = verdict["outputs"][model][2]
            if not isinstance(text, str) or (
                decoded != "DECODE_ERROR" and not text.strip().startswith("[")
            ):
                others.add(model)
    return models - others


def test_the_standard_text_is_read_as_the_leaderboard_reads_it(
    evals: Path, recorded: Scoring
) -> None:
    standard = _standard(evals)
    assert len(standard) >= 4
    assert {model: recorded.tally.different[model] for model in standard} == dict.fromkeys(
        standard, 0
    )


def test_other_styles_have_decoders_of_their_own(
    evals: Path, recorded: Scoring, write: Write
) -> None:
    """For every model one of the named decoders reads nearly all as the leaderboard does."""
    best = {m: count for m, count in recorded.tally.different.items() if count}
    lines = islice(read_lines(evals / "bfcl_v1_raw.jsonl.gz"), 0, None, 40)
    some = write(
        "raw.jsonl.gz",
        ({**x, "outputs": {m: o for m, o in x["outputs"].items() if m in best}} for x in lines),
    )
    for name in set(DECODERS) - {"native", "text"}:
        found = score(
            evals / "bfcl_v1_questions.jsonl.gz",
            some,
            models=evals / "bfcl_v1_scores.json",
            verdicts=evals / "bfcl_v1_verdicts.jsonl.gz",
            decoders=dict.fromkeys(best, name),
        )
        best = {model: min(count, found.tally.different[model]) for model, count in best.items()}
    assert max(best.values()) <= 1


def test_memory_does_not_grow_with_the_outputs(evals: Path, write: Write) -> None:
    """Twenty times the outputs take the memory of the questions and no more."""
    lines = islice(read_lines(evals / "bfcl_v1_verdicts.jsonl.gz"), 20)
    some = [{**x, "outputs": dict(islice(x["outputs"].items(), 3))} for x in lines]
    questions = write("q.jsonl.gz", islice(read_lines(evals / "bfcl_v1_questions.jsonl.gz"), 20))
    peaks: list[int] = []
    for copies in (2, 40):
        outputs = write(f"{copies}.jsonl.gz", some * copies)
        tracemalloc.start()
        score(questions, outputs, models=evals / "bfcl_v1_scores.json")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_no_model_and_no_item_is_named_in_the_code(evals: Path) -> None:
    scores = [read_json(evals / f"bfcl_{edition}_scores.json") for edition in ("v1", "v4")]
    names = set(scores[0]["scores"]) | set(scores[1])
    for file in ("bfcl_v1_questions.jsonl.gz", "bfcl_v4_questions.jsonl.gz"):
        names |= {line["id"] for line in read_lines(evals / file)}
    families = ("claude", "gpt-4", "gpt-oss", "gemini", "mistral", "llama", "hermes", "nexus")
    for path in sorted((ROOT / "src/callgate/evals").rglob("*.py")):
        tree = ast.parse(path.read_text())
        texts = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)]
        told = [text for text in texts if isinstance(text, str)]
        if path.parent.name == "sets":
            # Where data are to be had: names of files, which no scorer reads.
            told = [text for text in told if not text.endswith(".json")]
        assert not names & {word for text in told for word in text.split()}, path
        assert not [t for t in told for family in families if family in t.lower()], path
