"""Requests that providers accepted or refused, as evidence for what their dialects say."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from callgate.schema.dialects import Compiled, compile_tools
from callgate.types import JsonSchema, Tool

CHAT = ("openai_chat", "openai_responses")
Exchange = dict[str, Any]


def exchanges(folder: Path, name: str) -> Iterator[Exchange]:
    with gzip.open(folder / "exchanges" / f"{name}.jsonl.gz") as lines:
        yield from map(json.loads, lines)


def schemas(exchange: Exchange, *, strict: bool | None) -> Iterator[JsonSchema]:
    """The tools' parameters of a request, of those with this value of `strict`."""
    request = exchange.get("request") or {}
    for item in request.get("tools") or (request.get("toolConfig") or {}).get("tools") or ():
        held = item.get("function", item.get("toolSpec", item))
        schema = held.get("parameters", held.get("input_schema", held.get("inputSchema")))
        if schema is not None and held.get("strict") is strict and item.get("type") != "custom":
            yield schema.get("json", schema)


def sent(schema: JsonSchema, wire: str, *, strict: bool) -> Compiled:
    return compile_tools([Tool(name="t", description="", parameters=schema)], wire, strict)


def test_strict_schemas_that_openai_accepted_stay_as_they_were_but_for_defaults(
    data_dir: Path,
) -> None:
    checked = 0
    for name in CHAT:
        for exchange in exchanges(data_dir, name):
            if exchange.get("status") != 200:
                continue
            for schema in schemas(exchange, strict=True):
                found = sent(schema, "openai", strict=True)
                lost = {loss.keyword for loss in found.tools[0].losses}
                assert (found.downgraded, lost - {"default", "type"}) == ((), set())
                if not lost and '"$ref"' not in json.dumps(schema):
                    assert _sorted(found.tools[0].schema) == _sorted(schema)
                    checked += 1
    assert checked > 350


def test_the_schema_that_openai_refused_is_compiled_into_one_that_names_every_property(
    data_dir: Path,
) -> None:
    refused = [
        (exchange, schema)
        for exchange in exchanges(data_dir, "openai_responses")
        if exchange.get("status") == 400
        for schema in schemas(exchange, strict=True)
    ]
    assert len(refused) == 1
    exchange, schema = refused[0]
    assert "Missing 'unit'" in exchange["response"]["error"]["message"]

    found = sent(schema, "openai", strict=True).tools[0]

    assert found.strict
    assert found.schema["required"] == list(schema["properties"])
    assert found.restore({"location": "Lyon", "unit": None}) == {"location": "Lyon"}


def test_strict_schemas_that_anthropic_and_bedrock_accepted_stay_strict(data_dir: Path) -> None:
    checked = 0
    for name, wire in (("anthropic_messages", "anthropic"), ("bedrock_converse", "bedrock")):
        for exchange in exchanges(data_dir, name):
            if exchange.get("status") == 200:
                for schema in schemas(exchange, strict=True):
                    found = sent(schema, wire, strict=True)
                    assert found.downgraded == ()
                    assert {loss.keyword for loss in found.tools[0].losses} <= {"default"}
                    checked += 1
    assert checked >= 47


def test_what_was_accepted_without_strict_mode_is_sent_as_it_is(data_dir: Path) -> None:
    checked = 0
    wires = {
        "openai_chat": "openai",
        "openai_responses": "openai_responses",
        "anthropic_messages": "anthropic",
        "bedrock_converse": "bedrock",
        "mistral_chat": "mistral",
        "cohere_chat_v2": "cohere",
    }
    for name, wire in wires.items():
        for exchange in exchanges(data_dir, name):
            for strict in (None, False):
                if exchange.get("status") == 200:
                    for schema in schemas(exchange, strict=strict):
                        if schema.get("type") == "object":
                            assert sent(schema, wire, strict=False).tools[0].schema is schema
                            checked += 1
    assert checked > 800


def _declared(data_dir: Path, *keys: str) -> Iterator[JsonSchema]:
    for exchange in exchanges(data_dir, "gemini_generate_content"):
        request = exchange.get("request")
        if exchange.get("status") != 200 or not isinstance(request, dict):
            continue
        for item in request.get("tools") or ():
            for names in ("functionDeclarations", "function_declarations"):
                for declared in item.get(names) or () if isinstance(item, dict) else ():
                    yield from (declared[key] for key in keys if key in declared)


def test_parameters_that_gemini_accepted_come_out_as_they_went_in(data_dir: Path) -> None:
    checked = 0
    for accepted in _declared(data_dir, "parameters"):
        found = sent(_lower(accepted), "gemini_parameters", strict=False).tools[0]
        assert found.schema == {key: value for key, value in accepted.items() if value != []}
        assert found.losses == ()
        checked += 1
    assert checked > 50


def test_json_schemas_that_gemini_accepted_lose_only_what_gemini_ignores(data_dir: Path) -> None:
    ignored = {"maxLength", "minLength", "pattern", "uniqueItems", "type", "default"}
    checked = 0
    for accepted in _declared(data_dir, "parametersJsonSchema", "parameters_json_schema"):
        found = sent(accepted, "gemini", strict=False).tools[0]
        assert {loss.keyword for loss in found.losses} <= ignored
        checked += 1
    assert checked > 150


def _sorted(schema: JsonSchema) -> JsonSchema:
    return {**schema, "required": sorted(schema["required"])}


def _lower(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_lower(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value.lower() if key == "type" and isinstance(value, str) else _lower(value)
        for key, value in schema.items()
    }


def test_tools_of_a_benchmark_are_compiled_for_every_wire(data_dir: Path) -> None:
    with gzip.open(data_dir / "evals" / "agentdojo_tools.jsonl.gz") as lines:
        tools = [
            Tool(name=item["name"], description="", parameters=item["parameters"])
            for item in map(json.loads, lines)
        ]

    downgraded = {
        wire: len(compile_tools(tools, wire, True).downgraded)
        for wire in ("openai", "anthropic", "vllm")
    }

    assert len(tools) == 74
    assert downgraded == {"openai": 0, "anthropic": 54, "vllm": 0}
