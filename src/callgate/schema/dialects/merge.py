"""Several schemas for one value made into one schema, as far as one schema can say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from types import MappingProxyType
from typing import Any, NamedTuple

from callgate.schema.canonical import canonical
from callgate.schema.definition import Definition
from callgate.schema.values import is_array, is_object
from callgate.types import JsonSchema

__all__ = [
    "ANNOTATIONS",
    "BOOKKEEPING",
    "Merged",
    "flat",
    "merge",
    "targets_of",
    "types_of",
    "values_of",
]

ANNOTATIONS = frozenset({"default", "deprecated", "description", "examples", "title"})
"""Keywords that constrain nothing."""

BOOKKEEPING = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",
        "$dynamicAnchor",
        "$id",
        "$schema",
        "$vocabulary",
        "definitions",
    }
)
"""Keywords that say nothing about a value."""

_REFERENCES = ("$ref", "$dynamicRef")

# Keywords that mean something only together; two groups of one kind cannot be one.
_GROUPS = (
    frozenset({"contains", "minContains", "maxContains"}),
    frozenset({"if", "then", "else"}),
    frozenset({"items", "prefixItems", "additionalItems"}),
)
_PROPERTIES = frozenset({"properties", "patternProperties", "additionalProperties"})
_VALUES = frozenset({"const", "enum"})


class Merged(NamedTuple):
    """Schemas made one.

    Attributes:
        schema: The one schema; False if no value can satisfy all of them.
        left: Constraints that did not fit in.
        resolved: The definitions that went in, by identity.
    """

    schema: JsonSchema | bool
    left: tuple[JsonSchema, ...] = ()
    resolved: frozenset[int] = frozenset()


def flat(schema: Any, definition: Definition | None) -> Merged:
    """Return a schema without `$ref` and `allOf` at its top.

    Args:
        schema: A schema of the document.
        definition: The document; None if it refers to nothing.
    """
    if not is_object(schema):
        return Merged(schema=schema)
    targets = targets_of(schema, definition)
    members: list[Any] = [*targets, *schema.get("allOf", ())]
    own = {
        keyword: value
        for keyword, value in schema.items()
        if keyword not in _REFERENCES and keyword not in BOOKKEEPING and keyword != "allOf"
    }
    parts = [flat(member, definition) for member in members]
    merged = reduce(_add, parts, Merged(schema=own))
    resolved = merged.resolved | {id(target) for target in targets}
    return merged._replace(resolved=resolved)


def targets_of(schema: JsonSchema, definition: Definition | None) -> list[Any]:
    """Return what a schema of the document refers to.

    Args:
        schema: The schema.
        definition: The document; None if it refers to nothing.
    """
    if definition is None or not ("$ref" in schema or "$dynamicRef" in schema):
        return []
    return definition.targets(schema)


def _add(first: Merged, second: Merged) -> Merged:
    merged = merge(first.schema, second.schema)
    return Merged(
        schema=merged.schema,
        left=first.left + second.left + merged.left,
        resolved=first.resolved | second.resolved,
    )


def merge(first: Any, second: Any) -> Merged:
    """Return one schema that takes what both take, as far as possible.

    Where both annotate, the first one's words stay.

    Args:
        first: A schema without `$ref` and `allOf` at its top.
        second: Another.
    """
    if not is_object(first) or not is_object(second):
        return Merged(schema=_both(first, second))
    left: JsonSchema = {}
    out = dict(first)
    rest = _without_conflicts(first, second, left)
    if rest.keys() & _PROPERTIES:
        out.update(_properties(first, rest))
    done = _PROPERTIES
    if out.keys() & _VALUES and rest.keys() & _VALUES:
        out["enum"] = _common(values_of(out), values_of(rest))
        out.pop("const", None)
        done |= _VALUES
    for keyword, value in rest.items():
        if keyword in done:
            continue
        if keyword not in out:
            out[keyword] = value
        elif keyword in _COMBINED:
            out[keyword] = _COMBINED[keyword](out[keyword], value)
        elif keyword not in ANNOTATIONS and canonical(out[keyword]) != canonical(value):
            left[keyword] = value
    if out.get("type") == [] or out.get("enum") == []:
        return Merged(schema=False)
    return Merged(schema=out, left=(left,) if left else ())


def values_of(schema: JsonSchema) -> list[Any]:
    """Return the values of `const` or `enum`, each once; schemas without either have none."""
    values = [schema["const"]] if "const" in schema else schema.get("enum", ())
    return list({canonical(value): value for value in values}.values())


def types_of(schema: JsonSchema) -> list[str] | None:
    """Return the names of a schema's types; None if it names none."""
    types = schema.get("type")
    return [types] if isinstance(types, str) else types


def _without_conflicts(first: JsonSchema, second: JsonSchema, left: JsonSchema) -> JsonSchema:
    """Return `second` without the groups that cannot be merged, which go to `left`."""
    groups = [group for group in _GROUPS if first.keys() & group and second.keys() & group]
    if not (groups or "patternProperties" in first or "patternProperties" in second):
        return second
    refused: set[str] = set()
    for group in groups:
        if (first.keys() | second.keys()) & group != {"items"} or is_array(first["items"]):
            refused |= group
    if "patternProperties" in {*first, *second} and first.keys() & _PROPERTIES:
        refused |= _PROPERTIES
    left.update({keyword: second[keyword] for keyword in second if keyword in refused})
    return {keyword: value for keyword, value in second.items() if keyword not in refused}


def _properties(first: JsonSchema, second: JsonSchema) -> JsonSchema:
    """Return the keywords about properties that take what both take."""
    one: JsonSchema = first.get("properties", {})
    two: JsonSchema = second.get("properties", {})
    others = (first.get("additionalProperties", True), second.get("additionalProperties", True))
    found = {name: _both(inner, two.get(name, others[1])) for name, inner in one.items()}
    found |= {name: _both(others[0], inner) for name, inner in two.items() if name not in one}
    out: JsonSchema = {"properties": found} if found else {}
    if "patternProperties" in second:
        out["patternProperties"] = second["patternProperties"]
    if "additionalProperties" in first or "additionalProperties" in second:
        out["additionalProperties"] = _both(*others)
    return out


def _both(first: Any, second: Any) -> Any:
    if first is True or second is False:
        return second
    if second is True or first is False:
        return first
    return first if canonical(first) == canonical(second) else {"allOf": [first, second]}


def _common(first: list[Any], second: list[Any]) -> list[Any]:
    known = {canonical(value) for value in second}
    return [value for value in first if canonical(value) in known]


def _types(first: Any, second: Any) -> list[str]:
    one, two = ({types} if isinstance(types, str) else set(types) for types in (first, second))
    for types in (one, two):
        if "number" in types:
            types.add("integer")
    found = one & two
    return sorted(found - {"integer"} if "number" in found else found)


_COMBINED: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        "type": _types,
        "required": lambda first, second: [*first, *(n for n in second if n not in first)],
        "items": _both,
        "propertyNames": _both,
        "not": lambda first, second: {"anyOf": [first, second]},
        "uniqueItems": lambda first, second: first or second,
        **dict.fromkeys(
            ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max
        ),
        **dict.fromkeys(
            ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min
        ),
    }
)
