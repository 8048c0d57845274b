"""What a tool, a call and a result are: frozen values that travel down the path and back.

Nothing here acts. JSON values are `Any` by house rule; everything else is typed. Times are
seconds, sizes are bytes, money is `Decimal`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from callgate.controls import Alternative
from callgate.errors import CallError
from callgate.making import maker
from callgate.riders import Rider, Transaction

__all__ = [
    "ANYONE",
    "CallClosed",
    "CallContext",
    "CallOpened",
    "CircuitChanged",
    "Content",
    "Decision",
    "Effect",
    "Event",
    "Example",
    "FilePart",
    "ImagePart",
    "JsonSchema",
    "Limits",
    "Pending",
    "Principal",
    "Problem",
    "Progressed",
    "Repair",
    "Repaired",
    "Rider",
    "Scope",
    "SessionState",
    "Status",
    "Surface",
    "Text",
    "Tool",
    "ToolCall",
    "ToolResult",
    "Transaction",
    "Tried",
    "TurnGate",
    "make_call",
    "make_result",
    "maker",
]

JsonSchema: TypeAlias = dict[str, Any]
"""A JSON Schema 2020-12 object. Treat it as frozen: its digest is part of the contract."""


# --- the tool -------------------------------------------------------------------------------


class Effect(StrEnum):
    """What a call does to the world; it decides what may be repeated."""

    READ = "read"
    """Changes nothing."""
    IDEMPOTENT = "idempotent"
    """Repeating it with the same key is harmless."""
    RECONCILABLE = "reconcilable"
    """Not repeatable, but the tool can ask the world whether it happened."""
    IRREVERSIBLE = "irreversible"
    """Everything else, and the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on the execution of one tool.

    Attributes:
        timeout: Seconds one call may execute, all attempts and their waits; None for no bound.
        attempts: How often one call may be tried in all; 1 means no retry.
        concurrency: How many attempts may run at once in this process; None for no bound.
        queue: Seconds an attempt may wait for a free slot before it is refused.
        result_bytes: Bytes of result text a model is shown; the rest is kept behind a handle.
        argument_bytes: Bytes of JSON text accepted as arguments.
        attempt_timeout: Seconds one attempt may execute; None for as long as the call.
        cache: Seconds for which a read may be given again to the same principal; None for never.
        cost: US dollars that a call costs, reserved before it and settled after; None for nothing.
        backend: What the tool stands on: tools of one backend share its rate, its slots and, where
            operators give it rules, its breaker. Empty for a tool that stands alone.
    """

    timeout: float | None = 30.0
    attempts: int = 3
    concurrency: int | None = None
    queue: float = 5.0
    result_bytes: int = 65_536
    argument_bytes: int = 1_048_576
    attempt_timeout: float | None = None
    cache: float | None = None
    cost: Decimal | None = None
    backend: str = ""

    def least(self, timeout: float | None) -> float | None:
        """Return the seconds an attempt may take, in a call that has `timeout` left."""
        bounds = (self.timeout, self.attempt_timeout, timeout)
        return min((bound for bound in bounds if bound is not None), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One way to call a tool well, shown to models whose wire has a place for it."""

    arguments: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A versioned contract: all that a model and an approver see.

    Attributes:
        name: The name within a surface, `[a-zA-Z_][a-zA-Z0-9_-]{0,63}` for our own tools.
        description: When to use it and when not; what the model reads.
        parameters: JSON Schema of the arguments object.
        returns: JSON Schema of the structured result; None promises nothing.
        effect: What a call does to the world.
        version: The version of the contract; `0` for a tool that never had one.
        limits: Bounds on its execution.
        examples: Ways to call it well.
        parallel: Whether several *effects* of this tool may run at once within a turn.
        poll: Whether the same call with the same result may be repeated (status queries).
        tags: Free words for filters and policies.
        fallback: Tools that answer when this one is out, in order.
        approval: When a person must approve a call: `always`, or a condition over its arguments
            (see `callgate.approvals.predicate`); empty for never.
    """

    name: str
    description: str
    parameters: JsonSchema
    returns: JsonSchema | None = None
    effect: Effect = Effect.IRREVERSIBLE
    version: str = "0"
    limits: Limits = field(default_factory=Limits)
    examples: tuple[Example, ...] = ()
    parallel: bool = False
    poll: bool = False
    tags: frozenset[str] = frozenset()
    fallback: tuple[Alternative, ...] = ()
    approval: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """The immutable set of tools one session sees: one version per name.

    Attributes:
        tools: The tools by name, in the order they are shown.
        revision: Changes whenever anything in the set does.
    """

    tools: Mapping[str, Tool]
    revision: str


# --- who asks -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """On whose behalf calls are made."""

    id: str
    roles: frozenset[str] = frozenset()
    tenant: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])


ANYONE = Principal(id="anyone")
"""The principal of a session that names none: no roles, no tenant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionState:
    """All of a session that must survive a restart; JSON-serialisable field by field.

    Attributes:
        id: The session's own id.
        principal: On whose behalf.
        revision: The surface it was pinned to.
        turn: Turns counted so far; part of every call's key.
        labels: What the session has seen, for information flow.
        disclosed: Names of tools that were shown only later (such as `read_result`).
    """

    id: str
    principal: Principal
    revision: str
    turn: int = 0
    labels: frozenset[str] = frozenset()
    disclosed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What all calls of one session share; a call carries it, so that nothing is global.

    Attributes:
        session: The session's id.
        principal: On whose behalf.
        prefix: The start of every key: tenant, principal and session.
        emit: Where stages report what they did; listeners hang behind it.
        strict: Whether repairs of arguments are refused instead of made.
        labels: What the session has seen.
        parent: The key of the composite call that made this one, if any.
        disclose: Tells the session to show a tool from now on.
        max_calls: How many calls the session may make in all; None for no bound.
        max_spend: US dollars that the session's calls may cost in all; None for no bound.
        memory: What stages remember about this session, by the stage's name.
    """

    session: str
    principal: Principal
    prefix: str
    emit: Callable[[Event], None]
    strict: bool = False
    labels: frozenset[str] = frozenset()
    parent: str | None = None
    disclose: Callable[[str], None] | None = None
    max_calls: int | None = None
    max_spend: Decimal | None = None
    memory: dict[str, Any] = field(default_factory=dict[str, Any])


# --- the call and the result ----------------------------------------------------------------


class TurnGate(Protocol):
    """Where the calls of one model turn wait for each other; see `stages.order`."""

    async def enter(self, call: ToolCall) -> ToolResult | None:
        """Say that `call` is admitted; wait until it may execute, or get its refusal."""
        ...

    def leave(self, call: ToolCall, result: ToolResult | None) -> None:
        """Say that `call` has ended, with None for a call that was cancelled."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One intent to use a tool.

    Attributes:
        id: The wire's id of the call, or one of ours.
        key: Names the intent for ever: tenant, principal, session, turn and ordinal, or tenant,
            principal and the caller's own id. Two calls with one key are one intent.
        name: The name the model used.
        arguments: JSON text or an object as it came; after `validate` the canonical object.
        scope: What it shares with the other calls of its session.
        tool: The tool meant; None until `validate` has passed.
        body: Canonical JSON of the arguments; digest, display and execution use these bytes.
        timeout: Seconds this call may execute, if less than the tool's own limit.
        attempt: Which attempt this is; starts at 1.
        truncated: Whether the model was stopped before it finished the arguments.
        turn: Where it waits for the other calls of its turn; None for a call of its own.
        reply: The answer to what an earlier try of the same key was waiting for.
        again: Whether an earlier process or try may have made this call under the same key.
        riders: What must hold in the transaction that claims the intent.
        begin: Writes down that the first attempt begins; set by `journal`, awaited before it.
        waited: What that earlier try was waiting for.
    """

    id: str
    key: str
    name: str
    arguments: Any
    scope: Scope
    tool: Tool | None = None
    body: bytes = b""
    timeout: float | None = None
    attempt: int = 1
    truncated: bool = False
    turn: TurnGate | None = None
    reply: Any = None
    again: bool = False
    riders: tuple[Rider, ...] = ()
    begin: Callable[[], Awaitable[None]] | None = None
    waited: Pending | None = None


make_call = maker(ToolCall)


class Status(StrEnum):
    """How a call ended."""

    OK = "ok"
    ERROR = "error"
    DENIED = "denied"
    PENDING = "pending"
    """Waits for a person or an answer; nothing is held in memory."""
    IN_DOUBT = "in_doubt"
    """An effect may or may not have happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """What a waiting call needs before it can go on.

    A tool returns one to ask a person; the same call, with the same key, comes back with the
    answer in `CallContext.reply`.

    Attributes:
        kind: What is waited for, such as `approval` or `elicitation`.
        prompt: What the person is asked.
        schema: JSON Schema of the answer.
        id: Names what is waited for where it stands in a store, such as an approval; else empty.
        state: What the source needs to go on, a JSON value; opaque to all others. It comes back in
            `ToolCall.waited`, in whatever process the call is resumed.
    """

    kind: str
    prompt: str
    schema: JsonSchema = field(default_factory=dict[str, Any])
    id: str = ""
    state: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One change that made arguments valid.

    Attributes:
        path: JSON path of the value, such as `$.items[0].count`.
        kind: What was done: `parsed_string`, `wrapped_in_array`, `enum_case` ...
        before: The value as it came, as bounded JSON text.
        after: The value now, as bounded JSON text.
    """

    path: str
    kind: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One reason why a value is not valid under a schema.

    Attributes:
        path: JSON path of the value, such as `$.items[0].count`.
        got: What came, as bounded JSON text.
        allowed: What would have been valid, in words.
        nearest: The nearest valid value, if there is an obvious one.
    """

    path: str
    got: str
    allowed: str
    nearest: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Text, for a model or from it."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePart:
    """An image by value (`data`) or by reference (`url`)."""

    media_type: str
    data: bytes = b""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A file by value (`data`) or by reference (`url`)."""

    media_type: str
    name: str = ""
    data: bytes = b""
    url: str = ""


Content: TypeAlias = Text | ImagePart | FilePart


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """How a call ended and what came of it.

    Attributes:
        status: How it ended.
        value: The structured result, a JSON value; None where there is none.
        body: JSON text of the value as the model reads it; bounded.
        content: What the model reads beside or instead of the value: images, files, notes.
        error: Why it did not succeed.
        pending: What it waits for.
        repairs: What was changed in the arguments to make them valid.
        notes: Sentences the model reads after the value, such as that it was cut.
        handle: Where the whole value can be read, if `body` is only its beginning.
        attempts: How many attempts were made; 0 if none.
        cost: US dollars it cost, where the source knows better than the tool's declared cost.
        labels: What the value is marked with, for information flow.
    """

    status: Status
    value: Any = None
    body: bytes = b""
    content: tuple[Content, ...] = ()
    error: CallError | None = None
    pending: Pending | None = None
    repairs: tuple[Repair, ...] = ()
    notes: tuple[str, ...] = ()
    handle: str | None = None
    attempts: int = 1
    cost: Decimal | None = None
    labels: frozenset[str] = frozenset()

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return self.status is Status.OK

    def unwrap(self) -> Any:
        """Return the value of a call that succeeded.

        Raises:
            CallError: The call did not succeed; the error says why.
        """
        if self.status is Status.OK:
            return self.value
        raise self.error or CallError(f"The call is {self.status.value}.")

    def text(self) -> str:
        """Return what the model reads: the value or the error, then content and notes."""
        if self.error is not None:
            first = self.error.tell()
        elif self.pending is not None:
            first = f"Waiting for {self.pending.kind}: {self.pending.prompt}"
        else:
            first = self.body.decode()
        if not self.content and not self.notes:
            return first
        texts = (part.text for part in self.content if isinstance(part, Text))
        return "\n".join(part for part in (first, *texts, *self.notes) if part)


make_result = maker(ToolResult)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What a tool may know about the call it serves; the model never sees it.

    A function asks for it with a parameter annotated `CallContext`.

    Attributes:
        key: The same for every attempt at one intent: hand it to the backend.
        principal: On whose behalf.
        session: The session's id.
        attempt: Which attempt this is; starts at 1.
        timeout: Seconds the tool may take from its start; None for no bound.
        labels: What the session has seen.
        reply: The answer to what the tool asked for by returning `Pending`.
        due: When the time is up, in seconds of `clock`; None for no bound.
        clock: The time that the path goes by.
    """

    key: str
    principal: Principal
    session: str
    attempt: int
    timeout: float | None = None
    labels: frozenset[str] = frozenset()
    reply: Any = None
    due: float | None = None
    clock: Callable[[], float] = time.monotonic

    def remaining(self) -> float | None:
        """Return the seconds left now, to be handed to whatever the tool calls.

        Returns:
            Seconds, 0.0 once the time is up; None for no bound.
        """
        return None if self.due is None else max(0.0, self.due - self.clock())


