"""Objects that satisfy what is said of their properties, their names and their number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple, TypeAlias

from callgate.contract.inclusion import facts as fact
from callgate.contract.inclusion.answers import EMPTY, Answer, Empty, Found, Unknown, too_hard
from callgate.contract.inclusion.arrays import Solve
from callgate.contract.inclusion.branches import Branch
from callgate.contract.inclusion.facts import Goal, Literal
from callgate.contract.inclusion.nodes import Node

__all__ = ["Speak", "find_object"]

_MOST_PATTERNS = 6
_MOST_TRIES = 400
_MOST_PROPERTIES = 200

_Demand: TypeAlias = fact.HasProperty | fact.SomeMatching | fact.SomeExtra | fact.SomeName


class Speak(NamedTuple):
    """The few schemas that are needed to speak about names."""

    text: Node
    matching: Mapping[str, Node]


class _Class(NamedTuple):
    """Names that nothing lists, by which patterns match them; what values under them satisfy."""

    name: Goal
    value: Goal
    matched: frozenset[str]


def find_object(branch: Branch, solve: Solve, speak: Speak, excluded: Sequence[Any]) -> Answer:
    """Find an object that satisfies the facts of a branch.

    Args:
        branch: Its facts; no choice is open.
        solve: Finds the values of properties, and their names.
        speak: Schemas for strings that match, by pattern.
        excluded: Objects it must not be.
    """
    return _Objects(branch, solve, speak, excluded).find()


def patterns_of(branch: Branch) -> set[str]:
    """Return the patterns of names that a branch speaks of."""
    found: set[str] = set()
    for item in branch.facts:
        if isinstance(item, fact.Properties | fact.SomeExtra):
            found.update(item.node.keywords.get("patternProperties", ()))
        elif isinstance(item, fact.SomeMatching):
            found.add(item.pattern)
    return found


class _Objects:
    __slots__ = (
        "_absent",
        "_classes",
        "_demands",
        "_doubts",
        "_excluded",
        "_holders",
        "_known",
        "_least",
        "_most",
        "_names",
        "_required",
        "_solve",
        "_speak",
        "_tries",
        "_values",
    )

    def __init__(self, branch: Branch, solve: Solve, speak: Speak, excluded: Sequence[Any]) -> None:
        self._solve, self._speak, self._excluded = solve, speak, excluded
        self._tries = 0
        self._doubts: set[str] = set()
        self._classes: list[_Class] | None = None
        self._values: dict[str, Goal] = {}
        self._least, self._most = branch.sizes()
        facts = branch.facts
        self._holders = [one.node.keywords for one in facts if isinstance(one, fact.Properties)]
        self._names = frozenset(
            Literal(True, one.node) for one in facts if isinstance(one, fact.Names)
        )
        self._required = {one.name for one in facts if isinstance(one, fact.Present)}
        self._absent = {one.name for one in facts if isinstance(one, fact.Absent)}
        self._demands: list[_Demand] = [one for one in facts if isinstance(one, _Demand)]
        # The names that nothing can be put under at a glance come last.
        self._known = list(self._listed())

    def _listed(self) -> dict[str, None]:
        found = dict.fromkeys(sorted(self._required))
        for keywords in self._holders:
            found.update(dict.fromkeys(keywords.get("properties", ())))
        for demand in self._demands:
            if isinstance(demand, fact.HasProperty):
                found[demand.name] = None
            elif isinstance(demand, fact.SomeExtra):
                found.update(dict.fromkeys(demand.node.keywords.get("properties", ())))
        return found | dict.fromkeys(sorted(self._absent))

    # --- what holds under a name --------------------------------------------------------------

    def _matches(self, pattern: str, name: str) -> bool:
        return self._speak.matching[pattern].holds(name)

    def _value(self, name: str) -> Goal:
        if name not in self._values:
            found: set[Literal] = set()
            for keywords in self._holders:
                inner = keywords.get("properties", {}).get(name)
                matched = [
                    node
                    for pattern, node in keywords.get("patternProperties", {}).items()
                    if self._matches(pattern, name)
                ]
                found.update(Literal(True, node) for node in matched)
                if inner is not None:
                    found.add(Literal(True, inner))
                elif not matched and "additionalProperties" in keywords:
                    found.add(Literal(True, keywords["additionalProperties"]))
            self._values[name] = frozenset(found)
        return self._values[name]

    def _may(self, name: str) -> bool:
        return name not in self._absent and all(one.node.holds(name) for one in self._names)

    def _fresh(self) -> list[_Class]:
        """Return the classes of names that nothing lists."""
        if self._classes is None:
            self._classes = list(self._split())
        return self._classes

    def _split(self) -> Iterator[_Class]:
        patterns = sorted(self._speak.matching)
        if len(patterns) > _MOST_PATTERNS:
            self._doubts.add("patternProperties")
            return
        for signs in product((False, True), repeat=len(patterns)):
            matched = frozenset(
                pattern for pattern, sign in zip(patterns, signs, strict=True) if sign
            )
            name = self._names | {Literal(True, self._speak.text)}
            name |= {
                Literal(sign, self._speak.matching[pattern])
                for pattern, sign in zip(patterns, signs, strict=True)
            }
            value: set[Literal] = set()
            for keywords in self._holders:
                under = keywords.get("patternProperties", {})
                hit = [node for pattern, node in under.items() if pattern in matched]
                value.update(Literal(True, node) for node in hit)
                if not hit and "additionalProperties" in keywords:
                    value.add(Literal(True, keywords["additionalProperties"]))
            yield _Class(name, frozenset(value), matched)

    # --- the demands --------------------------------------------------------------------------

    def find(self) -> Answer:
        if self._most is not None and self._most < max(self._least, len(self._required)):
            return EMPTY
        if not all(self._may(name) for name in self._required):
            return EMPTY
        placed = {name: self._value(name) for name in sorted(self._required)}
        # A required property that nothing satisfies ends the search at once.
        for goal in placed.values():
            if isinstance(self._solve(goal), Empty):
                return EMPTY
        answer = self._place(0, placed)
        if isinstance(answer, Empty) and self._doubts:
            return Unknown(frozenset(self._doubts))
        return answer

    def _place(self, index: int, placed: dict[str, Goal]) -> Answer:
        """Find a place for every demand from `index` on, then fill the object."""
        if self._most is not None and len(placed) > self._most:
            return EMPTY
        if index == len(self._demands):
            return self._fill(placed)
        for name, goal in self._options(self._demands[index], placed):
            self._tries += 1
            if self._tries > _MOST_TRIES:
                self._doubts.add("properties")
                return EMPTY
            answer = self._solve(goal)
            if isinstance(answer, Empty):
                continue
            if isinstance(answer, Unknown):
                self._doubts |= answer.keywords
                continue
            answer = self._place(index + 1, {**placed, name: goal})
            if isinstance(answer, Found):
                return answer
            self._doubts |= too_hard(answer)
        return EMPTY

    def _options(self, demand: _Demand, placed: Mapping[str, Goal]) -> Iterator[tuple[str, Goal]]:
        broken: Goal = frozenset()
        if not isinstance(demand, fact.SomeName):
            inner = (
                demand.node.keywords["additionalProperties"]
                if isinstance(demand, fact.SomeExtra)
                else demand.node
            )
            broken = frozenset({Literal(False, inner)})
        if isinstance(demand, fact.HasProperty):
            if self._may(demand.name):
                yield demand.name, placed.get(demand.name, self._value(demand.name)) | broken
            return
        for name in dict.fromkeys([*placed, *self._known]):
            if self._may(name) and self._concerns(demand, name):
                yield name, placed.get(name, self._value(name)) | broken
        for one in self._fresh():
            yield from self._new(demand, one, broken, placed)

    def _new(
        self, demand: _Demand, one: _Class, broken: Goal, placed: Mapping[str, Goal]
    ) -> Iterator[tuple[str, Goal]]:
        wanted = one.name
        match demand:
            case fact.SomeMatching(pattern=pattern):
                if pattern not in one.matched:
                    return
            case fact.SomeExtra(node=node):
                if not one.matched.isdisjoint(node.keywords.get("patternProperties", ())):
                    return
            case fact.SomeName(node=node):
                wanted |= {Literal(False, node)}
            case _:
                return
        answer = self._solve(wanted, [*self._known, *placed])
        if isinstance(answer, Unknown):
            self._doubts |= answer.keywords
        elif isinstance(answer, Found):
            self._doubts |= answer.doubts
            # Another new name may satisfy several demands at once where this one does not.
            if self._most is not None and len(self._demands) > 1:
                self._doubts.add("maxProperties")
            yield answer.value, one.value | broken

    def _concerns(self, demand: _Demand, name: str) -> bool:
        match demand:
            case fact.SomeMatching(pattern=pattern):
                return self._matches(pattern, name)
            case fact.SomeExtra(node=node):
                keywords = node.keywords
                return name not in keywords.get("properties", ()) and not any(
                    self._matches(pattern, name)
                    for pattern in keywords.get("patternProperties", ())
                )
            case fact.SomeName(node=node):
                return not node.holds(name)
            case _:
                return False

    # --- filling ------------------------------------------------------------------------------

    def _fill(self, placed: Mapping[str, Goal]) -> Answer:
        made: dict[str, Any] = {}
        doubts: frozenset[str] = frozenset()
        for name, goal in placed.items():
            answer = self._solve(goal)
            if not isinstance(answer, Found):
                return answer
            made[name] = answer.value
            doubts |= answer.doubts
        spare = self._fillers(made)
        while len(made) < self._least or fact.among(made, self._excluded):
            if len(made) > _MOST_PROPERTIES:
                return Unknown(frozenset({"minProperties"}))
            if (
                fact.among(made, self._excluded)
                and (other := self._changed(made, placed)) is not None
            ):
                made = other
                continue
            if (filler := next(spare, None)) is None or len(made) == self._most:
                # Without properties there is but one object.
                surely = not self._doubts and (len(made) < self._least or not made)
                return EMPTY if surely else Unknown(frozenset({*self._doubts, "minProperties"}))
            made = {**made, filler[0]: filler[1]}
        return Found(made, doubts)

    def _changed(
        self, made: Mapping[str, Any], placed: Mapping[str, Goal]
    ) -> dict[str, Any] | None:
        """Return the object with another value somewhere, if that is not excluded."""
        for name, goal in placed.items():
            taken = [one[name] for one in self._excluded if name in one]
            answer = self._solve(goal, [made[name], *taken])
            if isinstance(answer, Found) and not answer.doubts:
                return {**made, name: answer.value}
        return None

    def _fillers(self, made: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield properties that an object may have beside those of `made`."""
        given = [*made]
        for name in self._known:
            if name in made or not self._may(name):
                continue
            answer = self._solve(self._value(name))
            if isinstance(answer, Found) and not answer.doubts:
                given.append(name)
                yield name, answer.value
            elif not isinstance(answer, Empty):
                self._doubts |= answer.doubts if isinstance(answer, Found) else answer.keywords
        for one in self._fresh():
            value = self._solve(one.value)
            if isinstance(value, Unknown):
                self._doubts |= value.keywords
            while isinstance(value, Found):
                name = self._solve(one.name, [*self._known, *given])
                if not isinstance(name, Found) or name.doubts or value.doubts:
                    self._doubts |= {"propertyNames"} if not isinstance(name, Empty) else set()
                    break
                given.append(name.value)
                yield name.value, value.value
