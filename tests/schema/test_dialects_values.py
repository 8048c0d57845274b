"""Strings, numbers, fixed values and arrays as each wire takes them."""

from typing import Any

import pytest

from callgate.errors import DefinitionError
from callgate.schema.dialects import Change
from tests.schema.dialect_tools import closed, compiled, lost, of

# --- constraints ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wire", "strict", "sent"),
    [
        (
            "openai",
            True,
            {
                "type": "string",
                "pattern": "^a",
                "description": "A. (at least 1 characters; in the format uri)",
            },
        ),
        (
            "anthropic",
            True,
            {
                "type": "string",
                "format": "uri",
                "description": "A. (at least 1 characters; matching the pattern ^a)",
            },
        ),
        (
            "gemini",
            False,
            {
                "type": "string",
                "description": "A. (at least 1 characters; matching the pattern ^a; "
                "in the format uri)",
            },
        ),
        (
            "gemini_parameters",
            False,
            {
                "type": "STRING",
                "minLength": 1,
                "pattern": "^a",
                "description": "A. (in the format uri)",
            },
        ),
        (
            "vllm",
            True,
            {
                "type": "string",
                "pattern": "^a",
                "format": "uri",
                "description": "A. (at least 1 characters)",
            },
        ),
    ],
)
def test_what_a_wire_does_not_take_of_a_string_goes_into_its_description(
    wire: str, strict: bool, sent: dict[str, Any]
) -> None:
    item = {"type": "string", "description": "A.", "minLength": 1, "pattern": "^a", "format": "uri"}

    assert of(item, wire, strict) == sent


def test_constraints_that_speak_of_another_type_say_nothing() -> None:
    assert of({"type": "boolean", "minimum": 3, "minItems": 2}, "openai", True) == {
        "type": "boolean"
    }
    assert lost({"type": "boolean", "minimum": 3, "minItems": 2}, "openai", True) == []


@pytest.mark.parametrize("pattern", ["(?=a)", "(?<!a)b", r"(a)\1", r"\bword"])
def test_a_pattern_that_no_grammar_has_is_told(pattern: str) -> None:
    assert of({"type": "string", "pattern": pattern}, "openai", True) == {
        "type": "string",
        "description": f"(matching the pattern {pattern})",
    }


def test_anthropic_takes_at_most_one_least_item() -> None:
    item = {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True}

    assert of(item, "anthropic", True) == {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 1,
        "description": "(at least 3 items; no two items alike)",
    }
    assert of(item | {"minItems": 1}, "anthropic", True)["minItems"] == 1


def test_every_constraint_has_words() -> None:
    item = {
        "type": ["number", "string"],
        "minimum": 1,
        "maximum": 2,
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 3,
        "multipleOf": 0.5,
        "maxLength": 4,
        "default": "x",
        "examples": ["a", 1],
        "uniqueItems": False,
        "contentEncoding": "base64",
    }

    assert of(item, "anthropic", True) == {
        "type": ["number", "string"],
        "description": "(at least 1; at most 2; more than 0; less than 3; a multiple of 0.5; "
        "at most 4 characters; "
        'default "x"; for example "a", 1; contentEncoding: "base64")',
    }


def test_a_constraint_too_long_for_a_description_is_reported_as_dropped() -> None:
    item = {"type": "string", "not": {"enum": ["x" * 50] * 20}, "x-mark": 1}

    assert of(item, "openai", True) == {"type": "string"}
    assert lost(item, "openai", True) == [("not", "dropped", False), ("x-mark", "dropped", False)]


def test_titles_stay_and_bookkeeping_goes_without_a_word() -> None:
    item = {"type": "string", "title": "T", "$comment": "c", "$id": "urn:x"}

    assert of(item, "openai", True) == {"title": "T", "type": "string"}
    assert lost(item, "openai", True) == []


def test_a_default_stays_where_it_is_accepted_and_simple() -> None:
    assert of({"type": "integer", "default": 3}, "vllm", True) == {"type": "integer", "default": 3}
    array = {"type": "array", "items": {"type": "string"}, "default": []}
    assert of(array, "vllm", True)["description"] == "(default [])"


# --- fixed values --------------------------------------------------------------------------------


