"""Verdicts and smallest witnesses, keyword by keyword, in both directions where both are told."""

from typing import Any

import pytest

from callgate.contract.inclusion.include import Inclusion, Verdict, example, include
from callgate.errors import DefinitionError
from callgate.schema.check import Checker

OBJECT: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["a"],
}
CLOSED: dict[str, Any] = OBJECT | {"additionalProperties": False}
TREE: dict[str, Any] = {
    "$ref": "#/$defs/tree",
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}},
            },
            "required": ["value"],
        }
    },
}


def tree(**inner: Any) -> dict[str, Any]:
    """Return trees whose properties are somewhat different."""
    given = TREE["$defs"]["tree"]
    return TREE | {"$defs": {"tree": given | {"properties": given["properties"] | inner}}}


def endless(**more: Any) -> dict[str, Any]:
    """Return a schema that no finite value satisfies: each holds another one."""
    inner = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    return inner | more


COMPATIBLE: list[tuple[str, Any, Any]] = [
    ("itself", OBJECT, dict(OBJECT)),
    ("anything", OBJECT, {}),
    ("nothing is in all", False, OBJECT),
    ("other words", OBJECT, OBJECT | {"description": "New.", "title": "New"}),
    ("formats are annotations", {"type": "string"}, {"type": "string", "format": "date"}),
    ("integers are numbers", {"type": "integer"}, {"type": "number"}),
    ("whole multiples are integers", {"type": "number", "multipleOf": 2}, {"type": "integer"}),
    ("more types", {"type": "string"}, {"type": ["string", "null"]}),
    (
        "types as a union",
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
    ),
    ("one more member", {"enum": [1, "a"]}, {"enum": ["a", 1.0, None]}),
    ("const among members", {"const": 1}, {"enum": [1, 2]}),
    ("members of a type", {"enum": ["a", "b"]}, {"type": "string", "maxLength": 1}),
    ("booleans are two", {"type": "boolean"}, {"enum": [True, False]}),
    ("null is one", {"type": "null"}, {"const": None}),
    ("lower bound", {"type": "integer", "minimum": 2}, {"exclusiveMinimum": 1}),
    (
        "bounds of whole numbers",
        {"type": "integer", "exclusiveMinimum": 0, "maximum": 1.5},
        {"const": 1},
    ),
    ("steps", {"type": "number", "multipleOf": 0.2}, {"multipleOf": 0.1}),
    ("two steps", {"allOf": [{"multipleOf": 4}, {"multipleOf": 6}]}, {"multipleOf": 12}),
    ("no step is left", {"type": "integer", "minimum": 1, "maximum": 5, "multipleOf": 7}, False),
    ("no number is left", {"type": "number", "minimum": 1, "exclusiveMaximum": 1}, False),
    (
        "one number, and it is out",
        {"type": "number", "minimum": 1, "maximum": 1, "not": {"const": 1}},
        False,
    ),
    ("longer texts", {"type": "string", "minLength": 3}, {"type": "string", "minLength": 2}),
    (
        "patterns",
        {"type": "string", "pattern": "^[a-f]{2}$"},
        {"pattern": "^\\w+$", "maxLength": 2},
    ),
    ("the same pattern", {"pattern": "^a", "minLength": 2}, {"pattern": "^a"}),
    ("no text is left", {"type": "string", "maxLength": 0, "minLength": 1}, False),
    ("optional again", OBJECT, {k: v for k, v in OBJECT.items() if k != "required"}),
    ("open again", CLOSED, OBJECT),
    (
        "new property where none could be",
        CLOSED,
        CLOSED | {"properties": CLOSED["properties"] | {"z": {}}},
    ),
    (
        "extra properties of a type",
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"additionalProperties": {"type": "number"}},
    ),
    (
        "patterned names",
        {
            "type": "object",
            "patternProperties": {"^x": {"type": "integer"}},
            "additionalProperties": False,
        },
        {"additionalProperties": {"type": "number"}},
    ),
    ("names", {"type": "object", "propertyNames": {"enum": ["a", "b"]}}, {"maxProperties": 2}),
    (
        "short names",
        {"type": "object", "propertyNames": {"maxLength": 0}},
        {"propertyNames": {"const": ""}},
    ),
    ("sizes", {"type": "object", "required": ["a", "b"]}, {"minProperties": 2}),
    (
        "too few names",
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {"a": {}},
            "minProperties": 2,
        },
        False,
    ),
    (
        "dependence",
        {"type": "object", "dependentRequired": {"a": ["b", "c"]}},
        {"dependentRequired": {"a": ["b"]}},
    ),
    (
        "dependence by schema",
        {"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}},
        {"dependentRequired": {"a": ["b"]}},
    ),
    ("items", {"type": "array", "items": {"type": "integer"}}, {"items": {"type": "number"}}),
    (
        "prefix",
        {"type": "array", "prefixItems": [{"type": "integer"}], "items": False},
        {"maxItems": 1},
    ),
    ("contains", {"type": "array", "contains": {"const": 1}, "minContains": 2}, {"minItems": 2}),
    (
        "contains at most",
        {"type": "array", "items": {"const": 1}, "contains": {"type": "integer"}, "maxContains": 2},
        {"maxItems": 2},
    ),
    (
        "contains none",
        {"type": "array", "contains": True, "minContains": 0, "maxContains": 0},
        {"const": []},
    ),
    (
        "unique items of two",
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True},
        {"maxItems": 2},
    ),
    (
        "unique empty arrays",
        {"type": "array", "items": {"type": "array", "maxItems": 0}, "uniqueItems": True},
        {"maxItems": 1},
    ),
    (
        "unique empty objects",
        {
            "type": "array",
            "items": {"type": "object", "maxProperties": 0},
            "uniqueItems": True,
            "minItems": 2,
        },
        False,
    ),
    ("one item does not repeat", {"type": "array", "maxItems": 1}, {"uniqueItems": True}),
    ("twice not", OBJECT, {"not": {"not": OBJECT}}),
    (
        "one of two that exclude each other",
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"oneOf": [{"type": "string"}, {"type": "null"}]},
    ),
    (
        "if is or",
        {"if": {"type": "string"}, "then": {"maxLength": 2}, "else": False},
        {"type": "string", "maxLength": 3},
    ),
    ("recursion", TREE, tree(value={"type": "number"})),
    (
        "longer recursion",
        tree(kids={"type": "array", "maxItems": 1, "items": {"$ref": "#/$defs/tree"}}),
        TREE,
    ),
    ("nothing finite", endless(), False),
    ("nothing finite under two names", endless(), endless(properties={"next": {"type": "string"}})),
    (
        "draft 7 ignores what stands beside a reference",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$ref": "#/definitions/a",
            "maxLength": 1,
            "definitions": {"a": {"type": "string"}},
        },
        {"type": "string"},
    ),
    (
        "draft 7 says items for a prefix",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "array",
            "items": [{"type": "null"}],
            "additionalItems": False,
        },
        {"items": {"type": "null"}},
    ),
    (
        "dependencies",
        {"type": "object", "dependencies": {"a": ["b"], "b": {"required": ["c"]}}},
        {"dependentRequired": {"a": ["b"], "b": ["c"]}},
    ),
    (
        "nothing unevaluated",
        {"type": "object", "properties": {"a": {}}, "unevaluatedProperties": False},
        {"properties": {"b": False}},
    ),
    ("no unevaluated items", {"type": "array", "unevaluatedItems": False}, {"maxItems": 0}),
    (
        "what was not kept is the same",
        {"$schema": "http://json-schema.org/draft-07/schema#", "contentEncoding": "base64"},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "contentEncoding": "base64",
            "title": "x",
        },
    ),
]

