"""Regular expressions as automata, read as the validator reads them.

What ECMA 262 calls regular expressions, except for what is no regular language (back-references)
or is not worth its code (look-around that does not stand at the start, word boundaries, Unicode
properties): these are refused with `UnsupportedPatternError`, and nothing is proved about them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

__all__ = ["Automaton", "Ranges", "UnsupportedPatternError", "automata"]

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Code points: sorted, disjoint, both ends included."""

_LAST = 0x10FFFF
_MOST_STATES = 10_000
_MOST_SETS = 150
"""Different sets of characters; every one multiplies the work for the alphabet."""

_MOST_DEEP = 40

_DIGIT: Ranges = ((0x30, 0x39),)
_WORD: Ranges = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_SPACE: Ranges = (
    (0x09, 0x0D),
    (0x20, 0x20),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
    (0xFEFF, 0xFEFF),
)
_ANY: Ranges = ((0, 0xD7FF), (0xE000, _LAST))
_NAMED = MappingProxyType({"d": _DIGIT, "w": _WORD, "s": _SPACE})
_CONTROLS = MappingProxyType({"t": 9, "n": 10, "v": 11, "f": 12, "r": 13})
_LOOK = re.compile(r"\^\(\?[=!]")
_GROUP = re.compile(r"\?(?::|P?<[A-Za-z_]\w*>)")
_BOUNDS = re.compile(r"\{(\d{1,4})(,(\d{0,4}))?\}")
_HEX = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}")


class UnsupportedPatternError(Exception):
    """The pattern cannot be turned into an automaton."""


@dataclass(slots=True)
class Automaton:
    """A nondeterministic automaton; states are numbers, sets of states are bits of an integer.

    Attributes:
        wanted: Whether a text must be accepted, or must not be.
        steps: Per state that reads a character: which ones, and the state after it.
        empty: Per state: the states reached without reading.
        at_start: The same for what may only be passed before the first character.
        at_end: The same for what may only be passed after the last one.
        start: The first state.
        last: The accepting state.
    """

    wanted: bool = True
    steps: dict[int, tuple[Ranges, int]] = field(default_factory=dict[int, tuple[Ranges, int]])
    empty: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    at_start: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    at_end: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    start: int = 0
    last: int = 0
    size: int = 0

    def state(self) -> int:
        """Return a new state."""
        if self.size >= _MOST_STATES:
            raise UnsupportedPatternError
        self.size += 1
        return self.size - 1

    def link(self, one: int, other: int) -> None:
        """Let `other` be reached from `one` without reading."""
        self.empty.setdefault(one, []).append(other)

    def reach(self, states: int, *, start: bool, end: bool) -> int:
        """Return the states that are reached without reading, these included.

        Args:
            states: Where to begin.
            start: Whether no character has been read.
            end: Whether none is left.
        """
        waiting = list(bits(states))
        seen = states
        while waiting:
            state = waiting.pop()
            after = [*self.empty.get(state, ())]
            after += self.at_start.get(state, ()) if start else ()
            after += self.at_end.get(state, ()) if end else ()
            for other in after:
                if not seen >> other & 1:
                    seen |= 1 << other
                    waiting.append(other)
        return seen

    def step(self, states: int, character: int) -> int:
        """Return the states after one more character; not closed under `reach`."""
        after = 0
        for state in bits(states):
            known = self.steps.get(state)
            if known is not None and _inside(known[0], character):
                after |= 1 << known[1]
        return after


def bits(number: int) -> Iterator[int]:
    """Yield the places of the bits that are set."""
    while number:
        low = number & -number
        yield low.bit_length() - 1
        number ^= low


def _inside(ranges: Ranges, character: int) -> bool:
    return any(low <= character <= high for low, high in ranges)


def automata(pattern: str, wanted: bool) -> list[Automaton]:
    """Return automata that all must agree for a text to have `pattern`, or not to have it.

    Look-ahead at the very start makes several of one; where the pattern is not wanted this
    cannot be said by automata that must all agree.

    Args:
        pattern: A regular expression, found anywhere in a text.
        wanted: Whether the texts are meant that have it.

    Raises:
        UnsupportedPatternError: See above.
    """
    found: list[Automaton] = []
    rest = pattern
    while match := _LOOK.match(rest):
        end = _closing(rest, 1)
        if rest[end + 1 : end + 2] in ("*", "+", "?", "{") or _has_alternatives(rest):
            raise UnsupportedPatternError
        found.append(_automaton(f"^(?:{rest[match.end() : end]})", rest[3] == "="))
        rest = "^" + rest[end + 1 :]
    found.append(_automaton(rest, True))
    if not wanted:
        if len(found) > 1:
            raise UnsupportedPatternError
        found[0].wanted = False
    return found


