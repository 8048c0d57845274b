"""`tools/list` of the Model Context Protocol: from a server's definitions to tools.

A definition is data of others: its texts are cleaned, bounded and framed, and one that hides
characters where they cannot be taken away (a name, a value of an enum) is not offered at all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import orjson

from callgate.codecs.foreign import bounded, framed, hides, hides_in
from callgate.codecs.names import wire_name
from callgate.errors import DefinitionError
from callgate.schema.canonical import digest
from callgate.schema.check import Checker
from callgate.types import Effect, JsonSchema, Limits, Tool

__all__ = ["Offer", "Trust", "fingerprint", "read_tool"]

Json: TypeAlias = Mapping[str, Any]

_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_DESCRIPTION = 16_384  # characters
_NOTE = 4_096  # characters of a description within a schema
_SCHEMA = 262_144  # bytes of JSON text
_PROSE = frozenset({"description", "title", "$comment"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What a person has said about the tools of a server.

    Attributes:
        effects: The effect of a tool, by the server's own name of it; `*` is for all others.
        hints: Whether the server's hints are believed: for all tools, or for the named ones.
    """

    effects: Mapping[str, Effect] = field(default_factory=dict[str, Effect])
    hints: bool | Collection[str] = False

    def effect(self, name: str, annotations: Json) -> Effect:
        """Return the effect of a tool.

        Hints may always raise the class. They lower it only where they are believed; what a person
        said of this very tool stands.
        """
        if (said := self.effects.get(name)) is not None:
            return said
        believed = self.hints if isinstance(self.hints, bool) else name in self.hints
        usual = self.effects.get("*", Effect.IRREVERSIBLE)
        if annotations.get("readOnlyHint") is True:
            return Effect.READ if believed else usual
        writes = annotations.get("readOnlyHint") is False
        repeatable = annotations.get("idempotentHint")
        if annotations.get("destructiveHint") is True or (writes and usual is Effect.READ):
            usual = Effect.IRREVERSIBLE
        if repeatable is False and usual is Effect.IDEMPOTENT:
            usual = Effect.IRREVERSIBLE
        return Effect.IDEMPOTENT if believed and repeatable is True else usual


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One tool of a server, ready to be offered.

    Attributes:
        tool: Our contract of it.
        name: The server's own name.
        digest: Over all that was judged: name, texts, schemas and annotations.
        definition: As the server sent it.
    """

    tool: Tool
    name: str
    digest: str
    definition: Json


def fingerprint(definition: Json) -> str:
    """Return the digest over all of a definition that a model or an approver sees."""
    seen = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
    return digest({key: definition[key] for key in seen if definition.get(key) is not None})


def read_tool(
    definition: object, *, server: str, prefix: str, trust: Trust, limits: Limits
) -> Offer:
    """Make a tool of a definition.

    Args:
        definition: One item of `tools` in the result of `tools/list`.
        server: Our name of the server, shown with its texts.
        prefix: What our name of the tool begins with.
        trust: What a person has said about the server's tools.
        limits: The bounds of its calls.

    Raises:
        DefinitionError: It cannot be offered; the message says why.
    """
    if not isinstance(definition, dict):
        raise DefinitionError("A definition is no object.")
    data = cast("dict[str, Any]", definition)
    name = data.get("name")
    if not isinstance(name, str) or not name:
        raise DefinitionError("A definition has no name.")
    shown = bounded(name, 128)
    if hides(name) or len(name) > 128:
        raise DefinitionError(f"The name {shown!r} is too long or hides characters.")
    annotations = data.get("annotations")
    try:
        own = fingerprint(data)
    except TypeError as exc:
        raise DefinitionError(f"{shown}: its definition is not JSON: {exc}") from exc
    full = prefix + name
    tool = Tool(
        name=full if _NAME.fullmatch(full) else wire_name(full),
        description=_description(data, server),
        parameters=_parameters(shown, data.get("inputSchema")),
        returns=_returns(shown, data.get("outputSchema")),
        effect=trust.effect(
            name, cast("Json", annotations) if isinstance(annotations, dict) else {}
        ),
        version=f"0+{own.removeprefix('sha256:')[:12]}",
        limits=limits,
        tags=frozenset({"mcp", f"mcp:{server}"}),
    )
    return Offer(tool=tool, name=name, digest=own, definition=data)


def _description(data: Json, server: str) -> str:
    text = data.get("description") or data.get("title") or ""
    return framed(bounded(str(text), _DESCRIPTION), server) if text else ""


def _parameters(name: str, schema: object) -> JsonSchema:
    if not isinstance(schema, dict):
        raise DefinitionError(f"{name}: it has no `inputSchema`.")
    data = cast("JsonSchema", schema)
    # Some servers leave out what is always the same.
    return _sound(name, "inputSchema", data if "type" in data else {**data, "type": "object"})


def _returns(name: str, schema: object) -> JsonSchema | None:
    if schema is None:
        return None
    if not isinstance(schema, dict):
        raise DefinitionError(f"{name}: its `outputSchema` is no object.")
    return _sound(name, "outputSchema", cast("JsonSchema", schema))


def _sound(name: str, where: str, schema: JsonSchema) -> JsonSchema:
    text = orjson.dumps(schema)
    if len(text) > _SCHEMA:
        raise DefinitionError(f"{name}: its `{where}` is longer than {_SCHEMA} bytes.")
    kept = cast("JsonSchema", _bounded_prose(schema))
    if hides_in(kept):
        raise DefinitionError(f"{name}: its `{where}` hides characters in a name or value.")
    try:
        Checker(kept).compile()
    except DefinitionError as exc:
        raise DefinitionError(f"{name}: its `{where}` is not usable: {exc.message}") from exc
    return kept


def _bounded_prose(value: Any) -> Any:
    """Clean the texts of a schema that are for readers; all other strings mean something."""
    if isinstance(value, list):
        return [_bounded_prose(inner) for inner in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    items = cast("dict[str, Any]", value).items()
    return {
        key: bounded(inner, _NOTE)
        if key in _PROSE and isinstance(inner, str)
        else _bounded_prose(inner)
        for key, inner in items
    }
