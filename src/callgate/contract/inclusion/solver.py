"""Finds a value that satisfies a goal, or proves that there is none.

A goal is taken apart type by type; within a type, branch by branch (see `branches`), until only
facts are left, from which a value is made directly. What is proved here follows the standard's
words alone; that the validator agrees with a value that was found is for the caller to check.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from callgate.contract.inclusion import facts as fact
from callgate.contract.inclusion.answers import EMPTY, Answer, Empty, Found, Unknown, too_hard
from callgate.contract.inclusion.arrays import find_array
from callgate.contract.inclusion.branches import Branch
from callgate.contract.inclusion.expand import Choice
from callgate.contract.inclusion.facts import Goal, Kind, Literal
from callgate.contract.inclusion.nodes import Node
from callgate.contract.inclusion.numbers import find_number
from callgate.contract.inclusion.objects import Speak, find_object, patterns_of
from callgate.contract.inclusion.speech import Speech
from callgate.contract.inclusion.strings import Fuel, find_string
from callgate.schema.values import is_array, is_object

__all__ = ["Solver"]

_DEEPEST = 420
"""Frames that goals within goals may take, well below Python's own limit."""

_FRAMES = 11
"""Frames of one goal within another."""

_FUEL = 400_000
"""Moves of automata for all goals together; about a fifth of a second."""

_LARGEST = 50_000
"""Values within a value, from which on it is no witness that anybody could use."""

_MANY = 100
"""Members of one value from which on it is large because so many are asked for."""

_CHARACTERS = 50
"""Characters of a text that count as one value."""

_FINITE = {Kind.NULL: (None,), Kind.BOOLEAN: (False, True)}


