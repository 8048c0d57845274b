"""Alternatives and references as each wire takes them, and the way back."""

from typing import Any

from callgate.schema.dialects import compile_tools
from tests.schema.dialect_tools import WITH_TREE, closed, compiled, lost, of, tool

# --- alternatives --------------------------------------------------------------------------------


def test_one_of_becomes_any_of_and_is_a_loss_only_if_alternatives_overlap() -> None:
    kinds = [closed({"kind": {"const": name}}) for name in ("a", "b")]

    assert of({"oneOf": [{"type": "string"}, {"type": "null"}]}, "openai", True) == {
        "anyOf": [{"type": "string"}, {"type": "null"}]
    }
    assert lost({"oneOf": [{"type": "string"}, {"type": "null"}]}, "openai", True) == []
    assert lost({"oneOf": kinds}, "openai", True) == []
    assert lost({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "openai", True) == [
        ("oneOf", "rewritten", False)
    ]
    assert lost({"oneOf": [{"type": "integer"}, True]}, "vllm", True) == [
        ("oneOf", "rewritten", False)
    ]
    assert lost({"oneOf": [kinds[0], kinds[0]]}, "openai", True) == [("oneOf", "rewritten", False)]


def test_what_stands_beside_alternatives_goes_into_each_of_them() -> None:
    item = {
        "type": "object",
        "description": "D.",
        "default": {},
        "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
        "anyOf": [closed({"a": True, "c": {"type": "null"}}, ["a"]), {"required": ["b"]}, False],
    }

    assert of(item, "vllm", True) == {
        "anyOf": [
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "c": {"type": "null"}},
                "required": ["a"],
                "additionalProperties": False,
            },
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                "required": ["b"],
            },
        ],
        "description": "D. (default {})",
    }


def test_two_sets_of_alternatives_stand_inside_each_other() -> None:
    item = {
        "anyOf": [{"type": "string"}, {"type": "integer"}],
        "oneOf": [{"minimum": 3}, {"maxLength": 2}],
    }

    assert of(item, "vllm", True) == {
        "anyOf": [
            {"anyOf": [{"type": "string"}, {"type": "string", "maxLength": 2}]},
            {"anyOf": [{"type": "integer", "minimum": 3}, {"type": "integer"}]},
        ]
    }
    assert lost(item, "vllm", True) == [("oneOf", "rewritten", False)] * 2


def test_what_cannot_be_one_schema_is_told() -> None:
    item = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "allOf": [{"patternProperties": {"^b": {"type": "null"}}, "properties": {"b": {}}}],
    }

    assert lost(item, "openai", True) == [
        ("patternProperties", "moved_to_description", False),
        ("properties", "moved_to_description", True),
        ("additionalProperties", "rewritten", True),
    ]


def test_alternatives_that_only_require_are_told() -> None:
    item = {
        "type": "object",
        "properties": {"a": {"type": "null"}},
        "additionalProperties": False,
        "oneOf": [{"required": ["a"]}, {}],
    }

    assert of(item, "anthropic", True) == closed({"a": {"type": "null"}}, []) | {
        "description": "(needs exactly one of: a, or nothing)"
    }


def test_equal_alternatives_are_one_and_impossible_ones_none() -> None:
    item = {"anyOf": [{"type": "string"}, {"type": "string"}, False], "description": "S."}

    assert of(item, "openai", True) == {"type": "string", "description": "S."}
    assert of({"anyOf": [False]}, "openai", True) == {"type": "null"}


def test_alternatives_that_only_their_text_would_tell_apart_are_json_text_together() -> None:
    item = {"anyOf": [{"type": "string"}, {"type": "object"}], "description": "S."}
    sent = compiled(closed({"x": item}), "openai", True)

    assert sent.schema["properties"]["x"] == {
        "type": "string",
        "description": 'S. (the JSON text of any value; anyOf: [{"type":"string"},'
        '{"type":"object"}])',
    }
    for value in ("words", "3", {"a": 1}):
        assert sent.restore(sent.express({"x": value})) == {"x": value}
    assert sent.restore({"x": "words"}) == {"x": "words"}


