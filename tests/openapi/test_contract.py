"""The contract of sources, kept by the operations of an OpenAPI document."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from callgate.settings.sources import OpenApiSettings
from callgate.settings.sources.openapi import OverlaySettings
from callgate.settings.sources.web import AuthSettings
from callgate.sources.openapi.document import parse
from callgate.sources.openapi.source import OpenApiSource, openapi
from callgate.sources.secrets import EnvironmentVault, Secrets
from canaries import canary
from tests.sources.contract import (
    ROLES,
    Absence,
    Answers,
    Deadlines,
    Outcomes,
    Secrecy,
    Subject,
    Waits,
    WireKeys,
)
from tests.sources.webserver import Service, free_port, serving

CANARY = canary("77aa/b+c")
BODY = {
    "type": "object",
    "properties": {"text": {"type": "string"}},
    "required": ["text"],
}


def document(url: str) -> dict[str, Any]:
    def operation(role: str) -> dict[str, Any]:
        return {
            "operationId": role,
            "summary": f"The role {role}.",
            "requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}},
            "responses": {"200": {"description": "Done."}},
        }

    return {
        "openapi": "3.1.0",
        "info": {"title": "Roles", "version": "1"},
        "servers": [{"url": url}],
        "security": [{"key": []}],
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "query", "name": "k"}}},
        "paths": {f"/{role}": {"post": operation(role)} for role in ROLES},
    }


def source(url: str) -> OpenApiSource:
    settings = OpenApiSettings(
        document="roles.json",
        hosts=(url.removeprefix("http://"),),
        auth={"key": AuthSettings(secret="env:KEY")},
        tools={role: OverlaySettings(effect=effect.value) for role, effect in ROLES.items()},
    )
    return openapi(
        "roles",
        settings,
        root=Path(),
        secrets=Secrets({"env": EnvironmentVault({"KEY": CANARY})}),
        document=parse(orjson.dumps(document(url)), "roles.json"),
    )


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    # As it stands in the query, and as the service reads it there.
    shown = quote(CANARY, safe="")
    async with serving(Service(canaries=(shown,))) as service:
        made = source(service.url)
        yield Subject(
            source=made,
            absent=source(f"http://127.0.0.1:{await free_port()}"),
            arrivals=service.arrivals,
            begun=service.begun,
            quiet=service.quiet,
            canaries=service.canaries,
            shown=service.shown,
        )
        await made.aclose()


class TestOpenApiSource(Absence, Answers, Deadlines, Outcomes, Secrecy, Waits, WireKeys):
    pass
