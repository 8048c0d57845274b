"""`tools/call` and `tools/list` of MCP, without a server."""

from base64 import b64encode
from typing import Any

import pytest

from callgate.codecs.mcp import KEY, Asks, call_params, read_result, stamp
from callgate.codecs.mcp_tools import Trust, fingerprint, read_tool
from callgate.errors import DefinitionError, ResultError, ToolFailedError
from callgate.types import Effect, FilePart, ImagePart, Limits, Text, ToolResult

DATA = b64encode(b"\x89PNG").decode()


def read(promised: bool = False, **raw: Any) -> ToolResult:
    result = read_result("act", raw, promised=promised)
    assert isinstance(result, ToolResult)
    return result


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


@pytest.mark.parametrize(
    ("content", "value", "body"),
    [
        ([], None, b"null"),
        ([text("hi\u200b")], "hi", b'"hi"'),
        ([text('{"a": 1}')], {"a": 1}, b'{"a": 1}'),
        ([text("[not json")], "[not json", b'"[not json"'),
        ([text("a"), text("b")], ["a", "b"], b'["a","b"]'),
        (
            [{"type": "resource_link", "uri": "a:b", "name": "n", "_meta": {}}],
            {"resource": {"uri": "a:b", "name": "n"}},
            b'{"resource":{"uri":"a:b","name":"n"}}',
        ),
        (
            [{"type": "resource", "resource": {"uri": "a:b", "text": "t\x00"}}],
            {"resource": {"uri": "a:b", "text": "t"}},
            b'{"resource":{"uri":"a:b","text":"t"}}',
        ),
    ],
)
def test_text_blocks_become_the_value(content: list[Any], value: Any, body: bytes) -> None:
    result = read(content=content)
    assert (result.value, result.body, result.content) == (value, body, ())


def test_images_audio_and_binary_resources_become_parts() -> None:
    blob = {"type": "resource", "resource": {"uri": "a:b", "blob": DATA}}
    result = read(
        content=[
            {"type": "image", "data": DATA, "mimeType": "image/png"},
            {"type": "audio", "data": DATA, "mimeType": "audio/wav"},
            blob,
        ]
    )
    assert result.value is None
    assert result.content == (
        ImagePart(media_type="image/png", data=b"\x89PNG"),
        FilePart(media_type="audio/wav", data=b"\x89PNG"),
        FilePart(media_type="application/octet-stream", name="a:b", data=b"\x89PNG"),
    )


def test_a_structured_result_is_the_value_and_texts_that_repeat_it_go() -> None:
    told = [text('{ "a": "x" }'), text("x"), text(""), text("more"), text('{"b": 1}')]
    result = read(structuredContent={"a": "x"}, content=told)
    assert (result.value, result.body) == ({"a": "x"}, b'{"a":"x"}')
    assert result.content == (Text(text="more"), Text(text='{"b": 1}'))
    assert read(structuredContent=[1], resultType="complete").value == [1]
    linked = read(structuredContent=1, content=[{"type": "resource_link", "uri": "a:b"}])
    assert linked.content == (Text(text='{"resource":{"uri":"a:b"}}'),)


@pytest.mark.parametrize(
    "raw",
    [
        "text",
        {"content": "text"},
        {"content": ["text"]},
        {"content": [{"type": "hologram"}]},
        {"content": [{"type": "image", "data": "%", "mimeType": "image/png"}]},
        {"resultType": "task"},
        {"resultType": "input_required", "inputRequests": ["x"]},
        {"resultType": "input_required", "inputRequests": {"a": 1}},
        {"resultType": "input_required", "requestState": 1},
    ],
)
def test_what_is_no_result_is_said_so(raw: Any) -> None:
    with pytest.raises(ResultError, match="act"):
        read_result("act", raw, promised=False)


def test_a_promised_structured_result_must_come() -> None:
    with pytest.raises(ResultError, match="sent none"):
        read(promised=True, content=[text("hi")])


def test_an_error_is_told_in_quotes_and_bounded() -> None:
    with pytest.raises(ToolFailedError) as caught:
        read(isError=True, content=[text('no "such" order'), {"type": "image"}, "x"])
    assert caught.value.message == 'act failed. The server says: "no \\"such\\" order"'
    with pytest.raises(ToolFailedError, match=r"nothing more\."):
        read(isError=True)
    with pytest.raises(ToolFailedError) as caught:
        read(isError=True, content=[text("x" * 9_000)])
    assert len(caught.value.message) < 4_100


