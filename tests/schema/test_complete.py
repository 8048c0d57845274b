"""The last step to the canonical form: defaults go in, integral floats become integers."""

import copy
from typing import Any

import pytest
from hypothesis import given

from callgate.errors import MalformedArgumentsError
from callgate.schema.check import Checker
from callgate.schema.complete import complete, fill
from callgate.schema.repair import MAX_REPAIRS
from callgate.types import Repair
from tests.schema.strategies import Shape, arguments


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _completed(schema: dict[str, Any], value: Any) -> Any:
    complete(Checker(schema), value)
    return value


FIVE = {"type": "integer", "default": 5}


# ------------------------------------------------------------------ defaults


def test_defaults_go_in_wherever_the_schema_declares_them() -> None:
    schema = {
        "type": "object",
        "properties": {
            "flat": FIVE,
            "inner": _object(deep=FIVE),
            "items": {"type": "array", "items": _object(n=FIVE)},
            "pair": {"prefixItems": [_object(n=FIVE)], "items": _object(m=FIVE)},
            "named": {"$ref": "#/$defs/named"},
            "maybe": {"anyOf": [_object(n=FIVE), {"type": "null"}]},
            "far": {"$ref": "#/$defs/far"},
            "open": {"type": "array"},
            "never": False,
        },
        "patternProperties": {"^x_": _object(n=FIVE)},
        "additionalProperties": _object(other=FIVE),
        "allOf": [{"properties": {"more": {"default": {"other": 1}}}}, {"$ref": "#/$defs/far"}],
        "$defs": {"named": _object(n=FIVE), "far": {"default": "away"}},
    }
    value: dict[str, Any] = {
        "inner": {},
        "items": [{}, {"n": 1}],
        "pair": [{}, {}],
        "named": {},
        "maybe": {},
        "x_1": {},
        "y": {},
        "open": [{}],
    }

    assert _completed(schema, value) == {
        "flat": 5,
        "inner": {"deep": 5},
        "items": [{"n": 5}, {"n": 1}],
        "pair": [{"n": 5}, {"m": 5}],
        "named": {"n": 5},
        "maybe": {"n": 5},
        "far": "away",
        "more": {"other": 1},
        "x_1": {"n": 5},
        "y": {"other": 5},
        "open": [{}],
    }


def test_a_default_object_is_completed_itself_and_shared_with_no_other_call() -> None:
    schema = _object(a={"type": "object", "default": {}, "properties": {"b": {"default": []}}})
    checker = Checker(schema)
    first: dict[str, Any] = {}
    second: dict[str, Any] = {}

    complete(checker, first)
    first["a"]["b"].append("mine")
    complete(checker, second)

    assert (first, second) == ({"a": {"b": ["mine"]}}, {"a": {"b": []}})
    assert schema["properties"]["a"]["default"] == {}


def test_a_default_that_is_not_valid_stays_out_and_the_others_go_in() -> None:
    schema = _object(a={"type": "string", "default": None}, b=FIVE)
    flat: dict[str, Any] = {}
    fill(Checker(schema), flat)

    assert flat == {"b": 5}
    assert _completed(schema, {}) == {"b": 5}


def test_a_default_that_would_break_a_rule_of_its_object_stays_out() -> None:
    schema = {"properties": {"a": FIVE, "b": FIVE}, "maxProperties": 1}

    assert _completed(schema, {"b": 1}) == {"b": 1}
    assert _completed(schema, {}) == {"a": 5}


@pytest.mark.parametrize(
    ("value", "completed"),
    [
        ({"kind": "circle"}, {"kind": "circle", "r": 1}),
        ({"kind": "square"}, {"kind": "square", "side": 2}),
        ([], []),
        (True, True),
        (1.5, 1.5),
        ("text", "text"),
    ],
)
def test_the_member_of_a_union_that_suits_the_value_gives_its_defaults(
    value: Any, completed: Any
) -> None:
    schema = _object(
        shape={
            "oneOf": [
                {"$ref": "#/$defs/circle"},
                _object(kind={"enum": ["square"]}, side={"default": 2}) | {"required": ["kind"]},
                {"type": ["array", "boolean"]},
                {"type": "number"},
                {"const": "text"},
                False,
            ]
        }
    )
    schema["$defs"] = {"circle": _object(kind={"const": "circle"}, r={"default": 1})}

    assert _completed(schema, {"shape": value}) == {"shape": completed}