def test_constants_and_enums_carry_their_types() -> None:
    assert of({"const": "a"}, "openai", True) == {"type": "string", "const": "a"}
    assert of({"const": "a"}, "gemini") == {"type": "string", "enum": ["a"]}
    assert of({"enum": ["a", 1, 2.5, None]}, "openai", True) == {
        "type": ["string", "number", "null"],
        "enum": ["a", 1, 2.5, None],
    }
    assert of({"enum": [1, 1.5, "x"], "type": "number"}, "openai", True) == {
        "type": "number",
        "enum": [1, 1.5],
    }
    assert of({"enum": [1.0, 1.5], "type": ["integer", "null"]}, "openai", True) == {
        "type": "integer",
        "enum": [1.0],
    }


def test_values_that_are_no_strings_are_written_as_text_where_an_enum_takes_strings_only() -> None:
    schema = closed(
        {"x": {"enum": [1, 2, "1", None], "default": 1}, "y": {"type": "string", "enum": ["a"]}}
    )

    sent = compiled(schema, "gemini_parameters")

    assert sent.schema["properties"] == {
        "x": {"type": "STRING", "enum": ["1", "2", '"1"', "null"], "description": "(default 1)"},
        "y": {"type": "STRING", "enum": ["a"]},
    }
    assert sent.restore({"x": '"1"', "y": "a"}) == {"x": "1", "y": "a"}
    assert sent.restore({"x": "null", "y": 1}) == {"x": None, "y": 1}
    assert sent.restore({"x": 2}) == {"x": 2}
    assert sent.express({"x": 2, "y": "a"}) == {"x": "2", "y": "a"}
    assert of({"enum": [True, "x"]}, "gemini_parameters") == {
        "type": "STRING",
        "enum": ["true", "x"],
    }


def test_objects_among_fixed_values_are_written_as_json_text_in_strict_mode() -> None:
    sent = compiled(closed({"x": {"enum": [{"a": 1}, "z"]}}), "openai", True)

    assert sent.schema["properties"]["x"] == {"type": "string", "enum": ['{"a":1}', "z"]}
    assert sent.restore({"x": '{"a":1}'}) == {"x": {"a": 1}}
    assert of({"enum": [{"a": 1}]}, "gemini") == {"enum": [{"a": 1}]}


def test_an_enum_without_a_fitting_value_takes_none() -> None:
    item = {"enum": [1], "type": "string"}

    assert of(item, "openai", True) == {"type": "null"}
    assert lost(item, "openai", True) == [("false", "dropped", False)]


# --- arrays --------------------------------------------------------------------------------------


def test_tuples_become_arrays_of_anything_in_them_and_their_order_is_told() -> None:
    pair = {
        "type": "array",
        "prefixItems": [{"type": "number"}, {"type": "object"}],
        "items": False,
    }
    sent = compiled(closed({"x": pair}), "openai", True)

    text = {"type": "string", "description": "(the JSON text of an object)"}
    assert sent.schema["properties"]["x"] == {
        "type": "array",
        "items": {"anyOf": [{"type": "number"}, text]},
        "maxItems": 2,
        "description": "(items in this order: number, (the JSON text of an object))",
    }
    assert sent.restore({"x": [1, "{}"]}) == {"x": [1, {}]}
    assert sent.express({"x": [1, {}]}) == {"x": [1, "{}"]}
    assert sent.restore({"x": "{}"}) == sent.express({"x": "{}"}) == {"x": "{}"}
    assert of(pair, "vllm", True) == {
        "type": "array",
        "prefixItems": [{"type": "number"}, {"type": "object"}],
        "maxItems": 2,
    }


def test_tuples_of_one_kind_and_of_older_drafts_are_arrays_too() -> None:
    numbers = {
        "type": "array",
        "items": [{"type": "number"}, {"type": "number"}],
        "additionalItems": False,
    }
    assert of(numbers, "openai", True) == {
        "type": "array",
        "items": {"type": "number"},
        "maxItems": 2,
    }
    rest = {
        "type": "array",
        "prefixItems": [{"type": ["null", "string"]}],
        "items": {"type": "number"},
    }
    assert of(rest, "openai", True)["description"] == "(items in this order: null or string)"
    assert of(rest, "gemini") == {
        "type": "array",
        "prefixItems": [{"type": ["null", "string"]}],
        "items": {"type": "number"},
    }
    cut = {"type": "array", "prefixItems": [{"type": "null"}, False], "items": True}
    assert of(cut, "openai", True) == {"type": "array", "items": {"type": "null"}, "maxItems": 1}
    full = {"type": "array", "prefixItems": [{"type": "null"}], "maxItems": 1}
    assert of(full, "openai", True) == {"type": "array", "items": {"type": "null"}, "maxItems": 1}


