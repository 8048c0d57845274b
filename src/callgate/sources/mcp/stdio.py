"""A server as a child process: messages are lines on its standard input and output.

Lines are bounded, what is no message is counted and kept as a sample, and the process ends with us:
first its input is closed, then it and all it has started are asked to end, then they are killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal, TypeAlias, cast

import anyio
import anyio.lowlevel
import orjson
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client.stdio import get_default_environment
from mcp.shared.message import SessionMessage
from mcp_types import (
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)
from pydantic import ValidationError

from callgate.codecs.foreign import bounded
from callgate.sources.mcp.server import McpServer

__all__ = ["Streams", "child"]

Streams: TypeAlias = tuple[
    MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]
]

_GRACE = 2.0  # seconds a process gets after each step of its end
_LOOK = 0.01  # seconds between looks whether it has ended
_WORDS = 4_096  # bytes of standard error that are kept
_NOISE = 200  # lines in a row that are no messages
_CHATTER = 50_000  # messages in a row that answer nothing

# Log lines of others are nobody's business here, and a flood of them should cost little.
_HEARD = frozenset(
    {
        "notifications/cancelled",
        "notifications/progress",
        "notifications/subscriptions/acknowledged",
        "notifications/tools/list_changed",
    }
)

_Inbox: TypeAlias = MemoryObjectSendStream[SessionMessage | Exception]
_Outbox: TypeAlias = MemoryObjectReceiveStream[SessionMessage]


@asynccontextmanager
async def child(
    server: McpServer, environment: Mapping[str, str], on_end: Callable[[str], None]
) -> AsyncGenerator[Streams, None]:
    """Start the server and give the streams of its messages.

    Args:
        server: Its command and bounds.
        environment: Its own variables, secrets included.
        on_end: Is told why the server speaks no more, before its streams close.

    Raises:
        OSError: The command cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *server.command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=server.folder,
        env=get_default_environment() | dict(environment),
        start_new_session=True,
        limit=server.message_bytes,
    )
    # Nothing is awaited before the process is in good hands.
    inbox, received = anyio.create_memory_object_stream[SessionMessage | Exception]()
    sent, outbox = anyio.create_memory_object_stream[SessionMessage]()
    pipes = _Pipes(process, server, on_end)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pipes.listen)
            tasks.start_soon(pipes.read, inbox)
            tasks.start_soon(pipes.write, outbox, inbox)
            try:
                yield received, sent
            finally:
                pipes.leaving = True
                with anyio.CancelScope(shield=True):
                    received.close()
                    sent.close()
                    await _end(process)
                tasks.cancel_scope.cancel()
    finally:
        for stream in (inbox, received, sent, outbox):
            stream.close()


class _Pipes:
    """The three pipes of one process; `leaving` says that we end it, which is no news."""

    def __init__(self, process: Process, server: McpServer, on_end: Callable[[str], None]) -> None:
        self._process = process
        self._limit = server.message_bytes
        self._on_end = on_end
        self.leaving = False
        self._words = b""
        self._noise: list[bytes] = []

    async def listen(self) -> None:
        """Keep the last words of standard error; without a reader the process would block."""
        stream = cast("asyncio.StreamReader", self._process.stderr)
        while chunk := await stream.read(65_536):
            self._words = (self._words + chunk)[-_WORDS:]

    async def read(self, inbox: _Inbox) -> None:
        """Pass its messages on until it ends, breaks the rules, or nobody listens."""
        with inbox:
            try:
                reason = await self._pass_on(inbox)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            if not self.leaving:
                self._on_end(reason)

    async def _pass_on(self, inbox: _Inbox) -> str:
        stream = cast("asyncio.StreamReader", self._process.stdout)
        noise = chatter = 0
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                return f"sent a line of more than {self._limit} bytes"
            if not line:
                return await self._farewell()
            message = _message(line)
            if message == "":
                chatter += 1
            elif message is None:
                self._noise = [*self._noise[-2:], line[:200]] if line.strip() else self._noise
                noise += 1
                if noise >= _NOISE:
                    return f"writes what is no message: {self._sample()}"
            else:
                noise = 0
                chatter = chatter + 1 if isinstance(message, JSONRPCNotification) else 0
                await inbox.send(SessionMessage(message))
            if chatter >= _CHATTER:
                return f"floods: {_CHATTER} messages in a row that answer nothing"

    async def _farewell(self) -> str:
        if not await _ended(self._process, 0.5):
            return "closed its output"
        words = bounded(self._words.decode(errors="replace").strip()[-300:], 300)
        told = f"; its last words: {orjson.dumps(words).decode()}" if words else ""
        noise = f"; it wrote what is no message: {self._sample()}" if self._noise else ""
        return f"ended with code {self._process.returncode}{noise}{told}"

    def _sample(self) -> str:
        text = self._noise[-1].decode(errors="replace").strip() if self._noise else "empty lines"
        return orjson.dumps(bounded(text, 100)).decode()

    async def write(self, outbox: _Outbox, inbox: _Inbox) -> None:
        """Write our messages; a pipe that breaks ends the reading side too."""
        stream = cast("asyncio.StreamWriter", self._process.stdin)
        with outbox:
            try:
                async for item in outbox:
                    stream.write(_line(item.message))
                    await stream.drain()
            except (OSError, RuntimeError):
                # The reader tells why; it sees the end of the output first where there is one.
                if not await _ended(self._process, _GRACE):
                    self._on_end("closed its input")
                    inbox.close()


