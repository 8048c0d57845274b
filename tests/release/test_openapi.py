import gzip
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import DefinitionError
from callgate.release.documents import parse, read_value
from callgate.release.read import read
from callgate.types import Effect

PET = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "nullable": True},
        "kin": {"$ref": "#/components/schemas/Pet"},
    },
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.3",
    "paths": {
        "/pets/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {
                "operationId": "getPet",
                "summary": "Get a pet.",
                "description": "By its number.",
                "parameters": [
                    {
                        "name": "deep",
                        "in": "query",
                        "content": {"application/json": {"schema": {"type": "boolean"}}},
                    },
                    7,
                ],
                "responses": {
                    "404": {},
                    "200": {
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}
                        }
                    },
                },
            },
            "put": {
                "x-callgate-ignore": ["returns-missing"],
                "requestBody": {
                    "required": True,
                    "description": "The pet.",
                    "content": {
                        "text/xml": {},
                        "application/problem+json": {"schema": {"type": "object"}},
                    },
                },
                "responses": {"204": {"description": "Done."}},
            },
            "x-note": {"a": 1},
        },
        "/any": {"post": {"responses": 7, "requestBody": {"content": {"text/plain": {}}}}},
    },
    "components": {
        "parameters": {
            "Id": {
                "name": "id",
                "in": "path",
                "required": True,
                "description": "Its number.",
                "schema": {"type": "integer"},
            }
        },
        "schemas": {"Pet": PET},
    },
}


def test_operations_become_tools():
    get, put, post = read_value(DOCUMENT, "pets.json").entries
    assert (get.tool.name, get.tool.description) == ("getPet", "Get a pet.\n\nBy its number.")
    assert (get.place, get.form, get.effect_told) == ("#/paths/~1pets~1{id}/get", "openapi", True)
    assert get.tool.parameters == {
        "type": "object",
        "properties": {
            "id": {"type": "integer", "description": "Its number."},
            "deep": {"type": "boolean"},
        },
        "required": ["id"],
    }
    assert get.tool.returns == {
        "$ref": "#/$defs/Pet",
        "$defs": {
            "Pet": {
                "type": "object",
                "properties": {
                    "name": {"type": ["string", "null"]},
                    "kin": {"$ref": "#/$defs/Pet"},
                },
            }
        },
    }
    assert (put.tool.name, put.tool.effect) == ("put_pets_id", Effect.IDEMPOTENT)
    assert put.ignored == {"returns-missing"}
    assert put.tool.parameters["properties"]["body"] == {
        "type": "object",
        "description": "The pet.",
    }
    assert put.tool.parameters["required"] == ["id", "body"]
    assert (put.tool.returns, post.tool.returns) == (None, None)
    assert (post.tool.name, post.tool.effect) == ("post_any", Effect.IRREVERSIBLE)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"swagger": "2.0"}, "is Swagger 2"),
        ({"paths": {}}, "no operations"),
        ({"paths": None}, "no operations"),
        ({"paths": {"/a": {"$ref": "other.yaml#/a"}}}, "never fetched"),
        ({"paths": {"/a": {"$ref": "#/gone"}}}, "not there"),
        ({"paths": {"/a": {"$ref": "#/paths/~1a"}}}, "comes back to itself"),
    ],
)
def test_a_document_that_cannot_be_read_is_told(change: dict[str, Any], told: str):
    with pytest.raises(DefinitionError, match=told):
        read_value({**DOCUMENT, **change}, "pets.json")


def test_a_schema_without_bottom_is_told():
    schema: Any = {}
    for _ in range(300):
        schema = {"items": schema}
    body = {"content": {"application/json": {"schema": schema}}}
    document = {"openapi": "3.1.0", "paths": {"/a": {"post": {"requestBody": body}}}}
    with pytest.raises(DefinitionError, match="nested too deep"):
        read_value(document, "pets.json")


YAML = """
openapi: 3.1.0
info: {title: Pets, version: "1"}
paths:
  /pets/{id}:
    get:
      operationId: getPet
      summary: Get a pet.
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer}}
      responses:
        200: {description: The pet.}
"""


def test_yaml_is_read_as_the_same_json(tmp_path: Path):
    (tmp_path / "pets.yaml").write_text(YAML)
    (listed,) = read("pets.yaml", tmp_path).entries
    assert (listed.tool.name, listed.tool.description) == ("getPet", "Get a pet.")
    assert listed.tool.parameters["required"] == ["id"]
    assert parse(YAML.encode(), "git:HEAD:pets.yml")["info"]["version"] == "1"


def test_packed_yaml_is_read_too(tmp_path: Path):
    (tmp_path / "pets.yml.gz").write_bytes(gzip.compress(YAML.encode()))
    assert [tool.name for tool in read("pets.yml.gz", tmp_path).tools] == ["getPet"]


BOMB = b"".join(
    b"%c: &%c [%s]\n" % (letter, letter, b", ".join([b"*%c" % (letter - 1)] * 10))
    for letter in b"bcdefgh"
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"a: [1", "neither JSON nor YAML"),
        (b"a: !!python/object:os.system {}", "neither JSON nor YAML"),
        (b"a: 2020-01-01\n? [b]\n: 1\n", "neither JSON nor YAML|neither tools nor a schema"),
        (b"- " * 5_000 + b"1", "nested|too large or too deep|neither JSON nor YAML"),
        (b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + BOMB, "aliases are written out"),
        (b"# " + b"x" * (8 * 2**20), "more than 8 MiB of YAML; write it as JSON"),
        (b'swagger: "2.0"\npaths: {}\n', "is Swagger 2.0; OpenAPI 3.0 and 3.1 are read"),
    ],
)
def test_yaml_that_cannot_be_read_is_a_clear_error(tmp_path: Path, text: bytes, told: str):
    (tmp_path / "bad.yaml").write_bytes(text)
    with pytest.raises(DefinitionError, match=told):
        read("bad.yaml", tmp_path)
