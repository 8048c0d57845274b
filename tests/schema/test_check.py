"""Checking values: what a schema must be, how long a check may take, and how a no is explained."""

import time
from typing import Any

import pytest

from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.schema.problems import explain, json_path, shown
from callgate.types import Problem


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _problems(schema: dict[str, Any], value: Any) -> list[tuple[str, str, str, Any]]:
    return [
        (problem.path, problem.got, problem.allowed, problem.nearest)
        for problem in Checker(schema).problems(value)
    ]


# ------------------------------------------------------------------ what a schema must be


def test_a_schema_is_compiled_by_the_first_check_and_only_once() -> None:
    checker = Checker({"type": "integer"})
    first = checker.is_valid

    assert (checker.is_valid(1), checker.is_valid("1")) == (True, False)
    assert checker.is_valid is not first
    assert first(2)


def test_what_is_no_schema_is_refused_when_it_is_compiled() -> None:
    checker = Checker({"type": "object", "properties": {"a": {"type": "text"}}})

    with pytest.raises(DefinitionError) as caught:
        checker.compile()

    assert caught.value.message.startswith("This is not a JSON Schema: ")
    assert caught.value.message.endswith("(at #/properties/a/type).")


@pytest.mark.parametrize("schema", [{"enum": {1, 2}}, {"const": 2**70}])
def test_a_schema_that_is_no_json_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="is not JSON"):
        Checker(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"allOf": [{"anyOf": [{"not": {"$ref": "#"}}]}]},
        {"dependentSchemas": {"a": {"$ref": "#"}}},
        {"$id": "urn:x", "$defs": {"a": {"$anchor": "n", "$dynamicRef": "urn:x#n"}}},
        {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"if": {"$ref": "#/$defs/a"}}}},
    ],
)
def test_a_reference_that_comes_back_without_descending_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match="refers to itself without descending"):
        Checker(schema)


def test_a_tree_may_refer_to_itself() -> None:
    node = _object(value={"type": "integer"}, left={"$ref": "#"}, right={"$ref": "#"})
    checker = Checker(node | {"anyOf": [{"required": ["value"]}, {"required": ["left"]}]})

    assert checker.is_valid({"value": 1, "left": {"value": 2}})
    assert not checker.is_valid({"value": 1, "left": {"right": {}}})


@pytest.mark.parametrize(
    "reference",
    [
        "http://127.0.0.1:9/x.json",
        "https://example.com/x.json#/a",
        "file:///etc/hostname",
        "other.json",
        "urn:x",
    ],
)
def test_a_reference_out_of_the_document_is_refused_and_nothing_is_fetched(reference: str) -> None:
    with pytest.raises(DefinitionError, match="Schemas are never fetched"):
        Checker({"properties": {"a": {"$ref": reference}}})


@pytest.mark.parametrize(
    "reference", ["#/$defs/b", "#/$defs/a/anyOf/7", "#/$defs/a/anyOf/x", "#nowhere", "#/title/x"]
)
def test_a_reference_that_leads_nowhere_is_refused(reference: str) -> None:
    schema = {"$defs": {"a": {"anyOf": [True]}}, "title": "t", "items": {"$ref": reference}}

    with pytest.raises(DefinitionError, match="leads nowhere"):
        Checker(schema)


def test_references_within_the_document_are_followed_wherever_they_lead() -> None:
    schema = {
        "$id": "https://example.com/tool",
        "properties": {
            "a": {"$ref": "#/components/a~1b"},
            "b": {"$ref": "#named"},
            "c": {"$ref": "part#/properties/x"},
            "d": {"$ref": "https://json-schema.org/draft/2020-12/schema"},
            "e": {"$ref": "#/allOf/0"},
        },
        "components": {"a/b": {"type": "integer", "not": {"$ref": "#/$defs/zero"}}},
        "$defs": {
            "zero": {"const": 0},
            "named": {"$anchor": "named", "type": "boolean"},
            "part": {"$id": "part", "properties": {"x": {"type": "null"}}},
        },
        "allOf": [True],
    }

    assert Checker(schema).is_valid({"a": 1, "b": True, "c": None, "d": {}, "e": 5})
    for wrong in ({"a": 0}, {"b": 1}, {"c": 1}, {"d": {"type": 5}}):
        assert not Checker(schema).is_valid(wrong)


def test_a_schema_that_is_nested_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(64):
        deep = {"items": deep}
    with pytest.raises(DefinitionError, match="nests more than 64 schemas"):
        Checker(deep)

    circular: dict[str, Any] = {}
    circular["items"] = circular
    with pytest.raises(DefinitionError, match="is not JSON"):
        Checker(circular)


def test_an_older_draft_is_read_by_its_own_rules() -> None:
    draft = "http://json-schema.org/draft-07/schema#"
    pair = {"$schema": draft, "items": [{"type": "integer"}], "additionalItems": False}

    assert [Checker(pair).is_valid(value) for value in ([1], ["1"], [1, 2])] == [True, False, False]
    assert Checker({"$schema": "https://example.com/own", "type": "integer"}).is_valid(1)


