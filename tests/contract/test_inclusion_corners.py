"""Corners of the decision: exclusions, counts, bounds of work, and what must stay undecided."""

import time
from typing import Any

import pytest

from callgate.contract.inclusion import numbers
from callgate.contract.inclusion.answers import EMPTY, Found, Unknown
from callgate.contract.inclusion.facts import AtMost, Multiple, Size, among, exact, same
from callgate.contract.inclusion.include import Verdict, include
from callgate.contract.inclusion.numbers import Range, find_number
from callgate.contract.inclusion.shrink import shrunk

ARRAY: dict[str, Any] = {"type": "array"}
OBJECT: dict[str, Any] = {"type": "object"}
FEW = OBJECT | {
    "properties": {"a": {"enum": [1, 2]}},
    "required": ["a"],
    "additionalProperties": False,
}
PATTERNS = {f"^{letter}": {"type": "integer"} for letter in "abcdefgh"}
HARD = {"type": "string", "pattern": "^\\bqq[xy]{9}$"}
OTHER = {"type": "string", "pattern": "^\\b(qq)[xy]{9}$"}

CASES: list[tuple[str, Any, Any, Any]] = [
    (
        "unique stays unique",
        ARRAY | {"uniqueItems": True, "minItems": 1},
        {"uniqueItems": True},
        Verdict.COMPATIBLE,
    ),
    (
        "one value twice",
        ARRAY | {"prefixItems": [{"const": 1}, {"enum": [1]}], "uniqueItems": True, "minItems": 2},
        False,
        Verdict.UNDECIDED,
    ),
    (
        "many unique items",
        ARRAY | {"uniqueItems": True, "minItems": 300},
        {"minItems": 301},
        Verdict.UNDECIDED,
    ),
    (
        "two unique places",
        ARRAY | {"prefixItems": [{"const": 1}, False], "uniqueItems": True, "minItems": 2},
        False,
        Verdict.COMPATIBLE,
    ),
    (
        "all arrays but one",
        ARRAY | {"items": {"enum": [0, 1]}, "maxItems": 1},
        {"enum": [[], [0]]},
        [1],
    ),
    (
        "all arrays",
        ARRAY | {"items": {"enum": [0, 1]}, "maxItems": 1},
        {"enum": [[], [0], [1]]},
        Verdict.UNDECIDED,
    ),
    ("the empty array", ARRAY | {"items": False}, {"const": []}, Verdict.COMPATIBLE),
    (
        "counted exclusions",
        ARRAY | {"contains": {"const": 1}, "items": {"const": 1}, "maxItems": 2},
        {"enum": [[1], [1, 1]]},
        Verdict.UNDECIDED,
    ),
    (
        "many counted items",
        ARRAY | {"contains": {"const": 1}, "minContains": 60},
        {"minItems": 61},
        Verdict.UNDECIDED,
    ),
    (
        "counts that exclude each other",
        ARRAY | {"contains": {"const": 1}, "minContains": 3, "maxContains": 2},
        False,
        Verdict.COMPATIBLE,
    ),
    (
        "items that cannot be",
        ARRAY | {"items": HARD, "minItems": 1},
        {"items": OTHER},
        Verdict.UNDECIDED,
    ),
    ("the other object", FEW, {"const": {"a": 1}}, {"a": 2}),
    ("no other object", FEW, {"enum": [{"a": 1}, {"a": 2}]}, Verdict.UNDECIDED),
    (
        "too many patterns",
        OBJECT | {"patternProperties": PATTERNS, "additionalProperties": {"type": "integer"}},
        {"additionalProperties": {"type": "number"}},
        Verdict.UNDECIDED,
    ),
    (
        "a hard property",
        OBJECT | {"properties": {"a": HARD}, "required": ["a"]},
        {"properties": {"a": OTHER}},
        Verdict.UNDECIDED,
    ),
    ("a hard name", OBJECT | {"propertyNames": HARD}, {"propertyNames": OTHER}, Verdict.UNDECIDED),
    (
        "hard fillers",
        OBJECT | {"properties": {"a": HARD}, "additionalProperties": HARD, "minProperties": 1},
        {"minProperties": 2},
        Verdict.UNDECIDED,
    ),
    (
        "a required name that may not be",
        OBJECT | {"required": ["ab"], "propertyNames": {"maxLength": 1}},
        False,
        Verdict.COMPATIBLE,
    ),
    (
        "fresh names",
        OBJECT | {"minProperties": 3, "propertyNames": {"pattern": "^[ab]$"}},
        False,
        Verdict.COMPATIBLE,
    ),
    (
        "demands under a limit",
        OBJECT | {"maxProperties": 1, "not": {"additionalProperties": {"type": "string"}}},
        {"additionalProperties": {"type": "integer"}},
        {"": None},
    ),
    (
        "two demands, one place",
        OBJECT | {"maxProperties": 1, "not": {"patternProperties": {"^a": {"type": "string"}}}},
        {"propertyNames": {"pattern": "^b"}},
        {"a": None},
    ),
    (
        "names listed elsewhere",
        OBJECT | {"required": ["ax"]},
        {"patternProperties": {"^a": {"type": "string"}}, "additionalProperties": False},
        {"ax": None},
    ),
    (
        "no name is additional",
        OBJECT | {"propertyNames": {"enum": ["a"]}},
        {"properties": {"a": {}}, "additionalProperties": False},
        Verdict.COMPATIBLE,
    ),
    (
        "conditions",
        {"if": {"required": ["a"]}, "then": {"type": "object"}, "type": "object"},
        {"if": True, "then": {"type": "object"}},
        Verdict.COMPATIBLE,
    ),
    ("one condition", {"type": "integer"}, {"if": {"minimum": 5}, "else": {"maximum": 3}}, 4),
    ("a condition alone", {"type": "integer"}, {"if": {"minimum": 5}}, Verdict.COMPATIBLE),
    (
        "not of several",
        {"type": "integer"},
        {"not": {"allOf": [{"minimum": 3}, {"maximum": 4}]}},
        3,
    ),
    ("dependence on itself", OBJECT, {"dependentRequired": {"a": ["a"]}}, Verdict.COMPATIBLE),
    (
        "old dependence and new",
        OBJECT | {"dependencies": {"a": ["b"]}, "dependentRequired": {"a": ["c"]}},
        {"dependentRequired": {"a": ["b", "c"]}},
        Verdict.COMPATIBLE,
    ),
    (
        "old dependence and new by schema",
        OBJECT
        | {
            "dependencies": {"a": {"required": ["b"]}},
            "dependentSchemas": {"a": {"required": ["c"]}},
        },
        {"dependentRequired": {"a": ["b", "c"]}},
        Verdict.COMPATIBLE,
    ),
    (
        "unevaluated beside additional",
        OBJECT | {"additionalProperties": {"type": "null"}, "unevaluatedProperties": False},
        {"additionalProperties": {"type": "null"}},
        Verdict.COMPATIBLE,
    ),
    (
        "a reference out into the standard",
        {"$ref": "https://json-schema.org/draft/2020-12/schema", "const": True},
        {"type": "boolean"},
        Verdict.UNDECIDED,
    ),
    (
        "a dynamic reference",
        {"$dynamicRef": "#a", "$defs": {"a": {"$dynamicAnchor": "a", "type": "null"}}},
        {"type": "null"},
        Verdict.UNDECIDED,
    ),
    (
        "draft 6 knows no conditions",
        {
            "$schema": "http://json-schema.org/draft-06/schema#",
            "type": "integer",
            "if": {},
            "then": False,
        },
        {"type": "number"},
        Verdict.COMPATIBLE,
    ),
    (
        "many definitions that double",
        {
            "$defs": {
                f"d{n}": {
                    "type": "object",
                    "properties": {
                        "x": {"$ref": f"#/$defs/d{n + 1}"},
                        "y": {"$ref": f"#/$defs/d{n + 1}"},
                    },
                    "required": ["x", "y"],
                }
                for n in range(20)
            }
            | {"d20": {"type": "integer"}},
            "$ref": "#/$defs/d0",
        },
        {"required": ["z"]},
        Verdict.UNDECIDED,
    ),
    (
        "a long text",
        {"type": "string", "pattern": "^a{60}[bc]$"},
        {"pattern": "b$"},
        "a" * 60 + "c",
    ),
]


