"""Repair: what it mends, what it must leave alone, and what it may never do."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.schema.canonical import canonical
from callgate.schema.check import Checker
from callgate.schema.repair import MAX_REPAIRS, repair
from callgate.types import Repair
from tests.schema.strategies import FINITE, TEXTS, WHOLE, Shape, arguments, shapes


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


INTEGER = {"type": "integer"}
NUMBER = {"type": "number"}
BOOLEAN = {"type": "boolean"}
TEXT = {"type": "string"}
NULL = {"type": "null"}


def _mend(schema: dict[str, Any], value: Any) -> tuple[Any, list[tuple[str, str, str, str]]]:
    mended, repairs = repair(Checker(schema), value)
    return mended, [(item.path, item.kind, item.before, item.after) for item in repairs]


# ------------------------------------------------------------------ what is mended


@pytest.mark.parametrize(
    ("wanted", "came", "meant"),
    [
        (INTEGER, "5", 5),
        (INTEGER, " -5 ", -5),
        (INTEGER, "5.0", 5),
        (INTEGER, '"5"', 5),
        (INTEGER, "18446744073709551615", 18446744073709551615),
        (NUMBER, "2.5", 2.5),
        (NUMBER, "1e3", 1000.0),
        (BOOLEAN, "true", True),
        (BOOLEAN, "False", False),
        (NULL, "null", None),
        (NULL, "None", None),
        ({"type": ["integer", "null"]}, "null", None),
        ({"anyOf": [INTEGER, NULL]}, "7", 7),
        ({"oneOf": [INTEGER, BOOLEAN]}, "true", True),
        ({"anyOf": [INTEGER, {"enum": ["all"]}]}, "5", 5),
        ({"type": "array", "items": INTEGER}, "[1, 2]", [1, 2]),
        ({"type": "array", "items": INTEGER}, "[1, 2,]", [1, 2]),
        ({"type": "array", "items": INTEGER}, ["1", 2], [1, 2]),
        (_object(b=INTEGER), '{"b": 1}', {"b": 1}),
        ({"enum": [1, 2]}, "2", 2),
        ({"const": True}, "true", True),
        ({"allOf": [NUMBER, {"minimum": 1}]}, "3", 3),
        ({"$ref": "#/$defs/count"}, "3", 3),
    ],
)
def test_a_string_becomes_what_it_says_where_no_string_is_taken(
    wanted: dict[str, Any], came: Any, meant: Any
) -> None:
    schema = _object(a=wanted) | {"$defs": {"count": INTEGER}}

    mended, _ = repair(Checker(schema), {"a": came})

    assert canonical(mended) == canonical({"a": meant})


def test_every_repair_is_told_with_place_kind_and_both_values() -> None:
    schema = _object(a=INTEGER, b=_object(c={"enum": ["low", "high"]}), d={"type": "array"})

    assert _mend(schema, {"a": "5", "b": '{"c": "HIGH"}', "d": 3}) == (
        {"a": 5, "b": {"c": "high"}, "d": [3]},
        [
            ("$.a", "parsed_string", '"5"', "5"),
            ("$.b", "parsed_string", '"{\\"c\\": \\"HIGH\\"}"', '{"c":"HIGH"}'),
            ("$.d", "wrapped_in_array", "3", "[3]"),
            ("$.b.c", "enum_case", '"HIGH"', '"high"'),
        ],
    )


def test_a_single_value_is_wrapped_where_an_array_is_declared() -> None:
    schema = _object(tags={"type": "array", "items": TEXT}, ids={"type": "array", "items": INTEGER})

    assert _mend(schema, {"tags": "red", "ids": "5"})[0] == {"tags": ["red"], "ids": [5]}


def test_the_whole_arguments_may_have_come_as_a_string() -> None:
    assert _mend(_object(a=INTEGER), '{"a": "1"}')[0] == {"a": 1}


def test_a_required_property_with_a_default_is_filled_in() -> None:
    schema = _object(a=INTEGER, b={"type": "array", "default": [1]}) | {"required": ["a", "b"]}

    assert _mend(schema, {"a": 1}) == ({"a": 1, "b": [1]}, [("$.b", "default", "null", "[1]")])


def test_the_member_of_a_union_that_fits_its_constant_is_mended() -> None:
    circle = _object(kind={"const": "circle"}, r=INTEGER) | {"required": ["kind", "r"]}
    square = _object(kind={"const": "square"}, side=INTEGER) | {"required": ["kind", "side"]}
    schema = _object(shape={"oneOf": [circle, square]})

    assert _mend(schema, {"shape": {"kind": "square", "side": "3"}})[0] == {
        "shape": {"kind": "square", "side": 3}
    }


def test_an_optional_object_that_came_as_a_string_is_mended_inside_too() -> None:
    schema = _object(where={"anyOf": [_object(x=INTEGER) | {"required": ["x"]}, NULL]})

    assert _mend(schema, {"where": '{"x": "4"}'})[0] == {"where": {"x": 4}}


def test_two_members_that_lead_to_one_value_are_not_ambiguous() -> None:
    schema = _object(a={"anyOf": [INTEGER, NUMBER, BOOLEAN]})

    assert _mend(schema, {"a": "5"})[0] == {"a": 5}


def test_names_that_only_a_pattern_or_a_general_rule_knows_are_mended() -> None:
    schema = {
        "type": "object",
        "patternProperties": {"^n_": INTEGER},
        "additionalProperties": BOOLEAN,
        "properties": {"p": {"type": "array", "prefixItems": [INTEGER, BOOLEAN]}},
    }

    assert _mend(schema, {"n_1": "1", "z": "true", "p": ["1", "false"]})[0] == {
        "n_1": 1,
        "z": True,
        "p": [1, False],
    }


def test_conditions_decide_what_is_mended() -> None:
    schema = {
        "type": "object",
        "properties": {"kind": TEXT, "value": {}},
        "if": {"properties": {"kind": {"const": "count"}}},
        "then": {"properties": {"value": INTEGER}},
    }

    assert _mend(schema, {"kind": "count", "value": "4"})[0] == {"kind": "count", "value": 4}
    assert _mend(schema, {"kind": "note", "value": "4"})[0] == {"kind": "note", "value": "4"}


# ------------------------------------------------------------------ what is left alone


@pytest.mark.parametrize(
    ("wanted", "came"),
    [
        (TEXT, 5),
        (TEXT, ["a"]),
        (TEXT | {"pattern": "^[a-z]+$"}, "ABC"),
        (INTEGER, "five"),
        (INTEGER, "5.5"),
        (INTEGER, "1,000"),
        (INTEGER, ""),
        (INTEGER, "NaN"),
        (INTEGER, "18446744073709551616"),
        (INTEGER, True),
        (INTEGER, [5]),
        (BOOLEAN, "yes"),
        (BOOLEAN, 1),
        (INTEGER | {"maximum": 3}, "5"),
        ({"anyOf": [INTEGER, TEXT | {"maxLength": 2}]}, "123"),
        ({"oneOf": [INTEGER, {"type": "string", "pattern": "^[a-z]+$"}]}, "123"),
        ({"enum": ["red", "blue"]}, "rot"),
        ({"enum": ["a", "A"]}, "\u0251"),
        ({"enum": ["ab", "AB"]}, "Ab"),
        ({"type": "array", "items": TEXT}, None),
        ({"type": "array", "items": TEXT}, "[1, 2"),
        ({"type": "array", "items": {"type": "array", "items": TEXT}}, ["a"]),
        ({"anyOf": [{"enum": ["low"]}, {"enum": ["LOW"]}]}, "Low"),
        (_object(b=INTEGER), '{"b": 1'),
        (_object(b=INTEGER), '{"b": 1, "b": 2}'),
        (_object(b=INTEGER), {"c": "1"}),
    ],
)
def test_what_has_more_than_one_meaning_is_left_as_it_came(
    wanted: dict[str, Any], came: Any
) -> None:
    value = {"a": came}

    mended, repairs = repair(Checker(_object(a=wanted)), value)

    assert mended is value
    assert repairs == ()


def test_a_value_too_deep_to_be_sent_as_json_is_not_made_out_of_strings() -> None:
    text = "[" * 63 + "]" * 63

    assert _mend(_object(a=_object(b={"type": "array"})), {"a": {"b": text}})[1] == []


def test_strings_within_strings_are_mended_to_a_bounded_depth() -> None:
    def stringified(levels: int) -> Any:
        value: Any = {"n": 1}
        for _ in range(levels):
            value = {"a": json.dumps(value)}
        return value

    schema = _object(a={"$ref": "#"}, n=INTEGER)

    assert repair(Checker(schema), stringified(7))[0]["a"]["a"]["a"]["a"]["a"]["a"]["a"] == {"n": 1}
    assert _mend(schema, stringified(9)) == (stringified(9), [])


def test_what_is_wrapped_whole_is_not_mended_inside_at_once() -> None:
    schema = _object(a={"allOf": [{"type": "array"}, {"properties": {"x": INTEGER}}]})

    assert _mend(schema, {"a": {"x": "5"}}) == (
        {"a": [{"x": "5"}]},
        [("$.a", "wrapped_in_array", '{"x":"5"}', '[{"x":"5"}]')],
    )


def test_more_mistakes_than_the_bound_are_not_mended() -> None:
    schema = _object(a={"type": "array", "items": INTEGER})
    few, many = {"a": ["1"] * MAX_REPAIRS}, {"a": ["1"] * (MAX_REPAIRS + 1)}

    assert len(_mend(schema, few)[1]) == MAX_REPAIRS
    assert _mend(schema, many) == (many, [])


def test_a_search_through_many_unions_ends() -> None:
    either = {"anyOf": [{"enum": ["low", "high"]}, {"enum": ["LOW", "HIGH"]}, {"type": "null"}]}
    schema = _object(a={"type": "array", "items": either})
    value = {"a": ["Low"] * 200}

    assert repair(Checker(schema), value) == (value, ())


# ------------------------------------------------------------------ what holds for every value

JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | FINITE | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@given(arguments())
def test_a_valid_value_is_never_changed(shape: Shape) -> None:
    before = copy.deepcopy(shape.value)

    mended, repairs = repair(Checker(shape.schema), shape.value)

    assert mended is shape.value
    assert mended == before
    assert repairs == ()


@given(shapes(), JSON)
def test_a_repair_never_yields_an_invalid_value_and_never_changes_what_it_was_given(
    shape: Shape, value: Any
) -> None:
    checker = Checker(shape.schema)
    before = copy.deepcopy(value)

    mended, repairs = repair(checker, value)

    assert checker.is_valid(mended) or (mended is value and repairs == ())
    assert value == before


@given(shapes(), JSON)
def test_repairing_twice_is_repairing_once(shape: Shape, value: Any) -> None:
    checker = Checker(shape.schema)
    once, _ = repair(checker, value)

    assert repair(checker, once) == (once, ())


def _stringify(schema: dict[str, Any], value: Any) -> Any:
    """Spoil a valid value as models do: as a string wherever no string is taken."""
    if schema.get("type") == "string" or "enum" in schema:
        return value
    if isinstance(value, dict):
        inner = schema["properties"]
        value = {name: _stringify(inner[name], held) for name, held in value.items()}
    elif isinstance(value, list):
        value = [_stringify(schema["items"], item) for item in value]
    return json.dumps(value)


@given(arguments())
def test_what_was_turned_into_strings_comes_back_exactly(shape: Shape) -> None:
    spoiled = _stringify(shape.schema, shape.value)

    mended, repairs = repair(Checker(shape.schema), spoiled)

    assert mended == shape.value
    assert all(isinstance(item, Repair) and item.kind == "parsed_string" for item in repairs)
