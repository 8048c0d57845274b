"""`recall`: an effect that may have been called before is told what became of it, not repeated.

It stands before everything that decides, because what happened has happened, whatever the rules
are by now. What an earlier try left open is settled by the tool's effect:

- idempotent: tried again under the same key, if all that decides still allows it;
- reconcilable: the world is asked whether it happened;
- irreversible: in doubt, until a person decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from callgate.errors import (
    InDoubtError,
    NotExecutedError,
    NotWrittenError,
    RefusedError,
    StoreError,
)
from callgate.pipeline import Clock, Handler, Stage
from callgate.stages.journal import (
    Entry,
    Journal,
    Patience,
    State,
    conflict,
    intent_of,
    recorded,
    waited,
)
from callgate.types import Decision, Effect, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Recall", "RecallFactory"]


class Recall:
    """Tells the recorded outcome of a call that is made again; passes one that never was."""

    __slots__ = ("_ask", "_clock", "_journal", "_tool")

    def __init__(self, tool: Tool, journal: Journal, ask: Handler | None, *, clock: Clock) -> None:
        """Keep the journal.

        Args:
            tool: Whose calls are recalled.
            journal: Where their outcomes are.
            ask: Asks the world whether a call happened: its result if so, `NotExecutedError` if
                not, anything else if that cannot be told. None for a tool that cannot ask.
            clock: Waits for somebody else's try.
        """
        self._tool = tool
        self._journal = journal
        self._ask = ask
        self._clock = clock

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        """Pass on a call that cannot have been made before; look for any other."""
        return self._look(call, call_next) if call.again else call_next(call)

    async def _look(self, call: ToolCall, call_next: Handler) -> ToolResult:
        intent = intent_of(call, self._tool)
        try:
            patience = Patience(call, self._tool, self._clock)
            entry = await waited(lambda: self._journal.find(call.key), intent, patience)
            if entry is None:
                return await call_next(call)
            if (error := conflict(entry, intent)) is not None:
                return self._refuse(call, error)
            if entry.state.open and entry.live:
                return self._tell(call, entry)
            if entry.state.known or (entry.state is State.WAITING and not intent.answered):
                return self._tell(call, entry)
            if entry.state is State.IN_DOUBT or entry.state is State.STARTED:
                return await self._settle(call, call_next, entry)
        except StoreError as exc:
            error = NotWrittenError(f"What became of the call could not be read: {exc.message}")
            return self._refuse(call, error)
        return await call_next(call)

    async def _settle(self, call: ToolCall, call_next: Handler, entry: Entry) -> ToolResult:
        if entry.intent.effect is self._tool.effect is Effect.IDEMPOTENT:
            return await self._repeat(call, call_next, entry)
        if self._ask is None:
            return await self._doubt(call, entry, "nobody knows whether it happened")
        result = await self._ask(call)
        if result.status is Status.OK:
            settled = await self._journal.change(
                entry, State.DONE, result, note="the world was asked: it happened"
            )
            return self._tell(call, settled or entry)
        if isinstance(result.error, NotExecutedError):
            note = "the world was asked: it did not happen"
            await self._journal.change(entry, State.NOT_HAPPENED, note=note)
            _say(call, "reconciled", note)
            return await call_next(call)
        reason = "no answer" if result.error is None else result.error.message
        return await self._doubt(call, entry, f"asking whether it happened failed: {reason}")

    async def _repeat(self, call: ToolCall, call_next: Handler, entry: Entry) -> ToolResult:
        """Try again under the same key; if that is refused for good, the doubt is told."""
        result = await call_next(call)
        error = result.error
        if not isinstance(error, RefusedError) or error.retryable:
            return result
        now = await self._journal.find(call.key)
        if now is None or (now.token, now.state) != (entry.token, entry.state):
            return result
        return await self._doubt(call, entry, f"it may not be repeated: {error.message}")

    async def _doubt(self, call: ToolCall, entry: Entry, reason: str) -> ToolResult:
        error = InDoubtError(
            f"An earlier try of {self._tool.name} ended before its outcome was written down; "
            f"{reason}."
        )
        _say(call, "in_doubt", reason)
        result = ToolResult(status=Status.IN_DOUBT, error=error, attempts=0)
        if entry.state is State.STARTED:
            await self._journal.change(entry, State.IN_DOUBT, result)
        return result

    def _tell(self, call: ToolCall, entry: Entry) -> ToolResult:
        _say(call, "recalled", f"the journal says {entry.state.value}")
        return recorded(entry)

    def _refuse(self, call: ToolCall, error: RefusedError) -> ToolResult:
        _say(call, "refused", error.message)
        return ToolResult(status=Status.ERROR, error=error, attempts=0)


def _say(call: ToolCall, verdict: str, reason: str) -> None:
    call.scope.emit(Decision(call=call, stage="recall", verdict=verdict, reason=reason))


class RecallFactory:
    """Recalls every effect; a read may be made again."""

    def __init__(self, journal: Journal, asks: Mapping[str, Handler], *, clock: Clock) -> None:
        """Keep what all tools share.

        Args:
            journal: Where outcomes are.
            asks: What asks the world about the calls of reconcilable tools, by their names.
            clock: Waits for somebody else's try.
        """
        self._journal = journal
        self._asks = asks
        self._clock = clock

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the recalling stage, or None for a tool that only reads."""
        if tool.effect is Effect.READ:
            return None
        return Recall(tool, self._journal, self._asks.get(tool.name), clock=self._clock)
