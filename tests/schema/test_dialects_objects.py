"""Objects as each wire takes them, and the way back."""

from typing import Any

import pytest

from callgate.errors import MalformedArgumentsError
from callgate.schema.dialects import Change, Loss
from tests.schema.dialect_tools import EMPTY, closed, compiled, lost, of

# --- objects -------------------------------------------------------------------------------------


def test_optional_properties_take_null_where_all_must_be_required() -> None:
    schema = closed(
        {
            "a": {"type": "string", "description": "A."},
            "b": {"type": "integer", "default": 5},
            "c": {"enum": ["x", "y"]},
            "d": {"const": 1},
            "e": {"type": "array", "items": {"type": "string"}, "title": "E", "description": "Es."},
            "f": {"anyOf": [{"type": "integer"}, {"type": "string"}], "description": "F."},
        },
        ["a"],
    )

    sent = compiled(schema, "openai", True)

    assert sent.schema == closed(
        {
            "a": {"type": "string", "description": "A."},
            "b": {"type": ["integer", "null"], "description": "(default 5)"},
            "c": {"type": ["string", "null"], "enum": ["x", "y", None]},
            "d": {"anyOf": [{"type": "integer", "const": 1}, {"type": "null"}]},
            "e": {
                "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "null"}],
                "title": "E",
                "description": "Es.",
            },
            "f": {
                "anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}],
                "description": "F.",
            },
        }
    )
    assert sent.losses[-1] == Loss(
        path="#",
        keyword="required",
        happened=Change.REWRITTEN,
        words="Required here, null to leave them out: b, c, d, e, f.",
    )
    written = {"a": "x", "b": None, "c": None, "d": None, "e": None, "f": None}
    assert sent.restore(written) == {"a": "x"}
    assert sent.express({"a": "x"}) == written
    assert sent.restore(sent.express({"a": "x", "f": 3, "b": 0})) == {"a": "x", "f": 3, "b": 0}


def test_null_beside_absence_is_told_apart_by_the_default_or_reported() -> None:
    nullable = {"type": ["integer", "null"]}
    schema = closed(
        {
            "a": nullable,
            "b": nullable | {"default": None},
            "c": nullable | {"default": 5},
            "d": {"type": ["string", "null"], "enum": ["x", None]},
            "e": {"type": "null"},
        },
        [],
    )

    sent = compiled(schema, "openai", True)

    assert sent.schema["properties"]["a"] == nullable
    assert sent.schema["properties"]["d"] == {"type": ["string", "null"], "enum": ["x", None]}
    assert sent.restore({"a": None, "b": None, "c": None, "d": None, "e": None}) == {"c": None}
    assert sent.express({}) == {"a": None, "b": None, "c": 5, "d": None, "e": None}
    assert [loss.path for loss in sent.losses if loss.narrows] == [
        "#/properties/a",
        "#/properties/d",
        "#/properties/e",
    ]


def test_the_default_behind_a_reference_counts_as_the_propertys_own() -> None:
    optional = {
        "a": {"allOf": [{"$ref": "#/$defs/A"}]},
        "b": {"allOf": [True, {"type": ["integer", "null"]}]},
    }
    schema = closed(optional, []) | {"$defs": {"A": {"type": ["integer", "null"], "default": 5}}}

    sent = compiled(schema, "openai", True)

    assert sent.express({}) == {"a": 5, "b": None}


@pytest.mark.parametrize(
    "item",
    [
        closed({"a": {"type": ["integer", "null"], "default": "words"}}, []),
        closed({"a": {"type": ["integer", "null"], "default": 5}}, []) | {"maxProperties": 1},
        {
            "type": "array",
            "items": closed({"a": {"type": ["integer", "null"], "default": 5}}, []),
            "uniqueItems": True,
        },
        closed({"a": {"anyOf": [{"$ref": "#/$defs/N"}, {"$ref": "#/properties/y"}]}}, []),
        closed({"a": {"$ref": "#/$defs/M", "default": 5}}, []) | {"not": {"const": {}}},
        closed({"a": {"anyOf": [{"$ref": "#/properties/x"}, {"type": "null"}], "default": 5}}, []),
    ],
)
def test_a_default_that_may_not_be_inserted_tells_nothing_apart(item: dict[str, Any]) -> None:
    definitions = {"N": {"type": "null"}, "M": {"type": ["integer", "null"]}}
    schema = closed({"x": item, "y": {"type": "integer"}}) | {"$defs": definitions}

    sent = compiled(schema, "openai", True)

    assert ("null is read as leaving it out.", True) in [
        (loss.words, loss.narrows) for loss in sent.losses
    ]


def test_defaults_of_shared_definitions_tell_apart_if_nothing_in_the_document_disturbs() -> None:
    held = {"$defs": {"H": closed({"a": {"type": ["integer", "null"], "default": 5}}, [])}}
    disturbing = {"anyOf": [{"type": "integer"}, {"type": "string"}]}

    def narrows(**properties: Any) -> bool:
        schema = closed({"x": {"$ref": "#/$defs/H"}, "z": True, **properties}) | held
        return any(loss.narrows for loss in compiled(schema, "openai", True).losses)

    assert not narrows()
    assert narrows(y=disturbing)
    assert narrows(y={"type": "array", "items": {"type": "null"}, "uniqueItems": True})


def test_an_open_object_is_closed_and_the_report_says_that_this_narrows() -> None:
    sent = compiled({"type": "object", "properties": {}}, "openai", True)

    assert sent.schema == EMPTY | {"required": []}
    assert [(loss.keyword, loss.narrows) for loss in sent.losses] == [
        ("additionalProperties", True)
    ]


