"""Every tool of a generated document calls its operation as the document says.

The service's own log is read back by an inverse of the styles (`tests.sources.echo`), and must give
the arguments again.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from callgate import Gate
from callgate.settings.sources import OpenApiSettings
from callgate.sources.openapi.document import parse
from callgate.sources.openapi.source import OpenApiSource, openapi
from callgate.sources.secrets import Secrets
from tests.sources.echo import Echo, echoing, in_header, in_multipart, in_path, in_query
from tests.sources.webserver import Request

PLAIN = "abcXYZ019_-"
TRICKY = PLAIN + "äß€ /?#&=+%,;:@!$'()*|[]{}\"<>\\^`~."
NAMES = ("id", "q", "page", "X-Trace", "filter[name]", "$top", "user.name", "a-b", "A_B", "type")


@dataclass(frozen=True)
class Param:
    """One parameter of a generated operation, and its value."""

    name: str
    place: str
    style: str
    explode: bool
    shape: str
    value: Any

    @property
    def schema(self) -> dict[str, Any]:
        if self.shape == "array":
            return {"type": "array", "items": {"type": "string"}}
        if self.shape == "object":
            texts = {"a": {"type": "string"}, "b": {"type": "string"}}
            return {"type": "object", "properties": texts}
        return {"type": self.shape}

    def declared(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "in": self.place,
            "required": True,
            "style": self.style,
            "explode": self.explode,
            "schema": self.schema,
        }

    def seen(self, request: Request, segments: dict[str, str]) -> Any:
        """Read the value from what the service saw."""
        query = request.target.partition("?")[2]
        if self.place == "path":
            return in_path(self.name, self.style, self.explode, self.shape, segments[self.name])
        if self.place == "query":
            return in_query(self.name, self.style, self.explode, self.shape, query)
        if self.place == "header":
            return in_header(self.explode, self.shape, request.headers[self.name.lower()])
        cookies = dict(part.split("=", 1) for part in request.headers["cookie"].split("; "))
        return in_query(self.name, "form", False, self.shape, f"{self.name}={cookies[self.name]}")


def texts(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=1, max_size=8).filter(lambda text: text.strip(". ") == text)


def values(shape: str, alphabet: str) -> st.SearchStrategy[Any]:
    text = texts(alphabet)
    return {
        "string": text,
        "integer": st.integers(-(2**53), 2**53),
        "number": st.floats(-1e6, 1e6, allow_nan=False),
        "boolean": st.booleans(),
        "array": st.lists(text, min_size=1, max_size=4),
        "object": st.fixed_dictionaries({"a": text, "b": text}),
    }[shape]


SHAPES = ("string", "integer", "number", "boolean", "array", "object")
WAYS = [
    *((("path", style), SHAPES) for style in ("simple", "label", "matrix")),
    (("query", "form"), SHAPES),
    *((("query", style), ("array", "object")) for style in ("spaceDelimited", "pipeDelimited")),
    (("query", "deepObject"), ("object",)),
    (("header", "simple"), SHAPES),
    (("cookie", "form"), ("string", "integer", "boolean")),
]


@st.composite
def params(draw: st.DrawFn, name: str) -> Param:
    (place, style), shapes = draw(st.sampled_from(WAYS))
    shape = draw(st.sampled_from(shapes))
    explode = draw(st.booleans())
    if style in ("spaceDelimited", "pipeDelimited"):
        explode = False
    if style == "deepObject":
        explode = True
    if place == "cookie":
        explode = False
    # A dot between exploded labels is a dot within them, too: such values have no way back.
    alphabet = {"path": TRICKY, "query": TRICKY, "header": PLAIN, "cookie": PLAIN}[place]
    if style == "label":
        alphabet = alphabet.replace(".", "")
    # So it is with what separates delimited values; those are refused.
    alphabet = alphabet.translate(
        {ord({"spaceDelimited": " ", "pipeDelimited": "|"}.get(style, "\0")): None}
    )
    if place in ("header", "cookie", "path"):
        name = "".join(c for c in name if c.isalnum() or c in "-_") or "n"
    return Param(name, place, style, explode, shape, draw(values(shape, alphabet)))


@dataclass(frozen=True)
class Operation:
    """One generated operation: its parameters, its body and what goes into it."""

    method: str
    params: tuple[Param, ...]
    media: str | None
    body: dict[str, Any]

    @property
    def path(self) -> str:
        holes = [f"{{{p.name}}}" for p in self.params if p.place == "path"]
        return "/" + "/".join(["op", *holes])

    def declared(self, old: bool) -> dict[str, Any]:
        made: dict[str, Any] = {
            "operationId": "operate",
            "parameters": [p.declared() for p in self.params],
            "responses": {"200": {"description": "Done."}},
        }
        if self.media is not None:
            schema = {
                "type": "object",
                "properties": {key: _schema_of(value, old) for key, value in self.body.items()},
                "required": list(self.body),
            }
            made["requestBody"] = {"required": True, "content": {self.media: {"schema": schema}}}
        return made


def _schema_of(value: Any, old: bool) -> dict[str, Any]:
    if value is None:
        return {"type": "string", "nullable": True} if old else {"type": ["string", "null"]}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    kind = kinds.get(type(value), "object")
    return {"type": "array", "items": {}} if kind == "array" else {"type": kind}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
BODIES = {
    "application/json": st.dictionaries(st.sampled_from(NAMES), JSON, min_size=1, max_size=4),
    "application/x-www-form-urlencoded": st.dictionaries(
        st.sampled_from(NAMES), texts(TRICKY), min_size=1, max_size=4
    ),
    "multipart/form-data": st.dictionaries(
        st.sampled_from(NAMES), texts(TRICKY + "\r\n"), min_size=1, max_size=4
    ),
}


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5))
    drawn = [draw(params(name)) for name in names]
    exploded = [
        p for p in drawn if p.place == "query" and p.shape == "object" and p.style == "form"
    ]
    # Two objects spread over one query share their keys: there is no way back.
    kept = [p for p in drawn if p not in exploded[1:]]
    unique = {(p.place, p.name.lower()): p for p in kept}
    method = draw(st.sampled_from(("get", "post", "put", "patch", "delete")))
    media = draw(st.sampled_from((None, *BODIES))) if method not in ("get", "delete") else None
    body = draw(BODIES[media]) if media else {}
    return Operation(method, tuple(unique.values()), media, body)


def loaded(operation: Operation, url: str, old: bool) -> OpenApiSource:
    document = {
        "openapi": "3.0.3" if old else "3.1.0",
        "info": {"title": "T", "version": "1"},
        "paths": {operation.path: {operation.method: operation.declared(old)}},
    }
    settings = OpenApiSettings(
        document="d.json", url=url, hosts=(url.removeprefix("http://"),), operations=("*",)
    )
    return openapi(
        "d",
        settings,
        root=Path(),
        secrets=Secrets({}),
        document=parse(orjson.dumps(document), "d.json"),
    )


async def called(operation: Operation, old: bool) -> None:
    async with echoing() as echo:
        source = loaded(operation, echo.url, old)
        assert source.skipped == ()
        made = source.operations["operate"]
        wires = {(p.place, p.name): p.argument for p in made.parameters}
        arguments = {wires[p.place, p.name]: p.value for p in operation.params}
        if made.body is not None:
            fields = {part.name: part.argument for part in made.body.fields}
            arguments |= {fields[name]: value for name, value in operation.body.items()}
        assert set(made.tool.parameters["properties"]) == set(arguments)
        try:
            result = await Gate([source]).session().call("operate", arguments)
        finally:
            await source.aclose()
        assert result.unwrap() == {}
        _compare(operation, echo)


def _compare(operation: Operation, echo: Echo) -> None:
    (request,) = echo.log
    assert request.method == operation.method.upper()
    parts = request.target.partition("?")[0].split("/")[2:]
    holes = [p.name for p in operation.params if p.place == "path"]
    segments = dict(zip(holes, parts, strict=True))
    for param in operation.params:
        assert param.seen(request, segments) == param.value
    kind = request.headers.get("content-type", "").partition(";")[0]
    assert kind == (operation.media or "")
    if kind == "application/json":
        assert json.loads(request.body) == operation.body
    elif kind == "application/x-www-form-urlencoded":
        form = request.body.decode()
        for name, value in operation.body.items():
            assert in_query(name, "form", True, "string", form) == value
    elif kind == "multipart/form-data":
        seen = {name: data.decode() for name, (_, _, data) in in_multipart(request).items()}
        assert seen == operation.body


@given(operations(), st.booleans())
def test_the_service_sees_what_the_arguments_say(operation: Operation, old: bool) -> None:
    asyncio.run(called(operation, old))