def _line(message: JSONRPCMessage) -> bytes:
    if isinstance(message, JSONRPCRequest | JSONRPCNotification):
        body: dict[str, Any] = {"jsonrpc": "2.0", "method": message.method}
        if isinstance(message, JSONRPCRequest):
            body["id"] = message.id
        if message.params is not None:
            body["params"] = message.params
        return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE)
    data = message.model_dump(by_alias=True, mode="json", exclude_unset=True)
    return orjson.dumps(data, option=orjson.OPT_APPEND_NEWLINE)


def _message(line: bytes) -> JSONRPCMessage | Literal[""] | None:
    """Read one line; None for what is no message, an empty text for one that nobody hears."""
    try:
        data = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(data, dict):
        return None
    try:
        return _typed(cast("dict[str, Any]", data))
    except ValidationError:
        return None


def _typed(data: dict[str, Any]) -> JSONRPCMessage | Literal[""] | None:
    known, result = data.get("id"), data.get("result")
    if isinstance(result, dict) and isinstance(known, int | str):
        # A listing of a thousand tools is not walked through once more: our codec reads it.
        return JSONRPCResponse.model_construct(
            jsonrpc="2.0", id=known, result=cast("dict[str, Any]", result)
        )
    if "error" in data:
        error = ErrorData.model_validate(data["error"])
        return JSONRPCError.model_validate({"jsonrpc": "2.0", "id": known, "error": error})
    if "method" not in data:
        return None
    if known is None and data["method"] not in _HEARD:
        return ""
    kind = JSONRPCNotification if known is None else JSONRPCRequest
    return kind.model_validate(data)


# --- the end --------------------------------------------------------------------------------


async def _ended(process: Process, seconds: float) -> bool:
    """Tell whether the process ends in time.

    `Process.wait` also waits for its pipes, which a grandchild may hold.
    """
    until = anyio.current_time() + seconds
    while process.returncode is None:
        if anyio.current_time() >= until:
            return False
        await anyio.sleep(_LOOK)
    return True


async def _end(process: Process) -> None:
    if process.stdin is not None:
        with suppress(OSError, RuntimeError):
            process.stdin.close()
    # A server that is busy with our last call may be given time; one that has ended needs none.
    if not await _ended(process, _GRACE):
        _signal(process, signal.SIGTERM)
        await _ended(process, _GRACE)
    # Whatever it has started goes with it.
    _signal(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    await _ended(process, _GRACE)
    # Nothing public closes the pipes that a grandchild may still hold open.
    transport: Any = getattr(process, "_transport", None)
    if transport is not None:
        transport.close()
        await anyio.lowlevel.checkpoint()


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        elif process.returncode is None:
            process.send_signal(number)
