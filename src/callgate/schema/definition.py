"""What a schema must be before anything is checked against it: closed, shallow, well-founded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import orjson

from callgate.errors import DefinitionError
from callgate.schema.values import is_array, is_object

__all__ = ["MAX_SCHEMA_DEPTH", "Definition", "bare", "inside", "subschemas"]

MAX_SCHEMA_DEPTH = 64
"""Subschemas that may stand inside each other."""

_HOLD_ONE = frozenset(
    {
        "additionalProperties",
        "contains",
        "contentSchema",
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
"""Keywords whose value is a schema."""

_HOLD_MANY = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
"""Keywords whose value is an array of schemas; `items` was one until draft 2019-09."""

_HOLD_NAMED = frozenset(
    {
        "$defs",
        "definitions",
        "dependencies",
        "dependentSchemas",
        "patternProperties",
        "properties",
    }
)
"""Keywords whose value is an object of schemas."""

_FOR_READERS = frozenset({"$comment", "default", "description", "examples", "title"})
_SAME_VALUE_ONE = ("else", "if", "not", "then")
_SAME_VALUE_MANY = ("allOf", "anyOf", "oneOf")
_SAME_VALUE_NAMED = ("dependencies", "dependentSchemas")
_KNOWN = "https://json-schema.org/draft/"


def subschemas(schema: dict[str, Any]) -> Iterator[Any]:
    """Yield the schemas directly inside `schema`."""
    for keyword, inner in schema.items():
        if keyword in _HOLD_ONE and is_object(inner):
            yield inner
        elif keyword in _HOLD_MANY and is_array(inner):
            yield from inner
        elif keyword in _HOLD_NAMED and is_object(inner):
            yield from inner.values()


def inside(keyword: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """Return the value of a keyword with every schema directly in it changed by `change`."""
    if keyword in _HOLD_ONE and is_object(value):
        return change(value)
    if keyword in _HOLD_MANY and is_array(value):
        return [change(item) for item in value]
    if keyword in _HOLD_NAMED and is_object(value):
        return {name: change(item) for name, item in value.items()}
    return value


def bare(schema: Any) -> Any:
    """Return a copy of a schema without what is only for readers, such as descriptions."""
    if not is_object(schema):
        return schema
    return {
        keyword: inside(keyword, value, bare)
        for keyword, value in schema.items()
        if keyword not in _FOR_READERS
    }


class Definition:
    """A schema whose references are known to lead somewhere, and not in circles.

    Attributes:
        schema: The schema itself.
        defaults: Names of its own properties that have a default, with the default's JSON text.
        deep_defaults: Whether there are defaults anywhere else in it.

    Args:
        schema: A JSON Schema 2020-12 object; not copied, treat it as frozen.

    Raises:
        DefinitionError: Not JSON, nested more than 64 schemas deep, a `$ref` that leaves the
            document or leads nowhere, or one that comes back to itself without descending into
            the value.
    """

    __slots__ = (
        "_anchors",
        "_bases",
        "_found",
        "_resources",
        "deep_defaults",
        "defaults",
        "schema",
    )

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        self._found = 0
        self._bases: dict[int, str] = {}
        self._resources: dict[str, Any] = {"": schema}
        self._anchors: dict[tuple[str, str], Any] = {}
        try:
            orjson.dumps(schema)
        except TypeError as error:
            raise DefinitionError(f"The schema is not JSON: {error}.") from error
        self.defaults = _defaults(schema)
        referring = self._index(schema, "")
        self.deep_defaults = self._found > len(self.defaults)
        if not referring:
            # Most schemas refer to nothing; they need no index, and tools come in thousands.
            self._bases, self._resources, self._anchors = {}, {}, {}
            return
        # A reference may lead to a place that no keyword of ours holds, such as
        # `#/components/x`; what stands there is indexed when it is met.
        for holder in referring:
            for target in self.targets(holder):
                referring += self._index(target, self._bases[id(holder)])
        self.deep_defaults = self._found > len(self.defaults)
        self._refuse_circles(referring)

    def targets(self, schema: dict[str, Any]) -> list[Any]:
        """Return what the references of `schema` itself lead to.

        Args:
            schema: A schema of this document.

        Raises:
            DefinitionError: A reference leads nowhere, or out of the document.
        """
        found: list[Any] = []
        for keyword in ("$ref", "$dynamicRef"):
            reference = schema.get(keyword)
            if isinstance(reference, str):
                target = self._resolve(reference, self._bases[id(schema)])
                found += [] if target is None else [target]
        return found

    def _index(self, schema: Any, base: str) -> list[dict[str, Any]]:
        referring: list[dict[str, Any]] = []
        waiting: list[tuple[Any, str, int]] = [(schema, base, 1)]
        while waiting:
            inner, base, depth = waiting.pop()
            if not is_object(inner) or id(inner) in self._bases:
                continue
            if depth > MAX_SCHEMA_DEPTH:
                raise DefinitionError(
                    f"The schema nests more than {MAX_SCHEMA_DEPTH} schemas; make it flatter, or "
                    "let it refer to `$defs`."
                )
            base = self._register(inner, base)
            if "$ref" in inner or "$dynamicRef" in inner:
                referring.append(inner)
            waiting += [(item, base, depth + 1) for item in subschemas(inner)]
        return referring

    def _register(self, schema: dict[str, Any], base: str) -> str:
        if isinstance(name := schema.get("$id"), str):
            base = urldefrag(urljoin(base, name)).url
            self._resources[base] = schema
        for keyword in ("$anchor", "$dynamicAnchor"):
            if isinstance(name := schema.get(keyword), str):
                self._anchors[base, name] = schema
        self._found += "default" in schema
        self._bases[id(schema)] = base
        return base

    def _resolve(self, reference: str, base: str) -> Any:
        # urljoin cannot join a fragment to a urn.
        full = base + reference if reference.startswith("#") else urljoin(base, reference)
        url, fragment = urldefrag(full)
        if url.startswith(_KNOWN):
            return None
        if url not in self._resources:
            raise DefinitionError(
                f"The schema refers to {reference!r}, which is not in it. Schemas are never "
                "fetched: put the definition into `$defs` and refer to it by `#/$defs/...`."
            )
        fragment = unquote(fragment)
        if not fragment or fragment.startswith("/"):
            return _follow(self._resources[url], fragment, reference)
        if (url, fragment) in self._anchors:
            return self._anchors[url, fragment]
        raise DefinitionError(f"The schema refers to {reference!r}, which leads nowhere.")

    def _same_value(self, schema: dict[str, Any]) -> list[Any]:
        """Return the schemas that apply to the very value to which `schema` applies."""
        found = self.targets(schema)
        found += [schema[keyword] for keyword in _SAME_VALUE_ONE if keyword in schema]
        for keyword in _SAME_VALUE_MANY:
            if is_array(members := schema.get(keyword)):
                found += members
        for keyword in _SAME_VALUE_NAMED:
            if is_object(dependent := schema.get(keyword)):
                found += dependent.values()
        return [inner for inner in found if is_object(inner) and id(inner) in self._bases]

    def _refuse_circles(self, referring: list[dict[str, Any]]) -> None:
        done: set[int] = set()
        for start in referring:
            path: dict[int, Iterator[Any]] = {}
            schema: dict[str, Any] | None = start
            while True:
                if schema is not None and id(schema) in path:
                    raise DefinitionError(
                        "The schema refers to itself without descending into the value: "
                        f"{_reference_of(start)!r} comes back to where it began."
                    )
                if schema is not None and id(schema) not in done:
                    path[id(schema)] = iter(self._same_value(schema))
                if not path:
                    break
                last = next(reversed(path))
                schema = next(path[last], None)
                if schema is None:
                    del path[last]
                    done.add(last)


def _reference_of(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", schema.get("$dynamicRef")))


def _defaults(schema: dict[str, Any]) -> tuple[tuple[str, bytes], ...]:
    properties: Any = schema.get("properties")
    if not is_object(properties):
        return ()
    return tuple(
        # Copied, because orjson's own bytes keep a buffer of 4 kB.
        (name, b"%b" % orjson.dumps(inner["default"]))
        for name, inner in properties.items()
        if is_object(inner) and "default" in inner
    )


def _follow(document: Any, pointer: str, reference: str) -> Any:
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            document = document[int(key) if is_array(document) else key]
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise DefinitionError(
                f"The schema refers to {reference!r}, which leads nowhere."
            ) from error
    return document
