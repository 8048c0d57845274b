"""Python functions as tools: the end of the path for most calls."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import orjson

from callgate.errors import (
    CallError,
    InDoubtError,
    NotExecutedError,
    ResultError,
    ToolRaisedError,
)
from callgate.schema.bind import binder, encode
from callgate.stages.admit import Slots
from callgate.tool import FunctionTool
from callgate.types import CallContext, Pending, Status, Tool, ToolCall, ToolResult, make_result

__all__ = ["PythonSource"]

_SHOWN = 500  # characters of a foreign error that are repeated

_OK = Status.OK
_SCALARS = frozenset((str, int, bool, type(None)))

_Keywords: TypeAlias = Callable[[ToolCall], dict[str, Any]]
_Invoke: TypeAlias = Callable[[ToolCall], Awaitable[Any]]


class PythonSource:
    """Executes functions declared with `@tool`.

    An async function is awaited where it stands. A sync function runs in a worker thread, unless
    it is declared cheap; a thread cannot be stopped, so after a deadline it keeps its slot until
    it ends.
    """

    def __init__(
        self, functions: Sequence[FunctionTool[..., Any]], *, slots: Slots, threads: int = 32
    ) -> None:
        """Keep the functions.

        Args:
            functions: What `@tool` made.
            slots: Where threads that outlive their call keep their slot.
            threads: How many sync functions may run at once; defaults to 32.
        """
        self._functions = {function.tool.name: function for function in functions}
        self._ready: dict[str, _Invoke] = {}
        self._slots = slots
        self._threads = threads
        self._pool: concurrent.futures.ThreadPoolExecutor | None = None

    def list(self) -> Sequence[Tool]:
        """Return the tools in the order they were given."""
        return [function.tool for function in self._functions.values()]

    def close(self) -> None:
        """Let idle threads end; a thread that still runs is not waited for."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def call(self, call: ToolCall) -> ToolResult:
        """Execute the function behind `call`.

        Raises:
            CallError: The function failed; an undeclared error comes as `ToolRaisedError`.
        """
        name = call.name
        invoke = self._ready.get(name)
        if invoke is None:
            invoke = self._ready[name] = self._prepare(self._functions[name])
        try:
            value = await invoke(call)
        except CallError:
            raise
        except Exception as exc:  # the boundary to the code of a tool
            raise ToolRaisedError(f"{name} raised {type(exc).__name__}: {_short(exc)}") from exc
        return _result(name, value)

    async def reconcile(self, call: ToolCall) -> ToolResult:
        """Ask the world, by the function's `reconcile`, whether `call` happened.

        Returns:
            What the call would have returned.

        Raises:
            NotExecutedError: It did not happen.
            CallError: That cannot be told.
        """
        name = call.name
        ask = self._functions[name].reconcile
        if ask is None:
            raise InDoubtError(f"{name} has no way to ask whether it happened.")

        def run() -> Any:
            return ask(call.key, dict(call.arguments))

        try:
            value = await self._in_thread(run, _no_keywords, call)
            if inspect.isawaitable(value):
                value = await value
        except CallError:
            raise
        except Exception as exc:  # the boundary to the code of a tool
            raise ToolRaisedError(
                f"reconcile of {name} raised {type(exc).__name__}: {_short(exc)}"
            ) from exc
        if value is None:
            raise NotExecutedError(f"{name} did not happen.")
        return _result(name, value)

    def _prepare(self, function: FunctionTool[..., Any]) -> _Invoke:
        run, signature = function.function, function.signature
        if signature.is_async and not signature.rich and signature.context_parameter is None:
            return lambda call: run(**call.arguments)
        keywords = _keywords(function)
        if signature.is_async:
            return lambda call: run(**keywords(call))
        if function.cheap:
            return functools.partial(_at_once, run, keywords)
        return functools.partial(self._in_thread, run, keywords)

    async def _in_thread(
        self,
        run: Callable[..., Any],
        keywords: _Keywords,
        call: ToolCall,
    ) -> Any:
        if self._pool is None:
            self._pool = concurrent.futures.ThreadPoolExecutor(
                self._threads, thread_name_prefix="callgate-tool"
            )
        work = self._pool.submit(run, **keywords(call))
        try:
            return await asyncio.wrap_future(work)
        except asyncio.CancelledError:
            # Cancelling has reached the future; only a thread that had begun is still running.
            if not work.cancelled() and not work.done():
                self._slots.hold(call.name, work, asyncio.get_running_loop())
            raise


def _result(name: str, value: Any) -> ToolResult:
    plain = type(value) in _SCALARS
    if not plain and isinstance(value, Pending):
        return ToolResult(status=Status.PENDING, pending=value)
    try:
        body = b"%b" % encode(value)  # a copy, without the 4 kB buffer that orjson leaves
    except (TypeError, ValueError, RecursionError) as exc:
        raise ResultError(
            f"{name} returned a {type(value).__name__} that is not JSON: {_short(exc)}"
        ) from exc
    # What the caller gets is what the model reads, and shares nothing with the tool's own data.
    if not plain:
        value = orjson.loads(body)
    return make_result(status=_OK, value=value, body=body)


def _no_keywords(call: ToolCall) -> dict[str, Any]:
    return {}


async def _at_once(run: Callable[..., Any], keywords: _Keywords, call: ToolCall) -> Any:
    return run(**keywords(call))


def _keywords(function: FunctionTool[..., Any]) -> _Keywords:
    bind = binder(function.signature.rich)
    name = function.signature.context_parameter
    if name is None:
        return lambda call: bind(call.arguments)
    return lambda call: {**bind(call.arguments), name: _context(call)}


def _context(call: ToolCall) -> CallContext:
    limit = call.tool.limits.timeout if call.tool is not None else None
    bounds = [bound for bound in (limit, call.timeout) if bound is not None]
    return CallContext(
        key=call.key,
        principal=call.scope.principal,
        session=call.scope.session,
        attempt=call.attempt,
        timeout=min(bounds) if bounds else None,
        labels=call.scope.labels,
        reply=call.reply,
    )


def _short(exc: BaseException) -> str:
    text = str(exc)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
