from typing import Any

import pytest

from callgate.errors import DefinitionError
from callgate.release.documents import read_value
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
