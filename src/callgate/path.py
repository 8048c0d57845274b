"""The composed path of one set of tools: what all sessions of a gate share."""

from __future__ import annotations

import asyncio
import logging
from asyncio import current_task
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from threading import get_ident
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, cast

from callgate.backends import Backends
from callgate.codecs import wire_names
from callgate.controls import DECIDING, Controls
from callgate.errors import DefinitionError, MisuseError, RefusedError
from callgate.pipeline import (
    Clock,
    Closing,
    Handler,
    Listener,
    Reconciler,
    Source,
    Stage,
    StageFactory,
    compose,
    stacks,
)
from callgate.portal import Portal
from callgate.schema.canonical import digest
from callgate.sources.python import PythonSource
from callgate.sources.results import MemoryBlobs, ResultSource
from callgate.stages.admit import AdmitFactory, AdmitState, MemoryRates, Slots
from callgate.stages.approve import ApproveFactory
from callgate.stages.bound import BoundFactory
from callgate.stages.breaker import BreakerFactory, MemoryCircuits
from callgate.stages.cache import CacheFactory, MemoryGenerations, Shelf
from callgate.stages.deadline import DeadlineFactory, Deadlines
from callgate.stages.fallback import Fallback, chains
from callgate.stages.guard import GuardFactory, MemorySpend
from callgate.stages.journal import JournalFactory, starting
from callgate.stages.order import OrderFactory
from callgate.stages.recall import RecallFactory
from callgate.stages.record import Record
from callgate.stages.resolve import Resolve
from callgate.stages.retry import RetryFactory
from callgate.stages.validate import ValidateFactory
from callgate.tool import FunctionTool
from callgate.types import Effect, Event, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["CallPath", "Offered"]

_log = logging.getLogger("callgate")

Offered: TypeAlias = FunctionTool[..., Any] | Source
"""What a gate takes: a function declared with `@tool`, or a source."""


