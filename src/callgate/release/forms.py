"""Tools as protocols and providers write them: ours, MCP, OpenAI, Anthropic, Gemini, Bedrock.

Each reader takes one item of a list and says what it is, or None if it is of another form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from callgate.contract.listing import Listed, Steps
from callgate.errors import DefinitionError
from callgate.release.type_words import is_plain, translate
from callgate.schema.values import is_array, is_object
from callgate.types import Effect, Tool

__all__ = ["Item", "Reader", "ignored", "listed", "provider_tool"]

EMPTY: Mapping[str, Any] = MappingProxyType({"type": "object", "properties": {}})
"""The parameters of a tool that names none."""

INLINE = "x-callgate-ignore"
"""The key under which a definition lists the rules of lint that it switches off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One value of a document that may be a tool.

    Attributes:
        value: The value.
        steps: Where it stands.
    """

    value: dict[str, Any]
    steps: Steps = ()

    @property
    def place(self) -> str:
        """The JSON pointer of the value, such as `#/tools/0`."""
        return "#" + "".join(f"/{step}" for step in self.steps)


Reader: TypeAlias = Callable[[Item], Listed | None]
"""Reads one form; None for another."""


def ignored(value: Mapping[str, Any]) -> frozenset[str]:
    """Return the rules that a definition switches off: `"x-callgate-ignore": ["rule", ...]`."""
    found: Any = value.get(INLINE) or _meta(value).get("callgate/ignore") or []
    return frozenset(str(rule) for rule in found) if is_array(found) else frozenset({str(found)})


def _meta(value: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = value.get("_meta")
    return meta if is_object(meta) else {}


def listed(
    item: Item,
    form: str,
    fields: Mapping[str, Any],
    *,
    inside: Steps = (),
    schema: str = "parameters",
    returns: str | None = None,
    effect: Effect | None = None,
) -> Listed:
    """Make an entry from the object that holds a tool's name and schema.

    Args:
        item: The whole item.
        form: The name of the form.
        fields: The object that holds `name` and `description`.
        inside: The way from the item to `fields`; defaults to none.
        schema: The key of the parameters in `fields`; defaults to `parameters`.
        returns: The key of the result's schema; defaults to none.
        effect: What the source says a call does; None if it says nothing.

    Raises:
        DefinitionError: The schema is nested too deep to be read.
    """
    notes: list[str] = []
    keys = {"name": "name", "description": "description", "parameters": schema}
    if returns is not None:
        keys["returns"] = returns
    given = fields.get(schema)
    parameters = _schema(given, notes) if given is not None else dict(EMPTY)
    result = fields.get(returns) if returns is not None else None
    steps: dict[str, Steps] = {
        part: (*item.steps, *inside, key) for part, key in keys.items() if key in fields
    }
    if parameters is not given:
        steps.pop("parameters", None)
    told = fields.get("description")
    return Listed(
        tool=Tool(
            name=str(fields.get("name", "")),
            description=told if isinstance(told, str) else "",
            parameters=parameters,
            returns=_schema(result, notes) if is_object(result) else None,
            effect=effect or Effect.IRREVERSIBLE,
            version=str(fields.get("version") or "0"),
        ),
        place=item.place,
        form=form,
        notes=tuple(notes),
        effect_told=effect is not None,
        ignored=ignored(item.value) | ignored(fields),
        steps={"item": item.steps, **steps},
    )


def _schema(given: Any, notes: list[str]) -> dict[str, Any]:
    """Return the schema itself if its types are JSON Schema's own, else its translation."""
    if is_object(given) and not _foreign(given):
        return given
    return translate(given, notes.append)


def _foreign(schema: Any, depth: int = 0) -> bool:
    """Tell whether words of others stand under a `type`; the checker refuses what is deeper."""
    if depth > 100:
        return False
    if is_array(schema):
        return any(_foreign(inner, depth + 1) for inner in schema)
    if not is_object(schema):
        return False
    word = schema.get("type")
    if isinstance(word, str) and not is_plain(word):
        return True
    return any(
        _foreign(inner, depth + 1)
        for keyword, inner in schema.items()
        if keyword not in ("default", "const", "enum", "example", "examples")
    )


# --- forms ----------------------------------------------------------------------------------


