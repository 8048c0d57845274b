"""Schemas as shared nodes: equal schemas of two documents are one node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import jsonschema_rs
import orjson

from callgate.contract.inclusion.documents import Document
from callgate.schema.check import Checker
from callgate.schema.patterns import LINEAR
from callgate.schema.values import is_array, is_object

__all__ = ["Node", "Nodes"]

Find: TypeAlias = Callable[[Any, Document], "Node"]
"""Returns the node of a schema of a document."""

_DEEPEST = 100
"""Schemas below each other, references followed, from which on a reference is kept as one."""

_ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_MANY = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"dependentSchemas", "patternProperties", "properties"})
_AS_SET = frozenset({"required", "type"})


class Node:
    """One schema, whichever documents it stands in.

    Attributes:
        schema: `True`, `False`, or the schema as a flat document holds it.
        keywords: Its keywords; schemas in their values are nodes.
        holds: Whether a JSON value is valid under it, as the validator says.
    """

    __slots__ = ("_document", "_find", "_number", "_target", "holds", "keywords", "schema")

    holds: Callable[[Any], bool]

    def __init__(
        self, number: int, schema: Any, keywords: Mapping[str, Any], document: Document, find: Find
    ) -> None:
        """Keep what the node is made of; the validator is compiled when it is first asked."""
        self._number = number
        self.schema = schema
        self.keywords = keywords
        self._document = document
        self._find = find
        self._target: Node | None = None
        self.holds = self._first

    def __hash__(self) -> int:
        """Hash by number, so that sets of nodes have the same order in every process."""
        return self._number

    @property
    def target(self) -> Node:
        """What the recursive reference that this node is leads to."""
        if self._target is None:
            name = self.schema["$ref"].removeprefix("#/$defs/")
            self._target = self._find(self._document.defs[name], self._document)
        assert self._target is not None
        return self._target

    def _first(self, value: Any) -> bool:
        self.holds = _validator(self.schema, self._document)
        return self.holds(value)


def _validator(schema: Any, document: Document) -> Callable[[Any], bool]:
    if not is_object(schema):
        return partial(_always, bool(schema))
    whole = {**schema, "$defs": document.defs} if document.defs else schema
    try:
        return jsonschema_rs.Draft202012Validator(
            whole, validate_formats=False, pattern_options=LINEAR, offline=True
        ).is_valid
    except (ValueError, jsonschema_rs.ReferencingError):
        return Checker(whole).is_valid


def _always(verdict: bool, _value: Any) -> bool:
    return verdict


class Nodes:
    """Makes nodes, one for all schemas that say the same."""

    __slots__ = ("_cyclic", "_depth", "_kept", "_made", "_table")

    def __init__(self) -> None:
        """Start without any."""
        self._table: dict[tuple[Any, ...], Node] = {}
        # Schemas are kept beside their nodes, so that no other one gets their identity.
        self._made: dict[int, tuple[Any, Node]] = {}
        self._cyclic: dict[int, tuple[frozenset[str], bytes]] = {}
        self._kept: list[Document] = []
        self._depth = 0

    def node(self, schema: Any, document: Document) -> Node:
        """Return the node of a schema of `document`."""
        if not is_object(schema):
            return self._intern(("bool", bool(schema)), bool(schema), {}, document)
        known = self._made.get(id(schema))
        if known is None:
            self._depth += 1
            try:
                known = (schema, self._build(schema, document))
            finally:
                self._depth -= 1
            self._made[id(schema)] = known
        return known[1]

    def _build(self, schema: dict[str, Any], document: Document) -> Node:
        if not schema:
            return self.node(True, document)
        keywords: dict[str, Any] = {}
        parts: list[Any] = []
        for keyword in sorted(schema):
            value = schema[keyword]
            if keyword == "$ref":
                node = self._referred(value, document)
                keywords[keyword], part = node, id(node)
            else:
                keywords[keyword], part = self._value(keyword, value, document)
            parts.append((keyword, part))
        if list(schema) == ["$ref"]:
            return keywords["$ref"]
        return self._intern(tuple(parts), schema, keywords, document)

    def _value(self, keyword: str, value: Any, document: Document) -> tuple[Any, Any]:
        if keyword in _ONE:
            node = self.node(value, document)
            return node, id(node)
        if keyword in _MANY and is_array(value):
            many = tuple(self.node(item, document) for item in value)
            return many, tuple(map(id, many))
        if keyword in _NAMED and is_object(value):
            named = {name: self.node(item, document) for name, item in value.items()}
            return named, tuple(sorted((name, id(node)) for name, node in named.items()))
        if keyword in _AS_SET:
            told = sorted(value) if is_array(value) else [value]
            return tuple(told), tuple(told)
        return value, orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)

    def _referred(self, reference: str, document: Document) -> Node:
        name = reference.removeprefix("#/$defs/")
        cyclic, text = self._cycles(document)
        if name not in cyclic and self._depth < _DEEPEST:
            return self.node(document.defs[name], document)
        return self._intern(("ref", name, text), {"$ref": reference}, {}, document)

    def _cycles(self, document: Document) -> tuple[frozenset[str], bytes]:
        if id(document) not in self._cyclic:
            edges = {name: set(_references(schema)) for name, schema in document.defs.items()}
            text = orjson.dumps(document.defs, option=orjson.OPT_SORT_KEYS, default=str)
            self._cyclic[id(document)] = (_in_cycles(edges), text)
            self._kept.append(document)
        return self._cyclic[id(document)]

    def _intern(
        self, key: tuple[Any, ...], schema: Any, keywords: Mapping[str, Any], document: Document
    ) -> Node:
        if key not in self._table:
            self._table[key] = Node(len(self._table), schema, keywords, document, self.node)
        return self._table[key]


def _references(schema: Any) -> Iterator[str]:
    waiting = [schema]
    while waiting:
        inner = waiting.pop()
        if is_object(inner):
            if isinstance(reference := inner.get("$ref"), str):
                yield reference.removeprefix("#/$defs/")
            waiting += inner.values()
        elif is_array(inner):
            waiting += inner


def _in_cycles(edges: Mapping[str, set[str]]) -> frozenset[str]:
    """Return the names that can be reached from themselves."""
    left = {name: set(towards) & edges.keys() for name, towards in edges.items()}
    # What leads to no cycle falls away from the end, what no cycle leads to from the start.
    for _ in range(2):
        ends: set[str] | None = None
        while ends is None or ends:
            ends = {name for name, towards in left.items() if not towards}
            left = {name: towards - ends for name, towards in left.items() if name not in ends}
        back: dict[str, set[str]] = {name: set() for name in left}
        for name, towards in left.items():
            for other in towards:
                back[other].add(name)
        left = back
    return frozenset(left)