class CallPath:
    """Every tool of a gate behind its stages, and the state that stages share.

    Attributes:
        surface: The tools.
        emit: Shows an event to every listener.
        clock: The time that all stages go by.
        deadlines: Where all deadlines are kept.
        slots: Where running attempts are counted.
        handler: Takes a call down the path.
        portal: The door for callers that cannot await.
        runs: Where the logs of runs are kept; None if nowhere.
        approvals: Where people decide about calls; None if no tool and no back end asks them.
        closing: The sources that hold connections or processes.
    """

    def __init__(
        self,
        offered: Iterable[Offered],
        *,
        backends: Backends,
        listeners: Iterable[Listener],
        controls: Controls,
        observe: Collection[str],
        grace: float,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        """Compose the path; the arguments are those of `Gate`.

        Raises:
            DefinitionError: Two tools have one name, or something is no tool.
            MisuseError: A stage is to observe that does not decide.
        """
        if unknown := sorted(set(observe) - set(DECIDING)):
            raise MisuseError(
                f"{', '.join(unknown)} cannot observe; only {', '.join(DECIDING)} can."
            )
        self.emit = _emitter(listeners)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self.clock = clock
        self.deadlines = Deadlines(clock)
        self.slots = Slots(clock)
        self.portal = Portal()
        self.runs = backends.runs
        blobs = backends.blobs or MemoryBlobs()
        functions, sources = _sorted(offered)
        self._own = PythonSource(functions, slots=self.slots, clock=clock.time)
        self.closing = [source for source in sources if isinstance(source, Closing)]
        offers = [self._own, *sources, ResultSource(blobs)]
        collected = _collect(offers)
        executors, tools = collected.executors, collected.tools
        self.surface = Surface(tools=MappingProxyType(tools), revision=_revision(tools.values()))
        backends = backends.for_tools(tools.values())
        deadline = DeadlineFactory(self.deadlines, grace=grace)
        bound = BoundFactory(blobs)
        journal = backends.journal
        limiting = self._limiting(backends, controls, observe, collected.sources)
        self.approvals = backends.approvals
        approve = self.approvals and ApproveFactory(
            self.approvals, self._dispatch, enforce="approve" not in observe
        )
        asked = approve.reached(self.surface) if approve else frozenset[str]()
        # In the order of `stages.ORDER`; what has no back end, and no use without one, is None.
        factories: tuple[StageFactory | None, ...] = (
            ValidateFactory(),
            None
            if journal is None
            else RecallFactory(journal, self._asks(offers, deadline, bound), clock=clock),
            limiting["guard"],
            approve,
            OrderFactory(),
            limiting["cache"],
            None if journal is None else JournalFactory(journal, clock=clock, reads=asked),
            RetryFactory(clock=clock, chance=chance),
            limiting["breaker"],
            limiting["admit"],
            deadline,
            bound,
        )
        if journal is not None:
            effects = {name for name, tool in tools.items() if tool.effect is not Effect.READ}
            executors |= {name: starting(executors[name]) for name in effects}
        self._record = Record(clock)
        used = [factory for factory in factories if factory is not None]
        resolve = Resolve(self.surface, stacks(self.surface, executors, used), backends.switches)
        chained = chains(self.surface, controls)
        enforce = "fallback" not in observe
        fallback = Fallback(chained, self._dispatch, journal=journal, enforce=enforce)
        outer: list[Stage] = [self._record, *([fallback] if chained else []), resolve]
        self.handler: Handler = compose(outer, resolve.refuse)

    def _limiting(
        self,
        backends: Backends,
        controls: Controls,
        observe: Collection[str],
        sources: Mapping[str, str],
    ) -> dict[str, StageFactory]:
        """Return the factories of the stages that share state; memory is where no back end is."""
        clock = self.clock
        rates = backends.rates or MemoryRates(clock)
        spend = backends.spend or MemorySpend(clock)
        circuits = backends.circuits or MemoryCircuits(clock)
        generations = backends.generations or MemoryGenerations()
        state = AdmitState(slots=self.slots, rates=rates, clock=clock, seats=backends.seats)
        return {
            "guard": GuardFactory(controls, rates, spend, enforce="guard" not in observe),
            "cache": CacheFactory(Shelf(), generations, clock, sources),
            "breaker": BreakerFactory(circuits, controls, enforce="breaker" not in observe),
            "admit": AdmitFactory(state, controls, enforce="admit" not in observe),
        }

    def _dispatch(self, call: ToolCall) -> Awaitable[ToolResult]:
        """Take a new call, which a stage makes instead of another, down the whole path."""
        return self.handler(call)

    def _asks(self, sources: Iterable[Source], *around: StageFactory) -> dict[str, Handler]:
        """Return what asks the world about each reconcilable tool, bounded as its calls are."""
        asking = {
            tool.name: source.reconcile
            for source in sources
            if isinstance(source, Reconciler)
            for tool in source.list()
            if tool.effect is Effect.RECONCILABLE
        }
        return stacks(
            Surface(tools={name: self.surface.tools[name] for name in asking}, revision=""),
            asking,
            around,
        )

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Our names of the tools that providers' wires name otherwise, by the wires' names."""
        return wire_names(self.surface.tools.values())

    def attach(self) -> None:
        """Bind the path to the running event loop.

        Raises:
            MisuseError: It belongs to another loop that is still open.
        """
        # The running loop costs a system call in Python 3.11. A task of our loop that is at work
        # in its thread says the same.
        if get_ident() == self._thread and current_task(self._loop) is not None:
            return
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop and not self._loop.is_closed():
            raise MisuseError(
                "This gate is in use on another event loop. Make one gate per loop, or use the "
                "blocking methods only."
            )
        self._loop = self.deadlines.loop = loop
        self._thread = get_ident()

    def refusing(self, error: RefusedError) -> Handler:
        """Return a path on which a call is recorded and refused with `error`."""

        async def refuse(call: ToolCall) -> ToolResult:
            return ToolResult(status=Status.ERROR, error=error, attempts=0)

        return compose([self._record], refuse)

    def close(self) -> None:
        """Let idle worker threads end."""
        self._own.close()

    async def close_sources(self) -> None:
        """Let the sources that hold connections or processes give them up."""
        for source in self.closing:
            await source.aclose()


def _emitter(listeners: Iterable[Listener]) -> Listener:
    guarded = [_guarded(listener) for listener in listeners]
    if len(guarded) == 1:
        return guarded[0]

    def emit(event: Event) -> None:
        for listener in guarded:
            listener(event)

    return emit


def _guarded(listener: Listener) -> Listener:
    def listen(event: Event) -> None:
        try:
            listener(event)
        except Exception:  # noqa: BLE001 - the boundary to a listener: it may only look
            _log.exception("A listener failed on %s.", type(event).__name__)

    return listen


def _sorted(offered: Iterable[object]) -> tuple[list[FunctionTool[..., Any]], list[Source]]:
    functions: list[FunctionTool[..., Any]] = []
    sources: list[Source] = []
    for item in offered:
        if isinstance(item, FunctionTool):
            functions.append(cast("FunctionTool[..., Any]", item))
        elif hasattr(item, "list") and hasattr(item, "call"):
            sources.append(cast("Source", item))
        else:
            raise DefinitionError(
                f"{item!r} is neither a tool nor a source. Declare a function with @tool, "
                "or unpack the list: Gate([*tools])."
            )
    return functions, sources


class _Collected(NamedTuple):
    """What sources offer, by the tools' names.

    Attributes:
        executors: What executes each tool.
        tools: The tools.
        sources: The name of each tool's source, the same in every process with these sources.
    """

    executors: dict[str, Handler]
    tools: dict[str, Tool]
    sources: dict[str, str]


def _collect(sources: Iterable[Source]) -> _Collected:
    found = _Collected({}, {}, {})
    for place, source in enumerate(sources):
        for tool in source.list():
            if tool.name in found.tools:
                raise DefinitionError(
                    f"Two tools are named {tool.name!r}. Give one of them another name."
                )
            found.tools[tool.name] = tool
            found.executors[tool.name] = source.call
            found.sources[tool.name] = f"{type(source).__name__}:{place}"
    return found


def _revision(tools: Iterable[Tool]) -> str:
    return digest([_plain(tool) for tool in tools])[:23]


def _plain(tool: Tool) -> dict[str, Any]:
    told: dict[str, Any] = asdict(tool) | {"tags": sorted(tool.tags)}
    if tool.limits.cost is not None:
        told["limits"]["cost"] = str(tool.limits.cost)
    return told