def provider_tool(item: Item) -> list[Listed] | None:
    """Read what a protocol or provider takes as a tool; None if it is something else.

    Raises:
        DefinitionError: A schema is nested too deep to be read.
    """
    for key in ("functionDeclarations", "function_declarations"):
        if is_array(declared := item.value.get(key)):
            return _declarations(item, key, declared)
    if item.value.get("type") == "namespace" and is_array(inner := item.value.get("tools")):
        return _namespace(item, inner)
    for read in (_openai, _bedrock, _anthropic, _mcp, _named):
        found = read(item)
        if found is not None:
            return [found]
    return None


def _openai(item: Item) -> Listed | None:
    if item.value.get("type") != "function":
        return None
    function = item.value.get("function")
    if is_object(function) and isinstance(function.get("name"), str):
        return listed(item, "openai", function, inside=("function",))
    if isinstance(item.value.get("name"), str):
        return listed(item, "openai_responses", item.value, returns="output_schema")
    return None


def _namespace(item: Item, tools: list[Any]) -> list[Listed]:
    found = (
        _openai(Item(value=inner, steps=(*item.steps, "tools", place)))
        for place, inner in enumerate(tools)
        if is_object(inner)
    )
    return [entry for entry in found if entry is not None]


def _bedrock(item: Item) -> Listed | None:
    spec = item.value.get("toolSpec")
    if not (is_object(spec) and isinstance(spec.get("name"), str)):
        return None
    schema = spec.get("inputSchema")
    fields = {**spec, "json": schema.get("json") if is_object(schema) else None}
    entry = listed(item, "bedrock", fields, inside=("toolSpec",), schema="json")
    steps = dict(entry.steps)
    if "parameters" in steps:
        steps["parameters"] = (*item.steps, "toolSpec", "inputSchema", "json")
    return replace(entry, steps=steps)


def _anthropic(item: Item) -> Listed | None:
    if isinstance(item.value.get("name"), str) and is_object(item.value.get("input_schema")):
        return listed(item, "anthropic", item.value, schema="input_schema")
    return None


def _declarations(item: Item, key: str, declared: list[Any]) -> list[Listed]:
    found: list[Listed] = []
    for place, fields in enumerate(declared):
        if not (is_object(fields) and isinstance(fields.get("name"), str)):
            raise DefinitionError(
                f"{item.place}/{key}/{place} declares no function: it has no name."
            )
        inner = Item(value=fields, steps=(*item.steps, key, place))
        found.append(
            listed(
                inner,
                "gemini",
                fields,
                schema=_first(fields, "parametersJsonSchema", "parameters_json_schema")
                or "parameters",
                returns=_first(fields, "responseJsonSchema", "response_json_schema", "response"),
            )
        )
    return found


def _first(fields: Mapping[str, Any], *keys: str) -> str | None:
    return next((key for key in keys if is_object(fields.get(key))), None)


def _mcp(item: Item) -> Listed | None:
    value = item.value
    if not (isinstance(value.get("name"), str) and is_object(value.get("inputSchema"))):
        return None
    effect = _hinted(_hints(value))
    entry = listed(item, "mcp", value, schema="inputSchema", returns="outputSchema", effect=effect)
    return replace(entry, annotations=_hints(value))


def _hints(value: Mapping[str, Any]) -> Mapping[str, Any]:
    found = value.get("annotations")
    return found if is_object(found) else {}


def _hinted(hints: Mapping[str, Any]) -> Effect | None:
    """Return the effect that MCP's annotations hint at; what they leave open is the worst case."""
    if hints.get("readOnlyHint") is True:
        return Effect.READ
    if hints.get("idempotentHint") is True:
        return Effect.IDEMPOTENT
    told = any(key in hints for key in ("readOnlyHint", "idempotentHint", "destructiveHint"))
    return Effect.IRREVERSIBLE if told else None


def _named(item: Item) -> Listed | None:
    value = item.value
    if not (isinstance(value.get("name"), str) and is_object(value.get("parameters"))):
        return None
    known = value.get("effect") in {kind.value for kind in Effect}
    effect = Effect(value["effect"]) if known else None
    entry = listed(item, "callgate", value, returns="returns", effect=effect)
    return replace(entry, annotations=_hints(value))