def test_maps_beside_arrays_are_json_text_too() -> None:
    item = {
        "type": ["array", "object"],
        "items": {"type": "string"},
        "additionalProperties": {"type": "string"},
    }

    assert of(item, "openai", True)["type"] == "string"
    nested = {
        "anyOf": [
            {
                "anyOf": [
                    {"type": "object", "additionalProperties": {"type": "null"}},
                    {"type": "null"},
                ]
            },
            {"type": "array", "items": {"type": "null"}},
        ]
    }
    assert of(nested, "openai", True)["type"] == "string"


def test_alternatives_with_forms_of_their_own_are_restored_by_the_one_that_takes_the_value() -> (
    None
):
    one = closed(
        {
            "a": {"type": "integer"},
            "m": {"type": "object", "additionalProperties": {"type": "null"}},
        },
        ["a"],
    )
    two = closed({"b": {"type": "string"}, "c": {"type": "string", "default": "c"}}, ["b"])
    sent = compiled(closed({"x": {"anyOf": [one, two, {"type": "string"}]}}), "openai", True)

    for value in ({"a": 1}, {"a": 1, "m": {"k": None}}, {"b": "x"}, "text"):
        assert sent.restore(sent.express({"x": value})) == {"x": value}
    assert sent.restore({"x": {"q": 1}}) == sent.express({"x": {"q": 1}}) == {"x": {"q": 1}}
    assert not any(loss.narrows for loss in sent.losses)


def test_alternatives_that_read_one_value_differently_are_reported() -> None:
    null = {"type": ["integer", "null"]}
    one, two = closed({"a": null}), closed({"a": {"type": "integer"}}, [])

    assert ("anyOf", "rewritten", True) in lost({"anyOf": [one, two]}, "openai", True)
    assert ("anyOf", "rewritten", True) not in lost(
        {"anyOf": [two, closed({"a": {"type": "string"}}, [])]}, "openai", True
    )
    arrays = [{"type": "array", "items": item} for item in (one, two)]
    assert ("anyOf", "rewritten", True) in lost({"anyOf": arrays}, "openai", True)


def test_an_alternative_that_adds_a_default_is_still_the_one_that_writes_a_value() -> None:
    text = {"type": ["string", "null"], "default": "x"}
    item = {"anyOf": [closed({"a": text}, []), {"type": "null"}]}
    sent = compiled(closed({"x": item}), "openai", True)

    assert sent.express({"x": {}}) == {"x": {"a": "x"}}
    assert sent.restore({"x": {"a": None}}) == {"x": {"a": None}}


# --- references ----------------------------------------------------------------------------------


def test_recursion_stays_recursion_where_it_is_accepted() -> None:
    sent = compiled(WITH_TREE, "openai", True)

    assert sent.schema["properties"]["tree"] == {"$ref": "#/$defs/Tree"}
    assert sent.schema["$defs"]["Tree"] == closed(
        {
            "v": {"type": "integer"},
            "next": {
                "anyOf": [{"$ref": "#/$defs/Tree"}, {"type": "null"}],
                "description": "The next one.",
            },
            "kids": {
                "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/Tree"}}, {"type": "null"}]
            },
        }
    )
    arguments = {"tree": {"v": 1, "next": {"v": 2}, "kids": [{"v": 3}]}}
    assert sent.restore(sent.express(arguments)) == arguments


def test_a_recursive_tool_is_not_strict_where_recursion_is_refused() -> None:
    found = compile_tools([tool(WITH_TREE)], "anthropic", True)

    assert found.tools[0].schema is WITH_TREE
    assert [item.reason for item in found.downgraded] == [
        "In strict mode: #/$defs/Tree refers to itself, at #/$defs/Tree/properties/kids/items."
    ]
    merged = closed({"x": {"$ref": "#/$defs/A"}}) | {
        "$defs": {"A": closed({"a": {"$ref": "#/$defs/A", "minProperties": 1}}, [])}
    }
    assert compile_tools([tool(merged)], "bedrock", True).tools[0].strict is False


