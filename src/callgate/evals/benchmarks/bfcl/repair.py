"""What validating and repairing arguments does to BFCL's verdicts: items gained, items lost.

The arguments of every call go through the same function that the call path uses. A call whose
arguments stay invalid is judged as it came: on the path the model would be told why.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from callgate.errors import ArgumentsError, DefinitionError, EvaluationDataError
from callgate.evals.benchmarks.bfcl.items import read_items, read_settings
from callgate.evals.benchmarks.bfcl.kinds import Language
from callgate.evals.benchmarks.bfcl.schema import parameters
from callgate.evals.benchmarks.bfcl.score import (
    DEFAULT_SETTINGS,
    Judged,
    judge,
    judged,
)
from callgate.evals.benchmarks.bfcl.styles import choose_decoders
from callgate.evals.files import of_form, written
from callgate.evals.statistics import compare, wilson
from callgate.schema.arguments import prepare
from callgate.schema.check import Checker
from callgate.schema.values import is_array, is_object

__all__ = ["Repairs", "Runs", "measure"]

_SHOWN = 20


@dataclass(slots=True)
class Runs:
    """The verdicts of one model over all items, as they came and with repair."""

    before: bytearray
    after: bytearray


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairs:
    """What repair changed.

    Attributes:
        runs: Verdicts by model.
        kinds: How often each kind of repair was made in a gained item.
        gained: Model, item and its error type without repair.
        lost: Model, item and its error type with repair.
    """

    runs: Mapping[str, Runs]
    kinds: Counter[str]
    gained: list[tuple[str, str, str]]
    lost: list[tuple[str, str, str]]

    def to_json(self, *, seed: int) -> dict[str, Any]:
        """Return everything as JSON values.

        Args:
            seed: What the intervals' bootstrap draws from.
        """
        models: dict[str, Any] = {}
        for model, runs in self.runs.items():
            change = compare(list(map(bool, runs.before)), list(map(bool, runs.after)), seed=seed)
            models[model] = {
                "items": change.items,
                "gained": change.gained,
                "lost": change.lost,
                "before": round(sum(runs.before) / change.items, 6),
                "after": round(sum(runs.after) / change.items, 6),
                "delta": round(change.delta, 6),
                "interval": [round(bound, 6) for bound in change.interval],
                "gained_interval": [
                    round(bound, 6) for bound in wilson(change.gained, change.items)
                ],
                "p": change.p,
            }
        return {
            "items": sum(len(runs.before) for runs in self.runs.values()),
            "gained": len(self.gained),
            "lost": len(self.lost),
            "models": models,
            "kinds": dict(self.kinds.most_common()),
            "seed": seed,
            "examples": {
                "gained": [list(one) for one in self.gained[:_SHOWN]],
                "lost": [list(one) for one in self.lost[:_SHOWN]],
            },
        }


def measure(
    questions: Path,
    outputs: Path,
    *,
    models: Path | None = None,
    decoders: Mapping[str, str] | None = None,
) -> Repairs:
    """Judge every output twice: as it came, and with its arguments validated and repaired.

    Args:
        questions: The items with accepted answers.
        outputs: What models answered, as `score` takes it.
        models: The official settings per model, as `score` takes them.
        decoders: Names of decoders by model, as `score` takes them.

    Raises:
        EvaluationDataError: A file is absent, damaged or not of its form.
        SettingsError: There is no decoder of a name.
    """
    settings = read_settings(models or outputs.parent / DEFAULT_SETTINGS)
    chosen = choose_decoders(outputs, {**settings.decoders, **(decoders or {})})
    found = Repairs(
        runs=defaultdict(lambda: Runs(bytearray(), bytearray())),
        kinds=Counter(),
        gained=[],
        lost=[],
    )
    checkers = _Checkers()
    for one in judged(read_items(questions), outputs, settings, chosen):
        error, kinds = _again(one, checkers)
        runs = found.runs[one.model]
        runs.before.append(one.error is None)
        runs.after.append(error is None)
        if one.error is not None and error is None:
            found.gained.append((one.model, one.key[1], one.error))
            found.kinds.update(kinds)
        elif one.error is None and error is not None:
            found.lost.append((one.model, one.key[1], error))
    return found


def _again(one: Judged, checkers: _Checkers) -> tuple[str | None, list[str]]:
    """Return the error type with repair, and the kinds of repairs."""
    category = one.key[0]
    # Whether anything was called is no matter of arguments.
    if "relevance" in category:
        return one.error, []
    kinds: list[str] = []
    calls = _calls(one)
    if calls is None:
        return one.error, []
    repaired = [_repaired(call, one, kinds, checkers) for call in calls]
    if not kinds or any(call is None for call in repaired):
        return one.error, []
    output = replace(one.output, decoded=repaired, failed=False)
    return judge(one.item, one.key, output, underscored=one.underscored), kinds


def _calls(one: Judged) -> list[dict[str, Any]] | None:
    """Return calls with their arguments as JSON text or objects."""
    raw = one.output.raw
    # A native structure still has the text of its arguments, which may be broken.
    if is_array(raw) and raw and all(is_object(part) and len(part) == 1 for part in raw):
        return raw
    decoded = one.output.decoded
    if one.output.failed or not is_array(decoded):
        return None
    return decoded if all(is_object(part) and len(part) == 1 for part in decoded) else None


def _repaired(
    call: dict[str, Any], one: Judged, kinds: list[str], checkers: _Checkers
) -> dict[str, Any] | None:
    """Return a call with its arguments prepared, as it came, or None if it cannot be read."""
    name, arguments = next(iter(call.items()))
    checker = checkers.of(name, one)
    try:
        if checker is not None:
            prepared = prepare(checker, arguments, effect=False)
            kinds += [repair.kind for repair in prepared.repairs]
            return {name: prepared.value}
    except (ArgumentsError, DefinitionError, TypeError):
        pass
    if not isinstance(arguments, str):
        return call
    try:
        return {name: orjson.loads(arguments)}
    except orjson.JSONDecodeError:
        return None


class _Checkers:
    """Checkers by the definition of a function; the same ones are needed again and again."""

    def __init__(self) -> None:
        self._known: dict[bytes, Checker] = {}

    def of(self, name: str, one: Judged) -> Checker | None:
        """Return the checker of a function that an item offers, by its name on the wire."""
        offered = one.item.functions
        functions: list[Any] = offered if is_array(offered) else [offered]
        for function in functions:
            own: str = function["name"]
            if name == (own.replace(".", "_") if one.underscored else own):
                where = f"item {one.key[1]!r}: its function {own!r}"
                with of_form(where):
                    schema = parameters(function, Language.of(one.key[0]))
                try:
                    return self._known.setdefault(written(schema), Checker(schema))
                except DefinitionError as error:
                    raise EvaluationDataError(f"{where}: {error.message}") from error
        return None
