"""Several schemas made one: it takes what all of them take, or says what did not fit in."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.schema.definition import Definition
from callgate.schema.dialects.merge import flat, merge
from tests.schema.dialect_shapes import JSON, shapes
from tests.schema.strategies import Shape


def merged(*schemas: Any) -> tuple[Any, tuple[Any, ...]]:
    schema = {"allOf": list(schemas)}
    found = flat(schema, Definition(schema))
    return found.schema, found.left


@pytest.mark.parametrize(
    ("one", "two", "both"),
    [
        ({"type": "number"}, {"type": "integer"}, {"type": ["integer"]}),
        ({"type": "number"}, {"type": ["number", "null"]}, {"type": ["number"]}),
        ({"type": "string"}, {"type": "null"}, False),
        ({"enum": [1, True, "a"]}, {"const": True}, {"enum": [True]}),
        ({"const": 1}, {"const": True}, False),
        (
            {"minimum": 1, "maxLength": 4},
            {"minimum": 3, "maxLength": 2},
            {"minimum": 3, "maxLength": 2},
        ),
        ({"uniqueItems": False}, {"uniqueItems": True}, {"uniqueItems": True}),
        ({"required": ["a", "b"]}, {"required": ["b", "c"]}, {"required": ["a", "b", "c"]}),
        (
            {"title": "one"},
            {"title": "two", "description": "d"},
            {"title": "one", "description": "d"},
        ),
        ({"pattern": "a"}, {"pattern": "a"}, {"pattern": "a"}),
        ({"items": {"minimum": 1}}, {"items": True}, {"items": {"minimum": 1}}),
        ({"items": True}, {"items": {"minimum": 1}}, {"items": {"minimum": 1}}),
        (
            {"items": {"minimum": 1}},
            {"items": {"maximum": 2}},
            {"items": {"allOf": [{"minimum": 1}, {"maximum": 2}]}},
        ),
        (
            {"not": {"const": 1}},
            {"not": {"const": 2}},
            {"not": {"anyOf": [{"const": 1}, {"const": 2}]}},
        ),
        (True, {"minimum": 1}, {"minimum": 1}),
        ({"minimum": 1}, False, False),
        ({"const": 1, "enum": [1, 2]}, {"minimum": 1}, {"const": 1, "enum": [1, 2], "minimum": 1}),
    ],
)
def test_two_constraints_become_the_tighter_one(one: Any, two: Any, both: Any) -> None:
    assert merged(one, two) == (both, ())


@pytest.mark.parametrize(
    ("one", "two", "left"),
    [
        ({"pattern": "a"}, {"pattern": "b"}, {"pattern": "b"}),
        ({"anyOf": [{}]}, {"anyOf": [True]}, {"anyOf": [True]}),
        (
            {"contains": {}},
            {"contains": True, "minContains": 2},
            {"contains": True, "minContains": 2},
        ),
        ({"if": {}, "then": {}}, {"if": True}, {"if": True}),
        ({"prefixItems": [{}]}, {"items": {}}, {"items": {}}),
        ({"items": [{}]}, {"items": {}}, {"items": {}}),
        ({"patternProperties": {"a": {}}}, {"properties": {"b": {}}}, {"properties": {"b": {}}}),
    ],
)
def test_what_does_not_fit_into_one_schema_is_left_over(one: Any, two: Any, left: Any) -> None:
    schema, rest = merged(one, two)
    assert schema == one
    assert rest == (left,)


def test_properties_obey_the_closedness_of_both() -> None:
    one = {"properties": {"a": {"minimum": 1}, "c": True}, "additionalProperties": False}
    two = {
        "properties": {"a": {"maximum": 2}, "b": {}, "c": False},
        "additionalProperties": {"minimum": 0},
    }
    patterned = {"patternProperties": {"^x": {}}, "additionalProperties": False}

    assert merged(one, two) == (
        {
            "properties": {
                "a": {"allOf": [{"minimum": 1}, {"maximum": 2}]},
                "c": False,
                "b": False,
            },
            "additionalProperties": False,
        },
        (),
    )
    assert merged({"minProperties": 1}, patterned) == (
        {"minProperties": 1} | patterned,
        (),
    )
    assert merged(patterned, {"required": ["x"]}) == (patterned | {"required": ["x"]}, ())


def test_references_go_in_and_are_named() -> None:
    schema = {
        "$ref": "#/$defs/A",
        "minimum": 3,
        "$defs": {"A": {"allOf": [{"minimum": 5}], "type": "integer"}},
    }

    found = flat(schema, Definition(schema))

    assert found.schema == {"minimum": 5, "type": "integer"}
    assert found.resolved == {id(schema["$defs"]["A"])}


@given(one=shapes(), two=shapes(), value=JSON | st.none())
def test_the_merged_schema_takes_what_both_take(one: Shape, two: Shape, value: Any) -> None:
    found = merge(flat(one.schema, Definition(one.schema)).schema, two.schema)
    assume("allOf" not in two.schema and not found.left)
    schema = {"allOf": [found.schema]}
    for item in (value, one.value, two.value):
        try:
            both = all(Checker(part.schema).is_valid(item) for part in (one, two))
        except DefinitionError:
            assume(False)
        if both:
            assert Checker(schema).is_valid(item)
        elif "allOf" not in one.schema:
            assert not Checker(schema).is_valid(item)
