"""`journal`: writes an effect down before it is tried, and what became of it, once.

    claimed -> started -> done | failed_after_effect | not_happened | waiting | in_doubt

- `claimed`: the intent is ours; nothing was tried. The claim is a unique insert.
- `started`: on disk before the first attempt; from here on the effect may have happened.
- `done`, `failed_after_effect`: known, for ever; nobody tries it again.
- `not_happened`: known not to have acted; may be claimed again.
- `waiting`: the tool asks something; claimed again with the answer.
- `in_doubt`: nobody knows. An idempotent effect is tried again with its key, a reconcilable one is
  asked for (see `recall`), about any other a person decides.

Every change compares state and token, so whoever lost an intent can change nothing of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, TypeVar

from callgate.errors import (
    CallError,
    DeniedError,
    InDoubtError,
    InProgressError,
    KeyConflictError,
    NotWrittenError,
    RefusedError,
    StoreError,
    ToolFailedError,
)
from callgate.making import changer, maker
from callgate.pipeline import Abandoned, Clock, Handler, Stage
from callgate.schema.canonical import digest
from callgate.types import Decision, Effect, Rider, Status, Surface, Tool, ToolCall, ToolResult

__all__ = [
    "Entry",
    "Intent",
    "Journal",
    "JournalFactory",
    "JournalStage",
    "MemoryJournal",
    "Patience",
    "State",
    "changeable",
    "conflict",
    "intent_of",
    "recorded",
    "starting",
    "takeable",
    "waited",
]

_POLL = 0.05  # seconds between looks at an intent that somebody else is trying
_SHOWN = 200  # characters of a key that are repeated in a message


class State(StrEnum):
    """Where an intent stands."""

    CLAIMED = "claimed"
    STARTED = "started"
    DONE = "done"
    FAILED_AFTER_EFFECT = "failed_after_effect"
    NOT_HAPPENED = "not_happened"
    WAITING = "waiting"
    IN_DOUBT = "in_doubt"

    @property
    def open(self) -> bool:
        """Whether somebody is at it, or was when it died."""
        return self in (State.CLAIMED, State.STARTED)

    @property
    def known(self) -> bool:
        """Whether it has its outcome, for ever."""
        return self in (State.DONE, State.FAILED_AFTER_EFFECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is claimed: one effect that somebody means to happen once.

    Attributes:
        key: Its name for ever.
        tenant: Whose.
        principal: On whose behalf.
        session: In which session it was last claimed.
        tool: The tool's name.
        version: The tool's version; beside the key, never part of it.
        effect: What the tool does to the world.
        arguments: Canonical JSON.
        digest: Of tool and arguments: two intents with one key are the same only if it agrees.
        answered: Whether it brings the answer that it was waiting for.
    """

    key: str
    tenant: str
    principal: str
    session: str
    tool: str
    version: str
    effect: Effect
    arguments: bytes
    digest: str
    answered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An intent as it stands in the journal.

    Attributes:
        intent: What was claimed, as it was claimed last.
        state: Where it stands.
        token: Names the claim; every change has to know it.
        mine: Whether the claim just made is ours: the effect is ours to try.
        live: Whether whoever claimed it is alive; no promise for one that has ended.
        result: What became of it, once that is known.
        tries: How often it was claimed.
        created: When it was claimed first, in seconds since 1970.
        changed: When it was changed last, in seconds since 1970.
        note: Who settled it and why, if it was not its own attempt.
    """

    intent: Intent
    state: State
    token: str
    mine: bool = False
    live: bool = True
    result: ToolResult | None = None
    tries: int = 1
    created: float = 0.0
    changed: float = 0.0
    note: str = ""

    @property
    def doubtful(self) -> bool:
        """Whether nobody knows what became of it, and nobody alive is at it."""
        dead = self.state is State.STARTED and not self.live
        return dead or self.state is State.IN_DOUBT


_Found = TypeVar("_Found", Entry, Entry | None)
_make_intent = maker(Intent)
_with_begin: Callable[[ToolCall, Callable[[], Awaitable[None]]], ToolCall] = changer(
    ToolCall, "begin"
)


class Journal(Protocol):
    """The truth about effects.

    Every method is a transaction of its own. A change that was asked for is made also if the
    caller stops waiting for it; how long it may be waited for is bounded.
    """

    async def find(self, key: str) -> Entry | None:
        """Return the entry under `key`; None if there is none.

        Raises:
            StoreError: It could not be read.
        """
        ...

    async def claim(
        self, intent: Intent, riders: Sequence[Rider] = (), *, start: bool = False
    ) -> Entry:
        """Claim an intent if nobody has, or if it may be claimed again; see `takeable`.

        Args:
            intent: What is claimed.
            riders: What must hold in the same transaction.
            start: Whether the attempt begins at once: then it is claimed as `STARTED`, and that is
                on disk when this returns.

        Returns:
            Our entry with `mine` set, or the entry that stands in the way.

        Raises:
            RefusedError: What a rider said; nothing was claimed.
            StoreError: It could not be written; nothing was claimed.
        """
        ...

    async def change(
        self, entry: Entry, state: State, result: ToolResult | None = None, *, note: str = ""
    ) -> Entry | None:
        """Bring an entry into another state, if it is as `entry` says; a start is then on disk.

        Args:
            entry: As it was last seen; state and token are compared.
            state: The new state.
            result: What became of it.
            note: Who settled it and why, if it was not its own attempt.

        Returns:
            The entry as it is now, also if it was so already; None if it was not as `entry` says,
            and nothing changed.

        Raises:
            StoreError: It could not be written. An outcome is kept and written later.
        """
        ...


# --- what may be done with an entry -----------------------------------------------------------


def intent_of(call: ToolCall, tool: Tool) -> Intent:
    """Return the intent of a call whose arguments are canonical."""
    who = call.scope.principal
    return _make_intent(
        key=call.key,
        tenant=who.tenant,
        principal=who.id,
        session=call.scope.session,
        tool=tool.name,
        version=tool.version,
        effect=tool.effect,
        arguments=call.body,
        digest=digest(tool.name.encode() + b"\n" + call.body),
        answered=call.reply is not None,
    )


def takeable(entry: Entry, intent: Intent) -> bool:
    """Tell whether `intent` may be claimed though `entry` has its key.

    Args:
        entry: What stands under the key; `live` says whether its owner is alive.
        intent: What is to be claimed.
    """
    if not _same(entry.intent, intent):
        return False
    again = entry.intent.effect is intent.effect is Effect.IDEMPOTENT
    match entry.state:
        case State.NOT_HAPPENED:
            return True
        case State.WAITING:
            return intent.answered
        case State.CLAIMED:
            return not entry.live
        case State.STARTED:
            return again and not entry.live
        case State.IN_DOUBT:
            return again
        case _:
            return False


def _same(known: Intent, intent: Intent) -> bool:
    return (known.tenant, known.principal, known.digest) == (
        intent.tenant,
        intent.principal,
        intent.digest,
    )


def changeable(entry: Entry, state: State) -> tuple[State, ...]:
    """Return the states from which an entry may come into `state`, with the token of `entry`.

    Whoever claimed it may have started it without having heard that it did, and knows better than
    others who doubted meanwhile.

    Args:
        entry: As it was last seen.
        state: What it is to become.
    """
    if entry.state.open and not state.open:
        return (State.CLAIMED, State.STARTED, State.IN_DOUBT)
    return (entry.state,)


def conflict(entry: Entry, intent: Intent) -> KeyConflictError | None:
    """Return why `entry` is not the same intent; None if it is. Tells nothing of the other one."""
    if _same(entry.intent, intent):
        return None
    return KeyConflictError(
        f"The key {intent.key[:_SHOWN]!r} stands for another call already: it was used with other "
        "arguments, for another tool or by somebody else."
    )


def recorded(entry: Entry) -> ToolResult:
    """Return what is known of an intent that is not ours to try, as the result of the call."""
    intent = entry.intent
    if entry.state.open and entry.live:
        error: CallError = InProgressError(f"{intent.tool} is being executed under this key now.")
        return ToolResult(status=Status.ERROR, error=error, attempts=0)
    if entry.result is not None and not entry.state.open:
        return replace(entry.result, attempts=0)
    error = InDoubtError(
        f"An earlier try of {intent.tool} ended before its outcome was written down."
    )
    return ToolResult(status=Status.IN_DOUBT, error=error, attempts=0)


async def waited(
    look: Callable[[], Awaitable[_Found]], intent: Intent, patience: Patience
) -> _Found:
    """Look at an entry until nobody else is trying it any more, or patience ends.

    Args:
        look: Finds or claims it.
        intent: What is looked for; another one under its key is not waited for.
        patience: How long to wait.
    """
    entry = await look()
    while entry is not None and not entry.mine and entry.state.open and entry.live:
        if conflict(entry, intent) is not None or not await patience.wait():
            break
        entry = await look()
    return entry


class Patience:
    """How long somebody else's try of a call is waited for: as long as the call may take."""

    __slots__ = ("_clock", "_until")

    def __init__(self, call: ToolCall, tool: Tool, clock: Clock) -> None:
        """Begin to wait, 30 seconds for a call that has no limit at all."""
        bound = tool.limits.timeout if call.timeout is None else call.timeout
        self._clock = clock
        self._until = clock.time() + (30.0 if bound is None else bound)

    async def wait(self) -> bool:
        """Wait a little and return True, or return False if patience has ended."""
        if self._clock.time() >= self._until:
            return False
        await self._clock.sleep(_POLL)
        return True