def test_recursion_is_written_out_twice_and_then_as_json_text_without_references() -> None:
    sent = compiled(WITH_TREE, "gemini_parameters")

    level = sent.schema["properties"]["tree"]["properties"]["kids"]["items"]
    assert level["properties"]["kids"]["items"] == {
        "type": "STRING",
        "description": "(the JSON text of any value)",
    }
    deep = {"tree": {"v": 1, "kids": [{"v": 2, "kids": [{"v": 3, "kids": [{"v": 4}]}]}]}}
    assert sent.restore(sent.express(deep)) == deep


def test_a_definition_that_constrains_its_own_recursion_ends_as_json_text() -> None:
    schema = closed({"x": {"$ref": "#/$defs/A"}}) | {
        "$defs": {
            "A": closed({"a": {"$ref": "#/$defs/A", "minProperties": 1, "description": "In."}}, [])
        }
    }

    sent = compiled(schema, "openai", True)

    deep: Any = {}
    for _ in range(6):
        deep = {"a": deep}
    assert sent.restore(sent.express({"x": deep})) == {"x": deep}


def test_definitions_that_multiply_each_other_end_as_json_text() -> None:
    definitions: dict[str, Any] = {
        f"d{level}": closed({name: {"$ref": f"#/$defs/d{level + 1}"} for name in "abcd"})
        for level in range(12)
    }
    schema = closed({"x": {"$ref": "#/$defs/d0"}}) | {
        "$defs": definitions | {"d12": {"type": "null"}}
    }

    sent = compiled(schema, "gemini_parameters")

    assert "JSON text" in str(sent.schema)
    assert len(str(sent.schema)) < 3_000_000


def test_a_described_reference_is_written_in_place_and_the_root_can_be_referred_to() -> None:
    schema = closed({"c": {"$ref": "#/$defs/C", "default": "r"}, "again": {"$ref": "#"}}, ["c"]) | {
        "$defs": {"C": {"type": "string", "enum": ["r", "g"], "description": "Colour."}}
    }

    sent = compiled(schema, "openai", True)

    assert sent.schema["properties"]["c"] == {
        "type": "string",
        "enum": ["r", "g"],
        "description": 'Colour. (default "r")',
    }
    assert sent.schema["properties"]["again"] == {
        "anyOf": [{"$ref": "#/$defs/root"}, {"type": "null"}]
    }
    assert sent.restore(sent.express({"c": "g", "again": {"c": "r"}})) == {
        "c": "g",
        "again": {"c": "r"},
    }


def test_definitions_of_one_name_stay_apart_and_meta_schemas_are_anything() -> None:
    schema = closed(
        {
            "a": {"$ref": "#/$defs/x~1y"},
            "b": {"$ref": "#/$defs/z/$defs/x~1y"},
            "m": {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        }
    ) | {"$defs": {"x/y": {"type": "null"}, "z": {"$defs": {"x/y": {"type": "boolean"}}}}}

    sent = compiled(schema, "openai", True)

    assert sent.schema["$defs"] == {"x_1y": {"type": "null"}, "x_1y_2": {"type": "boolean"}}
    assert sent.schema["properties"]["m"] == {
        "type": "string",
        "description": "(the JSON text of any value)",
    }


def test_a_recursive_map_beside_arrays_is_json_text() -> None:
    schema = closed({"x": {"$ref": "#/$defs/M"}}) | {
        "$defs": {
            "M": {
                "type": "object",
                "additionalProperties": {
                    "anyOf": [{"$ref": "#/$defs/M"}, {"type": "array", "items": {"type": "null"}}]
                },
            }
        }
    }
    sent = compiled(schema, "openai", True)

    for value in ({"a": {"b": {}}}, {"a": [None]}, {"a": []}):
        assert sent.restore(sent.express({"x": value})) == {"x": value}