class Solver:
    """Searches; remembers what it found, so it is made anew for every question.

    Args:
        speech: The few schemas it needs to speak about names.
        steps: Goals and branches it looks at before it gives up.
    """

    __slots__ = ("_active", "_depth", "_fuel", "_known", "_lowest", "_speech", "_steps")

    def __init__(self, speech: Speech, steps: int) -> None:
        self._speech = speech
        self._steps = steps
        self._fuel = Fuel(_FUEL)
        self._known: dict[Any, Answer] = {}
        self._active: dict[Any, int] = {}
        self._depth = 0
        self._lowest = _DEEPEST * 2

    def solve(self, goal: Goal, excluded: Sequence[Any] = ()) -> Answer:
        """Find a value that satisfies a goal.

        Args:
            goal: The schemas that it satisfies and those that it does not.
            excluded: Values that it must not be.
        """
        for literal in goal:
            if Literal(not literal.holds, literal.node) in goal:
                return EMPTY
        key: Any = (goal, tuple(map(_text, excluded))) if excluded else goal
        if (known := self._known.get(key)) is not None:
            return known
        if (depth := self._active.get(key)) is not None:
            # A smallest value holds no smaller one that satisfies the same goal, so nothing is
            # lost if the goal counts as empty within itself.
            self._lowest = min(self._lowest, depth)
            return EMPTY
        self._steps -= 1
        if self._depth > _DEEPEST or self._steps < 0:
            return Unknown(frozenset({"$ref"}))
        return self._within(key, goal, excluded)

    def _within(self, key: Any, goal: Goal, excluded: Sequence[Any]) -> Answer:
        outer, self._lowest = self._lowest, _DEEPEST * 2
        self._active[key] = self._depth
        self._depth += _FRAMES
        answer = self._all_kinds(goal, excluded)
        self._depth -= _FRAMES
        del self._active[key]
        # What was only found empty because a goal further out is being looked at holds only there.
        if isinstance(answer, Found) or self._lowest >= self._depth:
            self._known[key] = answer
            self._lowest = outer
        else:
            self._lowest = min(outer, self._lowest)
        return answer

    def _all_kinds(self, goal: Goal, excluded: Sequence[Any]) -> Answer:
        for literal in goal:
            if literal.holds and (values := _listed(literal.node)) is not None:
                return self._among(values, goal, excluded)
        doubts: frozenset[str] = frozenset()
        for kind in Kind:
            branch = Branch(kind)
            if not branch.add(goal):
                continue
            answer = self._branch(branch, goal, excluded)
            if isinstance(answer, Found):
                return answer
            doubts |= too_hard(answer)
        return Unknown(doubts) if doubts else EMPTY

    def _branch(self, branch: Branch, goal: Goal, excluded: Sequence[Any]) -> Answer:
        if not branch.settle():
            return EMPTY
        if not branch.choices:
            return self._leaf(branch, goal, excluded)
        choice = min(branch.choices, key=lambda one: len(one.alternatives))
        self._steps -= 1
        if self._steps < 0 or self._depth > _DEEPEST:
            return Unknown(frozenset({choice.keyword}))
        # With the choices left open: nothing here is nothing at all, and a value may do as it is.
        answer = self._leaf(branch, goal, excluded)
        if isinstance(answer, Empty):
            return EMPTY
        if isinstance(answer, Found) and _satisfies(answer.value, goal):
            return Found(answer.value)
        self._depth += 2
        answer = self._ways(branch, choice, goal, excluded)
        self._depth -= 2
        return answer

    def _ways(self, branch: Branch, choice: Choice, goal: Goal, excluded: Sequence[Any]) -> Answer:
        doubts: frozenset[str] = frozenset()
        for way in choice.alternatives:
            child = branch.copy()
            child.choices.remove(choice)
            if not child.add(way):
                continue
            answer = self._branch(child, goal, excluded)
            if isinstance(answer, Found):
                if _satisfies(answer.value, goal):
                    return answer
                # What was concluded here and what the validator says differ: nothing is proved.
                doubts |= {choice.keyword}
            doubts |= too_hard(answer)
        return Unknown(doubts) if doubts else EMPTY

    def _leaf(self, branch: Branch, goal: Goal, excluded: Sequence[Any]) -> Answer:
        values = branch.members if branch.members is not None else _FINITE.get(branch.kind)
        if values is not None:
            of_kind = [value for value in values if fact.kind_of(value) is branch.kind]
            return self._among(of_kind, goal, excluded)
        out = [value for value in excluded if fact.kind_of(value) is branch.kind]
        for one in branch.facts:
            if isinstance(one, fact.Member):
                out += [value for value in one.values if fact.kind_of(value) is branch.kind]
        answer = self._make(branch, out)
        if isinstance(answer, Found) and (keyword := _too_large(answer.value)):
            return Unknown(frozenset({keyword}))
        if isinstance(answer, Found) and (doubts := answer.doubts | branch.doubts):
            return Found(answer.value) if _satisfies(answer.value, goal) else Unknown(doubts)
        return answer

    def _make(self, branch: Branch, excluded: Sequence[Any]) -> Answer:
        match branch.kind:
            case Kind.NUMBER:
                multiples = [one for one in branch.facts if isinstance(one, fact.Multiple)]
                return find_number(branch.range, multiples, list(map(fact.exact, excluded)))
            case Kind.STRING:
                least, most = branch.sizes()
                patterns = [one for one in branch.facts if isinstance(one, fact.Pattern)]
                return find_string(least, most, patterns, excluded, self._fuel)
            case Kind.ARRAY:
                return find_array(branch, self.solve, excluded)
            case _:
                matching = {name: self._speech.matching(name) for name in patterns_of(branch)}
                speak = Speak(self._speech.text, matching)
                return find_object(branch, self.solve, speak, excluded)

    def _among(self, values: Sequence[Any], goal: Goal, excluded: Sequence[Any]) -> Answer:
        for value in values:
            if not fact.among(value, excluded) and _satisfies(value, goal):
                return Found(value)
        return EMPTY


def _satisfies(value: Any, goal: Goal) -> bool:
    return all(literal.node.holds(value) is literal.holds for literal in goal)


def _too_large(value: Any) -> str | None:
    """Return the keyword that made a value too large for a witness; None if it is not."""
    waiting, left = [value], _LARGEST
    sizes = {"$ref": _MANY, "minItems": 0, "minLength": 0, "minProperties": 0}
    while waiting:
        inner = waiting.pop()
        size, keyword = 0, "minItems"
        if is_array(inner):
            waiting += inner
            size = len(inner)
        elif is_object(inner):
            waiting += inner.values()
            size, keyword = len(inner), "minProperties"
        elif isinstance(inner, str):
            size, keyword = len(inner) // _CHARACTERS, "minLength"
            left -= size
        sizes[keyword] = max(sizes[keyword], size)
        left -= 1
        if left < len(waiting):
            # Definitions that use each other twice double at every level, and no part is large.
            return max(sizes, key=lambda name: sizes[name])
    return None


def _listed(node: Node) -> Sequence[Any] | None:
    keywords = node.keywords
    if "const" in keywords:
        return (keywords["const"],)
    return keywords.get("enum")


def _text(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
