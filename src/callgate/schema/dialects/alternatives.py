"""Alternatives on a wire: which of them wrote a value, and when nobody could tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from callgate.schema.dialects.fixed import apart, kinds_of
from callgate.schema.dialects.forms import (
    ArrayForm,
    ChoiceForm,
    Form,
    ObjectForm,
    PairsForm,
    ReferenceForm,
    TextForm,
    UnionForm,
)
from callgate.schema.dialects.merge import types_of, values_of
from callgate.schema.dialects.objects import Node
from callgate.schema.values import is_object
from callgate.types import JsonSchema

__all__ = ["confusable", "exclusive", "mixed_up", "wire_types"]

_ALL = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_NONE = frozenset[str]()
_NUMBERS = frozenset({"integer", "number"})
_OBJECT = frozenset({"object"})

Resolve = Callable[[JsonSchema], JsonSchema]
"""Returns what a compiled schema refers to; itself if it refers to nothing."""


def exclusive(schemas: Sequence[Any]) -> bool:
    """Tell whether no value can satisfy two schemas, by their types or by one property.

    Args:
        schemas: Schemas without references at their top.
    """
    known = [schema for schema in schemas if is_object(schema)]
    if len(known) < len(schemas):
        return False
    types = [kind for schema in known for kind in types_of(schema) or ["any"]]
    if len(set(types)) == len(types) and not ("any" in types or set(types) >= _NUMBERS):
        return True
    names = set[str].intersection(*(set(schema.get("required", ())) for schema in known))
    return any(
        apart([schema.get("properties", {}).get(name) for schema in known]) for name in names
    )


def wire_types(schema: JsonSchema, resolve: Resolve) -> frozenset[str]:
    """Return the types of the values that a compiled schema takes."""
    schema = resolve(schema)
    if "anyOf" in schema:
        return _NONE.union(*(wire_types(option, resolve) for option in schema["anyOf"]))
    if "const" in schema or "enum" in schema:
        found = frozenset(kinds_of(values_of(schema), types_of(schema)))
    else:
        types = types_of(schema)
        found = _ALL if types is None else frozenset(types)
    return found | _NUMBERS if found & _NUMBERS else found


def mixed_up(nodes: Sequence[Node], resolve: Resolve) -> bool:
    """Tell whether a value of one alternative may be read as another's, of another type.

    A map written as pairs is an array on the wire: beside arrays, nobody can tell what it was.
    """
    return any(
        _retyped(one, resolve) & wire_types(two.schema, resolve)
        or _retyped(two, resolve) & wire_types(one.schema, resolve)
        for one, two in combinations(nodes, 2)
    )


def confusable(nodes: Sequence[Node], resolve: Resolve) -> bool:
    """Tell whether two alternatives may take one value and read it differently."""
    return any(_confusable(one, two, resolve) for one, two in combinations(nodes, 2))


def _retyped(node: Node, resolve: Resolve) -> frozenset[str]:
    """Return the types on the wire that stand for other types."""
    form = node.form
    if isinstance(form, TextForm | ChoiceForm):
        return frozenset({"string"})
    if isinstance(form, PairsForm):
        return frozenset({"array"})
    if isinstance(form, UnionForm):
        return _NONE.union(*(_retyped(Node(*option), resolve) for option in form.options))
    if isinstance(form, ReferenceForm) and wire_types(node.schema, resolve) != _OBJECT:
        return frozenset({"array", "string"})
    return _NONE


def _confusable(one: Node, two: Node, resolve: Resolve) -> bool:
    if one.form is None and two.form is None:
        return False
    shared = wire_types(one.schema, resolve) & wire_types(two.schema, resolve)
    if not shared & {"array", "object"}:
        return False
    first, second = resolve(one.schema), resolve(two.schema)
    if "array" not in shared:
        if exclusive([first, second]) or _other_names(first, second):
            return False
        return _read(one.form) is None or _read(one.form) != _read(two.form)
    return _is_array(one.form) or _is_array(two.form)


def _other_names(first: JsonSchema, second: JsonSchema) -> bool:
    """Tell whether one object must have a property that the other cannot have."""
    return any(
        other.get("additionalProperties") is False
        and set(schema.get("required", ())) - other.get("properties", {}).keys()
        for schema, other in ((first, second), (second, first))
    )


def _read(form: Form | None) -> Any:
    """Return how an object is read, if that is all that can differ."""
    return form.reading() if isinstance(form, ObjectForm) else None


def _is_array(form: Form | None) -> bool:
    return isinstance(form, ArrayForm | UnionForm | ReferenceForm)
