"""Streams of events that never end or flood: bounded as a whole, with an error that says so."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from callgate import Gate
from callgate.errors import TransientError
from callgate.sources.mcp import McpServer, McpSource
from callgate.types import Effect, Limits
from tests.loopback import listening
from tests.sources.mcp.over_http import McpService
from tests.sources.webserver import Service, read_request, serving, write

MOST = 20_000
WHOLE = 4 * MOST
FLOODS = f"floods: more than {WHOLE} bytes of events that answer nothing"
LONG = f"sent more than {MOST} bytes at once"

Era = Literal["2025", "2026"]
both = pytest.mark.parametrize("era", ["2025", "2026"])


def event(**message: Any) -> bytes:
    """Return a message as an event."""
    return b"event: message\ndata: %b\n\n" % json.dumps({"jsonrpc": "2.0", **message}).encode()


NOTICE = event(method="notifications/message", params={"level": "info", "data": "x" * 500})
PIECES = {
    "notices": NOTICE,
    "comments": b": still here\n\n",
    "ids": b"id: 1\ndata:\n\n",
}


async def stream(writer: asyncio.StreamWriter) -> None:
    """Begin a stream of events."""
    writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    await writer.drain()


class Pouring(McpService):
    """Answers `flood` with a stream of one piece again and again; `sent` counts its bytes."""

    def __init__(self, piece: bytes, *, forever: bool = True) -> None:
        super().__init__()
        self.piece = piece
        self.forever = forever
        self.sent = 0
        self.left = asyncio.Event()

    async def _acted(
        self,
        role: str,
        text: str,
        number: Any,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        if role != "flood":
            return await super()._acted(role, text, number, reader, writer)
        await stream(writer)
        await self._pour(writer)
        return False

    async def _pour(self, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(self.piece)
                self.sent += len(self.piece)
                await writer.drain()
                await asyncio.sleep(0 if self.forever else 0.01)
        finally:
            self.left.set()


@asynccontextmanager
async def over(service: Service, era: Era, **options: Any) -> AsyncIterator[McpSource]:
    async with serving(service):
        server = McpServer(
            name="shop",
            url=f"{service.url}/mcp",
            era=era,
            effects={"*": Effect.READ},
            limits=Limits(attempts=1),
            message_bytes=MOST,
            **options,
        )
        source = McpSource(server)
        await source.connect()
        try:
            yield source
        finally:
            await source.aclose()


async def call(source: McpSource, role: str, **options: Any) -> tuple[str | None, str]:
    result = await Gate([source]).session().call(role, {"text": "on"}, **options)
    return result.error and result.error.code, result.text()


@both
@pytest.mark.parametrize("kind", PIECES)
async def test_a_stream_that_floods_is_cut_off_and_only_its_call_ends(era: Era, kind: str) -> None:
    service = Pouring(PIECES[kind])
    async with over(service, era) as source:
        code, told = await call(source, "flood", timeout=20)
        assert code == "transient"
        assert FLOODS in told
        # What the server wrote beyond the bound was never read: it stood in the buffers between.
        assert service.sent < WHOLE + 10_000_000
        assert source.health.state == "ready"
        assert (await call(source, "echo"))[0] is None


@both
async def test_one_event_without_end_is_cut_off(era: Era) -> None:
    service = Pouring(b"data: x")
    async with over(service, era) as source:
        code, told = await call(source, "flood", timeout=20)
        assert (code, LONG in told) == ("transient", True)
        assert (await call(source, "echo"))[0] is None


@both
async def test_a_body_that_is_too_long_ends_only_its_call(era: Era) -> None:
    async with over(McpService(), era) as source:
        code, told = await call(source, "flood")
        assert (code, LONG in told) == ("result", True)
        assert source.health.state == "ready"
        assert (await call(source, "echo"))[0] is None


async def test_a_stream_that_only_shows_life_ends_with_its_call() -> None:
    service = Pouring(b": still here\n\n", forever=False)
    async with over(service, "2026") as source:
        assert (await call(source, "flood", timeout=0.5))[0] == "deadline"
        async with asyncio.timeout(10):
            await service.left.wait()
        assert service.sent < WHOLE
        assert (await call(source, "echo"))[0] is None


class Watched(Pouring):
    """Floods the stream that a client of the old era keeps open for what it did not ask for."""

    def __init__(self) -> None:
        super().__init__(NOTICE)
        self.head = "mcp-session-id: 1\r\n"
        self.opened = 0

    async def _watched(self, writer: asyncio.StreamWriter) -> bool:
        self.opened += 1
        if self.opened > 1:
            return await super()._watched(writer)
        await stream(writer)
        await self._pour(writer)
        return False


async def test_a_stream_of_no_call_that_floods_ends_the_connection_and_the_next_is_sound() -> None:
    service = Watched()
    async with over(service, "2025") as source:
        async with asyncio.timeout(20):
            await service.left.wait()
        assert source.health.connections == 0
        assert source.health.reason == FLOODS
        assert (await call(source, "echo"))[0] is None


class Events(McpService):
    """The old form: messages are posted, and all answers come as events over one stream."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.events: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        if request.method == "GET":
            await stream(writer)
            writer.write(b"event: endpoint\ndata: /messages\n\n")
            self.events = writer
            await reader.read(1)
            return
        write(writer, 202, b"", "connection: close\r\n")
        message = json.loads(request.body)
        if "id" not in message or self.events is None:
            return
        if message["method"] != "tools/call":
            self.events.write(event(id=message["id"], result=self.said(message)))
        elif message["params"]["name"] == "flood":
            for _ in range(100 * WHOLE // len(NOTICE)):
                self.events.write(NOTICE)
                await self.events.drain()
        else:
            value = {"content": [], "structuredContent": {"text": "x" * self.size}}
            self.events.write(event(id=message["id"], result=value))


async def test_the_old_events_may_carry_any_number_of_answers_and_no_flood() -> None:
    service = Events(MOST // 2)
    async with over(service, "2025", transport="sse") as source:
        for _ in range(2 * WHOLE // service.size):
            assert (await call(source, "echo"))[0] is None
        code, told = await call(source, "flood", timeout=20)
        assert code == "transient"
        assert FLOODS in told
        assert (await call(source, "echo"))[0] is None


async def test_an_answer_that_grows_when_it_is_unpacked_is_not_unpacked() -> None:
    asked: list[str] = []

    async def pack(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        asked.append(request.headers["accept-encoding"])
        write(writer, 200, gzip.compress(b" " * 50_000_000), "content-encoding: gzip\r\n")

    async with listening(pack) as place:
        source = McpSource(McpServer(name="shop", url=f"http://{place}/mcp", message_bytes=MOST))
        with pytest.raises(TransientError, match="packed an answer without being asked to"):
            await source.connect()
        await source.aclose()
    assert set(asked) == {"identity"}
