import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.schema.check import Checker
from callgate.schema.grammar import Bounds, call_grammar, read_calls
from tests.local.gbnf import Grammar


def written(schema: dict[str, Any], *, bounds: Bounds | None = None, number: int = 30) -> list[Any]:
    """Arguments that random sentences of the grammar of `schema` hold."""
    grammar = Grammar(call_grammar({"f": schema}, bounds=bounds))
    drawn: list[Any] = []
    for seed in range(number):
        ((name, arguments),) = read_calls(grammar.draw(seed))
        assert name == "f"
        drawn.append(json.loads(arguments))
    return drawn


def one(schema: Any, **kwargs: Any) -> dict[str, Any]:
    """The schema of a function with one required parameter `v`."""
    return {"type": "object", "properties": {"v": schema}, "required": ["v"], **kwargs}


TREE = {
    "type": "object",
    "properties": {
        "value": {"type": "number"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
    },
    "required": ["value", "children"],
    "additionalProperties": False,
}

SCHEMAS = {
    "texts": one({"type": "string", "minLength": 2, "maxLength": 5}),
    "whole numbers": one({"type": "integer"}),
    "bounded numbers": one({"type": "integer", "minimum": -17, "maximum": 2305}),
    "exclusive bounds": one({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 11}),
    "negative numbers": one({"type": "integer", "minimum": -120, "maximum": -7}),
    "least only": one({"type": "integer", "minimum": 5}),
    "numbers": one({"type": "number", "minimum": 0}),
    "choices": one({"enum": ["a b", 'quo"te', 3, None, True]}),
    "constants": one({"const": {"a": [1, "x"]}}),
    "dates": one({"type": "string", "format": "date-time"}),
    "identifiers": one({"type": "string", "format": "uuid"}),
    "nullable": one({"type": ["string", "null"]}),
    "alternatives": one({"anyOf": [{"type": "integer"}, {"type": "array", "items": {"const": 1}}]}),
    "arrays": one({"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3}),
    "pairs": one({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}),
    "maps": one({"type": "object", "additionalProperties": {"type": "integer"}}),
    "nothing inside": one({"type": "object", "additionalProperties": False}),
    "anything": one({}),
    "optional only": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c d": {"type": "null"}},
        "additionalProperties": False,
    },
    "objects": one(
        {
            "type": "object",
            "properties": {"later": {"type": "string"}, "first": {"type": "integer"}},
            "required": ["first"],
            "additionalProperties": False,
        }
    ),
    "trees": one({"$ref": "#/$defs/tree"}, **{"$defs": {"tree": TREE}}),
    "all of": one(
        {
            "allOf": [
                {"$ref": "#/$defs/named"},
                {"properties": {"age": {"type": "integer"}}, "required": ["age"]},
            ]
        },
        **{
            "$defs": {
                "named": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}},
                    "required": ["name"],
                }
            }
        },
    ),
    "shared beside alternatives": one(
        {
            "type": "object",
            "properties": {"kind": {"type": "string"}, "n": {"type": "integer"}},
            "anyOf": [{"required": ["kind"]}, {"required": ["n"]}],
        }
    ),
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_every_call_the_grammar_allows_satisfies_the_schema(schema: dict[str, Any]):
    checker = Checker(schema)
    assert [value for value in written(schema) if not checker.is_valid(value)] == []


@given(st.integers(-3000, 3000), st.integers(0, 3000), st.integers(0, 2**32))
def test_bounds_of_integers_are_kept_exactly(low: int, width: int, seed: int):
    schema = one({"type": "integer", "minimum": low, "maximum": low + width})
    sentence = Grammar(call_grammar({"f": schema})).draw(seed)
    ((_, arguments),) = read_calls(sentence)
    assert low <= json.loads(arguments)["v"] <= low + width


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
leaves = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "minimum": 1},
        {"type": "boolean"},
        {"enum": ["x", "y"]},
        {"type": "string", "format": "date"},
    ]
)


