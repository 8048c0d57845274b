"""`Gate`: what most users touch; every call they make through it travels the one path."""

from __future__ import annotations

import os
import random
from collections import OrderedDict
from collections.abc import AsyncIterable, Callable, Collection, Iterable
from typing import Any

from callgate.errors import MisuseError
from callgate.messages import Answer
from callgate.path import CallPath, Offered
from callgate.pipeline import Clock, Listener, LoopClock
from callgate.session import Session, Watch
from callgate.types import ANYONE, Principal, SessionState, Surface

__all__ = ["Gate", "Session"]

_DEFAULTS = 1024
"""Principals whose default session a gate remembers; the one not used for longest goes."""


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
        self._defaults: OrderedDict[tuple[str, str], Session] = OrderedDict()

    @property
    def surface(self) -> Surface:
        """The tools behind this gate."""
        return self._path.surface

    def tools(
        self, principal: Principal = ANYONE, *, wire: str | None = None, model: str | None = None
    ) -> tuple[Any, ...]:
        """Return the tools to offer to a model; `Session.tools` of the default session.

        Args:
            principal: Whose default session it is.
            wire: As in `Session.tools`.
            model: As in `Session.tools`.

        Raises:
            SettingsError: There is no such wire.
        """
        return self.default_session(principal).tools(wire=wire, model=model)

    async def answer(
        self, response: Any, principal: Principal = ANYONE, *, wire: str | None = None
    ) -> Answer:
        """Run every call in a provider's response; `Session.answer` of the default session."""
        return await self.default_session(principal).answer(response, wire=wire)

    async def answer_stream(
        self,
        chunks: AsyncIterable[Any] | Iterable[Any],
        principal: Principal = ANYONE,
        *,
        wire: str,
        on_event: Watch | None = None,
    ) -> Answer:
        """Run every call in a stream; `Session.answer_stream` of the default session."""
        session = self.default_session(principal)
        return await session.answer_stream(chunks, wire=wire, on_event=on_event)

    def answer_blocking(
        self, response: Any, principal: Principal = ANYONE, *, wire: str | None = None
    ) -> Answer:
        """Run every call in a provider's response; the blocking twin of `answer`."""
        return self.default_session(principal).answer_blocking(response, wire=wire)

    def answer_stream_blocking(
        self,
        chunks: Iterable[Any],
        principal: Principal = ANYONE,
        *,
        wire: str,
        on_event: Watch | None = None,
    ) -> Answer:
        """Run every call in a stream; the blocking twin of `answer_stream`."""
        session = self.default_session(principal)
        return session.answer_stream_blocking(chunks, wire=wire, on_event=on_event)

    def default_session(self, principal: Principal = ANYONE) -> Session:
        """Return the session that `tools` and `answer` of this gate use for a principal.

        It is one conversation, as every session is: calls that repeat are counted in it, and tools
        that are disclosed stay so. A program with several conversations makes a `session` for each.
        A principal whose roles or attributes have changed gets a new one; so does one that
        1024 others have come after.

        Args:
            principal: On whose behalf calls are made.
        """
        key = (principal.tenant, principal.id)
        held = self._defaults.get(key)
        if held is None or held.principal != principal:
            held = self._defaults[key] = self.session(principal)
        self._defaults.move_to_end(key)
        if len(self._defaults) > _DEFAULTS:
            self._defaults.popitem(last=False)
        return held

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
        """Let idle worker threads end, and sources give up connections and processes."""
        self._path.close()
        await self._path.close_sources()

    def close_blocking(self) -> None:
        """Do the same from outside the loop; the loop of the blocking twins ends, too."""
        self._path.close()
        if self._path.closing:
            self._path.portal.run(self._path.close_sources)
        self._path.portal.close()