def test_format_is_an_annotation() -> None:
    assert Checker({"type": "string", "format": "date"}).is_valid("tomorrow")


# ------------------------------------------------------------------ patterns in bounded time

CATASTROPHIC = [
    r"^(a+)+$",
    r"^(a|aa)+$",
    r"(.*a){20}$",
    r"^(?=(a+)+$)(a+)+b$",
    r"^(a+)+\1$",
    r"(?=(a+))\1*b(?=.*c)",
    r"^(?:(?!x).*a)*b$",
]


@pytest.mark.parametrize("pattern", CATASTROPHIC)
@pytest.mark.parametrize("length", [30, 2_000, 100_000])
def test_a_catastrophic_pattern_ends_in_a_tenth_of_a_second(pattern: str, length: int) -> None:
    checker = Checker(_object(a={"type": "string", "pattern": pattern}))
    hostile = {"a": "a" * length + "!"}
    checker.compile()

    started = time.thread_time()
    problems = checker.problems(hostile)
    spent = time.thread_time() - started

    assert [problem.path for problem in problems] == ["$.a"]
    assert spent < 0.1


def test_a_pattern_that_looks_around_is_checked_on_texts_of_usual_length() -> None:
    schema = {"pattern": r"^(?=.*[A-Z])(?=.*\d).{8,}$", "allOf": [{"maxLength": 20}]}

    assert Checker(schema).is_valid("Secret123")
    assert _problems(schema, "secret123") == [
        ("$", '"secret123"', 'a string that matches "^(?=.*[A-Z])(?=.*\\\\d).{8,}$"', None)
    ]
    assert _problems({"pattern": r"(?!x)y\b"}, "a" * 3_000) == [
        ("$", shown("a" * 3_000), "at most 2048 characters", None)
    ]
    assert Checker(schema).is_valid(5)


def test_simple_patterns_beside_one_that_looks_around_are_not_bounded() -> None:
    schema = {
        "properties": {"a": {"pattern": "^a+$"}, "b": {"pattern": "^(?!x)"}},
        "patternProperties": {"^z": {"pattern": "^z+$"}},
        "items": {"prefixItems": [True, {"pattern": "a"}]},
    }
    checker = Checker(schema)

    assert checker.is_valid({"a": "a" * 5_000, "b": "y", "z": "z" * 5_000})
    assert not checker.is_valid({"b": "xy"})
    assert not checker.is_valid({"z": "y"})
    assert not checker.is_valid([["", "b"]])


def test_a_match_that_takes_too_many_steps_is_told_as_such() -> None:
    found = _problems({"pattern": r"(?=(a+))\1*b"}, "a" * 2_048)

    assert found == [
        (
            "$",
            shown("a" * 2_048),
            "a shorter string: matching this one took too many steps",
            None,
        )
    ]


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"pattern": "(?=a)b"}},
        {"if": {"items": {"anyOf": [{"pattern": "(?=a)b"}]}}, "then": False},
        {"patternProperties": {"(?=a)b": True}},
    ],
)
def test_a_pattern_whose_failure_would_let_a_value_pass_must_be_simple(
    schema: dict[str, Any],
) -> None:
    with pytest.raises(DefinitionError, match="looks around or back"):
        Checker(schema).compile()


def test_a_pattern_that_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(DefinitionError, match="This is not a JSON Schema"):
        Checker({"pattern": "("}).compile()


# ------------------------------------------------------------------ how a no is explained

