"""`Gate` and `Session`: what most users touch; every call they make travels the one path."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias
from urllib.parse import quote

from callgate.codecs import Codec, by_name, detect, wire_names
from callgate.errors import DuplicateCallError, MisuseError, ModelStreamError, RefusedError
from callgate.messages import Answer, Answered, CallPart, Message, ResultPart, Role
from callgate.path import CallPath, Offered
from callgate.pipeline import Clock, Handler, Listener, LoopClock
from callgate.portal import Portal
from callgate.sources.results import READ_RESULT
from callgate.stages.order import Turn, run_turn
from callgate.types import (
    ANYONE,
    Effect,
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

__all__ = ["Gate", "Session"]

_answer_of = maker(Answer)
_answered = maker(Answered)
_part = maker(ResultPart)
_state = maker(SessionState)

# A member is looked up through its metaclass, which a hot path feels.
_OK, _PENDING = Status.OK, Status.PENDING
_TOOL = Role.TOOL

_Make: TypeAlias = Callable[[int, Turn | None], ToolCall]
"""Makes the call at one place of a turn."""


class Gate:
    """A set of tools behind one path.

    A gate belongs to the event loop it is first used on, and says so when it is used on another.
    Sessions are cheap: make one for each conversation.
    """

    def __init__(
        self,
        tools: Iterable[Offered],
        *,
        listeners: Iterable[Listener] = (),
        repeats: int = 3,
        observe: Collection[str] = (),
        grace: float = 5.0,
        clock: Clock | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Compose the path for every tool.

        Args:
            tools: Functions declared with `@tool`, and sources.
            listeners: Called with every event, in order.
            repeats: How often one call may give one result before it is refused.
            observe: Names of deciding stages (`guard`) that only tell listeners what they would
                refuse; all others enforce.
            grace: Seconds a started effect may go on after its caller left.
            clock: The time; defaults to the event loop's.
            chance: Draws from [0, 1) for the jitter of retries.

        Raises:
            DefinitionError: Two tools have one name, or something is no tool.
            MisuseError: A stage is to observe that does not decide.
        """
        self._path = CallPath(
            tools,
            listeners=listeners,
            repeats=repeats,
            observe=observe,
            grace=grace,
            clock=clock or LoopClock(),
            chance=chance,
        )

    @property
    def surface(self) -> Surface:
        """The tools behind this gate."""
        return self._path.surface

    def session(
        self,
        principal: Principal = ANYONE,
        *,
        id: str | None = None,
        strict: bool = False,
        max_calls: int | None = None,
        labels: frozenset[str] = frozenset(),
    ) -> Session:
        """Begin a session.

        Args:
            principal: On whose behalf calls are made.
            id: The session's id, part of every key; a random one by default.
            strict: Whether arguments that need a repair are refused instead of repaired.
            max_calls: How many calls the session may make; no bound by default.
            labels: What the session has seen before.

        Returns:
            A session over this gate's tools.
        """
        state = SessionState(
            id=id or os.urandom(16).hex(),
            principal=principal,
            revision=self.surface.revision,
            labels=labels,
        )
        return Session(self._path, state, strict=strict, max_calls=max_calls)

    def restore(
        self, state: SessionState, *, strict: bool = False, max_calls: int | None = None
    ) -> Session:
        """Continue a session from its state, in this or another process.

        Args:
            state: What `Session.state` gave.
            strict: As in `session`.
            max_calls: As in `session`; counted from here.

        Raises:
            MisuseError: The state belongs to another set of tools.
        """
        if state.revision != self.surface.revision:
            raise MisuseError(
                f"Session {state.id} was pinned to tools {state.revision}, this gate serves "
                f"{self.surface.revision}. Restore it on a gate with the tools it began with."
            )
        return Session(self._path, state, strict=strict, max_calls=max_calls)

    async def close(self) -> None:
        """Let idle worker threads end."""
        self._path.close()

    def close_blocking(self) -> None:
        """Let idle worker threads and the loop of the blocking twins end."""
        self._path.close()
        self._path.portal.close()


