"""The root of a tool's parameters, which every provider wants to be one plain object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from callgate.errors import DefinitionError
from callgate.schema.canonical import canonical
from callgate.schema.definition import Definition, inside
from callgate.schema.dialects.loss import Change, Lose, Loss, told
from callgate.schema.dialects.merge import (
    ANNOTATIONS,
    BOOKKEEPING,
    flat,
    merge,
    types_of,
    values_of,
)
from callgate.schema.dialects.names import DefinitionNames
from callgate.schema.values import is_object
from callgate.types import JsonSchema

__all__ = ["flatten", "is_presence", "plain_root", "presence_words", "rehomed"]

_REFUSED = frozenset({"$dynamicRef", "$ref", "allOf", "anyOf", "const", "enum", "not", "oneOf"})
"""Keywords that OpenAI and Anthropic refuse at the root, strict or not."""

_FIXED = ANNOTATIONS | {"const", "enum", "type"}
_UNIONS = ("anyOf", "oneOf")
_ROOT = "#"


def plain_root(schema: JsonSchema) -> bool:
    """Tell whether a schema is one plain object already."""
    return schema.get("type") == "object" and not schema.keys() & _REFUSED


def flatten(
    schema: JsonSchema, definition: Definition | None, lose: Lose, notes: list[str]
) -> JsonSchema:
    """Return the root as one plain object, whose properties may be those of alternatives.

    Arguments are objects, so what the root says about other values goes without loss.

    Args:
        schema: The root.
        definition: The same, with its references; None if there are none.
        lose: Takes what is lost.
        notes: Takes the words for it.

    Raises:
        DefinitionError: It takes no object.
    """
    if plain_root(schema):
        return schema
    merged = flat(schema, definition)
    for left in merged.left:
        for keyword, value in left.items():
            told(_ROOT, keyword, value, lose, notes, narrows=keyword == "properties")
    out = merged.schema
    types = types_of(out) if is_object(out) else []
    if not is_object(out) or (types is not None and "object" not in types):
        raise DefinitionError("The parameters of a tool must describe an object.")
    for keyword in ("not", "enum", "const"):
        if keyword in out:
            told(_ROOT, keyword, out[keyword], lose, notes)
            out = {name: value for name, value in out.items() if name != keyword}
    for keyword in _UNIONS:
        if keyword in out:
            out = _without_union(out, keyword, definition, lose, notes)
    return {**out, "type": "object"}


def is_presence(branches: Iterable[Any]) -> bool:
    """Tell whether alternatives only say which properties must be there."""
    return all(
        is_object(branch) and not branch.keys() - ANNOTATIONS - {"required"} for branch in branches
    )


def presence_words(branches: Iterable[Any], *, one: bool) -> str:
    """Return which properties must be there, in words."""
    kinds = [" and ".join(branch.get("required", ())) or "nothing" for branch in branches]
    return f"needs {'exactly' if one else 'at least'} one of: {', or '.join(kinds)}"


def _without_union(
    schema: JsonSchema, keyword: str, definition: Definition | None, lose: Lose, notes: list[str]
) -> JsonSchema:
    base = {name: value for name, value in schema.items() if name != keyword}
    if is_presence(schema[keyword]) and "properties" in base:
        words = presence_words(schema[keyword], one=keyword == "oneOf")
        notes.append(words)
        lose(Loss(path=_ROOT, keyword=keyword, happened=Change.MOVED, words=words))
        return base
    variants: list[JsonSchema] = []
    for branch in schema[keyword]:
        resolved = flat(branch, definition)
        merged = merge(base, resolved.schema)
        inner = merged.schema
        types = types_of(inner) if is_object(inner) else []
        if is_object(inner) and (types is None or "object" in types):
            for union in _UNIONS:
                if union in inner:
                    inner = _without_union(inner, union, definition, lose, notes)
            variants.append(inner)
    if not variants:
        raise DefinitionError("The parameters of a tool must describe an object.")
    return variants[0] if len(variants) == 1 else _united(variants, base, keyword, lose, notes)


def _united(
    variants: list[JsonSchema], base: JsonSchema, keyword: str, lose: Lose, notes: list[str]
) -> JsonSchema:
    """Return one object with the properties of all alternatives."""
    names = dict.fromkeys(name for variant in variants for name in variant.get("properties", ()))
    closed = all(
        variant.get("additionalProperties") is False and "patternProperties" not in variant
        for variant in variants
    )
    out = {name: value for name, value in base.items() if name in ANNOTATIONS | BOOKKEEPING}
    out["properties"] = {name: _any_of(name, variants) for name in names}
    out["required"] = [
        name for name in names if all(name in variant.get("required", ()) for variant in variants)
    ]
    if closed:
        out["additionalProperties"] = False
    words = f"takes one of these forms: {'; or '.join(map(_form_words, variants))}"
    notes.append(words)
    narrows = any(
        name not in variant.get("properties", ())
        and variant.get("additionalProperties") is not False
        for variant in variants
        for name in names
    )
    lose(Loss(path=_ROOT, keyword=keyword, happened=Change.MOVED, words=words, narrows=narrows))
    return out


def _any_of(name: str, variants: list[JsonSchema]) -> Any:
    """Return the schema of a property that takes what any alternative has it take."""
    held = (variant.get("properties", {}).get(name, False) for variant in variants)
    found = list({canonical(inner): inner for inner in held if inner is not False}.values())
    if len(found) < 2:
        return found[0] if found else False
    if all(is_object(inner) and values_of(inner) and not inner.keys() - _FIXED for inner in found):
        values = [value for inner in found for value in values_of(inner)]
        first = {keyword: inner for keyword, inner in found[0].items() if keyword != "const"}
        return {**first, "enum": values_of({"enum": values})}
    return {"anyOf": found}


def _form_words(variant: JsonSchema) -> str:
    required = variant.get("required", ())
    parts: list[str] = []
    for name, inner in variant.get("properties", {}).items():
        fixed = is_object(inner) and "const" in inner
        value = f" = {orjson.dumps(inner['const']).decode()}" if fixed else ""
        parts.append(f"{name}{value}{'' if name in required else ' (optional)'}")
    return ", ".join(parts) or "nothing"


def rehomed(schema: JsonSchema, definition: Definition) -> JsonSchema:
    """Return a rebuilt root whose references lead to copies under its own `$defs`.

    Args:
        schema: What was built from the document.
        definition: The document.
    """
    home = _Home(definition)
    out = home.of(schema)
    return {**out, "$defs": home.definitions} if home.definitions else out


class _Home:
    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._names = DefinitionNames()
        self.definitions: dict[str, Any] = {}

    def of(self, schema: Any) -> Any:
        if not is_object(schema):
            return schema
        return {
            keyword: self._inner(schema, keyword, value)
            for keyword, value in schema.items()
            if keyword not in BOOKKEEPING
        }

    def _inner(self, schema: JsonSchema, keyword: str, value: Any) -> Any:
        if keyword in {"$ref", "$dynamicRef"}:
            return self._reference(schema, value)
        return inside(keyword, value, self.of)

    def _reference(self, schema: JsonSchema, reference: str) -> str:
        for target in self._definition.targets(schema):
            name = self._names.known(target)
            if name is None:
                name = self._names.give(target, reference)
                self.definitions[name] = self.of(target)
            return f"#/$defs/{name}"
        return reference
