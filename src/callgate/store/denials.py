"""`Denials`: a listener that adds every call that was denied to the audit, off the path.

A denial lets nothing happen, so nothing has to wait until it is on disk: it gets there with the
next commit, some milliseconds later. What lets something happen is audited on the path, in the
transaction that claims the call, and so is what a person says.
"""

from __future__ import annotations

import asyncio
import logging
from hashlib import sha256

from callgate.errors import (
    BudgetError,
    DeniedError,
    DisabledError,
    KeyConflictError,
    NotApprovedError,
    RepeatedCallError,
    StoreError,
    ThrottledError,
    UnknownToolError,
)
from callgate.store.journal import SqlJournal
from callgate.store.json_text import dump
from callgate.types import CallClosed, Event, ToolCall

__all__ = ["Denials"]

_log = logging.getLogger("callgate.store")

_DENIED = (
    BudgetError,
    DeniedError,
    DisabledError,
    KeyConflictError,
    NotApprovedError,
    RepeatedCallError,
    ThrottledError,
    UnknownToolError,
)
"""What says that a principal may not, in contrast to what is wrong with a call or a backend."""

_NAME = 200  # characters of a name that a model has made up


class Denials:
    """Writes down who was denied what, as entries `denied` of the audit.

    Attributes:
        failed: Denials that could not be written so far.
    """

    def __init__(self, journal: SqlJournal, *, most: int = 1000) -> None:
        """Keep where to write.

        Args:
            journal: Whose audit they are added to.
            most: Denials that wait to be written at most. Those beyond are counted, and the next
                entry says how many there were.
        """
        self.failed = 0
        self._journal = journal
        self._most = most
        self._waiting = 0
        self._beyond = 0

    def __call__(self, event: Event) -> None:
        """Hand in a denial to be written, if that is what a call ended with."""
        if not isinstance(event, CallClosed) or not isinstance(event.result.error, _DENIED):
            return
        if self._waiting >= self._most:
            self._beyond += 1
            return
        call, who = event.call, event.call.scope.principal
        detail = {
            "tool": call.name[:_NAME].encode("utf-8", "replace").decode(),
            "code": event.result.error.code,
            "arguments": _digest(call),
        }
        beyond, self._beyond = self._beyond, 0
        try:
            written = self._journal.note(
                "denied",
                key=call.key,
                tenant=who.tenant,
                principal=who.id,
                detail=detail | ({"beyond": beyond} if beyond else {}),
            )
        except StoreError as exc:
            self._miss(1 + beyond, exc)
            return
        self._waiting += 1
        written.add_done_callback(lambda done: self._settle(done, 1 + beyond))

    def _settle(self, written: asyncio.Future[None], count: int) -> None:
        self._waiting -= 1
        problem = None if written.cancelled() else written.exception()
        if problem is not None:
            self._miss(count, problem)

    def _miss(self, count: int, problem: BaseException) -> None:
        self.failed += count
        _log.warning("%d denials are not in the audit: %s", count, problem)


def _digest(call: ToolCall) -> str:
    """Return a digest over the arguments as they came; never the arguments."""
    came = call.arguments
    text = came if isinstance(came, str | bytes) else dump(came)
    body = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return f"sha256:{sha256(body).hexdigest()}"
