"""Strings that satisfy bounds, patterns and exclusions: the shortest one, or a proof of none."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from callgate.contract.inclusion.answers import EMPTY, Answer, Found, Unknown
from callgate.contract.inclusion.facts import Pattern
from callgate.contract.inclusion.regex import Automaton, UnsupportedPatternError, automata

__all__ = ["Fuel", "find_string"]

_PATTERN = frozenset({"pattern"})
_LONGEST = 1_000_000
"""Characters of a witness; beyond, nobody could use it."""

_LONGEST_MATCHED = 4_096
"""The same where patterns have to be walked, character by character."""

_MOST_EXCLUDED = 64
_PLEASANT = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_. :/@+"

_State = tuple[int, ...]


@dataclass(slots=True)
class Fuel:
    """Work that may still be done; what takes the last of it ends without an answer.

    Attributes:
        left: Moves of automata, about half a microsecond each.
    """

    left: int


def find_string(
    least: int,
    most: int | None,
    patterns: Sequence[Pattern],
    excluded: Collection[str],
    fuel: Fuel,
) -> Answer:
    """Find a string.

    Args:
        least: Characters it has at least.
        most: Characters it has at most; None for no bound.
        patterns: What is to be found in it, and what is not.
        excluded: Strings it must not be.
        fuel: Work that may be done.
    """
    if most is not None and (most < least or most < 0):
        return EMPTY
    if least > (_LONGEST_MATCHED if patterns else _LONGEST):
        return Unknown(frozenset({"minLength"}))
    if not patterns:
        return _plain(least, most, excluded)
    if any(Pattern(not one.holds, one.pattern) in patterns for one in patterns):
        return EMPTY
    machines: list[Automaton] = []
    doubts = False
    for one in patterns:
        try:
            machines += automata(one.pattern, one.holds)
        except UnsupportedPatternError:
            doubts = True
    known = [text for text in excluded if len(text) <= _MOST_EXCLUDED][:_MOST_EXCLUDED]
    search = _Search(machines, known, fuel)
    answer = search.run(least, most)
    if isinstance(answer, Found) and (doubts or answer.value in excluded):
        return Found(answer.value, _PATTERN) if doubts else Unknown(_PATTERN)
    return answer


def _plain(least: int, most: int | None, excluded: Collection[str]) -> Answer:
    if most == 0:
        return EMPTY if "" in excluded else Found("")
    if least == 0 and "" not in excluded:
        return Found("")
    length = max(least, 1)
    tail = "a" * (length - 1)
    for first in _PLEASANT:
        if (text := first + tail) not in excluded:
            return Found(text)
    for code in range(0x4E00, 0x9FFF):
        if (text := chr(code) + tail) not in excluded:
            return Found(text)
    return Unknown(frozenset({"enum"}))


@dataclass(slots=True)
class _Search:
    """A breadth-first walk through all automata at once."""

    machines: list[Automaton]
    excluded: list[str]
    fuel: Fuel
    alphabet: list[int] = field(default_factory=list[int])
    moves: dict[tuple[int, int, int], int] = field(default_factory=dict[tuple[int, int, int], int])
    accepted: dict[tuple[int, int], bool] = field(default_factory=dict[tuple[int, int], bool])

    def run(self, least: int, most: int | None) -> Answer:
        self.alphabet = list(_alphabet(self.machines, self.excluded))
        start = tuple(
            machine.reach(1 << machine.start, start=True, end=False) for machine in self.machines
        )
        # Beside the automata a state holds the excluded strings that the text still begins.
        level: dict[tuple[_State, frozenset[str]], str] = {(start, frozenset(self.excluded)): ""}
        seen: set[tuple[_State, frozenset[str]]] = set()
        length = 0
        while level:
            if length >= least:
                for (states, begun), text in level.items():
                    if self._accepts(states, text) and text not in begun:
                        return Found(text)
                level = {state: text for state, text in level.items() if state not in seen}
                seen.update(level)
            if most is not None and length >= most:
                return EMPTY
            following = self._advance(level)
            if following is None:
                return Unknown(_PATTERN)
            level, length = following, length + 1
        return EMPTY

    def _advance(
        self, level: dict[tuple[_State, frozenset[str]], str]
    ) -> dict[tuple[_State, frozenset[str]], str] | None:
        after: dict[tuple[_State, frozenset[str]], str] = {}
        for (states, begun), text in level.items():
            self.fuel.left -= len(self.alphabet)
            if self.fuel.left < 0:
                return None
            for character in self.alphabet:
                moved = self._move(states, character)
                if moved is None:
                    continue
                longer = text + chr(character)
                still = (
                    frozenset(word for word in begun if word.startswith(longer)) if begun else begun
                )
                after.setdefault((moved, still), longer)
        return after

    def _move(self, states: _State, character: int) -> _State | None:
        moved: list[int] = []
        for place, machine in enumerate(self.machines):
            key = (place, states[place], character)
            after = self.moves.get(key)
            if after is None:
                self.fuel.left -= states[place].bit_count()
                after = machine.step(states[place], character)
                after = machine.reach(after, start=False, end=False)
                self.moves[key] = after
            if not after and machine.wanted:
                return None
            moved.append(after)
        return tuple(moved)

    def _accepts(self, states: _State, text: str) -> bool:
        for place, machine in enumerate(self.machines):
            # Only the empty text is at its start and at its end.
            if text:
                key = (place, states[place])
                if key not in self.accepted:
                    reached = machine.reach(states[place], start=False, end=True)
                    self.accepted[key] = bool(reached >> machine.last & 1)
                found = self.accepted[key]
            else:
                reached = machine.reach(states[place], start=True, end=True)
                found = bool(reached >> machine.last & 1)
            if found is not machine.wanted:
                return False
        return True


def _alphabet(machines: Sequence[Automaton], words: Sequence[str]) -> Iterator[int]:
    """Yield one character for every set of characters that no automaton tells apart."""
    sets = {ranges for machine in machines for ranges, _ in machine.steps.values()}
    edges = {0, 0xE000}
    for ranges in sets:
        for low, high in ranges:
            edges |= {low, high + 1}
    letters = {ord(character) for word in words for character in word}
    for letter in letters:
        edges |= {letter, letter + 1}
    ordered = sorted(edge for edge in edges if edge <= 0x10FFFF)
    pleasant = [ord(character) for character in _PLEASANT]
    best: dict[tuple[object, ...], int] = {}
    order = list(sets)
    for place, low in enumerate(ordered):
        high = ordered[place + 1] - 1 if place + 1 < len(ordered) else 0x10FFFF
        if 0xD800 <= low <= 0xDFFF:
            continue
        mark = (
            tuple(any(a <= low <= b for a, b in ranges) for ranges in order),
            low if low in letters else None,
        )
        nice = next((code for code in pleasant if low <= code <= high), None)
        if nice is None:
            nice = low if low >= 0x20 or high < 0x20 else 0x20
        known = best.get(mark)
        if known is None or _rank(nice, pleasant) < _rank(known, pleasant):
            best[mark] = nice
    yield from sorted(best.values(), key=lambda code: _rank(code, pleasant))


def _rank(code: int, pleasant: Sequence[int]) -> tuple[int, int]:
    return (pleasant.index(code), code) if code in pleasant else (len(pleasant), code)
