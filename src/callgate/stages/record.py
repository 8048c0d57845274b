"""`record`: opens and closes every call for listeners; the outermost stage."""

from __future__ import annotations

import asyncio

from callgate.errors import CancelledCallError, InternalError
from callgate.pipeline import Abandoned, Clock, Handler
from callgate.types import CallClosed, CallOpened, Status, ToolCall, ToolResult, maker

__all__ = ["Record"]

_opened = maker(CallOpened)
_closed = maker(CallClosed)


class Record:
    """Tells listeners of every call: refused, cached, unknown and cancelled ones too.

    It is also the last boundary: an error that a stage lets out becomes a result here, so that
    one defect cannot take the calls beside it down.
    """

    __slots__ = ("_time",)

    def __init__(self, clock: Clock) -> None:
        """Keep the clock.

        Args:
            clock: Measures the seconds in `CallClosed`.
        """
        self._time = clock.time

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Open the call, pass it on, close it."""
        emit = call.scope.emit
        emit(_opened(call=call))
        started = self._time()
        try:
            result = await call_next(call)
        except asyncio.CancelledError as exc:
            known = exc.result if isinstance(exc, Abandoned) else _CANCELLED
            emit(_closed(call=call, result=known, seconds=self._time() - started))
            raise
        except Exception as exc:  # noqa: BLE001 - the boundary: whatever a stage lets out ends here
            result = _defect(call, exc)
        emit(_closed(call=call, result=result, seconds=self._time() - started))
        return result


_CANCELLED = ToolResult(
    status=Status.ERROR,
    error=CancelledCallError("The caller gave the call up; nothing was changed."),
    attempts=0,
)


def _defect(call: ToolCall, exc: Exception) -> ToolResult:
    error = InternalError(f"{call.name} could not be handled: {type(exc).__name__}: {exc}")
    error.__cause__ = exc
    return ToolResult(status=Status.ERROR, error=error)
