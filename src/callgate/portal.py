"""The one door for callers that cannot await: a loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from callgate.errors import MisuseError

__all__ = ["Portal"]

_T = TypeVar("_T")


class Portal:
    """Runs coroutines on an event loop in a daemon thread, started at the first use."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def run(self, start: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Run the coroutine that `start` makes, and wait for its end.

        Args:
            start: Makes the coroutine; called on the portal's loop.

        Returns:
            What the coroutine returns.

        Raises:
            MisuseError: The caller runs inside an event loop and must await instead.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(_started(start), self._open()).result()
        raise MisuseError(
            "A blocking call was made inside a running event loop (as in Jupyter or an async "
            "function), which it would stop. Use `await` with the method of the same name "
            "without `_blocking`."
        )

    def close(self) -> None:
        """Stop the loop and wait for its thread; harmless if it never ran."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _open(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name="callgate-portal", daemon=True
                )
                self._thread.start()
            return self._loop


async def _started(start: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
    return await start()


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
