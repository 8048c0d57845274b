"""What strict schemas may weigh, and which tools of a request give way."""

from typing import Any

from callgate.schema.dialects import compile_tools
from callgate.schema.dialects.limits import Size, measure
from callgate.types import Effect, Tool


def tool(name: str, effect: Effect, optional: int = 0, required: int = 1, **more: Any) -> Tool:
    properties: dict[str, Any] = {f"o{i}": {"type": "string"} for i in range(optional)}
    properties |= {f"r{i}": {"type": "string"} for i in range(required)}
    schema = {
        "type": "object",
        "properties": properties | more,
        "required": [f"r{i}" for i in range(required)] + list(more),
        "additionalProperties": False,
    }
    return Tool(name=name, description="", parameters=schema, effect=effect)


def strict(tools: list[Tool], wire: str = "anthropic") -> list[str]:
    return [item.tool.name for item in compile_tools(tools, wire, True).tools if item.strict]


def test_a_request_has_at_most_twenty_strict_tools_and_effects_come_first() -> None:
    reads = [tool(f"read{i}", Effect.READ) for i in range(15)]
    effects = [tool(f"act{i}", Effect.IRREVERSIBLE) for i in range(10)]

    found = compile_tools([*reads, *effects], "anthropic", True)

    together = "together with more valuable tools 21 strict tools"
    reason = f"In strict mode: {together}, at most 20 are accepted."
    assert [item.tool.name for item in found.tools if item.strict] == [
        *(f"read{i}" for i in range(10)),
        *(f"act{i}" for i in range(10)),
    ]
    assert [(item.tool, item.reason) for item in found.downgraded] == [
        (
            f"read{i}",
            reason,
        )
        for i in range(10, 15)
    ]


def test_the_harder_a_call_is_to_take_back_the_sooner_it_is_strict() -> None:
    effects = [Effect.READ, Effect.IDEMPOTENT, Effect.RECONCILABLE, Effect.IRREVERSIBLE]
    tools = [tool(effect.value, effect, optional=10) for effect in effects]

    assert strict(tools) == ["reconcilable", "irreversible"]


def test_of_equal_effects_those_with_fewer_losses_come_first() -> None:
    lossy = tool("lossy", Effect.READ, optional=20, x={"type": "string", "minLength": 1})
    exact = tool("exact", Effect.READ, optional=20)

    assert strict([lossy, exact]) == ["exact"]


def test_a_tool_that_does_not_fit_keeps_no_later_one_from_fitting() -> None:
    large = tool("large", Effect.IRREVERSIBLE, optional=25)
    tools = [
        large,
        tool("a", Effect.READ, optional=14),
        tool("b", Effect.READ, optional=12),
        tool("c", Effect.READ, optional=10),
    ]

    assert strict(tools) == ["a", "c"]


def test_union_typed_places_are_counted_over_the_request() -> None:
    union = {"anyOf": [{"type": "string"}, {"type": "integer"}]}
    listed = {"type": ["string", "null"]}
    tools = [tool(f"t{i}", Effect.READ, a=union, b=listed) for i in range(10)]

    assert strict(tools, "bedrock") == [f"t{i}" for i in range(8)]


def _nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        inner = {
            "type": "object",
            "properties": {"a": inner},
            "required": ["a"],
            "additionalProperties": False,
        }
    return inner


def test_openai_bounds_every_schema_for_itself() -> None:
    def reason(**more: Any) -> str:
        found = compile_tools(
            [tool("t", Effect.READ, **more), tool("u", Effect.READ)], "openai", True
        )
        assert found.tools[1].strict
        return "".join(item.reason for item in found.downgraded)

    words = [f"{i:04}" for i in range(1001)]
    assert reason(x=_nested(9)) == ""
    assert reason(x=_nested(10)) == "In strict mode: 11 levels, at most 10 are accepted."
    assert "5001 properties" in reason(required=5001)
    assert "1001 values of enums" in reason(x={"enum": words})
    assert "characters of values in one long enum" in reason(
        x={"enum": [w * 15 for w in words[:251]]}
    )
    assert "characters of names and values" in reason(x={"const": "x" * 120_001})


def test_definitions_count_once_where_they_are_sent_and_as_often_as_they_are_used_otherwise() -> (
    None
):
    held = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}
    schema = {
        "type": "object",
        "properties": {
            "x": {"$ref": "#/$defs/Held"},
            "y": {"$ref": "#/$defs/Held"},
            "z": {"type": "array", "items": {"enum": ["p", "q", 7]}},
        },
        "required": ["x", "y", "z"],
        "$defs": {
            "Held": held | {"properties": held["properties"] | {"me": {"$ref": "#/$defs/Held"}}}
        },
    }

    assert measure(schema) == Size(
        tools=1, optional=4, unions=0, properties=5, depth=2, values=3, characters=4 + 3 + 3 + 3
    )
