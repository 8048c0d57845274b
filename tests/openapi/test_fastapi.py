"""Every tool made of a FastAPI application's own document calls its operation correctly."""

import base64
import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import uvicorn
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate import Gate
from callgate.schema.check import Checker
from callgate.session import Session
from callgate.settings.sources import OpenApiSettings
from callgate.settings.sources.openapi import OverlaySettings
from callgate.sources.openapi.document import parse
from callgate.sources.openapi.source import OpenApiSource, openapi
from callgate.sources.secrets import Secrets
from callgate.types import Effect, FilePart, ImagePart, Status
from tests.openapi.varied import Log, varied_app


class Served:
    """The application on a free port, its log and its document."""

    def __init__(self) -> None:
        self.log: Log = []
        self.app = varied_app(self.log)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.document = orjson.dumps(self.app.openapi())

    def source(self, **overlays: OverlaySettings) -> OpenApiSource:
        chosen = OpenApiSettings(
            document="varied.json",
            url=self.url,
            hosts=(self.url.removeprefix("http://"),),
            tools=overlays,
        )
        return openapi(
            "varied",
            chosen,
            root=Path(),
            secrets=Secrets({}),
            document=parse(self.document, "varied.json"),
        )


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    made = Served()
    server = uvicorn.Server(uvicorn.Config(made.app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [made.socket]})
    thread.start()
    yield made
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def session(served: Served) -> Iterator[Session]:
    """One session for all examples of all operations; its calls may repeat."""
    gate = Gate([served.source()], repeats=10_000)
    yield gate.session()
    gate.close_blocking()


@pytest.fixture
async def source(served: Served) -> AsyncIterator[OpenApiSource]:
    made = served.source()
    yield made
    await made.aclose()


FILE = st.builds(
    lambda name, data: {"name": name, "base64": base64.b64encode(data).decode()},
    st.from_regex(r"[a-z]{1,8}\.txt", fullmatch=True),
    st.binary(min_size=1, max_size=40),
)
FORMATS = {
    "uuid": st.uuids().map(str),
    "date": st.dates().map(str),
    "date-time": st.datetimes().map(lambda moment: moment.isoformat()),
}
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=10)
SAFE = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,9}", fullmatch=True)


