"""Sources on the web: what a call costs above the bare request, and how long a document takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import orjson

from callgate import Gate
from callgate.settings.sources import OpenApiSettings
from callgate.sources.openapi.document import parse
from callgate.sources.openapi.source import OpenApiSource, openapi
from callgate.sources.secrets import Secrets
from tests.bench.measure import Figure, Plan, above, alone, side_by_side
from tests.bench.path import seen

__all__ = ["figures"]

US = 1e-6
MS = 1e-3

_ANSWER = (
    b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{"id":12345}'
)


async def figures(plan: Plan) -> list[Figure]:
    """Measure all of this module."""
    return [await _call(plan.fewer(20)), await _load(plan)]


@asynccontextmanager
async def _served() -> AsyncIterator[str]:
    tasks: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                writer.write(_ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.gather(*tasks)


async def _call(plan: Plan) -> Figure:
    async with _served() as url:
        source = _source(_document(1), url)
        (tool,) = source.list()
        session = Gate([source], listeners=[seen]).session()
        client = httpx2.AsyncClient()

        async def floor() -> None:
            for number in range(plan.batch):
                body = {"name": f"item {number}", "count": number, "tags": ["a", "b"]}
                answer = await client.post(f"{url}/items/{number}?verbose=true", json=body)
                answer.json()

        async def ours() -> None:
            for number in range(plan.batch):
                arguments = {"name": f"item {number}", "count": number, "tags": ["a", "b"]}
                given: dict[str, Any] = {"id": str(number), "verbose": True, **arguments}
                (await session.call(tool.name, given)).unwrap()

        took = await side_by_side(
            {"floor": floor, "ours": ours}, repeats=plan.repeats, ops=plan.batch
        )
        await client.aclose()
        await source.aclose()
        return above("web.call", took["ours"], took["floor"], unit=US)


async def _load(plan: Plan) -> Figure:
    data = orjson.dumps(_document(plan.scale))

    async def floor() -> None:
        orjson.loads(data)

    async def ours() -> None:
        assert len(_source(orjson.loads(data), "https://x.example").list()) == plan.scale

    repeats = max(3, plan.repeats // 20)
    took = await side_by_side({"floor": floor, "ours": ours}, repeats=repeats, ops=1)
    return alone("web.load", took["ours"], took["floor"], unit=MS)


def _source(document: dict[str, Any], url: str) -> OpenApiSource:
    return openapi(
        "bench",
        OpenApiSettings(document="-", url=url, hosts=(url.partition("://")[2],)),
        root=Path(),
        secrets=Secrets({}),
        document=parse(orjson.dumps(document), "bench"),
    )


def _document(count: int) -> dict[str, Any]:
    """Return a document of so many operations, each with what operations usually have."""
    schemas = {
        f"Item{number}": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "description": "What it is called.", "maxLength": 80},
                "count": {"type": "integer", "minimum": 0, "default": 1},
                "tags": {"type": "array", "items": {"type": "string"}},
                "state": {"type": "string", "enum": ["new", "used", "broken"]},
                "parent": {"$ref": f"#/components/schemas/Item{number}"},
            },
        }
        for number in range(count // 20 + 1)
    }
    identity = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    verbose = {"name": "verbose", "in": "query", "schema": {"type": "boolean"}}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Bench", "version": "1"},
        "paths": {
            ("/items/{id}" if number == 0 else f"/items{number}/{{id}}"): {
                "post": {
                    "operationId": f"change_item_{number}",
                    "summary": f"Change item {number}.",
                    "description": "Change what is said of an item, and nothing else.",
                    "parameters": [{"$ref": "#/components/parameters/id"}, verbose],
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": {"$ref": f"#/components/schemas/Item{number // 20}"}
                            }
                        },
                    },
                    "responses": {
                        "200": {"description": "Done.", "content": {"application/json": {}}}
                    },
                }
            }
            for number in range(count)
        },
        "components": {"parameters": {"id": identity}, "schemas": schemas},
    }
