"""Arrays that satisfy what is said of their items, their number and their differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from callgate.contract.inclusion import facts as fact
from callgate.contract.inclusion.answers import EMPTY, Answer, Empty, Found, Unknown, too_hard
from callgate.contract.inclusion.branches import Branch
from callgate.contract.inclusion.facts import Fact, Goal, Literal

__all__ = ["find_array"]

_LONGEST = 20_000
"""Items an array may need; beyond, nothing is decided."""

_MOST_COUNTED = 40
"""The same where items are counted by `contains`."""

_MOST_UNIQUE = 200
"""The same where items must differ."""

_MOST_TRIES = 400


class Solve(Protocol):
    """Finds values that satisfy a goal."""

    def __call__(self, goal: Goal, excluded: Sequence[Any] = ()) -> Answer:
        """Find a value that satisfies `goal` and is none of `excluded`."""
        ...


class _Plan(NamedTuple):
    """What stands where: literals that items must satisfy beside those of their place."""

    extra: Mapping[int, Goal]
    twins: tuple[int, int] | None
    length: int


def find_array(branch: Branch, solve: Solve, excluded: Sequence[Any]) -> Answer:
    """Find an array that satisfies the facts of a branch."""
    arrays = _Arrays(branch, solve, excluded)
    return arrays.find()


class _Arrays:
    __slots__ = (
        "_counted",
        "_excluded",
        "_facts",
        "_holders",
        "_least",
        "_most",
        "_prefix",
        "_solve",
        "_tries",
        "_twins",
        "_unique",
    )

    def __init__(self, branch: Branch, solve: Solve, excluded: Sequence[Any]) -> None:
        self._facts = branch.facts
        self._solve = solve
        self._excluded = excluded
        self._tries = 0
        self._least, self._most = branch.sizes()
        self._holders = [item.node.keywords for item in self._facts if isinstance(item, fact.Items)]
        self._prefix = max(
            (len(keywords.get("prefixItems", ())) for keywords in self._holders), default=0
        )
        self._counted = [item for item in self._facts if isinstance(item, fact.Contains)]
        self._unique = fact.Unique(True) in self._facts
        self._twins = fact.Unique(False) in self._facts

    def find(self) -> Answer:
        if self._most is not None and self._most < self._least:
            return EMPTY
        if self._unique and self._twins:
            return EMPTY
        doubts: frozenset[str] = frozenset()
        for plan in self._plans(self._facts, {}):
            if self._most is not None and plan.length > self._most:
                continue
            self._tries += 1
            if self._tries > _MOST_TRIES:
                return Unknown(doubts | {"items"})
            answer = self._fill(plan)
            if isinstance(answer, Found):
                return answer
            doubts |= too_hard(answer)
        return Unknown(doubts) if doubts else EMPTY

    # --- where demanded items stand -----------------------------------------------------------

    def _plans(self, facts: Sequence[Fact], extra: dict[int, Goal]) -> Iterator[_Plan]:
        for place, item in enumerate(facts):
            if not isinstance(item, fact.AtItem | fact.FromItem):
                continue
            for index in self._indexes(item, extra):
                wanted = extra.get(index, frozenset()) | {Literal(False, item.node)}
                yield from self._plans(facts[place + 1 :], {**extra, index: wanted})
            return
        length = max(self._least, max(extra, default=-1) + 1)
        if not self._twins:
            yield _Plan(extra, None, length)
            return
        # Two equal items anywhere; behind the prefix all places are alike but for what is demanded.
        tail = max(self._prefix, max(extra, default=-1) + 1)
        for second in range(1, tail + 2):
            for first in range(second):
                yield _Plan(extra, (first, second), max(length, second + 1))

    def _indexes(self, item: fact.AtItem | fact.FromItem, extra: Mapping[int, Goal]) -> list[int]:
        if isinstance(item, fact.AtItem):
            return [item.at]
        beyond = max(self._prefix, item.at)
        # Behind the prefix one place is like another, unless something is demanded there already.
        last = max([beyond, *(index + 1 for index in extra)])
        return list(range(item.at, last + 1))

    def _goal(self, index: int, plan: _Plan) -> Goal:
        literals = set(plan.extra.get(index, frozenset[Literal]()))
        for keywords in self._holders:
            prefix = keywords.get("prefixItems", ())
            if index < len(prefix):
                literals.add(Literal(True, prefix[index]))
            elif "items" in keywords:
                literals.add(Literal(True, keywords["items"]))
        return frozenset(literals)

    # --- filling ------------------------------------------------------------------------------

    def _fill(self, plan: _Plan) -> Answer:
        if self._counted:
            return self._fill_counted(plan)
        if plan.length > _LONGEST or (self._unique and plan.length > _MOST_UNIQUE):
            return Unknown(frozenset({"minItems"}))
        return self._fill_with(plan, [self._goal(index, plan) for index in range(plan.length)])

    def _fill_with(self, plan: _Plan, goals: list[Goal]) -> Answer:
        """Find an item for every goal."""
        if plan.twins is not None:
            first, second = plan.twins
            goals[first] = goals[second] = goals[first] | goals[second]
        items: list[Any] = [None] * len(goals)
        doubts: frozenset[str] = frozenset()
        alike = len(set(goals)) <= 1
        done: list[Any] = []
        # The most demanding places choose first where items must differ.
        order = sorted(range(len(goals)), key=lambda index: -len(goals[index]))
        for index in order if self._unique else range(len(goals)):
            answer = self._solve(goals[index], done if self._unique else ())
            if isinstance(answer, Unknown):
                return answer
            if isinstance(answer, Empty):
                surely = not (self._unique and done) or alike or self._none(goals[index])
                return EMPTY if surely else Unknown(frozenset({"uniqueItems"}))
            items[index] = answer.value
            doubts |= answer.doubts
            done.append(answer.value)
        return self._other(plan, goals, Found(items, doubts))

    def _none(self, goal: Goal) -> bool:
        return isinstance(self._solve(goal), Empty)

    def _other(self, plan: _Plan, goals: list[Goal], found: Found) -> Answer:
        """Return what was found, or something else if it is excluded."""
        if not fact.among(found.value, self._excluded):
            return found
        # Whether nothing of this length is left is only sure where items are free of each other.
        surely = not goals or not (plan.twins or self._unique or self._counted)
        for index, goal in enumerate(goals):
            other = self._solve(goal, [found.value[index]])
            surely = surely and isinstance(other, Empty)
            if plan.twins is None and not self._unique and isinstance(other, Found):
                changed = [*found.value[:index], other.value, *found.value[index + 1 :]]
                if not fact.among(changed, self._excluded):
                    return Found(changed, found.doubts | other.doubts)
        longer = len(goals) + 1
        answer: Answer = EMPTY
        if longer > _MOST_COUNTED:
            surely = False
        elif self._most is None or longer <= self._most:
            answer = self._fill(_Plan(plan.extra, plan.twins, longer))
        if isinstance(answer, Empty) and not surely:
            return Unknown(frozenset({"uniqueItems"}))
        return answer

    # --- counting -----------------------------------------------------------------------------

    def _fill_counted(self, plan: _Plan) -> Answer:
        if any(one.most is not None and one.most < one.least for one in self._counted):
            return EMPTY
        needed = sum(one.least for one in self._counted)
        last = max(plan.length, self._prefix + needed + len(plan.extra) + 2 * bool(plan.twins))
        last = last if self._most is None else min(last, self._most)
        if last > _MOST_COUNTED:
            return Unknown(frozenset({"contains"}))
        doubts: frozenset[str] = frozenset()
        # An array that is longer than `last` can be made shorter: an item behind the prefix that
        # serves no demand can be left out.
        for length in range(plan.length, last + 1):
            longer = _Plan(plan.extra, plan.twins, length)
            for goals in self._counts(longer, 0, [one.least for one in self._counted], []):
                self._tries += 1
                if self._tries > _MOST_TRIES:
                    return Unknown(doubts | {"contains"})
                answer = self._fill_with(longer, goals)
                if isinstance(answer, Found):
                    return answer
                doubts |= too_hard(answer)
        return Unknown(doubts) if doubts else EMPTY

    def _counts(
        self, plan: _Plan, index: int, missing: list[int], goals: list[Goal]
    ) -> Iterator[list[Goal]]:
        """Yield goals for all items such that so many of them match as are counted."""
        left = plan.length - index
        if any(need > left for need in missing):
            return
        if not left:
            yield [*goals]
            return
        for way in self._ways(missing, 0):
            goal = self._goal(index, plan) | {
                Literal(sign, one.node)
                for one, sign in zip(self._counted, way, strict=True)
                if sign is not None
            }
            if isinstance(self._solve(goal), Empty):
                continue
            after = [need - (sign is True) for need, sign in zip(missing, way, strict=True)]
            yield from self._counts(plan, index + 1, after, [*goals, goal])

    def _ways(self, missing: list[int], place: int) -> Iterator[tuple[bool | None, ...]]:
        """Yield how the next item may match: True, False, or None where it does not matter."""
        if place == len(missing):
            yield ()
            return
        one = self._counted[place]
        signs: list[bool | None] = []
        spare = None if one.most is None else one.most - one.least + missing[place]
        if missing[place] > 0 or (spare is not None and spare > 0):
            signs.append(True)
        signs.append(None if one.most is None else False)
        if missing[place] <= 0:
            signs.reverse()
        for rest in self._ways(missing, place + 1):
            for sign in signs:
                yield (sign, *rest)
