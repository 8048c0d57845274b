"""What becomes of a document: names, arguments, words, effects, and what cannot be used."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from callgate import Gate
from callgate.errors import SettingsError
from callgate.schema.check import Checker
from callgate.settings.sources import OpenApiSettings
from callgate.settings.sources.openapi import OverlaySettings
from callgate.settings.sources.web import AuthSettings
from callgate.sources.openapi.document import parse, read
from callgate.sources.openapi.naming import argument_name, tool_name
from callgate.sources.openapi.security import schemes_of
from callgate.sources.openapi.source import OpenApiSource, Skipped, openapi
from callgate.sources.secrets import EnvironmentVault, Secrets
from callgate.types import Effect, Tool
from tests.sources.echo import echoing

BASE = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}}
PETS = """\
openapi: 3.0.3
info: {title: Pets, version: "1"}
servers:
  - url: https://{region}.pets.example/{version}
    variables:
      region: {default: eu, enum: [eu, us]}
      version: {default: v2}
security: [{key: []}, {}]
paths:
  /pets:
    parameters:
      - {name: trace, in: query, schema: {type: string}}
      - {name: limit, in: query, schema: {type: integer}}
    get:
      operationId: listPets
      tags: [pets]
      summary: List pets.
      description: List pets, newest first.
      parameters:
        - name: limit
          in: query
          description: How many.
          schema: {type: integer, minimum: 0, exclusiveMinimum: true, default: 20}
        - name: kind
          in: query
          deprecated: true
          schema: {type: string, nullable: true, enum: [cat, dog]}
      responses: {"200": {description: Pets., content: {text/csv: {}}}}
    post:
      tags: [pets, admin]
      deprecated: true
      requestBody:
        required: true
        content:
          application/json:
            schema:
              allOf:
                - $ref: '#/components/schemas/Base'
                - type: object
                  required: [kind]
                  properties:
                    kind: {type: string, example: cat}
                    trace: {type: string}
                    mother: {$ref: '#/components/schemas/Pet'}
      responses: {201: {description: Made., content: {application/json: {}}}}
components:
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Key}
  schemas:
    Base:
      type: object
      required: [id, name]
      properties:
        id: {type: integer, readOnly: true}
        name: {type: string, title: The name}
    Pet:
      type: object
      properties:
        name: {type: string}
        born: {type: string, format: date, example: 2020-02-30}
        children: {type: array, items: {$ref: '#/components/schemas/Pet'}}
