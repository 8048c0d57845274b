"""The operations of an OpenAPI document, as tools: what lint and diff need to judge them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from callgate.contract.listing import Listed, Listing
from callgate.errors import DefinitionError
from callgate.release.forms import ignored
from callgate.release.type_words import translate
from callgate.schema.definition import MAX_SCHEMA_DEPTH
from callgate.schema.values import is_array, is_object
from callgate.types import Effect, Tool

__all__ = ["is_openapi", "operations"]

_EFFECTS: Mapping[str, Effect] = {
    "get": Effect.READ,
    "head": Effect.READ,
    "options": Effect.READ,
    "put": Effect.IDEMPOTENT,
    "delete": Effect.IDEMPOTENT,
    "post": Effect.IRREVERSIBLE,
    "patch": Effect.IRREVERSIBLE,
}
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]+")
_JSON = re.compile(r"application/([\w.+-]+\+)?json\b.*|\*/\*")


def is_openapi(data: Any) -> bool:
    """Tell whether a JSON value is an OpenAPI document."""
    return is_object(data) and ("openapi" in data or "swagger" in data)


def operations(data: dict[str, Any], source: str) -> Listing:
    """Return the operations of an OpenAPI 3 document.

    Args:
        data: The document.
        source: What to call it.

    Raises:
        DefinitionError: It is Swagger 2, has no operation, or refers to what is not in it.
    """
    if "swagger" in data:
        raise DefinitionError(
            f"{source} is Swagger {data['swagger']}; OpenAPI 3.0 and 3.1 are read. "
            "Convert it, such as by npx swagger2openapi FILE, and read what comes out."
        )
    reader = _Reader(data, source)
    entries = tuple(reader.entries())
    if not entries:
        raise DefinitionError(f"{source} has no operations under `paths`.")
    return Listing(source=source, entries=entries)


class _Reader:
    def __init__(self, data: dict[str, Any], source: str) -> None:
        self._data = data
        self._source = source

    def entries(self) -> Iterator[Listed]:
        paths = self._data.get("paths")
        for path, held in paths.items() if is_object(paths) else ():
            methods = self._follow(held)
            for method in methods if is_object(methods) else ():
                operation = methods[method]
                if method in _EFFECTS and is_object(operation):
                    yield self._entry(path, method, operation, methods.get("parameters"))

    def _entry(self, path: str, method: str, operation: dict[str, Any], shared: Any) -> Listed:
        notes: list[str] = []
        name = operation.get("operationId") or f"{method}_{_UNFIT.sub('_', path).strip('_')}"
        told = [operation.get(key) for key in ("summary", "description")]
        step = path.replace("~", "~0").replace("/", "~1")
        own = operation.get("parameters")
        given = [*(shared if is_array(shared) else ()), *(own if is_array(own) else ())]
        return Listed(
            tool=Tool(
                name=str(name),
                description="\n\n".join(dict.fromkeys(t for t in told if isinstance(t, str) and t)),
                parameters=self._parameters(given, operation.get("requestBody"), notes),
                returns=self._returns(operation.get("responses"), notes),
                effect=_EFFECTS[method],
            ),
            place=f"#/paths/{step}/{method}",
            form="openapi",
            notes=tuple(notes),
            effect_told=True,
            ignored=ignored(operation),
        )

    def _parameters(self, given: list[Any], body: Any, notes: list[str]) -> dict[str, Any]:
        properties: dict[str, Any] = {}
        required: list[str] = []
        for found in map(self._follow, given):
            if not (is_object(found) and isinstance(found.get("name"), str)):
                continue
            schema: Any = found.get("schema", self._content(found))
            properties[found["name"]] = _told(
                {} if schema is None else schema, found.get("description")
            )
            if found.get("required") is True and found["name"] not in required:
                required.append(found["name"])
        body = self._follow(body)
        if is_object(body) and (schema := self._content(body)) is not None:
            properties["body"] = _told(schema, body.get("description"))
            if body.get("required") is True:
                required.append("body")
        made: dict[str, Any] = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        return self._closed(made, notes)

    def _returns(self, responses: Any, notes: list[str]) -> dict[str, Any] | None:
        if not is_object(responses):
            return None
        for status, held in responses.items():
            response = self._follow(held)
            if status.startswith("2") and is_object(response):
                schema = self._content(response)
                return None if schema is None else self._closed(schema, notes)
        return None

    def _content(self, holder: dict[str, Any]) -> Any:
        content = holder.get("content")
        for kind, media in content.items() if is_object(content) else ():
            if _JSON.fullmatch(kind) and is_object(media):
                return media.get("schema", {})
        return None

    def _follow(self, value: Any, depth: int = 0) -> Any:
        """Return what a reference outside of schemas leads to."""
        if not (is_object(value) and isinstance(value.get("$ref"), str)):
            return value
        if depth > MAX_SCHEMA_DEPTH:
            raise DefinitionError(f"{self._source}: {value['$ref']!r} comes back to itself.")
        return self._follow(self._target(value["$ref"]), depth + 1)

    def _target(self, reference: str) -> Any:
        found: Any = self._data
        if not reference.startswith("#/"):
            raise DefinitionError(
                f"{self._source} refers to {reference!r}, which is not in it; documents are never "
                "fetched: bundle it into one file."
            )
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if not (is_object(found) and key in found):
                raise DefinitionError(f"{self._source} refers to {reference!r}, not there.")
            found = found[key]
        return found

    def _closed(self, schema: Any, notes: list[str]) -> dict[str, Any]:
        """Return a schema that holds in `$defs` all that it refers to."""
        definitions: dict[str, Any] = {}
        waiting: list[str] = []
        made = self._moved(schema, waiting, 0)
        while waiting:
            reference = waiting.pop()
            name = _name(reference)
            if name not in definitions:
                definitions[name] = self._moved(self._target(reference), waiting, 0)
        if definitions:
            made = {**made, "$defs": definitions}
        return translate(made, notes.append)

    def _moved(self, value: Any, waiting: list[str], depth: int) -> Any:
        if depth > 4 * MAX_SCHEMA_DEPTH:
            raise DefinitionError(f"{self._source}: a schema is nested too deep to be read.")
        if is_array(value):
            return [self._moved(inner, waiting, depth + 1) for inner in value]
        if not is_object(value):
            return value
        reference = value.get("$ref")
        if isinstance(reference, str):
            waiting.append(reference)
            return {**value, "$ref": f"#/$defs/{_name(reference)}"}
        return {key: self._moved(inner, waiting, depth + 1) for key, inner in value.items()}


def _name(reference: str) -> str:
    last = reference.rpartition("/")[2]
    known = reference == f"#/components/schemas/{last}"
    return last if known else _UNFIT.sub("_", reference).strip("_")


def _told(schema: Any, description: Any) -> Any:
    """Give a schema the description of the parameter that holds it."""
    if is_object(schema) and isinstance(description, str) and "description" not in schema:
        return {**schema, "description": description}
    return schema
