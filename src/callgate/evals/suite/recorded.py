"""Cases of runs that were kept: what was asked, and the calls that answered it.

Nobody has judged these calls: a case says what was done, and a person says whether it was right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from callgate.agents.runlog import RunLog
from callgate.agents.runstate import ModelAnswered, RunStarted, RunStatus, TurnAnswered
from callgate.errors import EvaluationDataError
from callgate.evals.suite.disguise import Disguise
from callgate.messages import Answered, CallPart, Message
from callgate.schema.canonical import digest
from callgate.schema.values import is_object
from callgate.types import Text, Tool

__all__ = ["case_of_run"]


def case_of_run(log: RunLog, tools: Mapping[str, Tool], disguise: Disguise) -> dict[str, Any]:
    """Return the JSON form of the case that a run makes; see `reading.case_of`.

    The calls that succeeded are what is expected. Where every tool answered one thing only, these
    are the tools' replies and the model goes on; else the calls of the first answer are expected
    of the first answer.

    Args:
        log: A run that was done.
        tools: What is offered, by name, as the surface has it now.
        disguise: Stands for all that is to be read by others.

    Returns:
        A case that `case_of` takes, with the tag `recorded`.

    Raises:
        EvaluationDataError: The run makes no case, and why.
    """
    started = _started(log)
    # A turn that waited for a person is there again with what came of it.
    turns = {
        event.answer.turn: event.answer.answered
        for event in log.events
        if isinstance(event, TurnAnswered)
    }
    made = [item for turn in turns.values() for item in turn]
    if strange := sorted({item.call.name for item in made} - tools.keys()):
        raise EvaluationDataError(f"it called {strange[0]}, which the surface does not have now")
    if any(not item.result.ok for item in made):
        raise EvaluationDataError("a call of it did not succeed, so that it shows no right way")
    replies = _replies(made)
    expected = made if replies is not None else next(iter(turns.values()))
    case = {
        "id": digest(log.run.encode()).removeprefix("sha256:")[:16],
        "messages": [_message(message, disguise) for message in started.messages],
        "tools": [_tool(tool) for _, tool in sorted(tools.items())],
        "expect": _expected(expected, disguise),
        "tags": ["recorded"],
    }
    if made and replies is not None:
        case["replies"] = disguise.value(replies)
    return case


def _started(log: RunLog) -> RunStarted:
    first = log.events[0] if log.events else None
    if log.state().status is not RunStatus.DONE or not isinstance(first, RunStarted):
        raise EvaluationDataError("it was not done")
    if any(isinstance(event, ModelAnswered) and event.forced for event in log.events):
        raise EvaluationDataError("its budget ended it, so that it may have stopped too early")
    return first


def _expected(made: Sequence[Answered], disguise: Disguise) -> dict[str, Any]:
    if not made:
        return {"abstain": True}
    return {"calls": [_call(item.call, disguise) for item in made]}


def _call(call: CallPart, disguise: Disguise) -> dict[str, Any]:
    arguments = call.arguments
    if not is_object(arguments):
        arguments = orjson.loads(arguments or "{}")
    return {
        "name": call.name,
        # As it is: a value of production may begin with the sign of a matcher.
        "arguments": {name: {"$equal": disguise.value(value)} for name, value in arguments.items()},
    }


def _replies(made: Sequence[Answered]) -> dict[str, Any] | None:
    """Return what each tool answered; None if one of them answered different things."""
    replies: dict[str, Any] = {}
    for item in made:
        value = item.result.value
        if replies.setdefault(item.call.name, value) != value:
            return None
    return replies


def _message(message: Message, disguise: Disguise) -> dict[str, Any]:
    if not message.parts or not all(isinstance(part, Text) for part in message.parts):
        raise EvaluationDataError("its conversation began with more than words")
    return {"role": message.role.value, "content": disguise.text(message.text)}


def _tool(tool: Tool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "effect": tool.effect.value,
    }
    return described if tool.returns is None else {**described, "returns": tool.returns}