@pytest.mark.parametrize(
    ("before", "after", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_corners(before: Any, after: Any, expected: Any) -> None:
    found = include(before, after)
    if isinstance(expected, Verdict):
        assert found.verdict is expected
    else:
        assert (found.verdict, found.witness) == (Verdict.BREAKING, expected)


LONG: list[tuple[Any, Any, Any]] = [
    ({"type": "string", "maxLength": 65_535}, {"maxLength": 10_000}, "a" * 10_001),
    ({"type": "string"}, {"maxLength": 100_000}, "a" * 100_001),
    (ARRAY | {"maxItems": 10_000}, {"maxItems": 5_000}, [None] * 5_001),
    ({"type": "string", "pattern": "^[a-z]{1,1024}$"}, {"maxLength": 1_000}, "a" * 1_001),
    ({"type": "string", "pattern": "^x{1000}$"}, {"minLength": 999}, Verdict.COMPATIBLE),
    (ARRAY | {"uniqueItems": True, "maxItems": 180}, {"maxItems": 170}, 171),
]


@pytest.mark.parametrize(("before", "after", "expected"), LONG)
def test_bounds_of_many_thousands_have_witnesses_too(
    before: Any, after: Any, expected: Any
) -> None:
    found = include(before, after)
    if isinstance(expected, Verdict):
        assert found.verdict is expected
    elif isinstance(expected, int):
        assert len(found.witness) == expected
    else:
        assert found.witness == expected


TEXTS = ARRAY | {"items": {"type": "string", "minLength": 1_000}, "minItems": 1_000}
HUGE: list[tuple[Any, Any, Any]] = [
    (
        ARRAY | {"items": {"type": "object", "properties": {"a": TEXTS}, "required": ["a"]}},
        {"maxItems": 5},
        "minItems",
    ),
    (ARRAY | {"items": {"type": "string", "minLength": 900_000}, "minItems": 900}, ARRAY, None),
    (ARRAY | {"items": ARRAY | {"items": TEXTS, "minItems": 99}}, {"maxItems": 1}, "minItems"),
]


@pytest.mark.parametrize(("before", "after", "keyword"), HUGE)
def test_a_witness_that_nobody_could_use_is_not_built(
    before: Any, after: Any, keyword: str | None
) -> None:
    start = time.process_time()
    found = include(before, after)
    # Minutes, where every part of a large value was left out in turn.
    assert time.process_time() - start < 5
    if keyword is not None:
        assert (found.verdict, found.keywords) == (Verdict.UNDECIDED, (keyword,))


def multiples(*of: float, but: tuple[float, ...] = ()) -> list[Multiple]:
    return [Multiple(True, exact(one)) for one in of] + [Multiple(False, exact(one)) for one in but]


def test_numbers_are_found_or_proved_not_to_be() -> None:
    free = Range()
    assert find_number(free, multiples(4, 6, but=(8,)), []) == Found(12)
    assert find_number(free, multiples(4, but=(2,)), []) == EMPTY
    assert find_number(free, [], [exact(number) for number in range(-20, 21)]) == Found(0.5)
    one = Range(exact(0.5), False, exact(0.5), False)
    assert find_number(one, multiples(but=(1,)), []) == Found(0.5)
    assert find_number(one, multiples(but=(0.25,)), []) == EMPTY
    wide = Range(exact(1), False, exact(5_000), False)
    assert find_number(wide, multiples(1), [exact(n) for n in range(1, 2_100)]) == Unknown(
        frozenset({"multipleOf"})
    )
    tiny = Range(exact(1.0), True, exact(1.0000000000000002), True)
    assert find_number(tiny, [], []) == Unknown(frozenset({"minimum"}))
    assert find_number(Range(exact(-9.5), False, exact(-8), True), multiples(1), []) == Found(-9)
    assert find_number(Range(exact(1e300), False, None, False), [], []) == Found(1e300)
    assert numbers.find_number(Range(exact(3), True, exact(3), False), [], []) == EMPTY


def test_ranges_only_narrow() -> None:
    range_ = Range(exact(1), True, exact(9), True)
    range_.narrow(Size(exact(1)))
    range_.narrow(AtMost(exact(9)))
    range_.narrow(Size(exact(0)))
    assert range_ == Range(exact(1), True, exact(9), True)
    assert not range_.holds(exact(1))
    assert range_.holds(exact(2))
    assert range_.within(Range())


def test_equal_is_what_json_calls_equal() -> None:
    assert same([1, {"a": 1.0}], [1.0, {"a": 1}])
    assert not same(True, 1)
    assert not same([1], [True])
    assert not same({"a": 1}, {"b": 1})
    assert among({"a": [0]}, [1, {"a": [0.0]}])


def test_a_witness_shrinks_to_what_it_has_to_be() -> None:
    big = {f"p{number}": [number, "text", {"deep": [True, None, 3.75]}] for number in range(9)}
    assert shrunk(big, lambda value: isinstance(value, dict) and "p4" in value) == {"p4": ""}
    long = shrunk("ab" * 50 + "é", lambda value: isinstance(value, str) and "é" in value)
    assert long == "é"
    assert shrunk([0] * 30, lambda value: isinstance(value, list) and len(value) > 6) == [None] * 7
    assert shrunk(1e308, lambda value: isinstance(value, float) and value > 1e300) == 1e308
    assert shrunk(-123.456, lambda value: isinstance(value, float) and value < -123) == -123.5
    assert shrunk(big, lambda value: value == big, tries=3) == big
    assert shrunk(True, lambda value: value is None or value is True) in (True, None)
