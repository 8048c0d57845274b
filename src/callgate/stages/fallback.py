"""`fallback`: when a tool is out and has not acted, asks the next tool of its chain."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from callgate.controls import Alternative, Controls
from callgate.errors import (
    ArgumentsError,
    CallError,
    CancelledCallError,
    DefinitionError,
    DisabledError,
    ExecutionError,
    LaterError,
    NotWrittenError,
    StoreError,
    ThrottledError,
    ToolFailedError,
    TransientError,
)
from callgate.pipeline import Handler
from callgate.schema.arguments import prepare
from callgate.schema.check import Checker
from callgate.stages.journal import Journal, State
from callgate.types import Decision, Effect, Status, Surface, Tool, ToolCall, ToolResult, TurnGate

__all__ = ["Chain", "Fallback", "chains"]

_OK = Status.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What answers when a tool is out.

    Attributes:
        tool: The tool.
        checker: Reads its arguments, for maps.
        alternatives: Which tools answer, in order.
    """

    tool: Tool
    checker: Checker
    alternatives: tuple[Alternative, ...]


def chains(surface: Surface, controls: Controls) -> dict[str, Chain]:
    """Return the chains that tools and operators declare, by the name of the tool.

    Raises:
        DefinitionError: A chain names an unknown tool or parameter, leads back to where it began,
            or would answer a read by an effect.
    """
    tools = surface.tools
    if unknown := sorted(set(controls.fallbacks) - set(tools)):
        raise DefinitionError(f"A fallback is declared for {unknown[0]!r}, which is no tool here.")
    found: dict[str, Chain] = {}
    for name, tool in tools.items():
        alternatives = (*tool.fallback, *controls.fallbacks.get(name, ()))
        for alternative in alternatives:
            _check(tool, alternative, tools)
        if alternatives:
            checker = Checker(tool.parameters)
            found[name] = Chain(tool=tool, checker=checker, alternatives=alternatives)
    for name in found:
        _follow(name, (name,), found)
    return found


def _check(tool: Tool, alternative: Alternative, tools: Mapping[str, Tool]) -> None:
    other = tools.get(alternative.tool)
    if other is None:
        raise DefinitionError(
            f"{tool.name} falls back to {alternative.tool!r}, which is no tool here."
        )
    if tool.effect is Effect.READ and other.effect is not Effect.READ:
        raise DefinitionError(
            f"{tool.name} only reads and falls back to {other.name}, which does more. A model that "
            "asks for a read must get one."
        )
    mapped = alternative.arguments or {}
    _known(mapped, other, f"{tool.name} falls back to {other.name} with the argument")
    _known(mapped.values(), tool, f"The fallback of {tool.name} to {other.name} takes the argument")


def _known(names: Iterable[str], tool: Tool, what: str) -> None:
    properties: Mapping[str, Any] = tool.parameters.get("properties", {})
    if properties and (unknown := sorted(set(names) - set(properties))):
        raise DefinitionError(
            f"{what} {unknown[0]!r}, which {tool.name} does not have; "
            f"it has {', '.join(properties)}."
        )


def _follow(name: str, seen: tuple[str, ...], found: Mapping[str, Chain]) -> None:
    chain = found.get(name)
    for alternative in chain.alternatives if chain is not None else ():
        if alternative.tool in seen:
            circle = " -> ".join((*seen, alternative.tool))
            raise DefinitionError(f"A fallback leads back to where it began: {circle}.")
        _follow(alternative.tool, (*seen, alternative.tool), found)