BREAKING: list[tuple[str, Any, Any, Any]] = [
    ("anything", {}, OBJECT, None),
    ("fraction", {"type": "number"}, {"type": "integer"}, 0.5),
    ("fraction of a step", {"type": "number", "multipleOf": 0.01}, {"multipleOf": 0.1}, 0.01),
    ("type gone", {"type": ["string", "null"]}, {"type": "string"}, None),
    ("member gone", {"enum": ["a", "b", "c"]}, {"enum": ["a", "b"]}, "c"),
    ("true is not one", {"const": True}, {"const": 1}, True),
    ("bound", {"type": "integer"}, {"minimum": 1}, 0),
    (
        "bound between floats",
        {"type": "number", "exclusiveMinimum": 0, "maximum": 0.001},
        {"minimum": 0.0009},
        0.00045,
    ),
    ("step", {"type": "integer", "minimum": 10}, {"multipleOf": 7}, 10),
    ("large bound", {"minimum": 1e300, "type": "number"}, {"minimum": 1e301}, 1e300),
    ("length", {"type": "string"}, {"maxLength": 2}, "aaa"),
    ("characters are code points", {"type": "string", "minLength": 1}, {"minLength": 2}, "a"),
    ("pattern", {"type": "string", "pattern": "^[a-z]{2,3}$"}, {"pattern": "^[a-y]*$"}, "az"),
    ("look-ahead", {"type": "string"}, {"pattern": "^(?=.*[0-9]).{3,}$"}, ""),
    ("members out of a pattern", {"type": "string", "pattern": "^[ab]$"}, {"enum": ["a"]}, "b"),
    ("required", OBJECT, OBJECT | {"required": ["a", "n"]}, {"a": ""}),
    ("closed", OBJECT, CLOSED, {"a": "", "": None}),
    (
        "property gone",
        CLOSED,
        CLOSED | {"properties": {"a": {"type": "string"}}},
        {"a": "", "n": 0},
    ),
    ("property narrowed", OBJECT, OBJECT | {"properties": {"a": {"maxLength": 1}}}, {"a": "aa"}),
    (
        "patterned name",
        {"type": "object"},
        {"patternProperties": {"^x[0-9]$": False}},
        {"x0": None},
    ),
    ("names", {"type": "object"}, {"propertyNames": {"pattern": "^a"}}, {"": None}),
    (
        "least number of properties",
        {"type": "object", "propertyNames": {"maxLength": 1}},
        {"maxProperties": 2},
        {"": None, "a": None, "b": None},
    ),
    ("dependence", {"type": "object"}, {"dependentRequired": {"a": ["b"]}}, {"a": None}),
    (
        "dependence by schema",
        {"type": "object", "required": ["b"]},
        {"dependentSchemas": {"a": {"maxProperties": 1}}},
        {"b": None, "a": None},
    ),
    ("items", {"type": "array"}, {"items": {"type": "string"}}, [None]),
    (
        "items behind a prefix",
        {"type": "array"},
        {"prefixItems": [{}], "items": False},
        [None, None],
    ),
    (
        "second of a prefix",
        {"type": "array", "prefixItems": [{"const": 1}]},
        {"prefixItems": [{}, {"type": "null"}]},
        [1, False],
    ),
    ("contains", {"type": "array", "items": {"enum": [1, 2]}}, {"contains": {"const": 2}}, []),
    (
        "contains twice",
        {"type": "array", "contains": {"const": 2}},
        {"contains": {"const": 2}, "minContains": 2},
        [2],
    ),
    (
        "contains too many",
        {"type": "array", "contains": {"const": 2}, "maxContains": 2},
        {"contains": {"const": 2}, "maxContains": 1},
        [2, 2],
    ),
    (
        "contains and its opposite",
        {"type": "array", "contains": {"type": "string"}},
        {"not": {"contains": {"type": "null"}}},
        ["", None],
    ),
    ("repeats", {"type": "array", "items": {"type": "integer"}}, {"uniqueItems": True}, [0, 0]),
    (
        "repeats with a prefix",
        {"type": "array", "prefixItems": [{"const": 1}, {"const": 2}]},
        {"uniqueItems": True},
        [1, 2, 1],
    ),
    (
        "unique objects",
        {"type": "array", "items": {"type": "object"}, "uniqueItems": True},
        {"maxItems": 1},
        [{}, {"": None}],
    ),
    (
        "unique arrays",
        {"type": "array", "items": {"type": "array"}, "uniqueItems": True},
        {"maxItems": 1},
        [[], [None]],
    ),
    (
        "unique texts",
        {"type": "array", "items": {"type": "string", "pattern": "^a*$"}, "uniqueItems": True},
        {"maxItems": 1},
        ["", "a"],
    ),
    ("union", {"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"type": "string"}, 0),
    (
        "one of two that overlap",
        {"anyOf": [{"type": "integer"}, {"type": "number"}]},
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        0,
    ),
    ("all of", {"type": "integer"}, {"allOf": [{"minimum": 0}, {"maximum": 3}]}, -1),
    ("not", {"type": "integer"}, {"not": {"const": 0}}, 0),
    (
        "if",
        {"type": "integer"},
        {"if": {"minimum": 5}, "then": {"multipleOf": 2}, "else": {"maximum": 3}},
        5,
    ),
    (
        "deep in a tree",
        TREE,
        tree(kids={"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 0}),
        {"value": 0, "kids": [{"value": 0}]},
    ),
    ("a pattern that is not understood", {"type": "string"}, {"pattern": "\\bword\\b"}, ""),
    (
        "unevaluated",
        {"type": "object"},
        {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False},
        {"zz": None},
    ),
    (
        "draft 4",
        {"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"},
        {"type": "string"},
        0,
    ),
]

UNDECIDED: list[tuple[str, Any, Any, tuple[str, ...]]] = [
    (
        "word boundaries",
        {"type": "string", "pattern": "^\\bqq[xy]{9}$"},
        {"pattern": "^\\bqq"},
        ("pattern",),
    ),
    (
        "automata that are too large",
        {"type": "string", "pattern": "^(a|b)*a(a|b){18}$"},
        {"pattern": "^(a|b)*b(a|b){17}$"},
        ("pattern",),
    ),
    (
        "arrays that are too long",
        {"type": "array", "minItems": 30_000},
        {"minItems": 30_001},
        ("minItems",),
    ),
    (
        "texts that are too long",
        {"type": "string", "minLength": 2_000_000},
        {"minLength": 2_000_001},
        ("minLength",),
    ),
    (
        "unevaluated",
        {"type": "object", "anyOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False},
        {"maxProperties": 1, "propertyNames": {"const": "a"}},
        ("unevaluatedProperties",),
    ),
    (
        "encodings",
        {"$schema": "http://json-schema.org/draft-07/schema#", "const": "YQ=="},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "string",
            "contentEncoding": "base64",
        },
        ("contentEncoding",),
    ),
    (
        "many names",
        {"type": "object", "minProperties": 300},
        {"minProperties": 301},
        ("minProperties",),
    ),
]


@pytest.mark.parametrize(
    ("before", "after"), [case[1:] for case in COMPATIBLE], ids=[case[0] for case in COMPATIBLE]
)
def test_what_allows_at_least_as_much_is_compatible(before: Any, after: Any) -> None:
    assert include(before, after) == Inclusion(verdict=Verdict.COMPATIBLE)


@pytest.mark.parametrize(
    ("before", "after", "witness"),
    [case[1:] for case in BREAKING],
    ids=[case[0] for case in BREAKING],
)
def test_what_allows_less_is_breaking_with_the_smallest_witness(
    before: Any, after: Any, witness: Any
) -> None:
    found = include(before, after)
    assert (found.verdict, found.witness) == (Verdict.BREAKING, witness)
    assert type(found.witness) is type(witness)
    assert Checker(before).is_valid(witness)
    assert found.problems == Checker(after).problems(witness) != ()


@pytest.mark.parametrize(
    ("before", "after", "keywords"),
    [case[1:] for case in UNDECIDED],
    ids=[case[0] for case in UNDECIDED],
)
def test_what_is_too_hard_is_undecided_and_names_the_keyword(
    before: Any, after: Any, keywords: tuple[str, ...]
) -> None:
    assert include(before, after) == Inclusion(verdict=Verdict.UNDECIDED, keywords=keywords)


def test_arguments_are_objects() -> None:
    assert include({}, {"type": "object"}, objects=True).verdict is Verdict.COMPATIBLE
    assert include({}, {"required": ["a"]}, objects=True).witness == {}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "strin"}, "This is not a JSON Schema"),
        ({"$ref": "https://example.com/a.json"}, "Schemas are never fetched"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#"}}}, "refers to itself"),
        ({"$ref": "#/$defs/a"}, "leads nowhere"),
        ({"pattern": "("}, "This is not a JSON Schema"),
    ],
)
def test_what_is_no_schema_is_refused(schema: Any, told: str) -> None:
    for pair in ((schema, {}), ({}, schema)):
        with pytest.raises(DefinitionError, match=told):
            include(*pair)


def test_an_example_is_a_small_valid_value() -> None:
    assert example(CLOSED) == {"a": ""}
    assert example({}, objects=True) == {}
    assert example({"type": "integer", "minimum": 5}) == 5
    assert example({"not": {}}) is None