def _signs(pattern: str, place: int = 0) -> Iterator[tuple[int, str, int]]:
    """Yield place, sign and depth in groups of the signs `(`, `)` and `|`, but for quoted ones."""
    depth, inside = 0, False
    while place < len(pattern):
        sign = pattern[place]
        if sign == "\\":
            place += 1
        elif inside:
            inside = sign != "]"
        elif sign == "[":
            inside = True
        elif sign in "()|":
            depth += (sign == "(") - (sign == ")")
            yield place, sign, depth
        place += 1


def _closing(pattern: str, place: int) -> int:
    """Return where the group ends that begins at `place`."""
    for end, sign, depth in _signs(pattern, place):
        if sign == ")" and depth == 0:
            return end
    raise UnsupportedPatternError


def _has_alternatives(pattern: str) -> bool:
    return any(sign == "|" and depth == 0 for _, sign, depth in _signs(pattern))


def _automaton(pattern: str, wanted: bool) -> Automaton:
    made = Automaton(wanted=wanted)
    made.start = made.state()
    made.steps[made.start] = (_ANY, made.start)
    inner = made.state()
    made.link(made.start, inner)
    # What follows a match is anything, so the accepting state keeps reading.
    end = _Reader(pattern, made).read(inner)
    made.last = made.state()
    made.link(end, made.last)
    made.steps[made.last] = (_ANY, made.last)
    if len({ranges for ranges, _ in made.steps.values()}) > _MOST_SETS:
        raise UnsupportedPatternError
    return made


