"""tau-bench's airline: recorded trajectories, judged by the state of the database they leave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from callgate.evals.benchmarks.tau import (
    AIRLINE,
    Call,
    Database,
    Report,
    Rewards,
    State,
    Tools,
    left,
    read_database,
    without_commas,
)
from callgate.evals.files import of_form, read_lines, written
from callgate.schema.values import is_array, is_object

__all__ = ["score"]


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
    tools = Tools.of(AIRLINE)
    first = read_database(database)
    rights: dict[bytes, State] = {}
    rewards = Rewards()
    for line in read_lines(trajectories):
        task, finished = str(line.get("task_id")), line.get("finished") is not False
        with of_form(f"{trajectories.name}: task {task!r}, trial {line.get('trial')!r}"):
            rewards.add(
                task,
                right=finished and _is_right(line, tools, first, rights),
                finished=finished,
                recorded=line.get("reward"),
                trial=line.get("trial", 0),
            )
    return rewards.report(trajectories)


def _is_right(
    line: Mapping[str, Any], tools: Tools, first: Database, rights: dict[bytes, State]
) -> bool:
    messages, gold = line.get("messages"), line.get("gold_actions")
    if not is_array(messages) or not is_array(gold):
        raise TypeError("a trajectory needs `messages` and `gold_actions`")
    state = left(first, _calls(messages), tools)
    # Every trial of a task has the same right actions.
    actions = written(gold)
    right = rights.get(actions)
    if right is None:
        wanted = [(str(action["name"]), dict(action["kwargs"])) for action in gold]
        right = rights[actions] = left(first, wanted, tools)
    said = [without_commas(message["content"]) for message in messages if _is_answer(message)]
    return state == right and all(
        any(str(output).lower() in text for text in said) for output in line.get("outputs", ())
    )


def _is_answer(message: Mapping[str, Any]) -> bool:
    return (
        message.get("role") == "assistant"
        and not message.get("tool_calls")
        and isinstance(message.get("content"), str)
    )


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
