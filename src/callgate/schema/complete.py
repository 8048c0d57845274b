"""Makes valid arguments complete: declared defaults go in, integral floats become integers.

This is the last step towards the canonical form, over values that are valid already. It follows
`properties`, `patternProperties`, `additionalProperties`, `items`, `prefixItems`, `$ref`, `allOf`
and that member of `anyOf` or `oneOf` which alone suits the value; conditions (`if`) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jsonschema_rs
import orjson

from callgate.errors import MalformedArgumentsError
from callgate.schema.check import Checker
from callgate.schema.patterns import LINEAR
from callgate.schema.problems import json_path, shown
from callgate.schema.repair import MAX_REPAIRS
from callgate.schema.values import is_array, is_object
from callgate.types import Repair

__all__ = ["complete", "fill"]

Schema = dict[str, Any]
Place = tuple[str | int, ...]

_EXACT = 2**53
"""Beyond it a float no longer tells which integer was meant."""

_KINDS: dict[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "integer": (int, float),
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}


def complete(checker: Checker, value: Any) -> tuple[Repair, ...]:
    """Insert defaults into `value` and make integers of integral floats, in place.

    A default goes in only if the value stays valid with it. Defaults are part of the canonical
    form and are not listed; an integer that came as a float is.

    Args:
        checker: The schema.
        value: A valid JSON value; changed in place.

    Returns:
        One repair of kind `integral_float` per integer that was a float; from the 501st on they
        are counted in one.

    Raises:
        MalformedArgumentsError: An integer came as a float too large to be exact.
    """
    walk = _Walk(checker, value)
    walk.visit(value, [checker.schema], ())
    return walk.repairs()


def fill(checker: Checker, value: dict[str, Any]) -> None:
    """Insert the defaults of an object's own properties: `complete` for the common case.

    Args:
        checker: A schema without deep defaults.
        value: A valid object without integral floats; changed in place.
    """
    for name, default in checker.definition.defaults:
        if name not in value:
            value[name] = orjson.loads(default)
            if not checker.is_valid(value):
                del value[name]


class _Walk:
    """One way through a value, with the schemas that apply at each place."""

    def __init__(self, checker: Checker, value: Any) -> None:
        self._targets = checker.definition.targets
        self._is_valid: Callable[[Any], bool] = checker.is_valid
        self._root = value
        self._patterns: dict[str, Callable[[Any], bool]] = {}
        self._repairs: list[Repair] = []
        self._unlisted = 0

    def repairs(self) -> tuple[Repair, ...]:
        """Return what was changed; beyond 500 changes, the last one counts the rest."""
        if self._unlisted:
            self._note("$", f"{self._unlisted} more integral floats", "integers")
            self._unlisted = 0
        return tuple(self._repairs)

    def visit(self, value: Any, schemas: Iterable[Any], place: Place) -> Any:
        """Return `value` completed; objects and arrays are completed in place."""
        found: dict[int, Schema] = {}
        for schema in schemas:
            self._collect(schema, value, found)
        known = found.values()
        if is_object(value):
            self._fill(value, known)
            for name, inner in value.items():
                value[name] = self.visit(inner, self._for_name(known, name), (*place, name))
        elif is_array(value):
            for index, inner in enumerate(value):
                value[index] = self.visit(inner, _for_index(known, index), (*place, index))
        elif isinstance(value, float) and value.is_integer() and any(map(_whole, known)):
            return self._integer(value, place)
        return value

    def _integer(self, value: float, place: Place) -> int:
        if abs(value) > _EXACT:
            raise MalformedArgumentsError(
                f"{json_path(place)} is {shown(value)}, which does not tell an integer exactly. "
                "Write all its digits; an integer has at most 64 bits."
            )
        whole = int(value)
        if len(self._repairs) < MAX_REPAIRS:
            self._note(json_path(place), shown(value), shown(whole))
        else:
            self._unlisted += 1
        return whole

    def _note(self, path: str, before: str, after: str) -> None:
        self._repairs.append(Repair(path=path, kind="integral_float", before=before, after=after))

    def _fill(self, value: dict[str, Any], schemas: Iterable[Schema]) -> None:
        for schema in schemas:
            for name, inner in schema.get("properties", {}).items():
                if name in value:
                    continue
                default = self._default(inner)
                if default is not None:
                    value[name] = orjson.loads(default)
                    if not self._is_valid(self._root):
                        del value[name]

    def _default(self, schema: Any) -> bytes | None:
        """Return the JSON text of a default, which is never shared between calls."""
        if not is_object(schema):
            return None
        if "default" in schema:
            return orjson.dumps(schema["default"])
        found = (self._default(target) for target in self._targets(schema))
        return next((default for default in found if default is not None), None)

    def _collect(self, schema: Any, value: Any, found: dict[int, Schema]) -> None:
        """Add to `found` every schema that `schema` applies to `value`, each once."""
        if not is_object(schema) or id(schema) in found:
            return
        found[id(schema)] = schema
        for target in (*self._targets(schema), *schema.get("allOf", ())):
            self._collect(target, value, found)
        for keyword in ("anyOf", "oneOf"):
            suiting = [inner for inner in schema.get(keyword, ()) if self._suits(inner, value)]
            if len(suiting) == 1:
                self._collect(suiting[0], value, found)

    def _suits(self, schema: Any, value: Any) -> bool:
        """Tell alternatives apart by their types, constants, and names that are required."""
        waiting, seen = [schema], set[int]()
        while waiting:
            schema = waiting.pop()
            if not _suits_itself(schema, value):
                return False
            if is_object(schema) and id(schema) not in seen:
                seen.add(id(schema))
                if is_object(value):
                    inner = schema.get("properties", {}).items()
                    if not all(_suits_itself(held, value[n]) for n, held in inner if n in value):
                        return False
                waiting += self._targets(schema)
        return True

    def _for_name(self, schemas: Iterable[Schema], name: str) -> Iterator[Any]:
        for schema in schemas:
            declared = name in schema.get("properties", ())
            if declared:
                yield schema["properties"][name]
            for pattern, inner in schema.get("patternProperties", {}).items():
                if self._matches(pattern, name):
                    declared = True
                    yield inner
            if not declared and "additionalProperties" in schema:
                yield schema["additionalProperties"]

    def _matches(self, pattern: str, name: str) -> bool:
        # The validator's engine: Python's own takes unbounded time.
        if pattern not in self._patterns:
            self._patterns[pattern] = jsonschema_rs.Draft202012Validator(
                {"pattern": pattern}, pattern_options=LINEAR
            ).is_valid
        return self._patterns[pattern](name)


def _suits_itself(schema: Any, value: Any) -> bool:
    if not is_object(schema):
        return schema is True
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if types and not any(_is(value, name) for name in types):
        return False
    if "const" in schema and schema["const"] != value:
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    return not is_object(value) or all(name in value for name in schema.get("required", ()))


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name != "boolean":
        return False
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS[name])


def _whole(schema: Schema) -> bool:
    """Tell whether a schema takes integers and no other numbers."""
    types = schema.get("type")
    return types == "integer" or (is_array(types) and "integer" in types and "number" not in types)


def _for_index(schemas: Iterable[Schema], index: int) -> Iterator[Any]:
    for schema in schemas:
        first = schema.get("prefixItems", ())
        if index < len(first):
            yield first[index]
        elif "items" in schema:
            yield schema["items"]