def starting(execute: Handler) -> Handler:
    """Wrap what executes a tool: the first attempt begins only after that is written down."""

    async def begin(call: ToolCall) -> ToolResult:
        if call.begin is not None:
            await call.begin()
        return await execute(call)

    return begin


# --- the stage ------------------------------------------------------------------------------


class _Held:
    """An intent that is ours, until it has its outcome."""

    __slots__ = ("_journal", "begun", "entry")

    def __init__(self, journal: Journal, entry: Entry) -> None:
        self._journal = journal
        self.entry = entry
        self.begun = entry.state is State.STARTED

    async def begin(self) -> None:
        """Write down that the first attempt begins.

        Raises:
            RefusedError: It could not be written, or the intent is no longer ours.
        """
        if self.begun:
            return
        try:
            started = await self._journal.change(self.entry, State.STARTED)
        except StoreError as exc:
            raise NotWrittenError(f"The start could not be written down: {exc.message}") from exc
        if started is None:
            raise InProgressError("Somebody else has taken the call over.")
        self.entry, self.begun = started, True


class JournalStage:
    """Claims the intent, lets it be tried and writes down what became of it.

    A read passes, unless something rides on its claim. An intent that somebody else is trying is
    waited for as long as the call may take; one that has its outcome is not tried.
    """

    __slots__ = ("_at_once", "_clock", "_effect", "_journal", "_tool")

    def __init__(self, tool: Tool, journal: Journal, clock: Clock) -> None:
        """Keep the journal, and the clock that waits for somebody else's try."""
        self._tool = tool
        self._effect = tool.effect
        # Where nothing is waited for between claim and attempt, one change does for both.
        waits = tool.limits.concurrency is not None or tool.limits.backend
        self._at_once = tool.effect is not Effect.READ and not waits
        self._journal = journal
        self._clock = clock

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Try the effect if it is ours, else tell what is known of it."""
        if self._effect is Effect.READ and not call.riders:
            return await call_next(call)
        intent = intent_of(call, self._tool)
        try:
            entry = await waited(
                lambda: self._journal.claim(intent, call.riders, start=self._at_once),
                intent,
                Patience(call, self._tool, self._clock),
            )
        except RefusedError as error:
            return self._refuse(call, error)
        except StoreError as exc:
            error = NotWrittenError(f"The intent could not be written down: {exc.message}")
            return self._refuse(call, error)
        if not entry.mine:
            if (error := conflict(entry, intent)) is not None:
                return self._refuse(call, error)
            return await self._known(call, entry)
        held = _Held(self._journal, entry)
        try:
            result = await call_next(_with_begin(call, held.begin))
        except asyncio.CancelledError as exc:
            result = exc.result if isinstance(exc, Abandoned) else self._left()
            await self._finish(call, held, result)
            raise
        await self._finish(call, held, result)
        return result

    async def _known(self, call: ToolCall, entry: Entry) -> ToolResult:
        _tell(call, "recalled", f"the journal says {entry.state.value}")
        result = recorded(entry)
        if entry.state is State.STARTED and not entry.live:
            try:
                await self._journal.change(entry, State.IN_DOUBT, result)
            except StoreError as exc:
                _tell(call, "unwritten", exc.message)
        return result

    async def _finish(self, call: ToolCall, held: _Held, result: ToolResult) -> None:
        try:
            done = await self._journal.change(held.entry, self._state(held, result), result)
        except StoreError as exc:
            # The effect is what it is; the journal keeps the outcome and writes it later.
            _tell(call, "unwritten", exc.message)
            return
        if done is None:
            _tell(call, "lost", "somebody else has taken the call over")

    def _state(self, held: _Held, result: ToolResult) -> State:
        if result.status is Status.OK:
            return State.DONE
        if not held.begun:
            return State.NOT_HAPPENED
        if result.status is Status.PENDING:
            return State.WAITING
        error = result.error
        if isinstance(error, ToolFailedError) and error.acted:
            return State.FAILED_AFTER_EFFECT
        if result.status is not Status.IN_DOUBT and error is not None and error.harmless:
            return State.NOT_HAPPENED
        return State.IN_DOUBT

    def _left(self) -> ToolResult:
        error = InDoubtError(f"{self._tool.name} was still executing when its caller left.")
        return ToolResult(status=Status.IN_DOUBT, error=error)

    def _refuse(self, call: ToolCall, error: RefusedError) -> ToolResult:
        _tell(call, "refused", error.message)
        status = Status.DENIED if isinstance(error, DeniedError) else Status.ERROR
        return ToolResult(status=status, error=error, attempts=0)


def _tell(call: ToolCall, verdict: str, reason: str) -> None:
    call.scope.emit(Decision(call=call, stage="journal", verdict=verdict, reason=reason))


class JournalFactory:
    """Journals every effect; reads only where something may ride on their claim."""

    def __init__(
        self, journal: Journal, *, clock: Clock, reads: Collection[str] = frozenset()
    ) -> None:
        """Keep what all tools share.

        Args:
            journal: Where effects are written down.
            clock: Waits for somebody else's try.
            reads: Names of tools whose reads may come with riders, such as an approval.
        """
        self._journal = journal
        self._clock = clock
        self._reads = reads

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the journaling stage, or None for a tool that only reads."""
        if tool.effect is Effect.READ and tool.name not in self._reads:
            return None
        return JournalStage(tool, self._journal, self._clock)


