"""From the operations of a document to tools: names, words, arguments, effects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from callgate.schema.values import is_array, is_object
from callgate.sources.openapi.document import Document, UnusableError
from callgate.sources.openapi.naming import argument_name, tool_name
from callgate.sources.openapi.schemas import MAX_WORDS, Schemas
from callgate.sources.web.answers import plain
from callgate.sources.web.bodies import file_schema
from callgate.sources.web.operation import Body, Field, Parameter
from callgate.types import JsonSchema

__all__ = ["Arguments", "Found", "found_in"]

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
_IGNORED_HEADERS = frozenset({"accept", "authorization", "content-type"})
_KEY_HEADERS = frozenset({"idempotency-key", "x-idempotency-key"})
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "cookie", "host", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_MEDIA = re.compile(r"[A-Za-z0-9!#$&^_.+*-]+/[A-Za-z0-9!#$&^_.+*-]+")
_HOLE = re.compile(r"\{([^{}]+)\}")
_STYLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "path": ("simple", "label", "matrix"),
        "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
        "header": ("simple",),
        "cookie": ("form",),
    }
)
"""The styles of each place; the first is the usual one."""
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_PREFERRED = (_JSON, _MULTIPART, _FORM, "text/plain", "application/octet-stream")
_OBJECT_WORDS = frozenset(
    {"type", "properties", "required", "description", "additionalProperties", "minProperties"}
    | {"allOf", "title", "example", "examples", "default", "deprecated", "externalDocs", "xml"}
    | {"nullable", "readOnly", "writeOnly", "discriminator", "$schema", "$id", "$comment"}
)
_MOST_DEPTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One operation as it stands in a document.

    Attributes:
        name: The tool's name, the same whatever is filtered.
        id: The operation's id; empty where there is none.
        method: The HTTP method in capitals.
        path: The path's template.
        item: The path item, with what all its operations share.
        operation: The operation.
    """

    name: str
    id: str
    method: str
    path: str
    item: Mapping[str, Any]
    operation: Mapping[str, Any]

    @property
    def tags(self) -> frozenset[str]:
        """Its tags."""
        tags = self.operation.get("tags")
        return frozenset(str(tag) for tag in tags) if is_array(tags) else frozenset()

    @property
    def description(self) -> str:
        """What the document says of it, for a model."""
        said = [self.operation.get(key) for key in ("summary", "description")]
        words = [text for one in said if isinstance(one, str) and (text := plain(one, 1000))]
        if len(words) > 1 and words[1].startswith(words[0].rstrip(".")):
            del words[0]
        if self.operation.get("deprecated") is True:
            words.append("Deprecated.")
        return "\n".join(words) or f"{self.method} {self.path}"


def found_in(document: Document) -> Iterator[Found]:
    """Yield the operations of a document, in its order.

    Args:
        document: The document.
    """
    taken: set[str] = set()
    paths = document.root.get("paths")
    for path, item in paths.items() if is_object(paths) else ():
        try:
            whole = document.resolved(item)
        except UnusableError:
            continue
        for method in _METHODS:
            operation = whole.get(method)
            if not is_object(operation) or not path.startswith("/"):
                continue
            given = operation.get("operationId")
            given = given if isinstance(given, str) else ""
            name = tool_name(given or None, method, path, taken)
            taken.add(name)
            yield Found(
                name=name,
                id=given,
                method=method.upper(),
                path=path,
                item=whole,
                operation=operation,
            )