class _Reader:
    """Reads a pattern from left to right and grows an automaton."""

    def __init__(self, pattern: str, made: Automaton) -> None:
        self._pattern = pattern
        self._made = made
        self._place = 0
        self._depth = 0

    def read(self, start: int) -> int:
        end = self._alternatives(start)
        if self._place < len(self._pattern):
            raise UnsupportedPatternError
        return end

    def _peek(self) -> str:
        return self._pattern[self._place : self._place + 1]

    def _alternatives(self, start: int) -> int:
        self._depth += 1
        if self._depth > _MOST_DEEP:
            raise UnsupportedPatternError
        end = self._made.state()
        while True:
            # A state of its own, so that a loop in one alternative stays in it.
            begin = self._made.state()
            self._made.link(start, begin)
            self._made.link(self._sequence(begin), end)
            if self._peek() != "|":
                self._depth -= 1
                return end
            self._place += 1

    def _sequence(self, state: int) -> int:
        while self._peek() not in ("", "|", ")"):
            state = self._quantified(state)
        return state

    def _quantified(self, start: int) -> int:
        begin = self._place
        end = self._atom(start)
        stop = self._place
        counts: list[tuple[int, int | None]] = []
        while (count := self._count()) is not None:
            counts.append(count)
        if not counts:
            return end
        if len(counts) > 1:
            raise UnsupportedPatternError
        after = self._place
        least, most = counts[0]
        end = self._repeat(start, begin, stop, least, most)
        self._place = after
        return end

    def _repeat(self, start: int, begin: int, stop: int, least: int, most: int | None) -> int:
        """Read the atom anew for every repetition; `start` has been left by the first reading."""
        made = self._made
        # The first reading hangs from `start` and leads nowhere: it was for its length only.
        made.empty.pop(start, None)
        made.steps.pop(start, None)
        made.at_start.pop(start, None)
        made.at_end.pop(start, None)
        state = start
        for _ in range(least):
            state = self._again(state, begin, stop)
        if most is None:
            loop = made.state()
            made.link(state, loop)
            inner = made.state()
            made.link(loop, inner)
            made.link(self._again(inner, begin, stop), loop)
            out = made.state()
            made.link(loop, out)
            return out
        out = made.state()
        made.link(state, out)
        for _ in range(most - least):
            state = self._again(state, begin, stop)
            made.link(state, out)
        return out

    def _again(self, start: int, begin: int, stop: int) -> int:
        inner = self._made.state()
        self._made.link(start, inner)
        self._place = begin
        end = self._atom(inner)
        if self._place != stop:
            raise UnsupportedPatternError
        out = self._made.state()
        self._made.link(end, out)
        return out

    def _count(self) -> tuple[int, int | None] | None:
        sign = self._peek()
        simple = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if sign in simple and sign:
            self._place += 1
            count: tuple[int, int | None] = simple[sign]
        elif match := _BOUNDS.match(self._pattern, self._place):
            self._place = match.end()
            least = int(match[1])
            most = least if match[2] is None else int(match[3]) if match[3] else None
            count = (least, most)
        else:
            return None
        if self._peek() == "?":
            self._place += 1
        return count

    def _atom(self, start: int) -> int:
        sign = self._peek()
        self._place += 1
        match sign:
            case "^" | "$":
                end = self._made.state()
                edges = self._made.at_start if sign == "^" else self._made.at_end
                edges.setdefault(start, []).append(end)
                return end
            case "(":
                return self._group(start)
            case "[":
                return self._read(start, self._class())
            case ".":
                return self._read(start, _without(((10, 10),)))
            case "\\":
                return self._read(start, self._escape())
            case "*" | "+" | "?" | "{":
                raise UnsupportedPatternError
            case _:
                return self._read(start, ((ord(sign), ord(sign)),))

    def _read(self, start: int, ranges: Ranges) -> int:
        end = self._made.state()
        if start in self._made.steps:
            # A state reads one set of characters; another one begins a state of its own.
            begin = self._made.state()
            self._made.link(start, begin)
            start = begin
        self._made.steps[start] = (ranges, end)
        return end

    def _group(self, start: int) -> int:
        if self._peek() == "?":
            match = _GROUP.match(self._pattern, self._place)
            if match is None:
                raise UnsupportedPatternError
            self._place = match.end()
        end = self._alternatives(start)
        if self._peek() != ")":
            raise UnsupportedPatternError
        self._place += 1
        return end

    def _escape(self) -> Ranges:
        sign = self._peek()
        self._place += 1
        if sign.lower() in _NAMED and sign:
            ranges = _NAMED[sign.lower()]
            return ranges if sign.islower() else _without(ranges)
        if sign in _CONTROLS:
            return ((_CONTROLS[sign], _CONTROLS[sign]),)
        if match := _HEX.match(self._pattern, self._place - 1):
            self._place = match.end()
            code = int(match[1] or match[2] or match[3], 16)
            if code > _LAST or 0xD800 <= code <= 0xDFFF:
                raise UnsupportedPatternError
            return ((code, code),)
        if not sign or sign.isalnum():
            raise UnsupportedPatternError
        return ((ord(sign), ord(sign)),)

    def _class(self) -> Ranges:
        negated = self._peek() == "^"
        self._place += negated
        found: list[tuple[int, int]] = []
        first = True
        while first or self._peek() != "]":
            if self._peek() in ("", "]"):
                raise UnsupportedPatternError
            first = False
            low = self._member()
            if self._peek() == "-" and self._pattern[self._place + 1 : self._place + 2] not in (
                "",
                "]",
            ):
                self._place += 1
                high = self._member()
                if _width(low) != 1 or _width(high) != 1 or low[0][0] > high[0][0]:
                    raise UnsupportedPatternError
                low = ((low[0][0], high[0][0]),)
            found += low
        self._place += 1
        ranges = _merged(found)
        return _without(ranges) if negated else ranges

    def _member(self) -> Ranges:
        sign = self._peek()
        self._place += 1
        if not sign:
            raise UnsupportedPatternError
        return self._escape() if sign == "\\" else ((ord(sign), ord(sign)),)


def _width(ranges: Ranges) -> int:
    return sum(high - low + 1 for low, high in ranges)


def _merged(ranges: list[tuple[int, int]]) -> Ranges:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def _without(ranges: Ranges) -> Ranges:
    """Return all characters but those of `ranges`; surrogates are none."""
    found: list[tuple[int, int]] = []
    for low, high in _ANY:
        begin = low
        for one, other in ranges:
            if other < begin or one > high:
                continue
            if one > begin:
                found.append((begin, one - 1))
            begin = other + 1
        if begin <= high:
            found.append((begin, high))
    return tuple(found)
