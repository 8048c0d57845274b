"""Stops a call early: as soon as its name or an argument can no longer become valid.

A `Judge` is made once for the tools that were offered; a `CallStream` reads one call. What
`callgate.schema.repair` would mend is not stopped, unless the judge is strict. The judgement is
one-sided: a stop is certain, while some calls go through that turn out wrong at their end.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from callgate.errors import ArgumentsError, MisuseError, UnknownToolError
from callgate.schema.parse import Parsed
from callgate.schema.problems import explain, json_path, shown
from callgate.schema.stream import JsonStream
from callgate.schema.stream_places import Places, Spot, State
from callgate.schema.stream_words import listed
from callgate.schema.values import is_array
from callgate.types import Problem, Tool

__all__ = ["CallStream", "Judge"]

_SHOWN = 120
"""Characters of a name that are repeated."""

_GOT = {
    '"': "a string",
    "0": "a number",
    "f": "false",
    "n": "null",
    "t": "true",
    "{": "an object",
    "[": "an array",
}


class Judge:
    """The tools that were offered, prepared to judge calls while they arrive.

    A tool's schema is prepared by its first call; a judge is for many calls and may be kept as
    long as the tools are offered.

    Args:
        tools: The tools as the model was shown them: names and schemas of its wire.
        strict: Whether to stop also what could be repaired; defaults to False.
    """

    def __init__(self, tools: Iterable[Tool], *, strict: bool = False) -> None:
        self.strict = strict
        self._tools = {tool.name: tool for tool in tools}
        self._places: dict[str, Places] = {}

    def call(self, name: str = "") -> CallStream:
        """Return the stream of a call that begins.

        Args:
            name: The tool's name as far as it is known; defaults to nothing.

        Raises:
            UnknownToolError: No offered tool's name begins so.
        """
        stream = CallStream(self)
        stream.feed_name(name)
        return stream

    def check_name(self, name: str, *, complete: bool) -> None:
        """Refuse a name that is not offered.

        Args:
            name: The name, or its beginning.
            complete: Whether it is whole.

        Raises:
            UnknownToolError: No offered tool is called so, or no name begins so.
        """
        if name in self._tools:
            return
        if not complete and any(offered.startswith(name) for offered in self._tools):
            return
        # A name is not yet known to be text that can be written: it may hold half a character.
        got = name[:_SHOWN].encode(errors="replace").decode()
        close = difflib.get_close_matches(got, self._tools, 1)
        nearest = f" Did you mean {shown(close[0])}?" if close else ""
        what = "is called" if complete else "has a name that begins with"
        raise UnknownToolError(
            f"No tool {what} {shown(got, most=_SHOWN)}.{nearest}",
            details={"got": got, "nearest": close[0] if close else None},
        )

    def places(self, name: str) -> Places:
        """Return the places of a tool's arguments, prepared at the first call.

        Raises:
            UnknownToolError: No offered tool is called so.
            DefinitionError: The tool's schema is not one.
        """
        self.check_name(name, complete=True)
        if name not in self._places:
            self._places[name] = Places(self._tools[name].parameters, strict=self.strict)
        return self._places[name]

    def limit(self, name: str) -> int:
        """Return how many bytes the arguments of a tool may have."""
        return self._tools[name].limits.argument_bytes


class CallStream:
    """One call while it arrives: its name, then its arguments, judged as they come.

    Attributes:
        name: The name so far.

    Args:
        judge: The tools that were offered.
    """

    def __init__(self, judge: Judge) -> None:
        self.name = ""
        self._judge = judge
        self._stream: JsonStream | None = None

    def feed_name(self, delta: str) -> None:
        """Read more of the name.

        Args:
            delta: The next characters of the name.

        Raises:
            UnknownToolError: No offered tool's name begins so.
            MisuseError: The arguments have begun.
        """
        if delta and self._stream is not None:
            raise MisuseError("A call's name is complete when its arguments begin.")
        self.name += delta
        self._judge.check_name(self.name, complete=False)

    def feed(self, delta: str) -> None:
        """Read more of the arguments; the name is complete then.

        Args:
            delta: Any number of characters, cut anywhere.

        Raises:
            UnknownToolError: No offered tool is called so.
            DefinitionError: At the first call of a tool: its schema is not one.
            MalformedArgumentsError: The arguments can no longer be one JSON object.
            ArgumentsError: They can no longer become valid; `details` has `problems` as when a
                call is refused, and `position`, the characters that were read.
        """
        stream = self._stream or self._begin()
        try:
            stream.feed(delta)
        except _StopError as stop:
            raise stop.told(stream) from None

    @property
    def value(self) -> Any:
        """The best value of the arguments so far, live; see `JsonStream.value`."""
        return None if self._stream is None else self._stream.value

    @property
    def complete(self) -> bool:
        """Whether the arguments are whole."""
        return self._stream is not None and self._stream.complete

    @property
    def position(self) -> int:
        """Characters of the arguments read so far."""
        return 0 if self._stream is None else self._stream.position

    def finish(self, *, may_close: bool = False) -> Parsed:
        """Take note that the arguments have ended; see `JsonStream.finish`.

        What comes back is JSON, not yet checked: `callgate.schema.arguments.prepare` does that.

        Raises:
            UnknownToolError: No offered tool is called so.
            MalformedArgumentsError: The text is empty or ends too early.
            ArgumentsError: The arguments were stopped before, or closing them makes them invalid.
        """
        stream = self._stream or self._begin()
        try:
            return stream.finish(may_close=may_close)
        except _StopError as stop:
            raise stop.told(stream) from None

    def _begin(self) -> JsonStream:
        places = self._judge.places(self.name)
        self._stream = JsonStream(
            strict=places.strict, limit=self._judge.limit(self.name), watch=_Watch(places)
        )
        return self._stream


class _StopError(ArgumentsError):
    """What is wrong, not yet where: only the stream knows."""

    def __init__(
        self,
        got: str,
        allowed: str,
        *,
        inside: bool = False,
        member: tuple[str, ...] = (),
        nearest: str | None = None,
    ) -> None:
        """Keep what came and what is allowed.

        Args:
            got: What came.
            allowed: What would have been possible.
            inside: Whether it is about the object or array that is open.
            member: The member of that object.
            nearest: What was perhaps meant.
        """
        super().__init__(got)
        self.got = got
        self.allowed = allowed
        self.inside = inside
        self.member = member
        self.nearest = nearest

    def told(self, stream: JsonStream) -> ArgumentsError:
        """Return the error that callers see."""
        path = stream.path
        if self.inside:
            path = (*path[:-1], *self.member)
        problem = Problem(
            path=json_path(path), got=self.got, allowed=self.allowed, nearest=self.nearest
        )
        return ArgumentsError(
            explain((problem,)),
            details={"problems": [asdict(problem)], "position": stream.position},
        )


class _Watch:
    """Follows a stream through the places of its schema and stops it where nothing is possible.

    Attributes:
        curious: Whether the characters of the open string or key matter.
    """

    __slots__ = (
        "_frames",
        "_head",
        "_index",
        "_length",
        "_naming",
        "_spot",
        "_state",
        "curious",
    )

    def __init__(self, places: Places) -> None:
        self.curious = False
        self._frames: list[tuple[State, Spot, int]] = []
        # Around the whole value stands something of which nothing is known.
        self._state = places.anything
        self._spot = places.root
        self._index = 0
        self._naming = False
        self._head = ""
        self._length = 0

    def key(self, name: str) -> None:
        """Find the place of a member; stop if it may have none."""
        spot = self._state.spots.get(name) or self._state.member(name)
        if spot.owners is not None:
            if not spot.threads:
                raise self._unknown(name)
            self._state = self._state.keep(spot.owners)
            spot = self._state.member(name)
        self._spot = spot

    def scalar(self, value: Any) -> None:
        """Stop if a whole scalar is not possible here; go on to the next place."""
        spot = self._spot
        if type(value) not in spot.free:
            alive = spot.alive(value)
            if not alive:
                raise _StopError(shown(value), spot.allowed())
            self._decide(alive)
        if self._state.varied:
            self._next()

    def names(self, head: str) -> None:
        """Compare the beginning of a key with the names there are, if there is an end of them."""
        prefixes = self._state.prefixes
        self.curious = prefixes is not None
        if prefixes is not None:
            if head not in prefixes:
                raise self._unknown(head)
            self._naming = True
            self._head = head

    def begins(self, mark: str, head: str) -> None:
        """Stop if no scalar that begins so is possible here."""
        spot = self._spot
        if mark not in spot.marks:
            raise _StopError(_GOT[mark], spot.allowed())
        self.curious = mark == '"' and str not in spot.free
        if self.curious:
            self._naming = False
            self._head = ""
            self._length = 0
            self.text(head)

    def opens(self, mark: str) -> None:
        """Stop if no object or array is possible here; step into it."""
        spot = self._spot
        state = spot.inside[mark]
        if state is None:
            raise _StopError(_GOT[mark], spot.allowed())
        self._frames.append((self._state, spot, self._index))
        self._state = state
        self._index = 0
        if mark == "[":
            self._spot = state.at(0)

    def text(self, piece: str) -> None:
        """Stop if no string or name is possible that begins so."""
        if self._naming:
            self._head += piece
            if self._head not in (self._state.prefixes or ()):
                raise self._unknown(self._head)
            return
        spot = self._spot
        self._length += len(piece)
        if len(self._head) < spot.reach:
            self._head = (self._head + piece)[: spot.reach]
        if self._length > spot.ample and not spot.allows_text(self._head, self._length):
            raise _StopError(shown(self._head), spot.allowed())

    def closes(self, holder: Any) -> None:
        """Stop if an object or array may not end here; go back to what holds it."""
        state = self._state
        alive = state.owners
        if not state.may_close(holder):
            alive = state.closing(holder)
            if not alive:
                raise self._unfinished(holder)
        self._state, self._spot, self._index = self._frames.pop()
        if state.decides:
            self._decide(alive)
        if self._state.varied:
            self._next()

    def _decide(self, alive: frozenset[int]) -> None:
        """Keep only the cases that the value which has just ended leaves possible."""
        if len(alive) < len(self._state.threads):
            self._state = self._state.keep(alive)
            if self._state.array:
                self._spot = self._state.at(self._index)

    def _next(self) -> None:
        self._index += 1
        self._spot = self._state.at(self._index)

    def _unknown(self, name: str) -> _StopError:
        known = self._state.names()
        close = difflib.get_close_matches(name[:_SHOWN], known, 1)
        return _StopError(
            "a new property",
            f"no property of this name (known: {listed(known) or 'none'})",
            inside=True,
            member=(name[:_SHOWN],),
            nearest=close[0] if close else None,
        )

    def _unfinished(self, holder: Any) -> _StopError:
        if is_array(holder):
            return _StopError(f"{len(holder)} items", "more items", inside=True)
        name = self._state.missing(holder)
        allowed = self._state.member(name).allowed()
        return _StopError("nothing", allowed, inside=True, member=(name,))