def test_an_array_that_must_be_empty_says_so() -> None:
    assert of({"type": "array", "items": False}, "openai", True) == {
        "type": "array",
        "items": {"type": "null"},
        "maxItems": 0,
    }


# --- types ---------------------------------------------------------------------------------------


def test_a_schema_without_a_type_takes_what_its_keywords_speak_about() -> None:
    assert of({"minLength": 1}, "vllm", True) == {"type": "string", "minLength": 1}
    assert lost({"minLength": 1}, "vllm", True) == [("type", "rewritten", True)]
    assert of({"not": {"type": "null"}}, "vllm", True) == {"description": '(not: {"type":"null"})'}


def test_several_types_become_alternatives_where_one_of_them_holds_others() -> None:
    item = {
        "type": ["array", "string", "null"],
        "items": {"type": "string"},
        "minLength": 2,
        "title": "X",
    }

    assert of(item, "vllm", True) == {
        "title": "X",
        "anyOf": [
            {"title": "X", "type": "array", "items": {"type": "string"}},
            {"title": "X", "type": "string", "minLength": 2},
            {"title": "X", "type": "null"},
        ],
    }
    assert of({"type": ["string", "integer"]}, "gemini_parameters") == {
        "anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]
    }
    assert of({"type": []}, "openai", True) == {"type": "null"}


@pytest.mark.parametrize(
    "item",
    [
        {"type": "dict"},
        {"type": "integer", "minimum": "3"},
        {"anyOf": 3},
        {"properties": 1, "type": "object"},
    ],
)
def test_what_is_no_json_schema_is_refused_with_the_tools_name(item: dict[str, Any]) -> None:
    with pytest.raises(
        DefinitionError, match="the tool t cannot be compiled: This is not a JSON Schema"
    ):
        compiled(closed({"x": {"allOf": [item, {"minimum": 2}]}}), "openai", True)


def test_what_only_an_older_draft_ignores_is_refused() -> None:
    schema = closed({"x": {"type": "array", "prefixItems": 3}})

    with pytest.raises(DefinitionError, match="not a JSON Schema 2020-12"):
        compiled(schema | {"$schema": "http://json-schema.org/draft-04/schema#"}, "openai", True)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(DefinitionError, match="not JSON"):
        compiled({"type": "object", "properties": {1: {}}}, "openai")


# --- Gemini's OpenAPI ----------------------------------------------------------------------------


def test_null_is_nullable_and_alternatives_stand_alone_in_openapi() -> None:
    assert of({"type": ["string", "null"], "enum": ["a", None]}, "gemini_parameters") == {
        "type": "STRING",
        "enum": ["a"],
        "nullable": True,
    }
    item = {
        "anyOf": [{"type": "string", "description": "S."}, {"type": "boolean"}, {"type": "null"}],
        "description": "D.",
    }
    assert of(item, "gemini_parameters") == {
        "anyOf": [
            {"type": "STRING", "description": "D. - S.", "nullable": True},
            {"type": "BOOLEAN"},
        ]
    }
    assert of({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "gemini_parameters") == {
        "type": "INTEGER",
        "nullable": True,
    }
    assert of({"type": "null"}, "gemini_parameters") == {"type": "NULL"}
    assert of({"type": ["null", "boolean"]}, "gemini_parameters") == {
        "type": "BOOLEAN",
        "nullable": True,
    }


def test_what_openapi_does_not_refuse_is_reported() -> None:
    sent = compiled(
        closed(
            {
                "a": {
                    "type": "object",
                    "properties": {"b": {"type": "null"}},
                    "additionalProperties": True,
                }
            }
        ),
        "gemini_parameters",
    )

    assert sent.schema == {
        "type": "OBJECT",
        "properties": {"a": {"type": "OBJECT", "properties": {"b": {"type": "NULL"}}}},
        "required": ["a"],
    }
    assert [(loss.path, loss.keyword, loss.happened) for loss in sent.losses] == [
        ("#", "additionalProperties", Change.DROPPED)
    ]


def test_free_names_beside_known_ones_are_optional_pairs_in_openapi() -> None:
    item = {
        "type": "object",
        "properties": {"a": {"type": "null"}},
        "additionalProperties": {"type": "null"},
    }
    sent = compiled(closed({"x": item}), "gemini_parameters")

    assert sent.restore({"x": {"a": None}}) == {"x": {"a": None}}
    assert sent.restore(
        {"x": {"a": None, "additional_properties": [{"key": "b", "value": None}]}}
    ) == {"x": {"a": None, "b": None}}