def test_where_several_members_suit_no_default_goes_in() -> None:
    either = {"anyOf": [_object(a={"default": 1}), _object(b={"default": 2}), True]}

    assert _completed(_object(x=either), {"x": {}}) == {"x": {}}


def test_a_tree_that_refers_to_itself_is_completed_at_every_level() -> None:
    node = {
        "properties": {"n": FIVE, "next": {"$ref": "#/$defs/next"}},
        "$defs": {"next": {"$ref": "#", "allOf": [{"$ref": "#"}]}},
    }

    assert _completed(node, {"next": {"next": {"n": 1}}}) == {
        "n": 5,
        "next": {"n": 5, "next": {"n": 1}},
    }


# ------------------------------------------------------------------ integral floats


def test_an_integer_that_came_as_a_float_becomes_one_and_is_told() -> None:
    schema = _object(
        a={"type": "integer"},
        b={"type": "number"},
        c={"type": ["integer", "null"]},
        d={"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}},
    )
    value = {"a": 5.0, "b": 5.0, "c": -0.0, "d": [2.0, "2.0"]}

    repairs = complete(Checker(schema), value)

    assert repr(value) == "{'a': 5, 'b': 5.0, 'c': 0, 'd': [2, '2.0']}"
    assert repairs == (
        Repair(path="$.a", kind="integral_float", before="5.0", after="5"),
        Repair(path="$.c", kind="integral_float", before="-0.0", after="0"),
        Repair(path="$.d[0]", kind="integral_float", before="2.0", after="2"),
    )


def test_very_many_integral_floats_are_counted_rather_than_listed() -> None:
    value: dict[str, Any] = {"a": [1.0] * (MAX_REPAIRS + 7)}

    repairs = complete(Checker(_object(a={"items": {"type": "integer"}})), value)

    assert {type(item) for item in value["a"]} == {int}
    assert len(repairs) == MAX_REPAIRS + 1
    assert repairs[-1] == Repair(
        path="$", kind="integral_float", before="7 more integral floats", after="integers"
    )


def test_a_float_too_large_to_tell_an_integer_exactly_is_refused() -> None:
    with pytest.raises(MalformedArgumentsError) as caught:
        complete(Checker(_object(a={"type": "integer"})), {"a": 1e300})

    assert caught.value.message == (
        "$.a is 1e+300, which does not tell an integer exactly. "
        "Write all its digits; an integer has at most 64 bits."
    )


# ------------------------------------------------------------------ what holds for every value


@given(arguments())
def test_completing_keeps_what_came_keeps_it_valid_and_is_done_once(shape: Shape) -> None:
    checker = Checker(shape.schema)
    once = copy.deepcopy(shape.value)
    complete(checker, once)
    twice = copy.deepcopy(once)

    assert checker.is_valid(once)
    assert _keeps(shape.value, once)
    assert complete(checker, twice) == ()
    assert twice == once


def _keeps(before: Any, after: Any) -> bool:
    if isinstance(before, dict):
        return all(name in after and _keeps(held, after[name]) for name, held in before.items())
    if isinstance(before, list):
        return len(before) == len(after) and all(map(_keeps, before, after))
    return before == after


@given(arguments())
def test_the_short_way_for_an_object_with_flat_defaults_does_the_same(shape: Shape) -> None:
    checker = Checker(shape.schema)
    if checker.definition.deep_defaults:
        return
    long, short = copy.deepcopy(shape.value), copy.deepcopy(shape.value)

    complete(checker, long)
    fill(checker, short)

    assert long == short
