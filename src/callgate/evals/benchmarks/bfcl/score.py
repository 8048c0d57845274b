"""Judges recorded outputs by BFCL's rules and compares with the published verdicts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.bfcl.check import Rules, check_calls, is_call_format
from callgate.evals.benchmarks.bfcl.decode import decode
from callgate.evals.benchmarks.bfcl.items import (
    Item,
    Key,
    Output,
    Settings,
    read_items,
    read_outputs,
    read_settings,
)
from callgate.evals.benchmarks.bfcl.kinds import Edition, Language
from callgate.evals.benchmarks.bfcl.styles import choose_decoders
from callgate.evals.benchmarks.bfcl.syntax import DecodeError
from callgate.evals.tally import Coverage, Difference, Outcome, Tally
from callgate.schema.values import is_array

__all__ = ["Judged", "Scoring", "judge", "judged", "score"]

DEFAULT_SETTINGS = "bfcl_v1_scores.json"
"""The file of official settings that is looked for beside the outputs."""

MISSING = "missing"
"""Stands for the error type of an item without an output; the leaderboard has none."""

Outputs: TypeAlias = Iterator[tuple[Key, dict[str, Output]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One output and our verdict.

    Attributes:
        key: Category and id of the item.
        item: What was asked.
        model: Whose output it is.
        output: What came, decoded.
        error: Our error type, None if it is right; `MISSING` where there is no output.
        underscored: Whether right names of the model have underscores for dots.
    """

    key: Key
    item: Item
    model: str
    output: Output
    error: str | None
    underscored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What a scoring found.

    Attributes:
        tally: Our verdicts, and those that differ from official ones.
        decoders: The decoder of every model whose outputs came undecoded.
        compared: Published sums, one a model and category, that stood beside ours.
        unlike: Those of them that differ, as `model: category`.
    """

    tally: Tally
    decoders: Mapping[str, str]
    compared: int
    unlike: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        scores = {"compared": self.compared, "unlike": list(self.unlike)}
        return {**self.tally.to_json(), "decoders": dict(self.decoders), "scores": scores}


def score(
    questions: Path,
    outputs: Path,
    *,
    models: Path | None = None,
    verdicts: Path | None = None,
    decoders: Mapping[str, str] | None = None,
    recorded: bool = False,
) -> Scoring:
    """Judge every output; outputs are read one item at a time.

    An output that is null counts as failed; an item that stands in no line is told, not counted.

    Args:
        questions: The items with accepted answers.
        outputs: What models answered: recorded text or structures, or decoded calls.
        models: The official settings per model; defaults to `bfcl_v1_scores.json` beside the
            outputs.
        verdicts: The official verdicts, if they do not stand in the outputs themselves.
        decoders: Names of decoders for recorded text by model, `*` for every other model; by
            default those of the settings, else those whose style the outputs have.
        recorded: Whether recorded outputs are decoded anew where decoded ones stand beside them.

    Raises:
        EvaluationDataError: A file is absent, damaged or not of its form.
        SettingsError: There is no decoder of that name.
    """
    settings = read_settings(models or outputs.parent / DEFAULT_SETTINGS)
    named = {**settings.decoders, **(decoders or {})}
    chosen = choose_decoders(outputs, named, recorded=recorded)
    official = _official(verdicts) if verdicts else None
    items = read_items(questions)
    tally, coverage = Tally(), Coverage(items)
    for one in judged(items, outputs, settings, chosen, recorded=recorded):
        coverage.add(one.model, one.key)
        if one.output.missing:
            tally.miss(one.model, one.key[0])
            continue
        tally.add(one.model, one.key[0], one.error, _outcome(one))
        _compare(one, one.output if official is None else official(one.key, one.model), tally)
    tally.note(coverage)
    compared, unlike = _sums(tally, settings)
    return Scoring(tally=tally, decoders=chosen, compared=compared, unlike=unlike)


def judged(
    items: Mapping[Key, Item],
    outputs: Path,
    settings: Settings,
    decoders: Mapping[str, str],
    *,
    recorded: bool = False,
) -> Iterator[Judged]:
    """Yield a verdict for every output of a file.

    Args:
        items: The questions.
        outputs: The file.
        settings: The official settings per model.
        decoders: The decoder of every model whose outputs are not decoded.
        recorded: As in `score`.

    Raises:
        EvaluationDataError: An item is not among the questions or not of the official form.
    """
    for key, by_model in read_outputs(outputs, recorded=recorded):
        item = items.get(key)
        if item is None:
            raise EvaluationDataError(f"{outputs.name}: the questions hold no item {key[1]!r}")
        for model, came in by_model.items():
            output = came
            if not came.is_decoded and not came.missing:
                output = _decoded(came, _decoder(model, decoders, key, outputs), key[0], item)
            underscored = settings.underscores(model, item.edition)
            error = judge(item, key, output, underscored=underscored)
            yield Judged(
                key=key,
                item=item,
                model=model,
                output=output,
                error=error,
                underscored=underscored,
            )


def judge(item: Item, key: Key, output: Output, *, underscored: bool) -> str | None:
    """Return the official error type of a decoded output, or None if it is right.

    Args:
        item: What was asked.
        key: Its category and id.
        output: What came, decoded.
        underscored: Whether right names have underscores for dots.

    Raises:
        EvaluationDataError: The item's function or answer is not of the leaderboard's form.
    """
    category, name = key
    if output.missing:
        return MISSING
    if "relevance" in category:
        return _relevance(category, item.edition, called=_is_called(output, item.edition))
    if output.failed:
        return "ast_decoder:decoder_failed"
    if not is_call_format(output.decoded, item.edition):
        return "ast_decoder:decoder_wrong_output_format"
    rules = Rules(edition=item.edition, language=Language.of(category), underscored=underscored)
    try:
        return check_calls(output.decoded, item.functions, item.answers, category, rules)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise EvaluationDataError(
            f"item {name!r}: its function or answer is not of the official form: "
            f"{type(error).__name__}: {error}"
        ) from error


def _is_called(output: Output, edition: Edition) -> bool:
    decoded = output.decoded
    return not output.failed and is_call_format(decoded, edition) and decoded not in ([], [{}])


def _relevance(category: str, edition: Edition, *, called: bool) -> str | None:
    if edition is Edition.V1:
        return "relevance_error:decoder_success" if called else None
    if "irrelevance" in category:
        return "irrelevance_error:decoder_success" if called else None
    return None if called else "relevance_error:decoder_failed"


# ------------------------------------------------------------------ decoding


def _decoder(model: str, decoders: Mapping[str, str], key: Key, outputs: Path) -> str:
    if model not in decoders:
        # The first item's outputs say what the file holds.
        raise EvaluationDataError(
            f"{outputs.name}: item {key[1]!r}: the output of {model!r} is no verdict "
            "`[0 or 1, error type or null, calls]`, as those of the first item are"
        )
    return decoders[model]


def _decoded(came: Output, decoder: str, category: str, item: Item) -> Output:
    language = Language.of(category)
    try:
        value = decode(decoder, came.raw, language=language, edition=item.edition)
    except DecodeError:
        return replace(came, failed=True, is_decoded=True)
    return replace(came, decoded=value, is_decoded=True)


# ------------------------------------------------------------------ counting


def _outcome(one: Judged) -> Outcome:
    output = one.output
    if _is_called(output, one.item.edition):
        return Outcome.CALLED
    if not output.failed and output.decoded in ([], [{}]):
        return Outcome.ABSTAINED
    if isinstance(output.raw, str) and not _names_a_function(output.raw, one.item.functions):
        return Outcome.ABSTAINED
    return Outcome.UNPARSABLE


def _names_a_function(text: str, functions: Any) -> bool:
    """Tell whether a text tries a call: an offered name before a bracket, or in quotes."""
    names = {f["name"] for f in (functions if is_array(functions) else [functions])}
    either = "|".join(re.escape(name) for name in names | {n.replace(".", "_") for n in names})
    return re.search(rf"(?<![\w.])(?:{either})\s*\(|[\"'](?:{either})[\"']", text) is not None


def _compare(one: Judged, official: Output | None, tally: Tally) -> None:
    if official is None or official.verdict is None:
        return
    difference = Difference(
        model=one.model,
        category=one.key[0],
        id=one.key[1],
        ours=one.error,
        official=official.error,
    )
    same = (one.error is None) == official.verdict and one.error == official.error
    tally.compare(difference, same=same)


def _official(path: Path) -> Callable[[Key, str], Output | None]:
    """Return a look-up of official verdicts; of each, two small values stay in memory."""
    known: dict[Key, dict[str, Output]] = {}
    for key, by_model in read_outputs(path):
        known[key] = {
            model: Output(verdict=output.verdict, error=output.error)
            for model, output in by_model.items()
        }

    def find(key: Key, model: str) -> Output | None:
        return known.get(key, {}).get(model)

    return find


def _sums(tally: Tally, settings: Settings) -> tuple[int, tuple[str, ...]]:
    compared, unlike = 0, list[str]()
    for model, shares in tally.accuracy.items():
        published = settings.scores.get(model, {})
        for category, share in shares.items():
            if category in published:
                compared += 1
                if (share.right, share.total) != published[category]:
                    unlike.append(f"{model}: {category}")
    return compared, tuple(unlike)