def _object(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(names, inner, max_size=4).flatmap(
        lambda properties: st.lists(st.sampled_from(sorted(properties) or [""]), unique=True).map(
            lambda required: {
                "type": "object",
                "properties": properties,
                "required": [name for name in required if name in properties],
                "additionalProperties": False,
            }
        )
    )


schemas = st.recursive(
    leaves,
    lambda inner: _object(inner) | inner.map(lambda items: {"type": "array", "items": items}),
    max_leaves=8,
)


@given(_object(schemas), st.integers(0, 2**32))
def test_calls_of_any_mix_of_schemas_can_be_read_back_and_are_valid(schema: Any, seed: int):
    ((_, arguments),) = read_calls(Grammar(call_grammar({"f": schema})).draw(seed))
    assert Checker(schema).is_valid(json.loads(arguments))


def test_lengths_are_bounded_where_the_schema_sets_no_bound():
    bounds = Bounds(string=4, items=2, entries=1, nesting=1, references=1)
    text = call_grammar({"f": one({})}, bounds=bounds)
    assert "char{0,4}" in text
    assert "{0,1}" in text
    longest = max(len(json.dumps(value)) for value in written(one({}), bounds=bounds, number=200))
    assert longest < 80


def test_a_recursion_ends_where_the_bound_says():
    schema = one({"$ref": "#/$defs/tree"}, **{"$defs": {"tree": TREE}})
    deepest = call_grammar({"f": schema}, bounds=Bounds(references=2)).count('"\\"children\\": "')
    assert deepest == 2


def test_a_required_recursion_that_cannot_end_leaves_an_empty_call():
    endless = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert written(endless, number=1) == [{}]


@pytest.mark.parametrize("reference", ["#/$defs/none", "elsewhere.json"])
def test_a_reference_to_nowhere_allows_anything(reference: str):
    assert len({json.dumps(value) for value in written(one({"$ref": reference}))}) > 10


def test_unknown_keywords_and_types_are_left_to_the_check():
    plain = call_grammar({"f": one({"type": "string"})})
    assert call_grammar({"f": one({"type": "string", "pattern": "^a+$"})}) == plain
    assert len({json.dumps(value) for value in written(one({"type": "file"}))}) > 10


def test_several_calls_come_one_a_line():
    signatures = {"f": one({"type": "integer"}), "g-h": {"type": "object", "properties": {}}}
    grammar = Grammar(call_grammar(signatures, bounds=Bounds(calls=3)))
    drawn = {len(read_calls(grammar.draw(seed))) for seed in range(40)}
    assert drawn == {1, 2, 3}


def test_names_that_are_no_identifiers_are_quoted():
    schema = {"type": "object", "properties": {"a=b": {"const": 1}}, "required": ["a=b"]}
    assert read_calls('"x.y"("a=b"=1)') == (("x.y", '{"a=b": 1}'),)
    assert Grammar(call_grammar({"x.y": schema})).draw(1) == '"x.y"("a=b"=1)'


@pytest.mark.parametrize(
    "text", ["", "f", "f(", "f(a", 'f(a="x', 'f(a="x"', "f(a=1) and more", '"f"']
)
def test_a_cut_call_is_no_call(text: str):
    with pytest.raises(ValueError, match=r".+"):
        read_calls(text)


@pytest.mark.parametrize(
    "schema",
    [
        one({"type": "array", "items": False, "minItems": 1}),
        one({"allOf": [True, {"type": "string"}]}),
        one({"$ref": "#/$defs/loop"}, **{"$defs": {"loop": {"allOf": [{"$ref": "#/$defs/loop"}]}}}),
        one({"anyOf": [False]}),
        one({"enum": []}),
        one({"type": "array", "maxItems": 0}),
        one({"type": "integer", "minimum": 10, "maximum": 3}),
    ],
)
def test_schemas_that_allow_nothing_or_turn_in_circles_still_give_a_grammar(schema: Any):
    assert all(isinstance(value, dict) for value in written(schema, number=3))