class Fallback:
    """Sends a new call of another tool down the whole path when a tool is out.

    An effect falls back only where it is known not to have happened. The new call has a key of
    its own, made from the first one's, is recorded, judged and journaled like any other, and
    may itself fall back. The model is told which tool answered.
    """

    __slots__ = ("_chains", "_dispatch", "_enforce", "_journal")

    def __init__(
        self,
        chains: Mapping[str, Chain],
        dispatch: Handler,
        *,
        journal: Journal | None = None,
        enforce: bool = True,
    ) -> None:
        """Keep the chains.

        Args:
            chains: What `chains` returned.
            dispatch: The whole path, from `record` on.
            journal: Knows whether an alternative has acted for a call that is made again; None
                if nobody does.
            enforce: Whether other tools are asked; else it only tells which would be.
        """
        self._chains = chains
        self._dispatch = dispatch
        self._journal = journal
        self._enforce = enforce

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        """Pass on a call of a tool without a chain; watch over one that has."""
        chain = self._chains.get(call.name)
        return call_next(call) if chain is None else self._watch(call, call_next, chain)

    async def _watch(self, call: ToolCall, call_next: Handler, chain: Chain) -> ToolResult:
        place = None if call.turn is None else _Place(call.turn)
        held = call if place is None else replace(call, turn=place)
        result: ToolResult | None = None
        try:
            if call.again and self._journal is not None:
                result = await self._begin(held, call_next, chain)
            else:
                result = await call_next(held)
            if result.error is None:
                return result
            for alternative in chain.alternatives:
                if not _out(result, chain.tool):
                    break
                result = await self._ask(call, chain, alternative, result)
            return result
        finally:
            if place is not None:
                place.leave_with(result)

    async def _begin(self, call: ToolCall, call_next: Handler, chain: Chain) -> ToolResult:
        """Make the call itself, unless another tool has acted for it in an earlier try."""
        try:
            made = await self._made(call, chain)
        except StoreError as exc:
            error = NotWrittenError(f"What was done before could not be read: {exc.message}")
            return ToolResult(status=Status.ERROR, error=error, attempts=0)
        if made is None:
            return await call_next(call)
        if call.turn is not None:
            refused = await call.turn.enter(replace(call, tool=chain.tool))
            if refused is not None:
                return refused
        return await self._ask(call, chain, made, None)

    async def _made(self, call: ToolCall, chain: Chain) -> Alternative | None:
        if self._journal is None or chain.tool.effect is Effect.READ:
            return None
        for alternative in chain.alternatives:
            entry = await self._journal.find(_key(call, alternative))
            if entry is not None and entry.state is not State.NOT_HAPPENED:
                return alternative
        return None

    async def _ask(
        self, call: ToolCall, chain: Chain, alternative: Alternative, before: ToolResult | None
    ) -> ToolResult:
        error = before.error if before is not None else None
        why = "it was asked before" if error is None else error.message
        verdict = "answered_by" if self._enforce else "would_ask"
        reason = f"{alternative.tool}: {why}"
        call.scope.emit(Decision(call=call, stage="fallback", verdict=verdict, reason=reason))
        if not self._enforce and before is not None:
            return before
        try:
            arguments = _arguments(call, chain, alternative)
        except ArgumentsError as exc:
            return before or ToolResult(status=Status.ERROR, error=exc, attempts=0)
        result = await self._dispatch(
            replace(
                call,
                key=_key(call, alternative),
                name=alternative.tool,
                arguments=arguments,
                scope=replace(call.scope, parent=call.key),
                turn=None,
            )
        )
        note = f"[{call.name} was out; {alternative.tool} answered instead. {why}]"
        return replace(result, notes=(*result.notes, note))


def _key(call: ToolCall, alternative: Alternative) -> str:
    return f"{call.key}+{alternative.tool}"


def _arguments(call: ToolCall, chain: Chain, alternative: Alternative) -> Any:
    if alternative.arguments is None:
        return call.arguments
    # Read as `validate` reads them, which stands behind this stage.
    tool = chain.tool
    read = prepare(
        chain.checker,
        call.arguments,
        effect=tool.effect is not Effect.READ,
        strict=call.scope.strict,
        truncated=call.truncated,
        limit=tool.limits.argument_bytes,
    )
    ours = read.value
    return {new: ours[old] for new, old in alternative.arguments.items() if old in ours}


def _out(result: ToolResult, tool: Tool) -> bool:
    """Tell whether the tool itself is what failed, and certainly has not changed anything."""
    error = result.error
    if error is None or result.status is not Status.ERROR:
        return False
    if isinstance(error, DisabledError | LaterError):
        return not isinstance(error, ThrottledError)
    if tool.effect is Effect.READ:
        return _broken(error)
    return isinstance(error, TransientError) and error.harmless


def _broken(error: CallError) -> bool:
    return isinstance(error, ExecutionError) and not isinstance(
        error, ToolFailedError | CancelledCallError
    )


class _Place:
    """The call's place in its turn, which is kept until the whole chain has ended."""

    __slots__ = ("_entered", "_turn")

    def __init__(self, turn: TurnGate) -> None:
        self._turn = turn
        self._entered: ToolCall | None = None

    async def enter(self, call: ToolCall) -> ToolResult | None:
        self._entered = call
        return await self._turn.enter(call)

    def leave(self, call: ToolCall, result: ToolResult | None) -> None:
        """Wait: the call may yet be answered by another tool."""

    def leave_with(self, result: ToolResult | None) -> None:
        if self._entered is not None:
            self._turn.leave(self._entered, result)
