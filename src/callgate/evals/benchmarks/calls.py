"""Benchmarks whose items expect plain calls: API-Bank and Seal-Tools, scored by call equality.

The rule of the denominator: every item of the data counts for every model. An item without output
counts as failed and is listed apart, and so does an output that holds no readable list of calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from callgate.errors import EvaluationDataError
from callgate.evals.cases import Call, ExpectedCall
from callgate.evals.files import read_lines, written
from callgate.evals.scorers.parameters import Fields, Strength
from callgate.evals.scorers.selection import Selection
from callgate.evals.scorers.sequence import match
from callgate.evals.tally import Share
from callgate.schema.values import is_array, is_object

__all__ = ["GOLD", "Gold", "Report", "api_bank", "read_by_model", "score", "seal_tools"]

GOLD = "gold"
"""The model of a scoring without outputs: the right calls themselves."""
_STRENGTHS = (Strength.EXACT, Strength.TYPED, Strength.NORMALISED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """An item: the right calls, and the group it is counted in."""

    id: str
    group: str
    calls: tuple[Call, ...]


@dataclass(slots=True)
class Report:
    """What a scoring found, for one model.

    Attributes:
        missing: Items without an output.
        unreadable: Outputs that hold no list of calls.
        right: Items whose calls all fit and nothing else was called, by strength.
        groups: The same by group, at the strength `normalised`.
        partial: Sum over items of the share that fits.
        selection: Chosen tools.
        fields: Arguments of matched calls.
        parameters: Numbers of right, given and expected arguments, each with its tool and value.
    """

    missing: int = 0
    unreadable: int = 0
    right: dict[Strength, Share] = field(default_factory=lambda: {s: Share() for s in _STRENGTHS})
    groups: defaultdict[str, Share] = field(default_factory=lambda: defaultdict(Share))
    partial: float = 0.0
    selection: Selection = field(default_factory=Selection)
    fields: Fields = field(default_factory=Fields)
    parameters: list[int] = field(default_factory=lambda: [0, 0, 0])

    def add(self, gold: Gold, calls: Sequence[Call] | None) -> None:
        """Count one item; without calls that can be read it is failed."""
        expected = [(ExpectedCall.exactly(call),) for call in gold.calls]
        made = calls or ()
        matches = {strength: match(expected, made, strength) for strength in _STRENGTHS}
        for strength, found in matches.items():
            self.right[strength].add(calls is not None and found.optimal)
        normalised = matches[Strength.NORMALISED]
        self.groups[gold.group].add(calls is not None and normalised.optimal)
        self.partial += normalised.partial if calls is not None else 0.0
        self.selection.add([call.name for call in gold.calls], [call.name for call in made])
        for row, column in normalised.pairs:
            self.fields.add(expected[row][0], made[column])
        self._count_parameters(gold.calls, made)

    def _count_parameters(self, gold: Sequence[Call], made: Sequence[Call]) -> None:
        wanted, given = list(_triples(gold)), list(_triples(made))
        left = list(wanted)
        for triple in given:
            if triple in left:
                left.remove(triple)
                self.parameters[0] += 1
        self.parameters[1] += len(given)
        self.parameters[2] += len(wanted)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        total = self.right[Strength.EXACT].total
        hits, given, wanted = self.parameters
        chosen = self.selection.to_json()
        return {
            "items": total,
            "missing": self.missing,
            "unreadable": self.unreadable,
            "format_accuracy": (total - self.missing - self.unreadable) / total if total else None,
            "accuracy": {strength.value: share.to_json() for strength, share in self.right.items()},
            "partial": round(self.partial / total, 6) if total else None,
            "groups": {name: share.to_json() for name, share in sorted(self.groups.items())},
            "tools": {k: chosen[k] for k in ("precision", "recall", "f1", "wrong_sibling")},
            "parameters": {
                "precision": hits / given if given else None,
                "recall": hits / wanted if wanted else None,
                "f1": 2 * hits / (given + wanted) if given + wanted else None,
            },
            "by_type": self.fields.to_json()["by_type"],
        }


def score(items: Sequence[Gold], outputs: Path | None) -> dict[str, Report]:
    """Score outputs by call equality; without outputs the right calls are scored as such.

    Args:
        items: What is expected, by `api_bank` or `seal_tools`.
        outputs: One item a line: `id`, and `outputs` with a list of calls, or null, by model. A
            call has a `name` (or `api`) and `parameters` (or `arguments`).

    Returns:
        A report for every model.

    Raises:
        EvaluationDataError: The file is absent, damaged or not of its form.
    """
    if outputs is None:
        report = Report()
        for gold in items:
            report.add(gold, gold.calls)
        return {GOLD: report}
    made = read_by_model({gold.id for gold in items}, outputs)
    models = {model: Report() for by_model in made.values() for model in by_model}
    for model, report in models.items():
        for gold in items:
            _count(gold, made.get(gold.id, {}).get(model), report)
    return models


def read_by_model(known: Collection[str], outputs: Path) -> dict[str, dict[str, Any]]:
    """Read outputs by item and model.

    Args:
        known: The ids of all items.
        outputs: One item a line: `id`, and `outputs` by model.

    Raises:
        EvaluationDataError: The file is absent, damaged, not of its form or of other items.
    """
    made: dict[str, dict[str, Any]] = {}
    for line in read_lines(outputs):
        name = str(line.get("id"))
        if name not in known or not is_object(line.get("outputs")):
            raise EvaluationDataError(
                f"{outputs.name}: {name!r} is no item of the data, or has no `outputs` by model"
            )
        made[name] = line["outputs"]
    return made


def _count(gold: Gold, output: Any, report: Report) -> None:
    calls = None
    if output is None:
        report.missing += 1
    else:
        try:
            calls = tuple(_calls(output))
        except EvaluationDataError:
            report.unreadable += 1
    report.add(gold, calls)


def _calls(value: Any) -> Iterator[Call]:
    if not is_array(value):
        raise EvaluationDataError("expected a list of calls")
    for one in value:
        name = (one.get("name") or one.get("api")) if is_object(one) else None
        arguments = one.get("parameters", one.get("arguments")) if is_object(one) else None
        if not isinstance(name, str) or not is_object(arguments):
            raise EvaluationDataError("a call has a name and an object of parameters")
        yield Call(name=name, arguments=arguments)


def _triples(calls: Sequence[Call]) -> Iterator[tuple[str, str, bytes]]:
    for call in calls:
        for name, value in call.arguments.items():
            yield call.name, name, written(value)


# ------------------------------------------------------------------ readers


def api_bank(path: Path) -> list[Gold]:
    """Read API-Bank: dialogues, of which every call is an item, or items with an answer.

    Raises:
        EvaluationDataError: The file is absent, damaged, or an item has no expectation.
    """
    items: list[Gold] = []
    for line in read_lines(path):
        name, group = str(line.get("id")), f"level {line.get('level')}"
        if "answer" in line:
            items.append(_gold(name, group, line["answer"], path))
            continue
        turns = line.get("dialogue")
        if not is_array(turns):
            raise EvaluationDataError(f"{path.name}: item {name!r} has no expectation")
        # A dialogue may also go without a call; there is then nothing to judge in it.
        calls = [turn for turn in turns if is_object(turn) and turn.get("role") == "API"]
        for place, turn in enumerate(calls):
            call = {"name": turn.get("api_name"), "parameters": turn.get("param_dict")}
            items.append(_gold(f"{name}#{place}", group, [call], path))
    return items


def seal_tools(path: Path) -> list[Gold]:
    """Read Seal-Tools' queries with the calls that answer them.

    Raises:
        EvaluationDataError: The file is absent, damaged, or an item has no expectation.
    """
    return [
        _gold(str(line.get("id")), str(line.get("split")), line.get("calling"), path)
        for line in read_lines(path)
    ]


def _gold(name: str, group: str, calls: Any, path: Path) -> Gold:
    try:
        return Gold(id=name, group=group, calls=tuple(_calls(calls)))
    except EvaluationDataError as error:
        raise EvaluationDataError(
            f"{path.name}: item {name!r} has no expectation: {error.message}"
        ) from error


def told(reports: Mapping[str, Report]) -> dict[str, Any]:
    """Return reports as JSON values."""
    return {
        "items": max((r.right[Strength.EXACT].total for r in reports.values()), default=0),
        "models": {model: report.to_json() for model, report in reports.items()},
    }
