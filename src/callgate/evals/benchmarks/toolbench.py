"""ToolBench beyond retrieval: which of the offered APIs were called, and recorded verdicts.

The data name the APIs that a request needs, not their arguments and no answer. What ToolBench
itself publishes, the solvable pass rate, is what a model says that reads the whole conversation
with a server of APIs that another model plays; nothing of that is judged here. Where its verdicts
were recorded they are added up by its own rule.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, pstdev
from types import MappingProxyType
from typing import Any, TypeGuard

from callgate.errors import EvaluationDataError
from callgate.evals.benchmarks.calls import GOLD, read_by_model
from callgate.evals.files import read_lines
from callgate.evals.scorers.selection import Selection
from callgate.evals.statistics import clustered
from callgate.evals.tally import Share
from callgate.schema.values import is_array, is_object

__all__ = ["Query", "Report", "read_queries", "score", "wire_name"]

_FINISH = "Finish"
"""Ends a conversation; it is offered to every model and is no API."""
_LONGEST = 64
_DIGITS = 9
_ODD = re.compile("[^\u4e00-\u9fa5^a-zA-Z0-9_]")
_TAKEN = frozenset({"from", "class", "return", "false", "true", "id", "and"})
_WORTH: Mapping[str, float] = MappingProxyType(
    {"AnswerStatus.Solved": 1.0, "AnswerStatus.Unsure": 0.5, "AnswerStatus.Unsolved": 0.0}
)
_FIGURES = ("hits", "missed", "extra", "precision", "recall", "f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A request: the APIs that it needs, and what the names stand for that a model may call."""

    id: str
    group: str
    relevant: frozenset[str]
    offered: Mapping[str, frozenset[str]]


@dataclass(slots=True)
class Report:
    """What a scoring found, for one model.

    Attributes:
        missing: Items without an output.
        unreadable: Outputs that hold no list of calls.
        unknown: Names that were called and not offered.
        all: Items whose needed APIs were all called.
        exact: Items where, besides, no other API was called.
        selection: Which APIs were called at all, item by item.
        groups: The same by group.
        verdicts: What each judging of an item is worth, by item and number of the judging.
    """

    missing: int = 0
    unreadable: int = 0
    unknown: int = 0
    all: Share = field(default_factory=Share)
    exact: Share = field(default_factory=Share)
    selection: Selection = field(default_factory=Selection)
    groups: defaultdict[str, Selection] = field(default_factory=lambda: defaultdict(Selection))
    verdicts: dict[str, Mapping[int, float]] = field(default_factory=dict[str, Mapping[int, float]])

    def add(self, query: Query, called: Sequence[str] | None) -> None:
        """Count one item; without calls that can be read it is failed."""
        names = set(called or ()) - {_FINISH}
        made = {api for name in names for api in query.offered.get(name, {name})}
        self.unknown += len(names - query.offered.keys())
        wanted, chosen = sorted(query.relevant), sorted(made)
        self.selection.add(wanted, chosen)
        self.groups[query.group].add(wanted, chosen)
        self.all.add(called is not None and query.relevant <= made)
        self.exact.add(called is not None and query.relevant == frozenset(made))

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        chosen = self.selection.to_json()
        groups = {name: one.to_json() for name, one in sorted(self.groups.items())}
        return {
            "items": self.all.total,
            "missing": self.missing,
            "unreadable": self.unreadable,
            "unknown": self.unknown,
            "apis": {name: chosen[name] for name in _FIGURES},
            "all_relevant": self.all.to_json(),
            "exact": self.exact.to_json(),
            "groups": {name: {k: one[k] for k in _FIGURES} for name, one in groups.items()},
            "pass": self._passed(),
        }

    def _passed(self) -> dict[str, Any] | None:
        """Return the solvable pass rate of recorded verdicts: the mean over all judgings."""
        judgings = sorted({number for one in self.verdicts.values() for number in one})
        if not judgings:
            return None
        total = self.all.total
        rates = [sum(one.get(n, 0.0) for one in self.verdicts.values()) / total for n in judgings]
        means = [sum(one.values()) / len(judgings) for one in self.verdicts.values()]
        every = means + [0.0] * (total - len(means))
        low, high = clustered(every, [str(place) for place in range(total)])
        return {
            "rate": round(fmean(rates), 6),
            "interval": [round(low, 6), round(high, 6)],
            "deviation": round(pstdev(rates), 6),
            "judgings": len(judgings),
            "unjudged": total - len(self.verdicts),
        }