def values(
    schema: Any, defs: dict[str, Any], text: st.SearchStrategy[str]
) -> st.SearchStrategy[Any]:
    """Return a strategy for valid values of the schemas that FastAPI writes."""
    if "$ref" in schema:
        inner = defs[schema["$ref"].removeprefix("#/$defs/")]
        return st.deferred(lambda: values(inner, defs, text))
    if "base64" in schema.get("properties", {}):
        return FILE
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return st.one_of([values(option, defs, text) for option in schema[word]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "const" in schema:
        return st.just(schema["const"])
    return _typed(schema, defs, text)


def _typed(
    schema: Any, defs: dict[str, Any], text: st.SearchStrategy[str]
) -> st.SearchStrategy[Any]:
    match schema.get("type"):
        case "integer":
            low, high = schema.get("minimum", -999), schema.get("maximum", 999)
            return st.integers(low, schema.get("exclusiveMaximum", high + 1) - 1)
        case "number":
            return st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            least = schema.get("minItems", 0)
            items = values(schema.get("items", {}), defs, text)
            return st.lists(items, min_size=least, max_size=3)
        case "object":
            return _object(schema, defs, text)
        case "string":
            return FORMATS.get(schema.get("format", ""), text)
        case _:
            return st.none() | st.booleans() | st.integers(-9, 9) | text


def _object(
    schema: Any, defs: dict[str, Any], text: st.SearchStrategy[str]
) -> st.SearchStrategy[Any]:
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        return st.dictionaries(TEXT, values(extra, defs, text), max_size=3)
    properties = {
        name: values(one, defs, text) for name, one in schema.get("properties", {}).items()
    }
    needed = set(schema.get("required", []))
    return st.fixed_dictionaries(
        {name: one for name, one in properties.items() if name in needed},
        optional={name: one for name, one in properties.items() if name not in needed},
    )


def arguments_for(source: OpenApiSource, name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return valid arguments of a tool; paths, headers and cookies take plain texts."""
    operation = source.operations[name]
    schema = operation.tool.parameters
    defs = schema.get("$defs", {})
    places = {one.argument: one.place for one in operation.parameters}
    made: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for argument, inner in schema["properties"].items():
        place = places.get(argument)
        text = TEXT if place in (None, "query") else SAFE
        if name == "query_decimal":  # its document calls it any text
            text = st.decimals(-999, 999, places=2).map(str)
        strategy = values(inner, defs, text)
        if place is not None:
            # Null has no form outside a body.
            strategy = strategy.filter(lambda value: value is not None)
        held = made if argument in schema.get("required", []) else optional
        held[argument] = strategy
    return st.fixed_dictionaries(made, optional=optional)


def said(source: OpenApiSource, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments by their names on the wire, place by place."""
    operation = source.operations[name]
    found: dict[str, Any] = {
        f"{one.place}:{one.name}": arguments[one.argument]
        for one in operation.parameters
        if one.argument in arguments
    }
    body = operation.body
    if body is not None and body.whole in arguments:
        found["body"] = arguments[body.whole]
    elif body is not None and body.fields:
        found["body"] = {
            part.name: arguments[part.argument]
            for part in body.fields
            if part.argument in arguments
        }
    return found


def _under(value: Any, expected: Any) -> bool:
    """Tell whether what was seen is what was said, with defaults filled in by the service."""
    if isinstance(expected, dict) and isinstance(value, dict):
        return all(key in value and _under(value[key], one) for key, one in expected.items())
    if isinstance(expected, list) and isinstance(value, list):
        return len(value) == len(expected) and all(map(_under, value, expected))
    if isinstance(expected, str) and isinstance(value, str) and value != expected:
        return re.sub(r"(\.\d*?)0+(?!\d)|T00:00:00$", r"\1", value) == re.sub(
            r"(\.\d*?)0+(?!\d)|T00:00:00$", r"\1", expected
        )
    return value == expected or _number(value) == _number(expected)


def _number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


PLAIN_BODIES = {"body_two", "body_embedded"}
FILES = {"file_one", "file_many", "file_bytes"}
NAMES = [route.name for route in varied_app([]).routes if isinstance(route, APIRoute)]
CALLED = [name for name in NAMES if name not in FILES and not name.startswith("answer")]


def test_the_sixty_operations_are_tools_under_their_functions_names(source: OpenApiSource) -> None:
    assert sorted(tool.name for tool in source.list()) == sorted(NAMES)
    assert len(NAMES) == 60
    assert source.skipped == ()


@pytest.mark.parametrize("name", CALLED)
def test_an_operation_is_given_what_the_model_said(
    served: Served, session: Session, source: OpenApiSource, name: str
) -> None:

    @settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(arguments_for(source, name))
    def check(arguments: dict[str, Any]) -> None:
        tool = source.operations[name].tool
        assert Checker(tool.parameters).is_valid(arguments)
        served.log.clear()
        result = session.call_blocking(name, arguments)
        assert result.status is Status.OK, result.text()
        ((operation, given_values),) = served.log
        assert operation == name
        _check_given(source, name, arguments, given_values)

    check()


def _check_given(source: OpenApiSource, name: str, arguments: dict[str, Any], seen: Any) -> None:
    expected = said(source, name, arguments)
    outside = {key.partition(":")[2]: one for key, one in expected.items() if key != "body"}
    body = expected.get("body")
    whole = dict(seen)
    if name == "query_model":
        assert _under(whole["search"], outside)
        return
    if name == "mixed_same":
        assert _under(whole["name"], expected["path:name"])
        assert _under(whole["other"], expected["query:name"])
    else:
        renamed = {"x-count": "x_count", "x-maybe": "x_maybe", "x-trace": "x_trace"}
        renamed["filter[name]"] = "value"
        assert _under(whole, {renamed.get(key, key): one for key, one in outside.items()})
    if name in PLAIN_BODIES or name.startswith("form"):
        assert _under(whole, body)
    elif body is not None:
        (holder,) = [key for key in whole if key not in {"id", "q", "x_trace", "name", "other"}]
        assert _under(whole[holder], body)


async def test_files_arrive_byte_for_byte(source: OpenApiSource, served: Served) -> None:
    session = Gate([source]).session()
    data = bytes(range(256))
    one = {"name": 'a"\r\n.bin', "base64": base64.b64encode(data).decode()}
    text = data.decode("latin-1")
    first = await session.call("file_one", {"file": one})
    assert first.unwrap() == {"name": "a___.bin", "data": text}
    many = await session.call("file_many", {"files": [one, {"name": "b", "text": "ü"}]})
    assert many.unwrap() == [text, "ü".encode().decode("latin-1")]
    mixed = await session.call("file_bytes", {"data": one, "note": "--callgate\r\n"})
    assert mixed.unwrap() == {"data": text, "note": "--callgate\r\n"}


@pytest.mark.parametrize(
    "file",
    [
        {"name": "x"},
        {"name": "x", "text": "a", "base64": "YQ=="},
        {"name": "x", "base64": "not base64!"},
        {"name": "x", "text": "a", "media_type": "text/plain\r\nX-Evil: 1"},
    ],
)
async def test_a_file_that_is_none_is_refused_before_anything_is_sent(
    source: OpenApiSource, served: Served, file: dict[str, str]
) -> None:
    served.log.clear()
    result = await Gate([source]).session().call("file_one", {"file": file})
    assert (result.status, result.error and result.error.code) == (Status.ERROR, "arguments")
    assert served.log == []


async def test_answers_of_other_kinds_become_parts_and_notes(source: OpenApiSource) -> None:
    session = Gate([source]).session()
    assert (await session.call("answer_text", {})).unwrap() == "plain ü"
    image = await session.call("answer_image", {})
    assert image.content == (ImagePart(media_type="image/png", data=b"\x89PNG"),)
    file = await session.call("answer_file", {})
    part = FilePart(media_type="application/pdf", name="report.pdf", data=b"%PDF")
    assert file.content == (part,)
    deleted = await session.call("mixed_delete", {"id": 1})
    assert (deleted.value, deleted.notes) == (None, ("[Done: 204 No Content]",))
    missing = await session.call("answer_missing", {})
    assert missing.text() == (
        "answer_missing: the service answered 404 Not Found: There is no such thing."
    )


async def test_a_redirect_is_told_and_not_followed(source: OpenApiSource, served: Served) -> None:
    result = await Gate([source]).session().call("answer_redirect", {})
    assert result.text() == (
        "answer_redirect: the service answered 307 Temporary Redirect. Redirects are not followed; "
        "the settings must name the final address."
    )


async def test_a_number_beyond_64_bits_keeps_its_digits(source: OpenApiSource) -> None:
    result = await Gate([source]).session().call("answer_large", {})
    assert result.unwrap()["number"] == "12345678901234567890123"


async def test_a_declared_selection_is_all_that_is_kept(served: Served) -> None:
    source = served.source(answer_large=OverlaySettings(select=("items[].id",)))
    result = await Gate([source]).session().call("answer_large", {})
    assert result.unwrap() == {"items": [{"id": 1}, {"id": 1}]}
    assert result.body == b'{"items":[{"id":1},{"id":1}]}'
    await source.aclose()


async def test_an_invalid_value_is_explained_in_the_services_words(served: Served) -> None:
    source = served.source(body_scalar=OverlaySettings(describe={"body": "Any number."}))
    session = Gate([source]).session()
    result = await session.call("query_date", {"value": "tomorrow"})
    assert result.text().startswith("query_date: the service answered 422 Unprocessable")
    assert "query.value: Input should be a valid date" in result.text()
    await source.aclose()


def test_effects_follow_methods_and_the_header_of_a_key(source: OpenApiSource) -> None:
    effects = {tool.name: tool.effect for tool in source.list()}
    assert effects["query_text"] is Effect.READ
    assert effects["body_put"] is effects["path_two"] is Effect.IDEMPOTENT
    assert effects["body_model"] is effects["body_patch"] is Effect.IRREVERSIBLE
    # It takes the key: the header is filled from the call, and the model never sees it.
    assert effects["header_key"] is Effect.IDEMPOTENT
    assert source.operations["header_key"].tool.parameters["properties"] == {}
