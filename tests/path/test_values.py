"""Calls, results and tools are values: frozen, equal by content, small."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

from callgate.errors import CallError, ToolFailedError
from callgate.messages import CallPart, Message, Opaque, Role, Usage
from callgate.types import (
    ANYONE,
    CallClosed,
    Pending,
    Scope,
    Status,
    Text,
    ToolCall,
    ToolResult,
)

SCOPE = Scope(session="s", principal=ANYONE, prefix="//s", emit=print)
CALL = ToolCall(id="c", key="k", name="n", arguments={"a": 1}, scope=SCOPE)
RESULT = ToolResult(status=Status.OK, value=1, body=b"1")


@pytest.mark.parametrize("value", [CALL, RESULT, CallClosed(call=CALL, result=RESULT, seconds=0.0)])
def test_hot_values_are_frozen_though_they_are_filled_directly(value: Any) -> None:
    name = fields(value)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, "other")
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        value.unheard = 1


def test_hot_values_copy_replace_and_compare_like_any_dataclass() -> None:
    assert copy.copy(CALL) == CALL
    assert replace(CALL, id="d") != CALL
    assert replace(replace(CALL, id="d"), id="c") == CALL
    assert pickle.loads(pickle.dumps(RESULT)) == RESULT
    assert repr(RESULT).startswith("ToolResult(status=<Status.OK: 'ok'>, value=1")


def test_a_hot_value_refuses_missing_and_unknown_fields() -> None:
    make: Any = ToolResult
    with pytest.raises(TypeError, match="status"):
        make()
    with pytest.raises(TypeError, match="colour"):
        make(status=Status.OK, colour="red")


def test_unwrap_gives_the_value_or_raises_the_error() -> None:
    assert RESULT.unwrap() == 1
    error = ToolFailedError("No.")
    with pytest.raises(ToolFailedError) as caught:
        ToolResult(status=Status.ERROR, error=error).unwrap()
    assert caught.value is error
    with pytest.raises(CallError, match="The call is pending"):
        ToolResult(status=Status.PENDING, pending=Pending(kind="approval", prompt="?")).unwrap()


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (RESULT, "1"),
        (ToolResult(status=Status.ERROR, error=ToolFailedError("No.")), "No."),
        (
            ToolResult(status=Status.PENDING, pending=Pending(kind="approval", prompt="May I?")),
            "Waiting for approval: May I?",
        ),
        (
            ToolResult(status=Status.OK, body=b"1", content=(Text(text="more"),), notes=("cut",)),
            "1\nmore\ncut",
        ),
        (ToolResult(status=Status.OK), ""),
    ],
)
def test_a_model_reads_value_then_content_then_notes(result: ToolResult, text: str) -> None:
    assert result.text() == text


def test_a_message_knows_its_text_and_its_calls() -> None:
    call = CallPart(id="1", name="n", arguments="{}")
    opaque = Opaque(wire="w", model="m", data={})
    message = Message(role=Role.ASSISTANT, parts=(Text(text="a"), call, opaque, Text(text="b")))
    assert (message.text, message.calls) == ("ab", (call,))


def test_usage_adds_up() -> None:
    total = Usage(input=1, output=2, cached=3, requests=4) + Usage(input=10, requests=1)
    assert total == Usage(input=11, output=2, cached=3, requests=5)
