"""Requests compiled for each wire: roots, names, reports, and what is kept."""

import pytest

from callgate.errors import DefinitionError, MalformedArgumentsError, SettingsError
from callgate.schema.dialects import Change, Compiler, Loss, compile_tools
from tests.schema.dialect_tools import EMPTY, WITH_TREE, closed, compiled, tool

# --- without strict mode -------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["openai", "anthropic", "bedrock", "vllm", "cohere", "ollama"])
def test_a_plain_object_is_sent_as_the_very_object_it_is(wire: str) -> None:
    schema = closed({"a": {"type": "string", "pattern": "^a"}, "b": {"oneOf": [{}, True]}}, [])

    sent = compiled(schema, wire)

    assert sent.schema is schema
    assert (sent.losses, sent.changes_arguments, sent.strict) == ((), False, False)
    assert sent.description == "Does it."


def test_a_union_at_the_root_becomes_one_object_and_words() -> None:
    circle = closed({"kind": {"const": "circle"}, "radius": {"type": "number"}})
    square = closed({"kind": {"const": "square"}, "side": {"$ref": "#/$defs/Side"}}, ["kind"])
    schema = {"oneOf": [circle, square], "$defs": {"Side": {"type": "number"}}}

    sent = compiled(schema, "openai")

    words = 'takes one of these forms: kind = "circle", radius; or kind = "square", side (optional)'
    assert sent.schema == {
        "properties": {
            "kind": {"enum": ["circle", "square"]},
            "radius": {"type": "number"},
            "side": {"$ref": "#/$defs/Side"},
        },
        "required": ["kind"],
        "additionalProperties": False,
        "type": "object",
        "$defs": {"Side": {"type": "number"}},
    }
    assert sent.description == f"Does it.\n\nArguments: {words}."
    assert sent.losses == (Loss(path="#", keyword="oneOf", happened=Change.MOVED, words=words),)


def test_alternatives_at_the_root_that_only_require_are_told() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {}, "b": {}, "c": {}},
        "anyOf": [{"required": ["a"]}, {"required": ["b", "c"]}],
    }

    sent = compiled(schema, "anthropic")

    assert sent.schema == {"type": "object", "properties": schema["properties"]}
    assert sent.compiled.notes == ("needs at least one of: a, or b and c",)


def test_everything_that_a_root_may_not_say_is_told() -> None:
    schema = {
        "properties": {"a": {"type": "integer"}},
        "not": {"required": ["b"]},
        "enum": [{"a": 1}],
        "allOf": [{"if": {"required": ["a"]}}, {"if": {"required": ["b"]}}, {"required": ["a"]}],
    }

    sent = compiled(schema, "openai")

    assert sent.schema == {
        "properties": {"a": {"type": "integer"}},
        "if": {"required": ["a"]},
        "required": ["a"],
        "type": "object",
    }
    assert [(loss.keyword, loss.words) for loss in sent.losses] == [
        ("if", 'if: {"required":["b"]}'),
        ("not", 'not: {"required":["b"]}'),
        ("enum", 'one of {"a":1}'),
    ]


def test_a_root_behind_a_reference_is_taken_from_there() -> None:
    schema = {
        "$ref": "#/$defs/A",
        "$defs": {
            "A": closed({"next": {"$ref": "#/$defs/A"}, "n": {"$ref": "#/$defs/N"}}, []),
            "N": {"type": "integer"},
        },
    }

    sent = compiled(schema, "openai")

    assert sent.schema == {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/A"}, "n": {"$ref": "#/$defs/N"}},
        "required": [],
        "additionalProperties": False,
        "$defs": {
            "A": schema["$defs"]["A"],
            "N": {"type": "integer"},
        },
    }
    assert sent.losses == ()


def test_a_reference_to_a_meta_schema_stays_when_the_root_is_rebuilt() -> None:
    meta = {"$ref": "https://json-schema.org/draft/2020-12/schema"}

    sent = compiled({"allOf": [{"properties": {"a": meta}}]}, "openai")

    assert sent.schema == {"properties": {"a": meta}, "type": "object"}


def test_only_the_alternatives_that_are_objects_count_at_the_root() -> None:
    one = closed({"a": {"type": "string"}})

    assert compiled({"anyOf": [one, {"type": "string"}, False]}, "openai").schema == one
    for schema in ({"type": "string"}, {"anyOf": [{"type": "null"}]}, {"allOf": [False]}):
        with pytest.raises(DefinitionError, match="must describe an object"):
            compiled(schema, "openai")


def test_open_alternatives_at_the_root_say_that_they_narrow() -> None:
    one, two = {"properties": {"a": {"type": "string"}}}, {"properties": {"b": True, "c": False}}

    sent = compiled({"type": "object", "anyOf": [one, two, {}]}, "openai")

    assert sent.schema == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": True, "c": False},
        "required": [],
    }
    assert [(loss.keyword, loss.narrows) for loss in sent.losses] == [("anyOf", True)]
    assert sent.compiled.notes == (
        "takes one of these forms: a (optional); or b (optional), c (optional); or nothing",
    )