def test_a_server_that_asks_is_understood() -> None:
    request = {"method": "elicitation/create", "params": {}}
    raw = {"resultType": "input_required", "inputRequests": {"a": request}, "requestState": "s"}
    assert read_result("act", raw, promised=True) == Asks(requests={"a": request}, state="s")
    bare = {"resultType": "input_required"}
    assert read_result("act", bare, promised=True) == Asks(requests={}, state=None)


def test_a_request_carries_key_answers_state_and_envelope() -> None:
    params = call_params("act", {"a": 1}, key="k", responses={"q": {"action": "accept"}}, state="s")
    stamp(params, version="2026-07-28", client={"name": "callgate"}, capabilities={})
    assert params == {
        "name": "act",
        "arguments": {"a": 1},
        "inputResponses": {"q": {"action": "accept"}},
        "requestState": "s",
        "_meta": {
            KEY: "k",
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "callgate"},
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }
    assert set(call_params("act", {}, key="k")) == {"name", "arguments", "_meta"}


# ------------------------------------------------------------------ definitions

USUAL = {"*": Effect.READ}


@pytest.mark.parametrize(
    ("trust", "annotations", "effect"),
    [
        (Trust(), {}, Effect.IRREVERSIBLE),
        (Trust(), {"readOnlyHint": True}, Effect.IRREVERSIBLE),
        (Trust(), {"idempotentHint": True}, Effect.IRREVERSIBLE),
        (Trust(hints=True), {"readOnlyHint": True}, Effect.READ),
        (Trust(hints=True), {"idempotentHint": True}, Effect.IDEMPOTENT),
        (Trust(hints=["act"]), {"readOnlyHint": True}, Effect.READ),
        (Trust(hints=["other"]), {"readOnlyHint": True}, Effect.IRREVERSIBLE),
        (Trust(effects=USUAL), {}, Effect.READ),
        (Trust(effects=USUAL), {"readOnlyHint": False}, Effect.IRREVERSIBLE),
        (Trust(effects=USUAL), {"destructiveHint": True}, Effect.IRREVERSIBLE),
        (
            Trust(effects={"*": Effect.IDEMPOTENT}),
            {"idempotentHint": False},
            Effect.IRREVERSIBLE,
        ),
        (Trust(effects={"act": Effect.READ}), {"readOnlyHint": False}, Effect.READ),
    ],
)
def test_hints_raise_the_effect_and_lower_it_only_where_they_are_believed(
    trust: Trust, annotations: dict[str, Any], effect: Effect
) -> None:
    assert trust.effect("act", annotations) is effect


def make(definition: Any, prefix: str = "") -> Any:
    return read_tool(definition, server="shop", prefix=prefix, trust=Trust(), limits=Limits())


def test_a_definition_becomes_a_tool_with_a_version_of_its_own() -> None:
    definition = {
        "name": "add.it",
        "title": "Add",
        "inputSchema": {"properties": {"a": {"description": "x" * 5_000, "title": "A\u200b"}}},
        "outputSchema": {"type": "object"},
        "annotations": "none",
        "icons": [],
    }
    offer = make(definition, prefix="shop__")
    tool = offer.tool
    assert (tool.name, offer.name) == ("shop__add.it", "add.it")
    assert tool.description == '<from-server name="shop">Add</from-server>'
    assert tool.parameters["type"] == "object"
    shown = tool.parameters["properties"]["a"]
    assert (len(shown["description"]), shown["title"]) == (4_096, "A")
    assert tool.version == f"0+{fingerprint(definition).removeprefix('sha256:')[:12]}"
    assert fingerprint(definition | {"icons": [1]}) == offer.digest
    assert fingerprint(definition | {"title": "Other"}) != offer.digest
    assert make({"name": "a b", "inputSchema": {}}).tool.name.startswith("a_b__x")
    assert make({"name": "a", "inputSchema": {}}).tool.description == ""


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        ("text", "no object"),
        ({}, "no name"),
        ({"name": "x" * 129}, "too long"),
        ({"name": "a\u202e"}, "hides"),
        ({"name": "a"}, "no `inputSchema`"),
        ({"name": "a", "inputSchema": {"x": "y" * 300_000}}, "longer than"),
        ({"name": "a", "inputSchema": {"enum": ["\u200b"]}}, "hides"),
        ({"name": "a", "inputSchema": {"type": "banana"}}, "not usable"),
        ({"name": "a", "inputSchema": {"$ref": "http://x/y"}}, "not usable"),
        ({"name": "a", "inputSchema": {}, "outputSchema": 1}, "no object"),
        ({"name": "a", "inputSchema": {}, "description": {1, 2}}, "not JSON"),
    ],
)
def test_what_cannot_be_offered_says_why(definition: Any, told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        make(definition)
