"""A provider on the loopback that answers with what it is told, byte for byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

ECHO = b"@HEADERS@"
"""Stands, within a string of JSON, for all headers of the request."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One answer: its body comes in pieces; `cut` ends it in the middle, `hang` never goes on."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    pieces: tuple[bytes, ...] = ()
    cut: bool = False
    hang: bool = False


def whole(data: Any, status: int = 200, **headers: str) -> Reply:
    names = {"content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    return Reply(status=status, headers=names, pieces=(json.dumps(data).encode(),))


def events(*payloads: Any, cut: bool = False, hang: bool = False) -> Reply:
    pieces = tuple(
        b"data: " + (one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n\n"
        for one in payloads
    )
    headers = {"content-type": "text/event-stream; charset=utf-8"}
    return Reply(headers=headers, pieces=pieces, cut=cut, hang=hang)


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked; `raw` is the body as it came."""

    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes = b""


class Provider:
    """Gives its replies in order and keeps what it was asked."""

    def __init__(self, replies: Iterable[Reply]) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except ConnectionError:
            pass  # the client has gone
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return False
        first, *lines = head.strip().split("\r\n")
        headers = {
            name.lower(): value for line in lines for name, _, value in (line.partition(": "),)
        }
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append(
            Request(path=first.split()[1], headers=headers, body=json.loads(body), raw=body)
        )
        reply = self.replies.pop(0)
        writer.write(f"HTTP/1.1 {reply.status} X\r\ntransfer-encoding: chunked\r\n".encode())
        writer.write(b"".join(f"{k}: {v}\r\n".encode() for k, v in reply.headers.items()))
        writer.write(b"\r\n")
        told = json.dumps(json.dumps(headers))[1:-1].encode()
        for piece in (piece.replace(ECHO, told) for piece in reply.pieces):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        if reply.hang:
            await reader.read()  # until the client has gone
        if reply.cut or reply.hang:
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True


@asynccontextmanager
async def serving(*replies: Reply, port: int = 0) -> AsyncIterator[Provider]:
    provider = Provider(replies)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", port)
    provider.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield provider
