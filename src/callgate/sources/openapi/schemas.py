"""From the schemas of a document to JSON Schema 2020-12, for what a model writes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import jsonschema_rs
import orjson

from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.schema.definition import inside
from callgate.schema.values import is_array, is_object
from callgate.sources.openapi.document import Document, UnusableError
from callgate.sources.web.answers import plain
from callgate.types import JsonSchema

__all__ = ["MAX_WORDS", "Schemas"]

MAX_WORDS = 400
"""Characters of a description within a schema."""

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_DROPPED = frozenset(
    {
        "$anchor",
        "$comment",
        "$dynamicAnchor",
        "$id",
        "$schema",
        "$vocabulary",
        "default",
        "deprecated",
        "discriminator",
        "example",
        "examples",
        "externalDocs",
        "nullable",
        "readOnly",
        "title",
        "writeOnly",
        "xml",
    }
)
_COMPONENT = "#/components/schemas/"
_STRANGE = re.compile(r"[^A-Za-z0-9_.-]")
_SHOWN = 60
_MOST_DEFINITIONS = 400


class Schemas:
    """Converts schemas, each of a document's own only once.

    A schema that another one refers to stays a definition (`$defs`), so that what is used often is
    told once, and what refers to itself ends.
    """

    def __init__(self, document: Document) -> None:
        """Keep the document.

        Args:
            document: Whose schemas are converted.
        """
        self._document = document
        self._names: dict[str, str] = {}
        self._references: dict[str, str] = {}
        self._done: dict[str, JsonSchema | bool] = {}
        self._uses: dict[str, tuple[str, ...]] = {}
        self._patterns: dict[str, bool] = {}

    def convert(self, schema: Any) -> JsonSchema:
        """Return a schema in the form of 2020-12; references lead into `$defs`.

        Raises:
            UnusableError: It is no schema, or a reference leaves the document.
        """
        made = self._convert(schema)
        return made if is_object(made) else {} if made else {"not": {}}

    def checked(self, schema: JsonSchema) -> JsonSchema:
        """Return a converted schema if it is one.

        Raises:
            UnusableError: It breaks the rules of JSON Schema, or is nested too deep.
        """
        try:
            jsonschema_rs.meta.validate(schema)
        except (ValueError, RecursionError) as exc:
            raise UnusableError(f"something is no JSON Schema: {plain(str(exc), 200)}") from exc
        return schema

    def definitions(self, schemas: Iterable[JsonSchema]) -> dict[str, JsonSchema | bool]:
        """Return what schemas refer to, also through each other, by name and in order of names.

        Raises:
            UnusableError: A reference leads nowhere, or there are too many.
        """
        found: dict[str, JsonSchema | bool] = {}
        rest = [name for schema in schemas for name in _referred(schema)]
        while rest:
            name = rest.pop()
            if name not in found:
                found[name] = self._definition(name)
                if len(found) > _MOST_DEFINITIONS:
                    raise UnusableError("its schema is too large")
                rest += self._uses[name]
        return dict(sorted(found.items()))

    def _definition(self, name: str) -> JsonSchema | bool:
        if name not in self._done:
            made = self._convert(self._document.at(self._references[name]))
            self._done[name] = self.checked(made) if is_object(made) else made
            self._uses[name] = tuple(_referred(made))
        return self._done[name]

    def _name(self, reference: str) -> str:
        """Return the name of a definition, the same for the same reference everywhere."""
        if reference not in self._names:
            self._document.at(reference)
            tail = reference.removeprefix(_COMPONENT)
            name = _STRANGE.sub("_", tail)
            if name != tail or reference == tail or name in self._references:
                mark = hashlib.sha256(reference.encode()).hexdigest()[:6]
                name = f"{name.strip('_')[-40:]}_{mark}"
            self._names[reference] = name
            self._references[name] = reference
        return self._names[reference]

    def _convert(self, schema: Any) -> JsonSchema | bool:
        if isinstance(schema, bool):
            return schema
        if not is_object(schema):
            raise UnusableError("something is no schema")
        if "$dynamicRef" in schema or "$recursiveRef" in schema:
            raise UnusableError("dynamic references are not understood")
        if isinstance(reference := schema.get("$ref"), str):
            return self._reference(reference, schema)
        made = self._keywords(schema)
        self._types(schema, made)
        _words(schema, made)
        return _nullable(schema, made) if self._document.old else made

    def _reference(self, reference: str, schema: JsonSchema) -> JsonSchema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        # What stands beside a reference counts from 3.1 on; a description is read by people always.
        made = self._keywords({} if self._document.old else beside)
        _words(beside, made)
        return {"$ref": f"#/$defs/{self._name(reference)}", **made}

    def _keywords(self, schema: JsonSchema) -> JsonSchema:
        made: JsonSchema = {}
        for keyword, value in schema.items():
            if keyword in _DROPPED or keyword.startswith("x-"):
                continue
            if value is None and keyword != "const":
                continue
            if keyword == "properties" and is_object(value):
                made[keyword] = {
                    name: self._convert(inner)
                    for name, inner in value.items()
                    if not (is_object(inner) and inner.get("readOnly") is True)
                }
            elif keyword == "pattern" and not self._is_pattern(value):
                continue
            else:
                made[keyword] = inside(keyword, value, self._convert)
        return made

    def _types(self, schema: JsonSchema, made: JsonSchema) -> None:
        """Put right what documents commonly have wrong, and what 3.0 wrote otherwise."""
        given = made.get("type")
        if given is not None and not is_array(given) and given not in _TYPES:
            del made["type"]
        required = made.get("required")
        if required is not None:
            properties: Any = schema.get("properties")
            hidden = {
                name
                for name, inner in (properties.items() if is_object(properties) else ())
                if is_object(inner) and inner.get("readOnly") is True
            }
            names = required if is_array(required) else []
            made["required"] = [n for n in dict.fromkeys(names) if isinstance(n, str)]
            made["required"] = [name for name in made["required"] if name not in hidden]
            if not made["required"]:
                del made["required"]
        for bound, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            flag = made.get(strict)
            if isinstance(flag, bool):
                del made[strict]
                if flag and bound in made:
                    made[strict] = made.pop(bound)
        if is_array(made.get("enum")) and not made["enum"]:
            del made["enum"]

    def _is_pattern(self, pattern: Any) -> bool:
        """Tell whether a pattern can be checked; many documents have some of other languages."""
        if not isinstance(pattern, str):
            return False
        if pattern not in self._patterns:
            try:
                Checker({"pattern": pattern}).compile()
                self._patterns[pattern] = True
            except DefinitionError:
                self._patterns[pattern] = False
        return self._patterns[pattern]


def _words(schema: JsonSchema, made: JsonSchema) -> None:
    """Write the description: what the document says, and the default, which is not filled in.

    A default says what the service does without a value. To send it would be something else: in
    a change of one field it would change the others, too.
    """
    text = schema.get("description") or schema.get("title")
    words = [plain(text, MAX_WORDS)] if isinstance(text, str) else []
    if "default" in schema and schema["default"] is not None:
        shown = orjson.dumps(schema["default"]).decode()
        if len(shown) <= _SHOWN:
            words.append(f"Default: {shown}.")
    example = schema.get("example")
    if isinstance(example, str | int | float) and len(str(example)) <= _SHOWN:
        words.append(f"Example: {example}.")
    made.pop("description", None)
    if any(words):
        made["description"] = " ".join(filter(None, words))


def _nullable(schema: JsonSchema, made: JsonSchema) -> JsonSchema:
    if schema.get("nullable") is not True:
        return made
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if "enum" in made and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
        return made
    if not any(key in made for key in ("allOf", "anyOf", "oneOf", "enum")):
        return made
    told = {"description": made.pop("description")} if "description" in made else {}
    return {"anyOf": [made, {"type": "null"}], **told}


def _referred(schema: Any) -> Iterable[str]:
    rest = [schema]
    while rest:
        value = rest.pop()
        if is_object(value):
            if isinstance(reference := value.get("$ref"), str):
                yield reference.removeprefix("#/$defs/")
            rest += value.values()
        elif is_array(value):
            rest += value
