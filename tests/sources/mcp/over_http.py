"""An MCP server over streamable HTTP for the contract of sources, in raw messages of both eras."""

import asyncio
import json
from typing import Any

from tests.sources.contract import FLOOD, ROLES, WAIT, Arrival
from tests.sources.webserver import Request, Service, read_request, write

KEY = "callgate/idempotency-key"


class McpService(Service):
    """Plays the roles; `hung` are the calls it will never answer, by the ids of their requests."""

    def __init__(self, *canaries: str) -> None:
        super().__init__(canaries=canaries)
        self.hung: dict[Any, asyncio.Event] = {}
        self.head = ""

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await read_request(reader)
        self.requests.append(request)
        if request.method != "POST":
            return await self._watched(writer)
        message = json.loads(request.body)
        if message.get("method") == "tools/call":
            return await self._played(request, message, reader, writer)
        if message.get("method") == "notifications/cancelled":
            await self._given_up(message["params"]["requestId"])
        if "id" not in message:
            write(writer, 202, b"")
        else:
            self._reply(writer, message["id"], result=self.said(message))
        await writer.drain()
        return True

    async def _watched(self, writer: asyncio.StreamWriter) -> bool:
        """Answer a request that carries no message: nothing is told without being asked."""
        write(writer, 405, b"")
        await writer.drain()
        return True

    def _reply(self, writer: asyncio.StreamWriter, number: Any, **outcome: Any) -> None:
        said = json.dumps({"jsonrpc": "2.0", "id": number, **outcome}).encode()
        write(writer, 200, said, self.head)

    def said(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return the result of a request that is no call."""
        tools = [
            {
                "name": role,
                "description": f"The role {role}.",
                "inputSchema": {
                    "type": "object",
                    "properties": {"text": {"type": "string"}},
                    "required": ["text"],
                },
            }
            for role in ROLES
        ]
        about: dict[str, Any] = {
            "initialize": {
                "protocolVersion": (message.get("params") or {}).get("protocolVersion"),
                "serverInfo": {"name": "shop", "version": "1"},
            },
            "server/discover": {"supportedVersions": ["2026-07-28"]},
            "tools/list": {"tools": tools},
        }
        head = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
        return head | {"capabilities": {"tools": {}}} | about[message["method"]]

    async def _given_up(self, number: Any) -> None:
        async with self.changed:
            if number in self.hung:
                self.hung.pop(number).set()

    async def _played(
        self,
        request: Request,
        message: dict[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        params = message["params"]
        role, text = params["name"], params["arguments"]["text"]
        self.shown |= {one for one in self.canaries if one.encode() in request.raw}
        async with self.changed:
            self.working += 1
            self.tries[role] += 1
            self.arrivals.append(Arrival(role=role, text=text, key=params["_meta"][KEY]))
            self.changed.notify_all()
        try:
            return await self._acted(role, text, message["id"], reader, writer)
        finally:
            async with self.changed:
                self.working -= 1
                self.changed.notify_all()

    async def _acted(
        self,
        role: str,
        text: str,
        number: Any,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        once = self.tries[role] == 1
        match role:
            case "refuse":
                told = {"type": "text", "text": f"There is no order 77 for {self.shown}."}
                self._reply(writer, number, result={"isError": True, "content": [told]})
            case "garbage":
                write(writer, 200, b'{"jsonrpc": ')
            case "busy" if once:
                write(writer, 429, b"{}", f"retry-after: {WAIT:g}\r\n")
            case "hang" | "hang_send":
                writer.write(b"HTTP/1.1 200 X\r\ncontent-type: text/event-stream\r\n")
                writer.write(b"connection: close\r\n\r\n")
                await self._hang(number, reader)
                return False
            case "break_read" | "break_put" | "break_send" if once:
                return False
            case _:
                said = "x" * 2 * FLOOD if role == "flood" else text
                value = {"content": [], "structuredContent": {"text": said}}
                self._reply(writer, number, result=value)
        await writer.drain()
        return True

    async def _hang(self, number: Any, reader: asyncio.StreamReader) -> None:
        """Wait until the client leaves, or says in the old way that it has given up."""
        self.hung[number] = asyncio.Event()
        leaves = asyncio.ensure_future(reader.read(1))
        told = asyncio.ensure_future(self.hung[number].wait())
        _, left = await asyncio.wait({leaves, told}, return_when=asyncio.FIRST_COMPLETED)
        for task in left:
            task.cancel()
