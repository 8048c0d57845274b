"""`read_result`: how a model reads on in a result that was too long to show at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import orjson

from callgate.errors import ToolFailedError
from callgate.stages.bound import Blobs
from callgate.types import Effect, Limits, Scope, Status, Tool, ToolCall, ToolResult

__all__ = ["READ_RESULT", "MemoryBlobs", "ResultSource"]

READ_RESULT = Tool(
    name="read_result",
    description=(
        "Read on in a result that was cut because it is long. "
        "Use it only with a handle that a cut result names."
    ),
    parameters={
        "type": "object",
        "properties": {
            "handle": {"type": "string", "description": "The handle named in the cut result."},
            "offset": {
                "type": "integer",
                "minimum": 0,
                "default": 0,
                "description": "The byte to start at; the cut result names the next one.",
            },
            "length": {
                "type": "integer",
                "minimum": 1,
                "maximum": 60_000,
                "default": 16_384,
                "description": "How many bytes to read.",
            },
        },
        "required": ["handle"],
        "additionalProperties": False,
    },
    returns={"type": "object"},
    effect=Effect.READ,
    limits=Limits(timeout=5.0, attempts=1, result_bytes=524_288),
)


class MemoryBlobs:
    """Keeps long results in memory, the newest ones; each is readable by its own session only."""

    def __init__(self, *, most: int = 256 * 1024 * 1024) -> None:
        """Start empty.

        Args:
            most: Bytes kept in all; the oldest results make room. Defaults to 256 MiB.
        """
        self._most = most
        self._size = 0
        self._count = 0
        self._kept: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    async def put(self, data: bytes, scope: Scope) -> str:
        """Keep `data` for the session behind `scope` and return the handle to read it with."""
        self._count += 1
        handle = f"r{self._count}"
        self._kept[scope.prefix, handle] = data
        self._size += len(data)
        while self._size > self._most and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._size -= len(oldest)
        return handle

    async def get(self, handle: str, scope: Scope) -> bytes | None:
        """Return what was kept under `handle` for this session; None if there is nothing."""
        return self._kept.get((scope.prefix, handle))


class ResultSource:
    """Offers `read_result` over the kept results."""

    def __init__(self, blobs: Blobs) -> None:
        """Keep the blobs.

        Args:
            blobs: Where long results are.
        """
        self._blobs = blobs

    def list(self) -> Sequence[Tool]:
        """Return `read_result`."""
        return [READ_RESULT]

    async def call(self, call: ToolCall) -> ToolResult:
        """Return one piece of a kept result.

        Raises:
            ToolFailedError: There is no such result in this session, or no such byte in it.
        """
        handle, offset = call.arguments["handle"], call.arguments["offset"]
        data = await self._blobs.get(handle, call.scope)
        if data is None:
            raise ToolFailedError(f"There is no result {handle!r}; it may be too old. Call again.")
        if offset >= len(data):
            raise ToolFailedError(f"The result has {len(data)} bytes; byte {offset} is behind it.")
        end = min(offset + call.arguments["length"], len(data))
        value = {
            "text": data[offset:end].decode(errors="replace"),
            "next_offset": end if end < len(data) else None,
            "total_bytes": len(data),
        }
        return ToolResult(status=Status.OK, value=value, body=orjson.dumps(value))
