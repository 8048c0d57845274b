"""`Session`: one conversation; every call it makes travels the one path."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, TypeAlias
from urllib.parse import quote

from callgate.approvals.desk import Verdict
from callgate.backends import Runs
from callgate.codecs import Codec, by_name, detect, wire_of
from callgate.codecs.clients import ChunkReader, as_sent
from callgate.errors import DuplicateCallError, MisuseError, ModelStreamError, RefusedError
from callgate.messages import (
    Answer,
    Answered,
    CallPart,
    Message,
    ModelEvent,
    ModelResponse,
    ResultPart,
    Role,
)
from callgate.path import CallPath
from callgate.pipeline import Clock, Handler
from callgate.portal import Portal
from callgate.sources.results import READ_RESULT
from callgate.stages.order import Turn, run_turn
from callgate.types import (
    Effect,
    Pending,
    Principal,
    Scope,
    SessionState,
    Status,
    Surface,
    Tool,
    ToolCall,
    ToolResult,
    make_call,
    maker,
)

__all__ = ["Bounds", "Session", "Watch"]

_answer_of = maker(Answer)
_answered = maker(Answered)
_part = maker(ResultPart)
_state = maker(SessionState)

# A member is looked up through its metaclass, which a hot path feels.
_OK, _PENDING = Status.OK, Status.PENDING
_TOOL = Role.TOOL

_END = object()

_Make: TypeAlias = Callable[[int, Turn | None], ToolCall]
"""Makes the call at one place of a turn."""

Watch: TypeAlias = Callable[[ModelEvent], object]
"""Is shown what a stream says, as it comes: `TextDelta`, `CallDelta` and `ResponseDone`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What a session may do in all.

    Attributes:
        strict: Whether arguments that need a repair are refused instead of repaired.
        max_calls: How many calls may be made; None for no bound.
        max_spend: US dollars that they may cost; None for no bound.
    """

    strict: bool = False
    max_calls: int | None = None
    max_spend: Decimal | None = None


class Session:
    """One conversation: a principal, a pinned set of tools, a turn counter and budgets."""

    def __init__(
        self,
        path: CallPath,
        state: SessionState,
        bounds: Bounds,
        *,
        again: bool = False,
    ) -> None:
        """Begin or continue; use `Gate.session` or `Gate.restore`.

        Args:
            path: What takes the calls.
            state: What survives a restart.
            bounds: What it may do in all.
            again: Whether its calls may have been made before, in this or another process.

        Raises:
            MisuseError: The state has no id.
        """
        if not state.id:
            raise MisuseError("A session needs an id: it is part of the keys of its calls.")
        who = state.principal
        self._path = path
        self._handler = path.handler
        self._state = state
        self._turn = state.turn
        self._offer = _Offer(path.surface, state.disclosed)
        self._again = again
        self._whose = f"{quote(who.tenant, safe='')}/{quote(who.id, safe='')}"
        self._prefix = f"{self._whose}/{quote(state.id, safe='')}"
        self._scope = Scope(
            session=state.id,
            principal=who,
            prefix=self._prefix,
            emit=path.emit,
            strict=bounds.strict,
            labels=state.labels,
            disclose=self._offer.disclose,
            max_calls=bounds.max_calls,
            max_spend=bounds.max_spend,
        )

    @property
    def runs(self) -> Runs | None:
        """Where the logs of its runs are kept; None if nowhere."""
        return self._path.runs

    @property
    def state(self) -> SessionState:
        """All of the session that must survive a restart."""
        state = self._state
        return _state(
            id=state.id,
            principal=state.principal,
            revision=state.revision,
            turn=self._turn,
            labels=state.labels,
            disclosed=self._offer.disclosed,
        )

    @property
    def principal(self) -> Principal:
        """On whose behalf calls are made."""
        return self._state.principal

    @property
    def clock(self) -> Clock:
        """The time that the path goes by."""
        return self._path.clock

    @property
    def portal(self) -> Portal:
        """The door for callers that cannot await."""
        return self._path.portal

    def tools(self, *, wire: str | None = None, model: str | None = None) -> tuple[Any, ...]:
        """Return the tools to offer to a model.

        Args:
            wire: The name of a provider's wire, such as `openai`; defaults to that of `model`, and
                without one to our own `Tool`s.
            model: Our full name of a model, such as `anthropic:claude-opus-5-5`.

        Returns:
            The same object until a tool is disclosed, so that prompts stay cacheable.

        Raises:
            SettingsError: There is no such wire.
        """
        if wire is None and model is not None:
            wire = wire_of(model)
        return self._offer.tools() if wire is None else self._offer.encoded(wire)

    async def call(
        self,
        name: str,
        arguments: Mapping[str, Any] | str | bytes,
        *,
        id: str | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> ToolResult:
        """Make one call.

        Args:
            name: The tool.
            arguments: JSON text or an object.
            id: The call's id; made from the turn by default.
            key: The caller's own name of the intent: the same key is the same intent in every
                session of the principal.
            timeout: Seconds it may execute, if less than the tool's own limit.

        Returns:
            The result; failures are values, see `ToolResult.unwrap`.

        Raises:
            MisuseError: The gate belongs to another event loop.
        """
        self._path.attach()
        turn = self._turn = self._turn + 1
        return await self._handler(
            make_call(
                id=id or f"call_{turn}",
                # A session's id is never empty, so no place of a turn looks like a caller's key.
                key=f"{self._prefix}/{turn}/0" if key is None else f"{self._whose}//{key}",
                name=name,
                arguments=arguments,
                scope=self._scope,
                timeout=timeout,
                again=self._again or key is not None,
            )
        )

    def next_turn(self) -> int:
        """Count a turn and return its number.

        Whoever logs a model's answer before its calls run takes the number first: it is part of
        their keys, and the same number after a crash makes them the same intents.
        """
        self._turn += 1
        return self._turn

    async def turn(
        self,
        calls: Sequence[CallPart],
        *,
        turn: int | None = None,
        refused: Mapping[str, RefusedError] | None = None,
    ) -> Answer:
        """Make the calls of one model turn.

        Calls are admitted in the model's order; then reads run together and effects one after
        another. A call that fails takes none of the others with it.

        Args:
            calls: As the model made them.
            turn: The number that `next_turn` gave for them; a new one by default.
            refused: Calls that are not to be made, by id, with the reason the model is told.

        Returns:
            Every call with its result, in the same order.
        """
        self._path.attach()
        number = self.next_turn() if turn is None else turn
        make = self._maker(calls, number, {}, {})
        if len(calls) == 1 and not refused:
            results = [await self._handler(make(0, None))]
        else:
            refusals = _refusals(calls, refused or {})
            results = await self._run(make, range(len(calls)), refusals)
        return _answer(calls, results, number)

    async def answer(self, response: Any, *, wire: str | None = None) -> Answer:
        """Run every call in a provider's response.

        Args:
            response: The response object of a provider's client, or the same as a dict; of a
                stream, the object that the client has put together.
            wire: The name of the provider's wire; by default told from the response, where Mistral
                looks like OpenAI.

        Returns:
            The answer; its `said` and `messages` are in the provider's own form.

        Raises:
            ModelStreamError: The response belongs to no known wire, or cannot be read.
            SettingsError: There is no such wire.
        """
        codec = detect(response) if wire is None else by_name(wire)
        if codec is None:
            raise ModelStreamError(
                f"A {type(response).__name__} is no response of a known provider. Pass the "
                "response object of its client or its JSON as a dict."
            )
        return await self._respond(codec.decode_response(response, names=self._path.names), codec)

    async def answer_stream(
        self,
        chunks: AsyncIterable[Any] | Iterable[Any],
        *,
        wire: str,
        on_event: Watch | None = None,
    ) -> Answer:
        """Read a streamed response to its end and run every call in it.

        Args:
            chunks: What a provider's client gives out, piece by piece: its objects, or the same as
                dicts. What cannot be awaited is read in a thread.
            wire: The name of the provider's wire: a piece alone does not tell.
            on_event: Is shown each `TextDelta` and `CallDelta` as it comes, and `ResponseDone`.

        Returns:
            The answer; its `said` and `messages` are in the provider's own form.

        Raises:
            ModelError: The provider reports an error, or the stream is cut or cannot be read; what
                the client itself raises passes as it is. No call was made.
            SettingsError: There is no such wire.
        """
        codec = by_name(wire)
        reader = ChunkReader(codec, self._path.names)
        async for chunk in _each(chunks):
            _show(reader.feed(chunk), on_event)
        _show(reader.close(), on_event)
        return await self._respond(reader.response, codec)

    async def resume(self, answer: Answer, replies: Mapping[str, Any] | None = None) -> Answer:
        """Complete calls that were waiting.

        Calls that people have decided about, here or elsewhere, go on; the others go on waiting.

        Args:
            answer: An answer with waiting calls, of this session.
            replies: What the waiting calls asked for, by call id: a `Verdict` for one that waits
                for approval, else a JSON value.

        Returns:
            The answer with those calls completed, under the keys they had.

        Raises:
            MisuseError: A reply names no waiting call, or is none.
            ApprovalError: A verdict is not accepted.
        """
        given = await self.decide(answer, replies or {})
        # The stage looks a decision up itself; only what a tool asked for goes to the tool.
        asked = {item.call.id for item in answer.waiting if _approval(item)}
        told = {id: None if id in asked else reply for id, reply in given.items()}
        waiting = {
            item.call.id: item.result.pending
            for item in answer.waiting
            if item.call.id not in asked
        }
        calls = [item.call for item in answer.answered]
        places = [place for place, call in enumerate(calls) if call.id in told]
        made = await self._run(self._maker(calls, answer.turn, told, waiting), places, {})
        results = dict(zip(places, made, strict=True))
        final = [results.get(place, item.result) for place, item in enumerate(answer.answered)]
        done = replace(_answer(calls, final, answer.turn), said=answer.said)
        return _on_wire(done, by_name(answer.wire)) if answer.wire else done

    async def decide(self, answer: Answer, replies: Mapping[str, Any]) -> dict[str, Any]:
        """Take the verdicts among replies, and look which waiting calls were decided about.

        Args:
            answer: An answer with waiting calls, of this session.
            replies: As in `resume`.

        Returns:
            The replies as JSON values; `{"approval": ID}` for each call whose approval is decided.

        Raises:
            MisuseError: A reply names no waiting call, or is none.
            ApprovalError: A verdict is not accepted.
        """
        self._path.attach()
        waiting = {item.call.id: _approval(item) for item in answer.waiting}
        if stray := sorted(set(replies) - set(waiting)):
            raise MisuseError(f"No call waits under the id {', '.join(stray)}.")
        plain = {id: reply for id, reply in replies.items() if not waiting[id]}
        desk = self._path.approvals
        if desk is None:
            return plain
        for id, approval in waiting.items():
            if approval and id in replies and not _is_notice(replies[id], approval):
                await desk.decide(approval, _verdict(id, replies[id]))
        decided = await desk.decided([approval for approval in waiting.values() if approval])
        notices = {id: {"approval": one} for id, one in waiting.items() if one in decided}
        return plain | notices

    def call_blocking(
        self, name: str, arguments: Mapping[str, Any] | str | bytes, **options: Any
    ) -> ToolResult:
        """Make one call from code that cannot await; the blocking twin of `call`."""
        return self._path.portal.run(lambda: self.call(name, arguments, **options))

    def answer_blocking(self, response: Any, *, wire: str | None = None) -> Answer:
        """Run every call in a response; the blocking twin of `answer`."""
        return self._path.portal.run(lambda: self.answer(response, wire=wire))

    def resume_blocking(self, answer: Answer, replies: Mapping[str, Any] | None = None) -> Answer:
        """Complete calls that were waiting; the blocking twin of `resume`."""
        return self._path.portal.run(lambda: self.resume(answer, replies))

    def answer_stream_blocking(
        self, chunks: Iterable[Any], *, wire: str, on_event: Watch | None = None
    ) -> Answer:
        """Run every call in a stream; the blocking twin of `answer_stream`, reads it itself."""
        codec = by_name(wire)
        reader = ChunkReader(codec, self._path.names)
        for chunk in chunks:
            _show(reader.feed(chunk), on_event)
        _show(reader.close(), on_event)
        return self._path.portal.run(lambda: self._respond(reader.response, codec))

    async def _respond(self, response: ModelResponse, codec: Codec) -> Answer:
        answer = await self.turn(response.message.calls)
        said = as_sent(codec.encode_message(response.message), codec.wire)
        return _on_wire(replace(answer, said=said), codec)

    def _maker(
        self,
        calls: Sequence[CallPart],
        turn: int,
        replies: Mapping[str, Any],
        waiting: Mapping[str, Pending | None],
    ) -> _Make:
        def make(place: int, together: Turn | None) -> ToolCall:
            part = calls[place]
            return make_call(
                id=part.id,
                key=f"{self._prefix}/{turn}/{place}",
                name=part.name,
                arguments=part.arguments,
                scope=self._scope,
                truncated=part.truncated,
                turn=together,
                reply=replies.get(part.id),
                again=self._again or part.id in replies,
                waited=waiting.get(part.id) if part.id in replies else None,
            )

        return make

    async def _run(
        self, make: _Make, places: Sequence[int], refused: Mapping[int, RefusedError]
    ) -> list[ToolResult]:
        def begin(index: int, turn: Turn) -> tuple[Handler, ToolCall]:
            place = places[index]
            refusal = refused.get(place)
            path = self._handler if refusal is None else self._path.refusing(refusal)
            return path, make(place, turn)

        return await run_turn(len(places), begin, self._changes)

    def _changes(self, name: str) -> bool:
        tool = self._path.surface.tools.get(name)
        return tool is not None and tool.effect is not Effect.READ


def _approval(item: Answered) -> str:
    return "" if item.result.pending is None else item.result.pending.id


def _is_notice(reply: Any, approval: str) -> bool:
    return reply == {"approval": approval}


def _verdict(id: str, reply: Any) -> Verdict:
    if isinstance(reply, Verdict):
        return reply
    raise MisuseError(
        f"Call {id} waits for approval: answer with a Verdict that says who decides, such as "
        "Verdict(by=person, approve=True)."
    )


class _Offer:
    """The tools a session shows to models.

    Calls reach it through their scope. It does not know the session, so that a session goes with
    its last reference instead of waiting for the garbage collector.
    """

    def __init__(self, surface: Surface, disclosed: frozenset[str]) -> None:
        self.disclosed = disclosed
        self._surface = surface
        self._visible: tuple[Tool, ...] | None = None
        self._encoded: dict[str, tuple[Any, ...]] = {}

    def disclose(self, name: str) -> None:
        if name not in self.disclosed:
            self.disclosed |= {name}
            self._visible = None
            self._encoded.clear()

    def tools(self) -> tuple[Tool, ...]:
        if self._visible is None:
            hidden = {READ_RESULT.name} - self.disclosed
            self._visible = tuple(
                tool for name, tool in self._surface.tools.items() if name not in hidden
            )
        return self._visible

    def encoded(self, wire: str) -> tuple[Any, ...]:
        if wire not in self._encoded:
            self._encoded[wire] = tuple(by_name(wire).encode_tools(self.tools()))
        return self._encoded[wire]


def _refusals(
    calls: Sequence[CallPart], refused: Mapping[str, RefusedError]
) -> dict[int, RefusedError]:
    found: dict[int, RefusedError] = {}
    seen: set[str] = set()
    for place, call in enumerate(calls):
        if call.id in seen:
            found[place] = DuplicateCallError(
                f"Another call of this turn has the id {call.id!r} too."
            )
        elif call.id in refused:
            found[place] = refused[call.id]
        seen.add(call.id)
    return found


def _answer(calls: Sequence[CallPart], results: Sequence[ToolResult], turn: int) -> Answer:
    answered: list[Answered] = []
    parts: list[ResultPart] = []
    waiting = False
    for call, result in zip(calls, results, strict=True):
        answered.append(_answered(call=call, result=result))
        waiting = waiting or result.status is _PENDING
        parts.append(
            _part(
                call_id=call.id,
                name=call.name,
                text=result.text(),
                content=result.content,
                error=result.status is not _OK,
                echo=call.echo,
            )
        )
    messages = () if waiting or not parts else (Message(role=_TOOL, parts=tuple(parts)),)
    return _answer_of(answered=tuple(answered), messages=messages, turn=turn)


def _on_wire(answer: Answer, codec: Codec) -> Answer:
    encoded = [part for message in answer.messages for part in codec.encode_message(message)]
    return replace(answer, messages=as_sent(encoded, codec.wire), wire=codec.wire)


async def _each(chunks: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
        return
    rest = iter(chunks)
    while (chunk := await asyncio.to_thread(next, rest, _END)) is not _END:
        yield chunk


def _show(events: Iterable[ModelEvent], watch: Watch | None) -> None:
    if watch is not None:
        for event in events:
            watch(event)