def test_a_map_is_written_as_pairs_where_names_must_be_known() -> None:
    item = {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 1}
    sent = compiled(closed({"x": item}), "openai", True)

    assert sent.schema["properties"]["x"] == {
        "type": "array",
        "items": closed({"key": {"type": "string"}, "value": {"type": "integer"}}),
        "description": "(at least 1 properties; pairs of key and value)",
    }
    assert sent.express({"x": {"a": 1}}) == {"x": [{"key": "a", "value": 1}]}
    assert sent.restore({"x": [{"key": "a", "value": 1}]}) == {"x": {"a": 1}}
    for odd in ({"a": 1}, [1], [{"key": 1, "value": 1}], [{"key": "a"}]):
        assert sent.restore({"x": odd}) == {"x": odd}
    with pytest.raises(MalformedArgumentsError, match="'a' is given twice"):
        sent.restore({"x": [{"key": "a", "value": 1}, {"key": "a", "value": 2}]})
    assert sent.express({"x": 3}) == {"x": 3}


@pytest.mark.parametrize("others", [True, {"type": "integer"}, {}])
def test_undeclared_properties_beside_declared_ones_go_into_one_of_pairs(others: Any) -> None:
    schema = closed({"additional_properties": {"type": "string"}}) | {
        "additionalProperties": others
    }
    sent = compiled(schema, "openai", True)

    rest = sent.schema["properties"]["additional_properties_2"]
    assert rest["description"] == "All other properties, as pairs of key and value"
    assert sent.schema["required"] == ["additional_properties", "additional_properties_2"]
    arguments = {"additional_properties": "x", "b": 1}
    assert sent.restore(sent.express(arguments)) == arguments
    assert sent.restore(arguments | {"additional_properties_2": 1}) == arguments | {
        "additional_properties_2": 1
    }


def test_names_by_pattern_become_pairs_and_the_patterns_are_told() -> None:
    item = {"type": "object", "patternProperties": {"^x": {"type": "integer"}}}
    narrow = lost(item, "openai", True)
    kept = lost(item | {"additionalProperties": False}, "openai", True)

    assert narrow == [
        ("patternProperties", "moved_to_description", True),
        ("additionalProperties", "rewritten", False),
    ]
    assert kept == [
        ("patternProperties", "moved_to_description", False),
        ("additionalProperties", "rewritten", False),
    ]
    assert of(item | {"additionalProperties": {"type": "null"}}, "vllm", True) == {
        "type": "object",
        "additionalProperties": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "description": '(patternProperties: {"^x":{"type":"integer"}})',
    }


def test_a_free_object_is_written_as_json_text_in_strict_mode() -> None:
    item = {"type": "object", "description": "Any.", "maxProperties": 2}
    sent = compiled(closed({"x": item}), "anthropic", True)

    assert sent.schema["properties"]["x"] == {
        "type": "string",
        "description": "Any. (the JSON text of an object; at most 2 properties)",
    }
    assert sent.restore({"x": '{"a": [1]}'}) == {"x": {"a": [1]}}
    for odd in ({"a": 1}, '{"a": 1,}', "words"):
        assert sent.restore({"x": odd}) == {"x": odd}
    assert sent.express({"x": {"a": 1}}) == {"x": '{"a":1}'}
    assert of(item, "gemini") == {"type": "object", "description": "Any. (at most 2 properties)"}


def test_a_nullable_object_keeps_null_whatever_becomes_of_it() -> None:
    sent = compiled(
        closed({"x": {"type": ["object", "null"]}, "y": {"type": ["array", "null"], "items": {}}}),
        "openai",
        True,
    )

    assert sent.schema["properties"]["x"]["type"] == ["string", "null"]
    assert sent.schema["properties"]["y"]["type"] == ["array", "null"]
    assert sent.restore({"x": None, "y": None}) == {"x": None, "y": None}
    assert sent.express({"x": {"a": 1}, "y": ["q"]}) == {"x": '{"a":1}', "y": ['"q"']}


def test_forbidden_and_undeclared_properties_are_left_out_or_told() -> None:
    item = {
        "type": "object",
        "properties": {"a": False, "b": {"type": "null"}, "c": False},
        "required": ["b", "c", "d"],
    }

    assert of(item, "openai", True) == closed(
        {
            "b": {"type": "null"},
            "d": {"type": "string", "description": "(the JSON text of any value)"},
        }
    ) | {"description": "(without a)"}
    only_a = {"type": "object", "properties": {"a": False}, "additionalProperties": False}
    assert lost(only_a, "openai", True) == []
    assert [loss.words for loss in compiled(closed({"x": item}), "openai", True).losses][:2] == [
        "a must be left out.",
        "c is required and takes no value.",
    ]


def test_unevaluated_properties_close_an_object_once_everything_is_one_schema() -> None:
    item = {
        "allOf": [{"type": "object", "properties": {"a": {"type": "null"}}}],
        "unevaluatedProperties": False,
    }

    assert of(item, "openai", True) == closed({"a": {"type": "null"}}, ["a"])
    assert ("additionalProperties", "rewritten", True) not in lost(item, "openai", True)
    assert of(item, "gemini")["additionalProperties"] is False


def test_values_of_a_map_are_restored_where_a_wire_takes_maps() -> None:
    item = {"type": "object", "additionalProperties": closed({"x y": {"type": "null"}})}
    sent = compiled(closed({"m": item}), "gemini")

    assert sent.restore({"m": {"k": {"x_y": None}}}) == {"m": {"k": {"x y": None}}}
    assert sent.express({"m": {"k": {"x y": None}}}) == {"m": {"k": {"x_y": None}}}
