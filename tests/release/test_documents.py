"""Each form of tools becomes the same contract; what is none of them is told in one error."""

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from callgate.contract.listing import Listing
from callgate.errors import DefinitionError
from callgate.release import documents
from callgate.release.documents import read_document, read_value
from callgate.types import Effect

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
RESULT = {"type": "object", "properties": {"id": {"type": "string"}}}
FUNCTION = {"name": "book", "description": "Book.", "parameters": SCHEMA}


def only(value: Any) -> Any:
    (entry,) = read_value(value, "a.json").entries
    return entry


@pytest.mark.parametrize(
    ("value", "form", "place"),
    [
        ([FUNCTION], "callgate", "#/0"),
        (FUNCTION, "callgate", "#"),
        ({"tools": [FUNCTION | {"returns": RESULT}]}, "callgate", "#/tools/0"),
        ([{"type": "function", "function": FUNCTION}], "openai", "#/0"),
        (
            {"model": "x", "tools": [{"type": "function", **FUNCTION}]},
            "openai_responses",
            "#/tools/0",
        ),
        (
            [{"type": "namespace", "name": "n", "tools": [{"type": "function", **FUNCTION}]}],
            "openai_responses",
            "#/0/tools/0",
        ),
        ([{"name": "book", "description": "Book.", "input_schema": SCHEMA}], "anthropic", "#/0"),
        ([{"functionDeclarations": [FUNCTION]}], "gemini", "#/0/functionDeclarations/0"),
        (
            {
                "function_declarations": [
                    {"name": "book", "description": "Book.", "parametersJsonSchema": SCHEMA}
                ]
            },
            "gemini",
            "#/function_declarations/0",
        ),
        (
            {
                "toolConfig": {
                    "tools": [
                        {
                            "toolSpec": {
                                "name": "book",
                                "description": "Book.",
                                "inputSchema": {"json": SCHEMA},
                            }
                        }
                    ]
                }
            },
            "bedrock",
            "#/toolConfig/tools/0",
        ),
        (
            {
                "jsonrpc": "2.0",
                "id": 1,
                "result": {
                    "tools": [{"name": "book", "description": "Book.", "inputSchema": SCHEMA}]
                },
            },
            "mcp",
            "#/result/tools/0",
        ),
    ],
)
def test_a_tool_of_any_form_is_the_same_contract(value: Any, form: str, place: str):
    entry = only(value)
    assert (entry.form, entry.place) == (form, place)
    tool = entry.tool
    assert (tool.name, tool.description, tool.parameters) == ("book", "Book.", SCHEMA)
    found: Any = value
    for step in entry.steps["parameters"]:
        found = found[step]
    assert found is SCHEMA


def test_results_versions_and_effects_are_kept():
    ours = only([FUNCTION | {"returns": RESULT, "version": "2", "effect": "read"}])
    assert (ours.tool.returns, ours.tool.version, ours.tool.effect) == (RESULT, "2", Effect.READ)
    assert ours.effect_told
    assert not only([FUNCTION | {"effect": "odd"}]).effect_told
    gemini = only([{"functionDeclarations": [FUNCTION | {"responseJsonSchema": RESULT}]}])
    assert gemini.tool.returns == RESULT
    flat = only([{"type": "function", **FUNCTION, "output_schema": RESULT}])
    assert flat.tool.returns == RESULT


@pytest.mark.parametrize(
    ("hints", "effect", "told"),
    [
        ({"readOnlyHint": True}, Effect.READ, True),
        ({"idempotentHint": True}, Effect.IDEMPOTENT, True),
        ({"destructiveHint": False}, Effect.IRREVERSIBLE, True),
        ({"title": "Book"}, Effect.IRREVERSIBLE, False),
        (None, Effect.IRREVERSIBLE, False),
    ],
)
def test_hints_of_mcp_become_the_effect(hints: Any, effect: Effect, told: bool):
    entry = only({"tools": [{"name": "book", "inputSchema": SCHEMA, "annotations": hints}]})
    assert (entry.tool.effect, entry.effect_told) == (effect, told)
    assert entry.annotations == (hints or {})


