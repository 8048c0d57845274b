"""`Records`: a listener that keeps what every call was like, off the path, for evaluation.

A call costs the path one append. A thread redacts and writes in batches; what a crash of the
process takes is the last second. Under a disk that is too slow memory stays bounded: records are
dropped, and how many is told by a record of its own and in the log.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from sqlalchemy import insert

from callgate.errors import StoreError
from callgate.store.database import Database
from callgate.store.json_text import dump
from callgate.store.redaction import redact
from callgate.store.tables import records
from callgate.types import CallClosed, Event, Tool, ToolResult

__all__ = ["Records"]

_log = logging.getLogger("callgate.store")

_BATCH = 500  # records in one transaction
_OWN = 1024  # bytes that a call costs beside its arguments and result, about


class Records:
    """Keeps closed calls until they are written.

    Attributes:
        dropped: Records that were dropped so far because the disk was too slow or failed.
    """

    def __init__(
        self,
        database: Database,
        *,
        every: float = 0.5,
        most: int = 50_000,
        most_bytes: int = 64 * 1024 * 1024,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Start empty; the thread starts with the first call.

        Args:
            database: Where to write.
            every: Seconds after which what is there is written. Defaults to 0.5.
            most: Calls that wait to be written at most. Defaults to 50,000.
            most_bytes: Bytes of arguments and results that wait at most. Defaults to 64 MiB.
            now: Seconds since 1970.
        """
        self.dropped = 0
        self._database = database
        self._every = every
        self._most = most
        self._most_bytes = most_bytes
        self._now = now
        self._tools: Mapping[str, Tool] = {}
        self._kept: deque[CallClosed] = deque()
        # Bytes so far: the one is counted on the event loop only, the other in the thread only.
        self._came = 0
        self._gone = 0
        self._told = 0
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def know(self, tools: Mapping[str, Tool]) -> None:
        """Tell the tools, whose schemas say what may be kept of arguments and results.

        Args:
            tools: By name, as in `Gate.surface.tools`.
        """
        self._tools = {**self._tools, **tools}

    def __call__(self, event: Event) -> None:
        """Keep a closed call; everything else passes."""
        if type(event) is not CallClosed:
            return
        size = _OWN + len(event.result.body)
        arguments = event.call.arguments
        if type(arguments) is str:
            size += len(arguments)
        kept = self._kept
        if len(kept) >= self._most or self._came + size - self._gone > self._most_bytes:
            self.dropped += 1
            return
        self._came += size
        kept.append(event)
        if self._thread is None:
            self._start()
        elif len(kept) == _BATCH:
            self._wake.set()

    def close(self) -> None:
        """Write what is there, and end; blocks."""
        self._closed = True
        if self._thread is not None:
            self._wake.set()
            self._thread.join()
            self._thread = None
        if self._kept:
            self.dropped += len(self._kept)
            _log.warning("%d records were dropped: the store cannot be written.", len(self._kept))
            self._kept.clear()

    # --- in the thread ----------------------------------------------------------------------

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="callgate-records", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._every)
            self._wake.clear()
            self._write_all()
        self._write_all()

    def _write_all(self) -> None:
        # What comes while it writes is for the next time, so that closing ends.
        for _ in range(len(self._kept) // _BATCH + 1):
            batch = [self._kept.popleft() for _ in range(min(_BATCH, len(self._kept)))]
            if not batch and self.dropped == self._told:
                return
            if not self._write(batch):
                # Kept for the next time; what has no room meanwhile is dropped and counted.
                self._kept.extendleft(reversed(batch))
                return
            self._gone += sum(map(_size, batch))

    def _write(self, batch: list[CallClosed]) -> bool:
        at, dropped = self._now(), self.dropped
        rows = [self._row(event, at) for event in batch]
        if dropped > self._told:
            rows.append(_loss(dropped - self._told, at))
        try:
            with self._database.begin() as connection:
                connection.execute(insert(records), rows)
        except StoreError as problem:
            _log.warning("%d records wait to be written: %s", len(batch), problem.message)
            return False
        if dropped > self._told:
            _log.warning("%d records were dropped: the store is too slow.", dropped - self._told)
            self._told = dropped
        return True

    def _row(self, event: CallClosed, at: float) -> dict[str, Any]:
        call, result = event.call, event.result
        tool = self._tools.get(call.name)
        body = {
            "arguments": redact(_read(call.arguments), None if tool is None else tool.parameters),
            "version": None if tool is None else tool.version,
            "result": redact(result.value, None if tool is None else tool.returns),
            "bytes": len(result.body),
            "error": None if result.error is None else result.error.code,
            "repairs": [{"path": repair.path, "kind": repair.kind} for repair in result.repairs],
            "attempts": result.attempts,
            "seconds": round(event.seconds, 6),
        }
        return {
            "at": at,
            "tenant": call.scope.principal.tenant,
            "session": call.scope.session,
            "key": call.key,
            # A name that nobody was shown is the model's own words.
            "tool": "?" if tool is None else call.name,
            "status": result.status.value,
            "body": dump(body),
        }


def _loss(count: int, at: float) -> dict[str, Any]:
    empty = {"tenant": "", "session": "", "key": "", "tool": "", "status": "dropped"}
    return {"at": at, "body": dump({"dropped": count}), **empty}


def _size(event: CallClosed) -> int:
    arguments = event.call.arguments
    return _OWN + _body(event.result) + (len(arguments) if type(arguments) is str else 0)


def _body(result: ToolResult) -> int:
    return len(result.body)


def _read(arguments: Any) -> Any:
    """Return arguments as they came as a value; text that is no JSON stays text."""
    if not isinstance(arguments, str | bytes):
        return arguments
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments if isinstance(arguments, str) else arguments.decode(errors="replace")
