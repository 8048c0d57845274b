"""A service on the loopback for the roles of the contract, and what it has seen."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.loopback import listening
from tests.sources.contract import FLOOD, WAIT, Arrival


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    raw: bytes


@dataclass(kw_only=True)
class Service:
    """What the service has seen, and which secrets it looks for."""

    url: str = ""
    canaries: tuple[str, ...] = ()
    requests: list[Request] = field(default_factory=list[Request])
    arrivals: list[Arrival] = field(default_factory=list[Arrival])
    shown: set[str] = field(default_factory=set[str])
    working: int = 0
    tries: Counter[str] = field(default_factory=Counter[str])
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    async def begun(self, role: str) -> None:
        """Wait until a request of a role has come."""
        async with self.changed:
            await self.changed.wait_for(lambda: any(a.role == role for a in self.arrivals))

    async def quiet(self) -> None:
        """Wait until no request is being answered."""
        async with self.changed:
            await self.changed.wait_for(lambda: not self.working)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await self._one(reader, writer):
            pass

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await read_request(reader)
        self.requests.append(request)
        role = request.target.strip("/").partition("?")[0].partition("/")[0]
        text = json.loads(request.body)["text"] if request.body else ""
        self.shown |= {one for one in self.canaries if one.encode() in request.raw}
        async with self.changed:
            self.working += 1
            self.tries[role] += 1
            key = request.headers.get("idempotency-key")
            self.arrivals.append(Arrival(role=role, text=text, key=key))
            self.changed.notify_all()
        try:
            return await self._answer(role, text, reader, writer)
        finally:
            async with self.changed:
                self.working -= 1
                self.changed.notify_all()

    async def _answer(
        self, role: str, text: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        once = self.tries[role] == 1
        match role:
            case "refuse":
                said = {"detail": "There is no order 77.", "you_sent": list(self.shown)}
                write(writer, 404, json.dumps(said).encode())
            case "garbage":
                write(writer, 200, b'{"text": ')
            case "flood":
                write(writer, 200, b'{"text": "' + b"x" * 2 * FLOOD + b'"}')
            case "busy" if once:
                write(writer, 429, b"{}", f"retry-after: {WAIT:g}\r\n")
            case "hang" | "hang_send":
                await reader.read(1)  # the client leaves
                return False
            case "break_read" | "break_put" | "break_send" if once:
                return False
            case _:
                write(writer, 200, json.dumps({"text": text, "who": list(self.shown)}).encode())
        await writer.drain()
        return True


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read one request."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for line in lines for name, _, value in (line.partition(": "),)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method=method, target=target, headers=headers, body=body, raw=head + body)


def write(
    writer: asyncio.StreamWriter,
    status: int,
    body: bytes,
    head: str = "",
    kind: str = "application/json",
) -> None:
    """Write one answer."""
    assert re.fullmatch(r"(?:[^\r\n]+\r\n)*", head)
    lines = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n{head}"
    writer.write(lines.encode() + b"\r\n" + body)


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[Service]:
    """Serve on a free port until the end."""
    async with listening(service.serve) as place:
        service.url = f"http://{place}"
        yield service


async def free_port() -> int:
    """Return a port where nobody listens."""
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
