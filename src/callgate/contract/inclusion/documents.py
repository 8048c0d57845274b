"""Schemas made comparable: one draft, every reference by name, nothing that is only for readers."""

from __future__ import annotations

from typing import Any

from callgate.schema.definition import Definition, inside
from callgate.schema.values import is_array, is_object

__all__ = ["Document"]

_DROPPED = frozenset(
    {
        "$anchor",
        "$comment",
        "$defs",
        "$dynamicAnchor",
        "$dynamicRef",
        "$id",
        "$ref",
        "$schema",
        "contentSchema",
        "default",
        "definitions",
        "deprecated",
        "description",
        "examples",
        "format",
        "readOnly",
        "title",
        "writeOnly",
    }
)
"""Keywords that say nothing about validity; `format` is an annotation, as in `validate`."""

_ENCODED = frozenset({"contentEncoding", "contentMediaType"})
_SINCE_2020 = frozenset({"prefixItems"})
_SINCE_2019 = _SINCE_2020 | {
    "dependentRequired",
    "dependentSchemas",
    "maxContains",
    "minContains",
    "unevaluatedItems",
    "unevaluatedProperties",
}
_SINCE_7 = _SINCE_2019 | {"else", "if", "then"}
_NOTHING: frozenset[str] = frozenset()
_DRAFTS = (
    ("draft-04", "4", _NOTHING),
    ("draft-06", "6", _SINCE_7),
    ("draft-07", "7", _SINCE_2019),
    ("2019-09", "2019", _SINCE_2020),
)
_IN_PLACE = frozenset(
    {"$ref", "allOf", "anyOf", "dependentSchemas", "else", "if", "not", "oneOf", "opaque", "then"}
)
"""Keywords whose schemas may evaluate members of the value that the schema itself applies to."""


class Document:
    """A schema in the form that is compared.

    Attributes:
        root: The schema, without what is for readers and with references `#/$defs/...` only.
        defs: What these lead to, by name.
        unsaid: Keywords that could not be kept, so that a proof about it proves nothing. What only
            a validator understands, but is kept, stands as `opaque` in its schema.

    Args:
        definition: The schema with its references resolved.
    """

    __slots__ = (
        "_definition",
        "_dropped",
        "_kept",
        "_names",
        "_old",
        "_waiting",
        "defs",
        "root",
        "unsaid",
    )

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._old, self._dropped = _draft(definition.schema)
        self._names: dict[int, str] = {}
        self._kept: dict[int, Any] = {}
        self._waiting: list[tuple[str, Any]] = []
        self.defs: dict[str, Any] = {}
        self.unsaid: set[str] = set()
        self.root: Any = self._flat(definition.schema)
        while self._waiting:
            name, schema = self._waiting.pop()
            self.defs[name] = self._flat(schema)

    def _flat(self, schema: Any) -> Any:
        if not is_object(schema):
            return schema
        if id(schema) not in self._kept:
            self._kept[id(schema)] = self._flattened(schema)
        return self._kept[id(schema)]

    def _flattened(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self._old == "4":
            self.unsaid.add("$schema")
            return {}
        flat: dict[str, Any] = {}
        if "$ref" in schema or "$dynamicRef" in schema:
            self._refer(schema, flat)
            if self._old in ("6", "7"):
                return flat
        for keyword, value in schema.items():
            if keyword in _DROPPED or keyword in self._dropped:
                continue
            if keyword in _ENCODED:
                self.unsaid.update([keyword] if self._old in ("6", "7") else ())
                continue
            flat[keyword] = inside(keyword, value, self._flat)
        flat.pop("opaque", None)
        if self._old:
            _upgrade_items(flat)
        _split_dependencies(flat)
        _settle_unevaluated(flat)
        return flat

    def _refer(self, schema: dict[str, Any], flat: dict[str, Any]) -> None:
        names = [self._name(target) for target in self._definition.targets(schema)]
        if "$dynamicRef" in schema or not names:
            self.unsaid.update(key for key in ("$ref", "$dynamicRef") if key in schema)
        else:
            flat["$ref"] = f"#/$defs/{names[0]}"

    def _name(self, target: Any) -> str:
        if id(target) not in self._names:
            name = f"d{len(self._names)}"
            self._names[id(target)] = name
            self._waiting.append((name, target))
        return self._names[id(target)]


def _draft(schema: dict[str, Any]) -> tuple[str, frozenset[str]]:
    told = schema.get("$schema")
    for mark, name, dropped in _DRAFTS:
        if isinstance(told, str) and mark in told and "json-schema.org" in told:
            return name, dropped
    return "", _NOTHING


def _upgrade_items(flat: dict[str, Any]) -> None:
    """Say `prefixItems` for the array of schemas that `items` was until 2019-09."""
    rest = flat.pop("additionalItems", None)
    if is_array(flat.get("items")):
        flat["prefixItems"] = flat.pop("items")
        if rest is not None:
            flat["items"] = rest


def _split_dependencies(flat: dict[str, Any]) -> None:
    """Say `dependentRequired` and `dependentSchemas` for `dependencies`, which is still checked."""
    told = flat.pop("dependencies", None)
    if not is_object(told):
        return
    for name, needs in told.items():
        keyword = "dependentRequired" if is_array(needs) else "dependentSchemas"
        kept: dict[str, Any] = dict(flat.get(keyword, {}))
        if name not in kept:
            flat[keyword] = kept | {name: needs}
        elif is_array(needs):
            flat[keyword] = kept | {name: [*kept[name], *needs]}
        else:
            flat[keyword] = kept | {name: {"allOf": [kept[name], needs]}}


def _settle_unevaluated(flat: dict[str, Any]) -> None:
    """Say `additionalProperties` or `items` where `unevaluated...` means the same."""
    for keyword, plain in (
        ("unevaluatedProperties", "additionalProperties"),
        ("unevaluatedItems", "items"),
    ):
        if keyword not in flat:
            continue
        inner = flat.pop(keyword)
        # What `contains` matches counts as evaluated.
        branching = _IN_PLACE & flat.keys() or (plain == "items" and "contains" in flat)
        if inner is True or plain in flat:
            continue
        if branching:
            flat["opaque"] = [*flat.get("opaque", ()), keyword]
            flat[keyword] = inner
        else:
            flat[plain] = inner
