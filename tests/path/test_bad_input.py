"""Whatever a model sends, a call ends in a clear error, and nothing is executed or lost."""

from __future__ import annotations

from typing import Any

import pytest

from callgate import Gate
from callgate.errors import DefinitionError
from callgate.messages import CallPart
from callgate.testing import Captured, FakeSource
from callgate.types import CallClosed, CallOpened, Effect, Status
from tests.path.tools import spec

SCHEMA = {
    "type": "object",
    "properties": {
        "order": {"type": "string"},
        "cents": {"type": "integer", "minimum": 1},
        "unit": {"enum": ["EUR", "USD"]},
        "note": {},
    },
    "required": ["cents"],
    "additionalProperties": False,
}

BAD: dict[str, tuple[Any, str, str]] = {
    "a number without an end": ('{"cents": 5', "malformed_arguments", "complete JSON object"),
    "no JSON at all": ("cents=500", "malformed_arguments", "JSON"),
    "an array": ("[1]", "arguments", "object"),
    "nothing": (None, "malformed_arguments", "NoneType"),
    "a Python object": ({"cents": object()}, "malformed_arguments", "not JSON"),
    "a wrong type": ('{"cents": "many"}', "arguments", '$.cents is "many"'),
    "a wrong enum": ('{"cents": 1, "unit": "EURO"}', "arguments", "EUR"),
    "an unknown name": ('{"cents": 1, "ordr": "x"}', "arguments", "order"),
    "a missing value": ("{}", "arguments", "cents"),
    "a key twice": ('{"cents": 1, "cents": 2}', "malformed_arguments", "twice"),
    "ten megabytes": ('{"order": "' + "x" * 10_000_000 + '"}', "malformed_arguments", "1048576"),
    "ten thousand levels": (
        '{"cents": 1, "note": ' + "[" * 10_000 + "]" * 10_000 + "}",
        "malformed_arguments",
        "deep",
    ),
    "bytes that are not UTF-8": (b'{"order": "\xff", "cents": 1}', "malformed_arguments", "UTF-8"),
    "NaN": ('{"cents": NaN}', "malformed_arguments", "NaN"),
    "Infinity": ('{"cents": 1, "note": -Infinity}', "malformed_arguments", "Infinity"),
    "NaN in an object": ({"cents": float("nan")}, "malformed_arguments", "NaN"),
    "an integer beyond 64 bits": (
        '{"cents": 123456789012345678901234567890}',
        "malformed_arguments",
        "64",
    ),
}


@pytest.mark.parametrize("effect", [Effect.READ, Effect.IRREVERSIBLE])
@pytest.mark.parametrize(("arguments", "code", "told"), BAD.values(), ids=BAD.keys())
async def test_bad_arguments_end_in_a_clear_error_and_reach_no_tool(
    arguments: Any, code: str, told: str, effect: Effect
) -> None:
    captured = Captured()
    source = FakeSource([spec("pay", effect, parameters=SCHEMA)], pay="paid")
    result = await Gate([source], listeners=[captured]).session().call("pay", arguments)
    assert (result.status, result.error and result.error.code) == (Status.ERROR, code)
    assert told in result.text()
    assert len(result.text()) < 2_000
    assert source.calls == []
    assert (len(captured.of(CallOpened)), len(captured.of(CallClosed))) == (1, 1)


async def test_a_turn_of_nothing_but_bad_calls_answers_every_one_of_them() -> None:
    source = FakeSource([spec("pay", Effect.IRREVERSIBLE, parameters=SCHEMA)], pay="paid")
    calls = [
        CallPart(id=f"c{n}", name="pay", arguments=arguments)
        for n, (arguments, _, _) in enumerate(BAD.values())
    ]
    answer = await Gate([source]).session().turn(calls)
    assert [item.result.error and item.result.error.code for item in answer.answered] == [
        code for _, code, _ in BAD.values()
    ]
    assert source.calls == []


@pytest.mark.parametrize("name", ["", "PAY", "pay ", "p\x00y", "pay" * 1000, "поу"])
async def test_a_name_that_nobody_was_shown_is_refused(name: str) -> None:
    source = FakeSource([spec("pay")], pay="paid")
    result = await Gate([source]).session().call(name, {})
    assert (result.error and result.error.code, source.calls) == ("unknown_tool", [])
    assert len(result.text()) < 400


def test_a_schema_that_refers_to_itself_without_end_is_refused_when_the_gate_is_built() -> None:
    endless = {"type": "object", "$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    with pytest.raises(DefinitionError):
        Gate([FakeSource([spec("t", parameters=endless)])])


async def test_a_schema_that_refers_to_itself_through_a_property_is_served() -> None:
    tree = {
        "type": "object",
        "properties": {"child": {"$ref": "#"}, "n": {"type": "integer"}},
        "additionalProperties": False,
    }
    session = Gate([FakeSource([spec("t", parameters=tree)], t=1)]).session()
    assert (await session.call("t", '{"child": {"child": {"n": 1}}}')).ok
    assert not (await session.call("t", '{"child": {"child": {"m": 1}}}')).ok