"""


def loaded(document: Any, **settings: Any) -> OpenApiSource:
    data = document.encode() if isinstance(document, str) else orjson.dumps({**BASE, **document})
    settings.setdefault("url", None)
    chosen = OpenApiSettings(document="d", **settings)
    secrets = Secrets({"env": EnvironmentVault({"KEY": "k-123456"})})
    return openapi("d", chosen, root=Path(), secrets=secrets, document=parse(data, "d"))


def tools(source: OpenApiSource) -> dict[str, Tool]:
    return {tool.name: tool for tool in source.list()}


def one(operation: Any, path: str = "/x", method: str = "get", **document: Any) -> OpenApiSource:
    return loaded({"paths": {path: {method: operation}}, **document}, url="https://x.example")


def refused(document: Any, **settings: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(document, **settings)
    return caught.value.message


def test_an_operation_becomes_a_tool_a_model_can_read() -> None:
    tool = tools(loaded(PETS))["listPets"]
    assert tool.description == "List pets, newest first."
    assert (tool.effect, tool.tags) == (Effect.READ, frozenset({"pets"}))
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "trace": {"type": "string"},
            "limit": {
                "type": "integer",
                "exclusiveMinimum": 0,
                "description": "How many. Default: 20.",
            },
            "kind": {
                "type": ["string", "null"],
                "enum": ["cat", "dog", None],
                "description": "Deprecated.",
            },
        },
        "additionalProperties": False,
    }


def test_fields_of_a_body_become_arguments_and_cycles_stay_definitions() -> None:
    source = loaded(PETS)
    tool = tools(source)["post_pets"]
    assert tool.description == "Deprecated."
    assert tool.effect is Effect.IRREVERSIBLE
    properties = tool.parameters["properties"]
    assert list(properties) == ["trace", "limit", "name", "kind", "body_trace", "mother"]
    assert properties["name"] == {"type": "string", "description": "The name"}
    assert properties["kind"] == {"type": "string", "description": "Example: cat."}
    assert sorted(tool.parameters["required"]) == ["kind", "name"]
    pet = tool.parameters["$defs"]["Pet"]
    assert pet["properties"]["children"]["items"] == {"$ref": "#/$defs/Pet"}
    assert Checker(tool.parameters).is_valid(
        {"name": "a", "kind": "b", "mother": {"children": [{}]}}
    )
    body = source.operations["post_pets"].body
    assert body is not None
    assert {part.argument: part.name for part in body.fields}["body_trace"] == "trace"


def test_the_server_of_the_document_is_the_base_with_chosen_variables() -> None:
    assert loaded(PETS).operations["listPets"].base == "https://eu.pets.example/v2"
    chosen = loaded(PETS, variables={"region": "us"})
    assert chosen.operations["listPets"].base == "https://us.pets.example/v2"
    assert (
        loaded(PETS, url="https://here.example/").operations["listPets"].base
        == "https://here.example"
    )
    told = refused(PETS, variables={"region": "moon"})
    assert told == "sources.d.variables.region: 'moon' is not one of eu, us"


def test_a_document_without_a_host_asks_for_one() -> None:
    paths = {"paths": {"/x": {"get": {}}}}
    assert "sources.d.url: the document names no server" in refused(paths)
    told = refused({**paths, "servers": [{"url": "/api/v3"}]})
    assert told.endswith("say it: url = 'https://HOST/api/v3'")


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"tags": ("admin",)}, ["post_pets"]),
        ({"paths": ("/pe*",)}, ["listPets", "post_pets"]),
        ({"paths": ("/other",)}, []),
        ({"operations": ("list*",)}, ["listPets"]),
        ({"operations": ("post_pets",)}, ["post_pets"]),
        ({"prefix": "p_"}, ["p_listPets", "p_post_pets"]),
        ({"tools": {"listPets": OverlaySettings(hide=True)}}, ["post_pets"]),
        ({"tools": {"POST /pets": OverlaySettings(name="add")}}, ["listPets", "add"]),
    ],
)
def test_filters_and_overlays_choose_and_name_tools(settings: Any, names: list[str]) -> None:
    assert list(tools(loaded(PETS, **settings))) == names


async def test_an_overlay_renames_describes_and_fixes_what_the_document_says() -> None:
    async with echoing() as echo:
        overlay = OverlaySettings(
            description="Pets of the shop.",
            effect="idempotent",
            rename={"limit": "most"},
            describe={"limit": "At most."},
            fix={"trace": "callgate"},
            timeout=3.0,
        )
        source = loaded(
            PETS,
            url=echo.url,
            hosts=(echo.url.removeprefix("http://"),),
            tools={"listPets": overlay},
        )
        tool = tools(source)["listPets"]
        assert (tool.description, tool.effect) == ("Pets of the shop.", Effect.IDEMPOTENT)
        assert tool.limits.timeout == 3.0
        assert list(tool.parameters["properties"]) == ["most", "kind"]
        assert tool.parameters["properties"]["most"]["description"] == "At most."
        assert (await Gate([source]).session().call("listPets", {"most": 3})).ok
        await source.aclose()
        assert echo.log[0].target == "/pets?trace=callgate&limit=3"
        assert echo.log[0].headers["accept"] == "text/csv, */*;q=0.1"


async def test_a_body_is_renamed_and_still_sent_under_its_own_names() -> None:
    async with echoing() as echo:
        overlay = OverlaySettings(name="add", rename={"body_trace": "mark", "name": "called"})
        source = loaded(
            PETS,
            url=echo.url,
            hosts=(echo.url.removeprefix("http://"),),
            tools={"post_pets": overlay},
        )
        arguments = {"called": "Tom", "kind": "cat", "mark": "m", "trace": "q"}
        assert (await Gate([source]).session().call("add", arguments)).ok
        await source.aclose()
        (request,) = echo.log
        assert orjson.loads(request.body) == {"name": "Tom", "kind": "cat", "trace": "m"}
        assert request.target == "/pets?trace=q"


@pytest.mark.parametrize(
    ("tools_", "told"),
    [
        ({"listPet": OverlaySettings()}, "no such operation; did you mean 'listPets'?"),
        (
            {"listPets": OverlaySettings(rename={"x": "y"})},
            "sources.d.tools.listPets.rename.x: its arguments are trace, limit, kind",
        ),
        ({"post_pets": OverlaySettings(fix={"kind": "y"})}, "only parameters outside the body"),
        ({"listPets": OverlaySettings(name="post_pets")}, "two tools are named 'post_pets'"),
    ],
)
def test_an_overlay_that_means_nothing_is_told(tools_: Any, told: str) -> None:
    assert told in refused(PETS, tools=tools_)


# --- who asks ---------------------------------------------------------------------------------


async def test_an_operation_is_let_in_by_the_scheme_of_the_document() -> None:
    async with echoing() as echo:
        hosts = (echo.url.removeprefix("http://"),)
        for auth in ({}, {"key": AuthSettings(secret="env:KEY")}):
            source = loaded(PETS, url=echo.url, hosts=hosts, auth=auth)
            assert (await Gate([source]).session().call("listPets", {})).ok
            await source.aclose()
        # The document lets anybody in, too; who has a key shows it.
        assert [request.headers.get("x-key") for request in echo.log] == [None, "k-123456"]


def test_a_scheme_the_document_does_not_have_is_told() -> None:
    told = refused(PETS, auth={"kei": AuthSettings(secret="env:KEY")})
    assert (
        "sources.d.auth.kei: the document has no scheme of this name; did you mean 'key'?" in told
    )


async def test_a_call_without_a_way_in_says_what_an_operator_can_do() -> None:
    source = one(
        {"security": [{"a": [], "b": []}, {"c": []}], "operationId": "closed"},
        components={"securitySchemes": {"a": {}, "b": {}, "c": {}}},
    )
    result = await Gate([source]).session().call("closed", {})
    assert result.text() == (
        "closed needs to prove who asks, and the settings do not say how. "
        "An operator can add `auth` for a and b or c."
    )


@pytest.mark.parametrize(
    ("scheme", "auth", "made"),
    [
        ({"type": "http", "scheme": "Basic"}, {"user": "env:KEY"}, ("basic", None)),
        ({"type": "http", "scheme": "bearer"}, {}, ("bearer", None)),
        ({"type": "openIdConnect"}, {}, ("bearer", None)),
        (
            {
                "type": "oauth2",
                "flows": {"clientCredentials": {"tokenUrl": "https://t.example/token"}},
            },
            {"client_id": "env:KEY"},
            ("oauth2", "https://t.example/token"),
        ),
        ({"type": "oauth2"}, {"client_id": "env:KEY"}, ("oauth2", None)),
        ({"type": "oauth2", "flows": {}}, {"client_id": "env:KEY"}, ("oauth2", None)),
    ],
)
def test_a_scheme_says_itself_of_what_kind_it_is(scheme: Any, auth: Any, made: Any) -> None:
    document = parse(orjson.dumps({**BASE, "components": {"securitySchemes": {"s": scheme}}}), "d")
    found = schemes_of(document, {"s": AuthSettings(secret="env:KEY", **auth)}, "x")["s"]
    assert (found.kind, found.token_url) == made


async def test_a_silent_document_is_called_by_a_scheme_of_the_settings() -> None:
    async with echoing() as echo:
        source = loaded(
            {"paths": {"/x": {"get": {"operationId": "ask"}}}},
            url=echo.url,
            hosts=(echo.url.removeprefix("http://"),),
            auth={"token": AuthSettings(kind="bearer", secret="env:KEY")},
        )
        assert (await Gate([source]).session().call("ask", {})).ok
        await source.aclose()
        assert echo.log[0].headers["authorization"] == "Bearer k-123456"


# --- what cannot be used ------------------------------------------------------------------------

STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"parameters": [{"$ref": "other.yaml#/x"}]}, "other.yaml#/x is outside the document"),
        ({"parameters": [{"$ref": "#/gone"}]}, "#/gone leads nowhere"),
        ({"parameters": [{"name": "a", "in": "body"}]}, "a parameter 'a' in 'body' is not"),
        ({"parameters": [{"name": "", "in": "query"}]}, "a parameter '' in 'query' is not"),
        (
            {"parameters": [{"name": "Host", "in": "header", "schema": STRING}]},
            "the header 'Host' may not be set",
        ),
        (
            {"parameters": [{"name": "a", "in": "path", "style": "form", "schema": STRING}]},
            "the style form is not one of path parameters",
        ),
        (
            {"parameters": [{"name": "a", "in": "query", "content": {"text/csv": {}}}]},
            "a parameter of type text/csv is not understood",
        ),
        (
            {"parameters": [{"name": "a", "in": "query", "schema": {"minimum": "x"}}]},
            "something is no JSON Schema",
        ),
        (
            {"parameters": [{"name": "a", "in": "query", "schema": 3}]},
            "something is no schema",
        ),
        (
            {"parameters": [{"name": "a", "in": "query", "schema": {"$dynamicRef": "#x"}}]},
            "dynamic references are not understood",
        ),
        (
            {
                "parameters": [
                    {"name": "a", "in": "query", "schema": {"$ref": "#/components/schemas/L"}}
                ]
            },
            "comes back to where it began",
        ),
        ({"requestBody": {"content": {"a b\r\n": {}}}}, "is no media type"),
        (
            {"requestBody": {"content": {"multipart/form-data": {"schema": STRING}}}},
            "a multipart body without named parts",
        ),
        ({"requestBody": 3}, "an object was expected"),
    ],
)
def test_an_operation_that_cannot_be_used_is_left_out_with_its_reason(
    operation: Any, reason: str
) -> None:
    source = one(operation, components={"schemas": {"L": {"$ref": "#/components/schemas/L"}}})
    assert list(source.list()) == []
    (skipped,) = source.skipped
    assert (skipped.method, skipped.path) == ("GET", "/x")
    assert reason in skipped.reason


def test_a_hole_that_no_parameter_fills_leaves_the_operation_out() -> None:
    assert one({}, path="/x/{id}").skipped == (
        Skipped(method="GET", path="/x/{id}", reason="the path has id, no parameter has"),
    )


def test_what_documents_commonly_have_wrong_is_put_right() -> None:
    schema = {
        "type": "any",
        "required": True,
        "enum": [],
        "pattern": "(?<x>[",
        "x-internal": 1,
        "exclusiveMaximum": False,
        "maximum": 3,
        "default": "y" * 100,
    }
    source = one({"parameters": [{"name": "a", "in": "query", "schema": schema}]})
    assert source.list()[0].parameters["properties"] == {"a": {"maximum": 3}}


def test_a_nullable_reference_of_3_0_takes_null() -> None:
    document = {
        "openapi": "3.0.0",
        "paths": {
            "/x": {
                "post": {
                    "requestBody": {
                        "content": {
                            "application/json": {
                                "schema": {
                                    "properties": {
                                        "a": {
                                            "nullable": True,
                                            "description": "Or nothing.",
                                            "allOf": [{"$ref": "#/components/schemas/A"}],
                                        },
                                        "b": {"nullable": True},
                                        "c": {
                                            "$ref": "#/components/schemas/A",
                                            "description": "C.",
                                        },
                                    }
                                }
                            }
                        }
                    }
                }
            }
        },
        "components": {"schemas": {"A": {"type": "string"}}},
    }
    (tool,) = loaded(document, url="https://x.example").list()
    assert tool.parameters["properties"] == {
        "a": {
            "anyOf": [{"allOf": [{"$ref": "#/$defs/A"}]}, {"type": "null"}],
            "description": "Or nothing.",
        },
        "b": {},
        "c": {"$ref": "#/$defs/A", "description": "C."},
    }


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"swagger: '2.0'", "it is Swagger 2.0; OpenAPI 3.0 and 3.1 are understood"),
        (b"{}", "it is no OpenAPI document"),
        (b"openapi: 4.0.0", "it is OpenAPI 4.0.0"),
        (b"- a", "it is no object"),
        (b"a: [", "it is neither JSON nor YAML"),
        (b"\xff\xfe\x00", "it is neither JSON nor YAML"),
        (b"a: !!python/object:os.system {}", "it is neither JSON nor YAML"),
        (b"a: !!binary aGk=", "a bytes has no form in JSON"),
        (b"x: " + b"[" * 300 + b"]" * 300, "too deep"),
    ],
)
def test_a_document_that_is_none_is_told(data: bytes, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(data, "d.yaml")
    assert told in caught.value.message


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(SettingsError) as caught:
        parse("\n".join(lines).encode(), "d.yaml")
    assert "too large or too deep when its aliases are written out" in caught.value.message


def test_yaml_is_read_as_its_version_1_2_has_it() -> None:
    odd = "yes, on, 0o7, 1_000, 2024-01-01, 12:30:00, 1e3, .5, ~, true, 007"
    document = parse(f"openapi: 3.1.0\nx: [{odd}]\n1: a\n".encode(), "d.yaml")
    assert document.root["x"] == [
        *("yes", "on", "0o7", "1_000", "2024-01-01", "12:30:00"),
        *(1000.0, 0.5, None, True, "007"),
    ]
    assert document.root["1"] == "a"


def test_a_file_that_is_not_there_or_too_large_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path / "gone.yaml")
    assert "No such file" in caught.value.message
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(SettingsError) as caught:
        read(tmp_path / "large.json")
    assert "more than" in caught.value.message


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation_id", "method", "path", "name"),
    [
        ("listPets", "get", "/pets", "listPets"),
        ("repos/list-for-org", "get", "/x", "repos_list_for_org"),
        ("read_item_items__item_id__get", "get", "/items/{item_id}", "read_item"),
        (None, "get", "/pets/{id}/toys", "get_pets_by_id_toys"),
        (None, "get", "/", "get"),
        ("2fa", "get", "/x", "_2fa"),
        ("\u00fc", "get", "/x", "get_x"),
        ("a" * 60, "get", "/x", "a" * 41 + "_541a2d"),
    ],
)
def test_a_tool_has_a_short_name(
    operation_id: str | None, method: str, path: str, name: str
) -> None:
    assert tool_name(operation_id, method, path, ()) == name


def test_the_second_of_two_names_is_told_apart_by_its_path() -> None:
    assert tool_name("a", "get", "/x", {"a"}) == "a_541a2d"


def test_an_argument_that_is_taken_is_called_by_its_place() -> None:
    assert argument_name("id", "query", ()) == "id"
    assert argument_name("id", "query", {"id"}) == "query_id"
    assert argument_name("id", "query", {"id", "query_id"}) == "query_id_2"
    assert argument_name("filter[name]", "query", ()) == "filter_name"
    assert argument_name("$$", "query", ()) == "query"
    assert argument_name("2x", "query", ()) == "_2x"