# --- in memory ------------------------------------------------------------------------------


class MemoryJournal:
    """A journal that lives as long as its process: for tests, and for keys within one program."""

    def __init__(
        self,
        *,
        owner: str = "memory",
        most: int = 100_000,
        now: Callable[[], float] = time.time,
        beside: MemoryJournal | None = None,
    ) -> None:
        """Start empty, or share the entries of another one as a second owner.

        Args:
            owner: Names who claims; unique among those that share entries.
            most: Entries kept; the oldest that are known make room. Defaults to 100,000.
            now: Seconds since 1970.
            beside: The journal whose entries are shared.
        """
        self._owner = owner
        self._most = most
        self._now = now
        self._entries: dict[str, Entry] = {} if beside is None else beside._entries
        self._gone: set[str] = set() if beside is None else beside._gone
        self._claims = 0

    def die(self) -> None:
        """Behave from now on, towards those that share entries, as an owner that has died."""
        self._gone.add(self._owner)

    async def find(self, key: str) -> Entry | None:
        """Return the entry under `key`, or None."""
        return self._seen(key)

    async def claim(
        self, intent: Intent, riders: Sequence[Rider] = (), *, start: bool = False
    ) -> Entry:
        """Claim an intent if nobody has, or if it may be claimed again; see `Journal.claim`."""
        known = self._seen(intent.key)
        if known is not None and not takeable(known, intent):
            return known
        for rider in riders:
            before = None if known is None else known.state.value
            if (error := rider(None, intent, before)) is not None:
                raise error
        self._claims += 1
        now = self._now()
        entry = Entry(
            intent=intent,
            state=State.STARTED if start else State.CLAIMED,
            token=f"{self._owner}:{self._claims}",
            mine=True,
            tries=1 if known is None else known.tries + 1,
            created=now if known is None else known.created,
            changed=now,
        )
        self._keep(entry)
        return entry

    async def change(
        self, entry: Entry, state: State, result: ToolResult | None = None, *, note: str = ""
    ) -> Entry | None:
        """Bring an entry into another state, if it is as `entry` says; see `Journal.change`."""
        known = self._entries.get(entry.intent.key)
        if known is None or known.token != entry.token:
            return None
        if known.state is state:
            return known
        if known.state not in changeable(entry, state):
            return None
        changed = replace(known, state=state, result=result, note=note, changed=self._now())
        self._entries[entry.intent.key] = changed
        return changed

    async def doubts(self, *, tenant: str | None = None) -> Sequence[Entry]:
        """Return the intents of which nobody knows what became, of one tenant or of all."""
        seen = [entry for key in self._entries if (entry := self._seen(key)) is not None]
        own = [entry for entry in seen if tenant in (None, entry.intent.tenant)]
        return [entry for entry in own if entry.doubtful]

    def _seen(self, key: str) -> Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        live = entry.token.rpartition(":")[0] not in self._gone
        return replace(entry, live=live, mine=False)

    def _keep(self, entry: Entry) -> None:
        entries = self._entries
        entries[entry.intent.key] = entry
        if len(entries) > self._most:
            known = (key for key, kept in entries.items() if kept.state.known)
            entries.pop(next(known, ""), None)