CASES: list[tuple[dict[str, Any], Any, list[tuple[str, str, str, Any]]]] = [
    ({"type": "integer"}, "x", [("$", '"x"', "an integer", None)]),
    ({"type": "string"}, 5, [("$", "5", "a string", "5")]),
    ({"type": ["string", "null"]}, 5, [("$", "5", "null or a string", None)]),
    (
        {"enum": ["celsius", "fahrenheit"]},
        "celcius",
        [("$", '"celcius"', 'one of "celsius", "fahrenheit"', "celsius")],
    ),
    ({"enum": ["a", 1]}, "zzz", [("$", '"zzz"', 'one of "a", 1', None)]),
    (
        {"enum": list(range(14))},
        99,
        [("$", "99", "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 2 more", None)],
    ),
    ({"const": "x"}, "y", [("$", '"y"', '"x"', "x")]),
    ({"minimum": 3}, 1, [("$", "1", "a number of at least 3", 3)]),
    ({"maximum": 3}, 4.5, [("$", "4.5", "a number of at most 3", 3)]),
    ({"exclusiveMinimum": 3}, 3, [("$", "3", "a number above 3", 4)]),
    ({"exclusiveMaximum": 3}, 3.5, [("$", "3.5", "a number below 3", None)]),
    ({"multipleOf": 5}, 13, [("$", "13", "a multiple of 5", 15)]),
    ({"multipleOf": 0.5}, 0.3, [("$", "0.3", "a multiple of 0.5", None)]),
    ({"minLength": 3}, "a", [("$", '"a"', "at least 3 characters", None)]),
    ({"maxLength": 1}, "ab", [("$", '"ab"', "at most 1 characters", None)]),
    ({"minItems": 1}, [], [("$", "[]", "at least 1 items", None)]),
    ({"maxItems": 0}, [1], [("$", "[1]", "at most 0 items", None)]),
    ({"uniqueItems": True}, [1, 1], [("$", "[1,1]", "an array whose items all differ", None)]),
    (
        {"contains": {"const": 1}},
        [2],
        [("$", "[2]", "an array with an item of the required kind", None)],
    ),
    ({"minProperties": 1}, {}, [("$", "{}", "at least 1 properties", None)]),
    ({"maxProperties": 0}, {"a": 1}, [("$", '{"a":1}', "at most 0 properties", None)]),
    ({"not": {"type": "null"}}, None, [("$", "null", 'anything but {"type":"null"}', None)]),
    (
        {"propertyNames": {"maxLength": 1}},
        {"ab": 1},
        [("$", '{"ab":1}', 'names as here: "ab" is longer than 1 character', None)],
    ),
    ({"properties": {"a": False}}, {"a": 1}, [("$.a", "1", "nothing at this place", None)]),
    (
        {"prefixItems": [True], "unevaluatedItems": False},
        [1, 2],
        [("$", "[1,2]", "Unevaluated items are not allowed ('2' was unexpected)", None)],
    ),
    (
        _object(city={"type": "string"}, days={"type": "integer"}),
        {"citty": "x", "days": 1, "q": 2},
        [
            ("$.citty", '"x"', 'no property of this name (known: "city")', "city"),
            ("$.q", "2", 'no property of this name (known: "city")', None),
        ],
    ),
    (
        {"additionalProperties": False},
        {"a": 1},
        [("$.a", "1", "no property of this name (known: none)", None)],
    ),
    ({"items": False}, [1], [("$[0]", "1", "nothing at this place", None)]),
    (
        _object(unit={"enum": ["c", "f"]}, n={"type": "integer", "minimum": 1}, m={})
        | {"required": ["unit", "n", "m", "z"]},
        {},
        [
            ("$.unit", "nothing", 'one of "c", "f"', None),
            ("$.n", "nothing", "an integer", None),
            ("$.m", "nothing", "a value", None),
            ("$.z", "nothing", "a value", None),
        ],
    ),
    (
        {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "x",
        [("$", '"x"', "an integer or null", None)],
    ),
    (
        {"oneOf": [{"type": "integer"}, {"type": "number"}]},
        3,
        [("$", "3", "a value that fits exactly one of 2 alternatives (fits 2)", None)],
    ),
    (
        {
            "oneOf": [
                _object(kind={"const": "circle"}, r={"type": "integer"}),
                _object(kind={"const": "square"}, side={"type": "integer"}),
                {"type": "null"},
            ]
        },
        {"kind": "square", "side": "long"},
        [("$.side", '"long"', "an integer", None)],
    ),
    (
        {"properties": {"a b": {"items": {"properties": {"x": {"type": "null"}}}}}},
        {"a b": [{}, {"x": 1}]},
        [('$["a b"][1].x', "1", "null", None)],
    ),
]


@pytest.mark.parametrize(("schema", "value", "expected"), CASES)
def test_a_problem_names_place_value_what_is_allowed_and_what_is_nearest(
    schema: dict[str, Any], value: Any, expected: list[tuple[str, str, str, Any]]
) -> None:
    assert _problems(schema, value) == expected


def test_a_valid_value_has_no_problems() -> None:
    assert _problems({"type": "integer"}, 1) == []


def test_a_value_with_very_many_mistakes_is_told_one_of_them_soon() -> None:
    checker = Checker({"items": {"type": "integer"}})

    assert len(checker.problems(["x"] * 30_000)) == 1
    assert checker.problems([1] * 30_000) == ()


def _problem(number: int, **more: Any) -> Problem:
    return Problem(path=f"$.a{number}", got=str(number), allowed="a string", **more)


def test_one_problem_is_told_in_one_line() -> None:
    assert explain([_problem(1, nearest="1")]) == (
        'The arguments are not valid. $.a1 is 1; allowed is a string. Did you mean "1"?'
    )


def test_at_most_five_problems_are_told_and_the_rest_is_counted() -> None:
    assert explain([_problem(number) for number in range(7)]) == (
        "The arguments are not valid:\n"
        "- $.a0 is 0; allowed is a string.\n"
        "- $.a1 is 1; allowed is a string.\n"
        "- $.a2 is 2; allowed is a string.\n"
        "- $.a3 is 3; allowed is a string.\n"
        "- $.a4 is 4; allowed is a string.\n"
        "- And 2 more."
    )


def test_the_whole_message_is_bounded() -> None:
    text = explain([Problem(path="$." + "x" * 3_000, got="1", allowed="a string")])

    assert len(text) == 2_000
    assert text.endswith("…")


def test_paths_and_values_are_shown_as_json() -> None:
    assert json_path(["a", 0, "b-c", "d.e", "ü"]) == '$.a[0].b-c["d.e"]["ü"]'
    assert shown({"a": "x" * 100}) == '{"a":"' + "x" * 73 + "…"
    assert shown({1}) == '"{1}"'