def test_alternatives_inside_alternatives_become_one_object_too() -> None:
    a, b, c = (
        closed({name: {"type": kind}})
        for name, kind in (("a", "null"), ("b", "boolean"), ("c", "array"))
    )
    d = closed({"a": {"type": "string"}})

    sent = compiled({"anyOf": [{"oneOf": [a, b]}, c, d]}, "openai")

    assert sent.schema["properties"] == {
        "a": {"anyOf": [{"type": "null"}, {"type": "string"}]},
        "b": {"type": "boolean"},
        "c": {"type": "array"},
    }


# --- names ---------------------------------------------------------------------------------------


def test_names_that_anthropic_refuses_are_changed_and_changed_back() -> None:
    schema = {
        "type": "object",
        "properties": {
            "filter[id]": {"type": "string"},
            "filter_id_": {},
            "ü" * 70: {},
            "$top": {},
        },
        "required": ["filter[id]"],
        "dependentRequired": {"$top": ["filter[id]"]},
        "patternProperties": {"^x": {}},
        "additionalProperties": False,
    }

    sent = compiled(schema, "anthropic")

    names = list(sent.schema["properties"])
    assert names[:2] == ["filter_id__2", "filter_id_"]
    assert (names[2], names[3]) == ("_" * 64, "_top")
    assert sent.schema["required"] == ["filter_id__2"]
    assert sent.schema.keys() == {"type", "properties", "required"}
    arguments = {"filter[id]": "7", "$top": 3, "other": 1}
    written = {"filter_id__2": "7", "_top": 3, "other": 1}
    assert sent.express(arguments) == written
    assert sent.restore(written) == arguments
    assert [loss.keyword for loss in sent.losses] == [
        "dependentRequired",
        "patternProperties",
        "properties",
        "properties",
        "properties",
    ]
    with pytest.raises(MalformedArgumentsError, match="'filter\\[id\\]' is given twice"):
        sent.restore({"filter_id__2": "7", "filter[id]": "8"})


def test_names_are_changed_at_every_level_for_gemini() -> None:
    inner = closed({"x.y": {"type": "integer"}})
    sent = compiled(closed({"1st": inner, "_1st": {"type": "null"}}), "gemini")

    assert sent.schema["properties"] == {
        "_1st_2": closed({"x_y": {"type": "integer"}}),
        "_1st": {"type": "null"},
    }
    assert sent.restore({"_1st_2": {"x_y": 1}, "_1st": None}) == {"1st": {"x.y": 1}, "_1st": None}


def test_a_renamed_root_that_requires_nothing_says_so_still() -> None:
    sent = compiled({"type": "object", "properties": {"a b": {}}}, "bedrock")

    assert sent.schema == {"type": "object", "properties": {"a_b": {}}}


# --- requests ------------------------------------------------------------------------------------


def test_one_json_object_tells_everything_about_a_request() -> None:
    schema = closed({"x": {"type": "integer", "minimum": 3}})

    found = compile_tools([tool(schema), tool(WITH_TREE, "u")], "anthropic", True).to_json()

    assert found == {
        "wire": "anthropic",
        "strict": True,
        "tools": [
            {
                "name": "t",
                "description": "Does it.",
                "strict": True,
                "schema": closed({"x": {"type": "integer", "description": "(at least 3)"}}),
                "losses": [
                    {
                        "path": "#/properties/x",
                        "keyword": "minimum",
                        "happened": "moved_to_description",
                        "words": "at least 3",
                        "narrows": False,
                    }
                ],
            },
            {
                "name": "u",
                "description": "Does it.",
                "strict": False,
                "schema": WITH_TREE,
                "losses": [],
            },
        ],
        "downgraded": [
            {
                "tool": "u",
                "reason": "In strict mode: #/$defs/Tree refers to itself, "
                "at #/$defs/Tree/properties/kids/items.",
            }
        ],
    }


def test_losses_are_listed_by_tool() -> None:
    found = compile_tools([tool(EMPTY), tool(closed({"x": {}}), "u")], "openai", True)

    assert list(found.losses) == ["u"]


def test_an_unknown_wire_is_refused_with_those_there_are() -> None:
    with pytest.raises(SettingsError, match="there are: openai, openai_responses, mistral"):
        compile_tools([], "fax")


def test_a_wire_without_strict_mode_says_so_for_every_tool() -> None:
    found = compile_tools([tool(EMPTY)], "gemini", True)

    assert [(item.tool, item.reason) for item in found.downgraded] == [
        ("t", "The wire gemini has no strict mode.")
    ]
    assert found.tools[0].strict is False


def test_what_was_compiled_is_kept_by_identity_and_by_text() -> None:
    compiler = Compiler()
    one, same = closed({"x": {"minLength": 1}}), closed({"x": {"minLength": 1}})
    tools = [tool(one), tool(same, "u")]

    first = compiler.tools(tools, wire="openai", strict=True)

    assert first.tools[0].compiled is first.tools[1].compiled
    assert compiler.tools(list(tools), wire="openai", strict=True) is first
    other = compiler.tools(tools[:1], wire="openai_responses", strict=True)
    assert other.tools[0].compiled is first.tools[0].compiled


def test_a_compiler_forgets_the_oldest_lists_of_tools() -> None:
    compiler = Compiler()
    tools = [tool(EMPTY, f"t{count}") for count in range(201)]
    first = compiler.tools(tools[:1], wire="openai")

    for item in tools[1:]:
        compiler.tools([item], wire="openai")

    again = compiler.tools(tools[:1], wire="openai")
    assert again == first
    assert again is not first