class Session:
    """One conversation: a principal, a pinned set of tools, a turn counter and budgets."""

    def __init__(
        self, path: CallPath, state: SessionState, *, strict: bool, max_calls: int | None
    ) -> None:
        """Begin or continue; use `Gate.session` or `Gate.restore`.

        Args:
            path: What takes the calls.
            state: What survives a restart.
            strict: Whether repairs are refused.
            max_calls: How many calls may be made; None for no bound.
        """
        who = state.principal
        self._path = path
        self._handler = path.handler
        self._state = state
        self._turn = state.turn
        self._offer = _Offer(path.surface, state.disclosed)
        self._prefix = "/".join(quote(part, safe="") for part in (who.tenant, who.id, state.id))
        self._scope = Scope(
            session=state.id,
            principal=who,
            prefix=self._prefix,
            emit=path.emit,
            strict=strict,
            labels=state.labels,
            disclose=self._offer.disclose,
            max_calls=max_calls,
        )

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
    def clock(self) -> Clock:
        """The time that the path goes by."""
        return self._path.clock

    @property
    def portal(self) -> Portal:
        """The door for callers that cannot await."""
        return self._path.portal

    def tools(self, *, wire: str | None = None) -> tuple[Any, ...]:
        """Return the tools to offer to a model.

        Args:
            wire: The name of a provider's wire, such as `openai`; by default our own `Tool`s.

        Returns:
            The same object until a tool is disclosed, so that prompts stay cacheable.

        Raises:
            SettingsError: There is no such wire.
        """
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
            key: The caller's own name of the intent: the same key is the same intent.
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
                key=f"{self._prefix}/{turn}/0" if key is None else f"{self._prefix}//{key}",
                name=name,
                arguments=arguments,
                scope=self._scope,
                timeout=timeout,
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
        make = self._maker(calls, number, {})
        if len(calls) == 1 and not refused:
            results = [await self._handler(make(0, None))]
        else:
            refusals = _refusals(calls, refused or {})
            results = await self._run(make, range(len(calls)), refusals)
        return _answer(calls, results, number)

    async def answer(self, response: Any) -> Answer:
        """Run every call in a provider's response.

        Args:
            response: The response object of a provider's SDK, or the same as a dict.

        Returns:
            The answer; its `messages` are in the provider's own form.

        Raises:
            ModelStreamError: The response belongs to no known wire.
        """
        codec = detect(response)
        if codec is None:
            raise ModelStreamError(
                f"A {type(response).__name__} is no response of a known provider. Pass the SDK's "
                "response object or its JSON as a dict."
            )
        names = wire_names(self._path.surface.tools.values())
        decoded = codec.decode_response(response, names=names)
        answer = await self.turn(decoded.message.calls)
        return _on_wire(answer, codec)

    async def resume(self, answer: Answer, replies: Mapping[str, Any]) -> Answer:
        """Complete calls that were waiting.

        Args:
            answer: An answer with waiting calls, of this session.
            replies: What the waiting calls asked for, by call id.

        Returns:
            The answer with those calls completed, under the keys they had.

        Raises:
            MisuseError: A reply names no waiting call.
        """
        self._path.attach()
        waiting = {item.call.id for item in answer.waiting}
        if stray := sorted(set(replies) - waiting):
            raise MisuseError(f"No call waits under the id {', '.join(stray)}.")
        calls = [item.call for item in answer.answered]
        places = [place for place, call in enumerate(calls) if call.id in replies]
        made = await self._run(self._maker(calls, answer.turn, replies), places, {})
        results = dict(zip(places, made, strict=True))
        final = [results.get(place, item.result) for place, item in enumerate(answer.answered)]
        done = _answer(calls, final, answer.turn)
        return _on_wire(done, by_name(answer.wire)) if answer.wire else done

    def call_blocking(
        self, name: str, arguments: Mapping[str, Any] | str | bytes, **options: Any
    ) -> ToolResult:
        """Make one call from code that cannot await; the blocking twin of `call`."""
        return self._path.portal.run(lambda: self.call(name, arguments, **options))

    def answer_blocking(self, response: Any) -> Answer:
        """Run every call in a response; the blocking twin of `answer`."""
        return self._path.portal.run(lambda: self.answer(response))

    def _maker(self, calls: Sequence[CallPart], turn: int, replies: Mapping[str, Any]) -> _Make:
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
    messages = () if waiting else (Message(role=_TOOL, parts=tuple(parts)),)
    return _answer_of(answered=tuple(answered), messages=messages, turn=turn)


def _on_wire(answer: Answer, codec: Codec) -> Answer:
    encoded = [part for message in answer.messages for part in codec.encode_message(message)]
    return replace(answer, messages=tuple(encoded), wire=codec.wire)