@dataclass(slots=True)
class Arguments:
    """The arguments of one tool, and where each of them goes.

    Attributes:
        document: The document.
        schemas: Converts its schemas.
        shared: Parameters read before, by identity: those of one document share it.
        properties: The schema of each argument.
        required: The arguments that must be given.
        parameters: Those outside the body.
        body: How the others become the body.
        keyed: The header that takes the idempotency key, where the operation declares one.
    """

    document: Document
    schemas: Schemas
    properties: dict[str, JsonSchema] = field(default_factory=dict[str, JsonSchema])
    required: list[str] = field(default_factory=list[str])
    parameters: list[Parameter] = field(default_factory=list[Parameter])
    body: Body | None = None
    keyed: str | None = None
    shared: dict[int, tuple[JsonSchema, str, bool]] = field(
        default_factory=dict[int, tuple[JsonSchema, str, bool]]
    )

    def read(self, found: Found) -> None:
        """Take parameters and body of an operation.

        Raises:
            UnusableError: One of them cannot be used.
        """
        for parameter in self._parameters(found):
            self._take(parameter)
        if missing := set(_HOLE.findall(found.path)) - {
            one.name for one in self.parameters if one.place == "path"
        }:
            raise UnusableError(f"the path has {', '.join(sorted(missing))}, no parameter has")
        if "requestBody" in found.operation:
            self._take_body(self.document.resolved(found.operation["requestBody"]))

    def schema(self) -> JsonSchema:
        """Return the schema of the arguments object.

        Raises:
            UnusableError: What it refers to is too large or leads nowhere.
        """
        made: JsonSchema = {
            "type": "object",
            "properties": self.properties,
            "additionalProperties": False,
        }
        if self.required:
            made["required"] = self.required
        if definitions := self.schemas.definitions(self.properties.values()):
            made["$defs"] = definitions
        return made

    # --- parameters -------------------------------------------------------------------------

    def _parameters(self, found: Found) -> Iterator[dict[str, Any]]:
        """Yield the parameters: the operation's own go before those of its path."""
        merged: dict[tuple[Any, Any], dict[str, Any]] = {}
        for holder in (found.item, found.operation):
            listed = holder.get("parameters")
            for item in listed if is_array(listed) else ():
                parameter = self.document.resolved(item)
                merged[parameter.get("in"), parameter.get("name")] = parameter
        order = {place: index for index, place in enumerate(_STYLES)}
        yield from sorted(merged.values(), key=lambda one: order.get(str(one.get("in")), 9))

    def _take(self, parameter: dict[str, Any]) -> None:
        name, place = parameter.get("name"), str(parameter.get("in"))
        if not isinstance(name, str) or not name or place not in _STYLES:
            raise UnusableError(f"a parameter {name!r} in {place!r} is not understood")
        if place == "header" and self._is_ours(name):
            return
        argument = argument_name(name, place, self.properties)
        schema, style, explode = self._known(parameter, place)
        self.properties[argument] = schema
        if parameter.get("required") is True or place == "path":
            self.required.append(argument)
        self.parameters.append(
            Parameter(
                argument=argument,
                name=name,
                place=place,
                style=style,
                explode=explode,
                reserved=parameter.get("allowReserved") is True,
            )
        )

    def _is_ours(self, name: str) -> bool:
        """Tell whether a header is none that a model gives."""
        lower = name.lower()
        if lower in _KEY_HEADERS:
            self.keyed = name
            return True
        if lower in _OURS or not _HEADER_NAME.fullmatch(name):
            raise UnusableError(f"the header {name!r} may not be set")
        return lower in _IGNORED_HEADERS

    def _known(self, parameter: dict[str, Any], place: str) -> tuple[JsonSchema, str, bool]:
        """Return schema, style and explode; many operations share a parameter, so once for each."""
        known = self.shared.get(id(parameter))
        if known is None:
            schema, style, explode = self._written(parameter, place)
            words, deprecated = parameter.get("description"), parameter.get("deprecated")
            schema = self.schemas.checked(_told(schema, words, deprecated))
            known = self.shared[id(parameter)] = (schema, style, explode)
        return known

    def _written(self, parameter: dict[str, Any], place: str) -> tuple[JsonSchema, str, bool]:
        content = parameter.get("content")
        if is_object(content):
            media = next(iter(content), "")
            held: Any = content.get(media)
            if not media.endswith("json") or not is_object(held):
                raise UnusableError(f"a parameter of type {media} is not understood")
            return self.schemas.convert(held.get("schema", {})), "json", False
        style = parameter.get("style") or _STYLES[place][0]
        if style not in _STYLES[place]:
            raise UnusableError(f"the style {style} is not one of {place} parameters")
        explode = parameter.get("explode")
        schema = parameter.get("schema", {})
        return (
            self.schemas.convert(schema),
            style,
            explode if isinstance(explode, bool) else style == "form",
        )

    # --- the body ---------------------------------------------------------------------------

    def _take_body(self, body: dict[str, Any]) -> None:
        content = body.get("content")
        if not is_object(content) or not content:
            return
        media = _chosen(content)
        if not _MEDIA.fullmatch(media):
            raise UnusableError(f"{media[:60]!r} is no media type")
        held: Any = content[media]
        held = held if is_object(held) else {}
        schema = held.get("schema", {})
        kind = media.partition(";")[0].strip().lower()
        needed = body.get("required") is True
        parts = self._fields(schema, 0) if _has_fields(kind) else None
        if parts is not None and (needed or not parts[1]):
            self._take_fields(kind, parts, held.get("encoding"))
            return
        argument = argument_name("body", "body", self.properties)
        whole = self.schemas.convert(schema)
        file = not _is_text(kind)
        if file:
            whole = file_schema(str(whole.get("description", "")))
        elif kind == _MULTIPART:
            raise UnusableError("a multipart body without named parts is not understood")
        self.properties[argument] = self.schemas.checked(_told(whole, body.get("description")))
        if needed:
            self.required.append(argument)
        self.body = Body(media_type=_concrete(media), whole=argument, file=file)

    def _take_fields(
        self, kind: str, parts: tuple[dict[str, Any], set[str]], encoding: Any
    ) -> None:
        properties, needed = parts
        encodings: dict[str, Any] = encoding if is_object(encoding) else {}
        fields: list[Field] = []
        for name, schema in properties.items():
            argument = argument_name(name, "body", self.properties)
            converted = self.schemas.convert(schema)
            file, many = self._is_file(schema) if kind == _MULTIPART else (False, False)
            if file:
                told = str(converted.get("description", ""))
                one = file_schema(told)
                converted = {"type": "array", "items": one} if many else one
            self.properties[argument] = self.schemas.checked(converted)
            if name in needed:
                self.required.append(argument)
            given: Any = encodings.get(name)
            fields.append(_field(argument, name, given if is_object(given) else {}, file=file))
        self.body = Body(media_type=kind, fields=tuple(fields))

    def _fields(self, schema: Any, depth: int) -> tuple[dict[str, Any], set[str]] | None:
        """Return properties of a plain object and which of them are required; None for others."""
        if depth > _MOST_DEPTH or not is_object(schema):
            return None
        schema = self.document.resolved(schema)
        if schema.get("nullable") is True:
            return None
        extra = schema.get("additionalProperties")
        if is_object(extra) or extra is True:
            return None
        properties: dict[str, Any] = {}
        required: set[str] = set()
        if any(_is_other(key) for key in schema) or schema.get("type", "object") != "object":
            return None
        branches = schema.get("allOf", [])
        for branch in branches if is_array(branches) else ():
            inner = self._fields(branch, depth + 1)
            if inner is None:
                return None
            properties.update(inner[0])
            required |= inner[1]
        own = schema.get("properties")
        properties.update(own if is_object(own) else {})
        names = schema.get("required")
        required |= {str(name) for name in names} if is_array(names) else set()
        writable = {
            name: inner
            for name, inner in properties.items()
            if not (is_object(inner) and inner.get("readOnly") is True)
        }
        if depth == 0 and not writable:
            return None
        return writable, required & writable.keys()

    def _is_file(self, schema: Any) -> tuple[bool, bool]:
        """Tell whether a part is a file, and whether it is several."""
        schema = self.document.resolved(schema)
        if schema.get("type") == "array" and is_object(items := schema.get("items")):
            return self._is_file(items)[0], True
        binary = schema.get("format") == "binary" or "contentMediaType" in schema
        return binary and schema.get("type", "string") == "string", False