def test_types_of_gemini_become_those_of_json_schema():
    upper = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER", "nullable": True}}}
    entry = only([{"functionDeclarations": [{"name": "a", "parameters": upper}]}])
    assert entry.tool.parameters == {
        "type": "object",
        "properties": {"n": {"type": ["integer", "null"]}},
    }
    assert "parameters" not in entry.steps


def test_a_tool_without_parameters_takes_an_empty_object():
    entry = only([{"type": "function", "function": {"name": "now"}}])
    assert entry.tool.parameters == {"type": "object", "properties": {}}


def test_tools_of_the_provider_are_left_out_with_a_note():
    listing = read_value(
        {"tools": [{"type": "web_search"}, {"googleSearch": {}}, {"type": "function", **FUNCTION}]},
        "a.json",
    )
    assert [tool.name for tool in listing.tools] == ["book"]
    assert len(listing.notes) == 2


def test_one_definition_twice_is_one_tool():
    listing = read_value([FUNCTION, FUNCTION, FUNCTION | {"description": "Other."}], "a.json")
    assert (len(listing.tools), listing.forms) == (2, ("callgate",))
    assert listing.notes == ("1 definitions stand there more than once",)


@pytest.mark.parametrize(
    ("value", "parameters"), [(SCHEMA, SCHEMA), (True, {}), (False, {"not": {}}), ({}, {})]
)
def test_anything_else_is_one_schema(value: Any, parameters: Any):
    (entry,) = read_value(value, "folder/my schema.json.gz").entries
    assert (entry.tool.name, entry.tool.parameters, entry.form) == (
        "my_schema",
        parameters,
        "schema",
    )


def stored(folder: Path, name: str, data: bytes) -> Listing:
    (folder / name).write_bytes(data)
    return read_document(folder / name, name)


def test_a_file_may_have_one_value_a_line_and_be_packed(tmp_path: Path):
    lines = b"\n".join([orjson.dumps(FUNCTION), orjson.dumps(FUNCTION | {"name": "other"})])
    for name, data in (("a.jsonl", lines), ("a.jsonl.gz", gzip.compress(lines))):
        listing = stored(tmp_path, name, data)
        assert [tool.name for tool in listing.tools] == ["book", "other"]
        assert listing.source == name


DEEP = b'{"a":' * 900 + b"1" + b"}" * 900


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"{", "a.json is not JSON"),
        (b"{}\n{", "a.json is not JSON"),
        (b"\x1f\x8bxx", "a.json is a damaged gzip file"),
        (b"7", "a.json holds neither tools nor a schema"),
        (b'[{"name": "x"}]', "a.json: a tool is an object with name and parameters"),
        (b'[{"functionDeclarations": [7]}]', "declares no function"),
        (b'[[{"name": "x"}]]', "a.json: a tool is an object"),
        (b'[{"type": "namespace", "tools": 7}]', "a.json: a tool is an object"),
        (b"[" + DEEP + b"]", "a.json: a tool is an object.* nested too deep"),
        (b'[{"name": "x", "input_schema": ' + DEEP + b"}]", "nested too deep"),
        (
            b'[{"name": "x", "parameters": '
            + b'{"type": "dict", "items": ' * 80
            + b"{}"
            + b"}" * 81
            + b"]",
            "nests more than 64",
        ),
    ],
)
def test_what_holds_no_tools_is_told(tmp_path: Path, data: bytes, told: str):
    with pytest.raises(DefinitionError, match=told):
        stored(tmp_path, "a.json", data)


def test_a_missing_file_is_told(tmp_path: Path):
    with pytest.raises(DefinitionError, match=r"gone.json cannot be read: No such file"):
        read_document(tmp_path / "gone.json", "gone.json")


def test_a_large_document_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(documents, "MAX_BYTES", 2**20)
    with pytest.raises(DefinitionError, match="more than 1 MiB"):
        stored(tmp_path, "a.json", b" " * (2**20 + 1))
    # A small file that unpacks to a large one is cut off just as early.
    with pytest.raises(DefinitionError, match="more than 1 MiB"):
        stored(tmp_path, "b.json.gz", gzip.compress(b" " * 2**24))
