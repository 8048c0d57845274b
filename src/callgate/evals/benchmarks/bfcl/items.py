"""BFCL's questions, and the recorded outputs that are judged."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.bfcl.kinds import Edition
from callgate.evals.files import of_form, read_json, read_lines
from callgate.schema.values import is_array, is_object

__all__ = ["Item", "Key", "Output", "Settings", "read_items", "read_outputs", "read_settings"]

Key: TypeAlias = tuple[str, str]
"""Category and id of an item."""

_DECODE_ERROR = "DECODE_ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A question: what was offered, and the accepted answers.

    Attributes:
        functions: One definition or a list of them, as the leaderboard has it.
        answers: Names of the right calls with accepted values by argument; none where the
            category asks whether anything is called at all.
        edition: The edition whose form the question has.
    """

    functions: Any
    answers: tuple[tuple[str, Any], ...]
    edition: Edition


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What one model answered to one item.

    Attributes:
        decoded: What the output was decoded to; usually a list of calls.
        failed: Whether it could not be decoded.
        is_decoded: Whether these two are known; else `raw` has to be decoded first.
        raw: The text or structure as it was recorded, None if it is not known.
        verdict: Whether the leaderboard accepted it, None if it is not known.
        error: The leaderboard's error type, None where it accepted.
        missing: Whether there is no output, such as after an error of the model's server.
    """

    decoded: Any = None
    failed: bool = False
    is_decoded: bool = False
    raw: Any = None
    verdict: bool | None = None
    error: str | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the leaderboard sets per model.

    Attributes:
        underscored: Models whose interface takes no dots in names.
        known: Models that the file speaks of.
        decoders: Names of decoders by model, for recorded text of another style.
        scores: Published numbers of right items and of items, by model and category.
    """

    underscored: Collection[str]
    known: Collection[str]
    decoders: Mapping[str, str]
    scores: Mapping[str, Mapping[str, tuple[int, int]]]

    def underscores(self, model: str, edition: Edition) -> bool:
        """Tell whether right names of a model have underscores for dots.

        In the newer edition that is usual, so a model of which the file says nothing has them.
        """
        return model in self.underscored or (edition is Edition.V4 and model not in self.known)


def read_settings(path: Path) -> Settings:
    """Read the official settings per model.

    Raises:
        EvaluationDataError: The file cannot be read or is not of its form.
    """
    value = read_json(path)
    if not is_object(value):
        raise EvaluationDataError(f"{path.name}: expected a JSON object")
    names = value.get("underscore_to_dot_models", [])
    # The newer edition's file holds the scores alone.
    scores = value.get("scores", {} if "underscore_to_dot_models" in value else value)
    decoders = value.get("decoders", {})
    if not (
        is_array(names)
        and is_object(scores)
        and is_object(decoders)
        and all(isinstance(name, str) for name in [*names, *decoders.values()])
    ):
        raise EvaluationDataError(
            f"{path.name}: `underscore_to_dot_models` must be a list of models, `scores` and "
            "`decoders` objects by model, a decoder the name of one"
        )
    says = "underscore_to_dot_models" in value
    return Settings(
        underscored=frozenset(names),
        known=frozenset(scores) if says else frozenset(),
        decoders=decoders,
        scores={model: _sums(model, published, path) for model, published in scores.items()},
    )


def _sums(model: str, published: Any, path: Path) -> dict[str, tuple[int, int]]:
    with of_form(f"{path.name}: `scores` of {model!r}"):
        return {name: (int(right), int(total)) for name, (right, total) in published.items()}


def read_items(path: Path) -> dict[Key, Item]:
    """Read the questions with their answers.

    Raises:
        EvaluationDataError: The file cannot be read, or an item lacks what it is judged by.
    """
    return {_key(line, path): _item(line, path) for line in read_lines(path)}


def read_outputs(path: Path, *, recorded: bool = False) -> Iterator[tuple[Key, dict[str, Output]]]:
    """Yield the outputs of every item by model: recorded ones, or decoded ones with verdicts.

    Args:
        path: The file.
        recorded: Whether decoded calls are put aside where the recorded output stands beside them.

    Raises:
        EvaluationDataError: The file cannot be read or is not of its form.
    """
    for line in read_lines(path):
        key = _key(line, path)
        outputs = line.get("outputs")
        if not is_object(outputs):
            raise EvaluationDataError(f"{path.name}: item {key[1]!r} has no object `outputs`")
        yield key, {model: _output(came, recorded=recorded) for model, came in outputs.items()}


def _key(line: Mapping[str, Any], path: Path) -> Key:
    key = line.get("category"), line.get("id")
    if not all(isinstance(part, str) for part in key):
        raise EvaluationDataError(f"{path.name}: a line lacks the texts `category` and `id`")
    return cast("Key", key)


def _item(line: Mapping[str, Any], path: Path) -> Item:
    category, name = _key(line, path)
    functions = line.get("function")
    offered: list[Any] = functions if is_array(functions) else [functions]
    if not all(is_object(one) and isinstance(one.get("name"), str) for one in offered):
        raise EvaluationDataError(
            f"{path.name}: item {name!r} offers no function: `function` is one with a `name`, or "
            "a list of them"
        )
    edition = Edition.V1 if isinstance(line.get("question"), str) else Edition.V4
    answer = line.get("possible_answer")
    if "relevance" in category:
        return Item(functions=functions, answers=(), edition=edition)
    if not answer or not (is_object(answer) or is_array(answer)):
        raise EvaluationDataError(
            f"{path.name}: item {name!r} has no expectation: `possible_answer` is missing"
        )
    named = [answer] if is_object(answer) else cast("list[dict[str, Any]]", answer)
    if not all(is_object(one) for one in named):
        raise EvaluationDataError(
            f"{path.name}: item {name!r}: `possible_answer` holds accepted values by function"
        )
    pairs = tuple(pair for one in named for pair in one.items())
    return Item(functions=functions, answers=pairs, edition=edition)


def _output(came: Any, *, recorded: bool) -> Output:
    if came is None:
        return Output(missing=True)
    if not _is_verdict(came):
        return Output(raw=came)
    if recorded and len(came) > 3:
        return Output(raw=came[3], verdict=bool(came[0]), error=came[1])
    failed = came[2] == _DECODE_ERROR
    return Output(
        decoded=None if failed else _restored(came[2]),
        failed=failed,
        is_decoded=True,
        raw=came[3] if len(came) > 3 else None,
        verdict=bool(came[0]),
        error=came[1],
    )


def _is_verdict(came: Any) -> bool:
    """Tell a verdict `[0 or 1, error type or null, calls, ...]` from a recorded structure."""
    return (
        is_array(came)
        and len(came) >= 3
        and isinstance(came[0], int)
        and came[0] in (0, 1)
        and (came[1] is None or isinstance(came[1], str))
    )


def _restored(value: Any) -> Any:
    """Give tuples back that JSON cannot hold."""
    if is_array(value):
        return [_restored(item) for item in value]
    if is_object(value):
        if value.keys() == {"__tuple__"}:
            return tuple(_restored(item) for item in value["__tuple__"])
        return {key: _restored(item) for key, item in value.items()}
    return value