def _is_other(keyword: str) -> bool:
    """Tell whether a keyword says more of an object than which fields it has."""
    return keyword not in _OBJECT_WORDS and not keyword.startswith("x-")


def _told(schema: JsonSchema, description: Any, deprecated: Any = None) -> JsonSchema:
    """Return a schema with the words of the parameter or body that it is of."""
    words = plain(description, MAX_WORDS) if isinstance(description, str) else ""
    own = str(schema.get("description", ""))
    if words and own not in words:
        # The parameter's own words tell more; of the schema's the default is worth keeping.
        notes = " ".join(re.findall(r"(?:Default|Example): .*?\.(?= |$)", own))
        words = f"{words} {notes}".strip()
    told = f"Deprecated. {words or own}".strip() if deprecated is True else words
    return {**schema, "description": told} if told else schema


def _chosen(content: Mapping[str, Any]) -> str:
    """Return the media type that a model can write best."""
    kinds = {media.partition(";")[0].strip().lower(): media for media in content}
    for kind in _PREFERRED:
        if kind in kinds:
            return kinds[kind]
    return next(
        (media for kind, media in kinds.items() if kind.endswith("+json")), next(iter(content))
    )


def _has_fields(kind: str) -> bool:
    return kind in (_JSON, _FORM, _MULTIPART) or kind.endswith("+json")


def _is_text(kind: str) -> bool:
    return (
        _has_fields(kind) or kind.startswith("text/") or kind.endswith(("xml", "yaml", "graphql"))
    )


def _concrete(media: str) -> str:
    return "application/octet-stream" if media == "*/*" else media


def _field(argument: str, name: str, given: Mapping[str, Any], *, file: bool) -> Field:
    style = str(given.get("style", "form"))
    media = str(given.get("contentType", "")).partition(",")[0].strip()
    if media and not _MEDIA.fullmatch(media):
        raise UnusableError(f"{media[:60]!r} is no media type")
    explode = given.get("explode", style == "form")
    return Field(
        argument=argument,
        name=name,
        file=file,
        style="json" if media.endswith("json") and not file else style,
        explode=explode is True,
        media_type=media,
    )
