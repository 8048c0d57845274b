"""A service that answers everything and logs what came, byte for byte; and how to read its log.

The reading is the inverse of the styles of OpenAPI, written down on its own: it shares no code with
what writes requests.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import Any
from urllib.parse import unquote

from tests.sources.webserver import Request, read_request, write


class Echo:
    """Answers `{}` to everything."""

    def __init__(self) -> None:
        self.url = ""
        self.log: list[Request] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def answer(self, request: Request) -> tuple[int, bytes]:
        """Return status and body."""
        return 200, b"{}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while True:
                self.log.append(await read_request(reader))
                write(writer, *self.answer(self.log[-1]))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def echoing(echo: Echo | None = None) -> AsyncIterator[Echo]:
    """Serve on a free port until the client has gone."""
    echo = echo or Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield echo
    finally:
        server.close()
        await server.wait_closed()
        await asyncio.gather(*echo.tasks)  # they end when the client has gone


def typed(shape: str, text: str) -> Any:
    """Read one value as its type says."""
    if shape in ("integer", "number", "boolean"):
        return json.loads(text)
    return text


def _paired(parts: list[str]) -> dict[str, Any]:
    return {
        unquote(key): unquote(value) for key, value in zip(parts[::2], parts[1::2], strict=True)
    }


def _assigned(parts: list[str]) -> dict[str, Any]:
    return {
        unquote(key): unquote(value) for key, _, value in (part.partition("=") for part in parts)
    }


def in_path(name: str, style: str, explode: bool, shape: str, raw: str) -> Any:
    """Read what stands in the path for a parameter."""
    if style == "label":
        assert raw.startswith(".")
        raw, between = raw[1:], "." if explode else ","
    elif style == "matrix":
        return _matrix(name, explode, shape, raw)
    else:
        between = ","
    if shape == "array":
        return [unquote(part) for part in raw.split(between)]
    if shape == "object":
        parts = raw.split(between if explode else ",")
        return _assigned(parts) if explode else _paired(parts)
    return typed(shape, unquote(raw))


def _matrix(name: str, explode: bool, shape: str, raw: str) -> Any:
    parts = raw.removeprefix(";").split(";")
    if explode and shape == "object":
        return _assigned(parts)
    values = [part.removeprefix(f"{name}=") for part in parts]
    if shape == "array":
        return [unquote(v) for v in (values if explode else values[0].split(","))]
    if shape == "object":
        return _paired(values[0].split(","))
    return typed(shape, unquote(values[0]))


def in_query(name: str, style: str, explode: bool, shape: str, query: str) -> Any:
    """Read a parameter from a raw query or form."""
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    own = [value for key, value in pairs if unquote(key) == name]
    if style == "deepObject":
        start = f"{name}["
        held = [(unquote(key), value) for key, value in pairs]
        return {
            key[len(start) : -1]: unquote(value) for key, value in held if key.startswith(start)
        }
    if shape == "array":
        separator = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}[style]
        return [unquote(value) for value in (own if explode else own[0].split(separator))]
    if shape == "object":
        if explode and style == "form":
            return {unquote(key): unquote(value) for key, value in pairs if unquote(key) in "ab"}
        separator = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}[style]
        return _paired(own[0].split(separator))
    return typed(shape, unquote(own[0]))


def in_header(explode: bool, shape: str, text: str) -> Any:
    """Read a parameter from a header."""
    if shape == "array":
        return text.split(",")
    if shape == "object":
        parts = text.split(",")
        pairs = (
            [p.split("=", 1) for p in parts]
            if explode
            else list(zip(parts[::2], parts[1::2], strict=True))
        )
        return dict(pairs)
    return typed(shape, text)


def in_multipart(request: Request) -> dict[str, tuple[str, str | None, bytes]]:
    """Read the parts of a form by name: type, file name, content."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    message = message_from_bytes(head + request.body)
    found: dict[str, tuple[str, str | None, bytes]] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            found[name] = (part.get_content_type(), part.get_filename(), data)
    return found