# --- events: what listeners see -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOpened:
    """A call has entered the path; its arguments are as they came."""

    call: ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClosed:
    """A call has left the path.

    Attributes:
        call: The call as it entered.
        result: How it ended.
        seconds: From entry to end.
    """

    call: ToolCall
    result: ToolResult
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """Arguments were changed to make them valid."""

    call: ToolCall
    repairs: tuple[Repair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """An attempt did not succeed and another one follows.

    Attributes:
        call: The call, with the number of the attempt that failed.
        error: Why it failed.
        wait: Seconds until the next attempt.
    """

    call: ToolCall
    error: CallError
    wait: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A stage has decided about a call.

    Attributes:
        call: The call.
        stage: The name of the stage.
        verdict: What it decided, such as `refused`.
        reason: Why.
    """

    call: ToolCall
    stage: str
    verdict: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitChanged:
    """A call has opened or closed the circuit of its tool or backend, or begun to probe it.

    Attributes:
        call: The call.
        circuit: The name of the tool or backend.
        state: What the circuit is now: `closed`, `open` or `half_open`.
        reason: What opened it.
    """

    call: ToolCall
    circuit: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """A tool tells how far it is.

    Attributes:
        call: The call.
        done: How much is done; grows.
        total: How much there is in all, if the tool knows.
        message: What it is doing, bounded; words of the tool, not of ours.
    """

    call: ToolCall
    done: float
    total: float | None = None
    message: str = ""


_Underway: TypeAlias = Repaired | Tried | Decision | CircuitChanged | Progressed
Event: TypeAlias = CallOpened | CallClosed | _Underway