def score(queries: Sequence[Query], outputs: Path | None) -> dict[str, Report]:
    """Score which APIs were called; without outputs the needed ones are scored as such.

    An API counts once, however often it was called: a conversation may call it again for another
    argument. `Finish` is no API.

    Args:
        queries: What is expected, by `read_queries`.
        outputs: One item a line: `id`, and `outputs` by model with a list of calls, or an object
            of `calls` and `is_solved`, the verdicts by the number of the judging as ToolBench
            records them. A call is an API's id, its name on the wire, or an object with one of
            them as `name`. An item that is null or absent counts as failed.

    Returns:
        A report for every model.

    Raises:
        EvaluationDataError: The file is absent, damaged or not of its form.
    """
    if outputs is None:
        report = Report()
        for query in queries:
            report.add(query, sorted(query.relevant))
        return {GOLD: report}
    made = read_by_model({query.id for query in queries}, outputs)
    reports = {model: Report() for by_model in made.values() for model in by_model}
    for model, report in reports.items():
        for query in queries:
            _count(query, made.get(query.id, {}).get(model), report, outputs)
    return reports


def read_queries(path: Path) -> list[Query]:
    """Read requests with the APIs that they need and that they were offered.

    Raises:
        EvaluationDataError: The file is absent, damaged, or an item has no expectation.
    """
    return [_query(line, path) for line in read_lines(path)]


def wire_name(api: str) -> str:
    """Return the name that ToolBench gives an API in its requests to a model.

    Args:
        api: Its id, `tool::api`.
    """
    tool, _, name = api.partition("::")
    plain = _plain(name)
    return f"{'is_' * (plain in _TAKEN)}{plain}_for_{_plain(tool)}"[-_LONGEST:]


def _plain(name: str) -> str:
    plain = re.sub("_+", "_", _ODD.sub("_", name)).lower().strip("_")
    return f"get_{plain}" if plain[:1].isdigit() else plain


# ------------------------------------------------------------------ data


def _query(line: Mapping[str, Any], path: Path) -> Query:
    relevant, offered = line.get("relevant"), line.get("candidates")
    if not _are_names(relevant) or not relevant:
        raise EvaluationDataError(
            f"{path.name}: item {line.get('id')!r} has no expectation: `relevant` lists the APIs "
            "that it needs"
        )
    if not _are_names(offered):
        raise EvaluationDataError(
            f"{path.name}: item {line.get('id')!r} has no list `candidates` of offered APIs"
        )
    needed = frozenset(relevant)
    return Query(
        id=str(line.get("id")),
        group=str(line.get("group", "all")),
        relevant=needed,
        offered=_names(offered, needed),
    )


def _names(offered: Sequence[str], needed: frozenset[str]) -> dict[str, frozenset[str]]:
    """Return what each id and each name on the wire stands for.

    Long names are cut, so that several APIs may share one. No model could tell them apart: it then
    stands for the needed ones among them, or for the first.
    """
    shared: defaultdict[str, list[str]] = defaultdict(list)
    for api in offered:
        shared[wire_name(api)].append(api)
    names = {name: needed & frozenset(apis) or frozenset(apis[:1]) for name, apis in shared.items()}
    return names | {api: frozenset({api}) for api in offered}


def _are_names(value: Any) -> TypeGuard[list[str]]:
    return is_array(value) and all(isinstance(name, str) for name in value)


def _count(query: Query, output: Any, report: Report, path: Path) -> None:
    calls = output
    if is_object(output):
        calls = output.get("calls")
        if output.get("is_solved") is not None:
            where = f"{path.name}: item {query.id!r}"
            report.verdicts[query.id] = _verdicts(output["is_solved"], where)
    called = _called(calls)
    if calls is None:
        report.missing += 1
    elif called is None:
        report.unreadable += 1
    report.add(query, called)


def _verdicts(value: Any, where: str) -> dict[int, float]:
    if not is_object(value) or not all(
        number.isdecimal() and len(number) < _DIGITS and isinstance(said, str) and said in _WORTH
        for number, said in value.items()
    ):
        raise EvaluationDataError(
            f"{where}: `is_solved` holds {', '.join(_WORTH)} by the number of the judging"
        )
    return {int(number): _WORTH[said] for number, said in value.items()}


def _called(calls: Any) -> list[str] | None:
    """Return the names of calls; None where they cannot be read."""
    if not is_array(calls):
        return None
    names: Any = [one.get("name") if is_object(one) else one for one in calls]
    return names if _are_names(names) else None
