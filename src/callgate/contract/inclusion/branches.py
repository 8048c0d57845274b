"""One way in which a goal may hold: facts that hold together, and choices still open."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from callgate.contract.inclusion import facts as fact
from callgate.contract.inclusion.expand import Alternative, Choice, affirmed, denied
from callgate.contract.inclusion.facts import Fact, Kind, Literal
from callgate.contract.inclusion.nodes import Node
from callgate.contract.inclusion.numbers import Range

__all__ = ["Branch"]


class Branch:
    """What holds of values of one type in one way; grows until no choice is open.

    Attributes:
        kind: The type.
        facts: What holds.
        choices: Of which one alternative each has to hold, too.
        members: The values of an `enum` or `const` that hold; None if there is none.
        doubts: Keywords of facts that were left out.
        range: The bounds, of a number itself or of its kind's size.
    """

    __slots__ = (
        "_absent",
        "_present",
        "_seen",
        "choices",
        "doubts",
        "facts",
        "kind",
        "members",
        "range",
    )

    def __init__(self, kind: Kind) -> None:
        """Start with nothing said."""
        self.kind = kind
        self.facts: list[Fact] = []
        self.choices: list[Choice] = []
        self.members: tuple[Any, ...] | None = None
        self.doubts: frozenset[str] = frozenset()
        self.range = Range()
        self._seen: set[Literal] = set()
        self._present: set[str] = set()
        self._absent: set[str] = set()

    def copy(self) -> Branch:
        """Return a branch that can go on by itself."""
        other = Branch(self.kind)
        other.facts = [*self.facts]
        other.choices = [*self.choices]
        other.members, other.doubts = self.members, self.doubts
        one = self.range
        other.range = Range(one.least, one.above, one.most, one.below)
        other._seen = {*self._seen}
        other._present = {*self._present}
        other._absent = {*self._absent}
        return other

    def add(self, items: Iterable[Literal | Fact]) -> bool:
        """Let all of these hold; tell whether that is still possible.

        A False is a proof: nothing satisfies them together with what holds already. A True is
        none of the contrary.
        """
        waiting = list(items)
        while waiting:
            item = waiting.pop()
            if isinstance(item, Literal):
                if Literal(not item.holds, item.node) in self._seen:
                    return False
                if item in self._seen:
                    continue
                self._seen.add(item)
                said = (affirmed if item.holds else denied)(item.node, self.kind)
                for choice in said.choices:
                    if len(choice.alternatives) == 1:
                        waiting += choice.alternatives[0]
                    elif not choice.alternatives:
                        return False
                    else:
                        self.choices.append(choice)
                waiting += said.together
            elif not self._add_fact(item):
                return False
        return True

    def open(self, choice: Choice) -> list[Alternative]:
        """Return the alternatives of a choice that what holds does not rule out at a glance."""
        return [way for way in choice.alternatives if not any(map(self._refutes, way))]

    def settle(self) -> bool:
        """Take alternatives that are the only ones left; tell whether the branch is possible."""
        changed = True
        while changed:
            changed = False
            waiting, self.choices = self.choices, []
            for place, choice in enumerate(waiting):
                ways = self.open(choice)
                if not ways:
                    return False
                if any(all(map(self._implied, way)) for way in ways):
                    continue
                if len(ways) > 1:
                    self.choices.append(Choice(choice.keyword, tuple(ways)))
                    continue
                self.choices += waiting[place + 1 :]
                if not self.add(ways[0]):
                    return False
                changed = True
                break
        return True

    def values_at(self, name: str) -> list[Node]:
        """Return the schemas that `properties` demands of the property `name`."""
        return [
            item.node.keywords["properties"][name]
            for item in self.facts
            if isinstance(item, fact.Properties)
            and name in item.node.keywords.get("properties", ())
        ]

    def sizes(self) -> tuple[int, int | None]:
        """Return how many characters, items or properties there are at least and at most."""
        one = self.range
        least = 0 if one.least is None else max(0, math.floor(one.least) + one.above)
        most = None if one.most is None else math.ceil(one.most) - one.below
        return least, most

    def _add_fact(self, item: Fact) -> bool:
        match item:
            case fact.Size() | fact.AtMost():
                self.range.narrow(item)
                return not self.range.empty
            case fact.Member(holds=True, values=values):
                self.members = values if self.members is None else self.members
                return True
            case fact.Opaque():
                self.doubts |= {item.keyword}
                return True
            case fact.Present(name=name):
                self._present.add(name)
                if name in self._absent:
                    return False
            case fact.Absent(name=name):
                self._absent.add(name)
                if name in self._present:
                    return False
            case fact.HasProperty(name=name, node=node):
                self._present.add(name)
                if name in self._absent or node in self.values_at(name):
                    return False
            case _:
                pass
        self.facts.append(item)
        return True

    def _refutes(self, item: Literal | Fact) -> bool:
        match item:
            case Literal():
                return Literal(not item.holds, item.node) in self._seen or (
                    isinstance(item.node.schema, bool) and item.node.schema is not item.holds
                )
            case fact.Present(name=name):
                return name in self._absent
            case fact.Absent(name=name):
                return name in self._present
            case fact.HasProperty(name=name, node=node):
                return name in self._absent or node in self.values_at(name)
            case fact.Size(least=least, strict=strict):
                return self._outside(Range(least, strict, self.range.most, self.range.below))
            case fact.AtMost(most=most, strict=strict):
                return self._outside(Range(self.range.least, self.range.above, most, strict))
            case _:
                return False

    @staticmethod
    def _outside(range_: Range) -> bool:
        return range_.empty

    def _implied(self, item: Literal | Fact) -> bool:
        """Tell whether what holds makes `item` hold, as far as can be seen at a glance."""
        match item:
            case Literal():
                return item in self._seen
            case fact.Present(name=name):
                return name in self._present
            case fact.Absent(name=name):
                return name in self._absent
            case fact.HasProperty(name=name, node=node):
                return name in self._present and self._never(name, node)
            case _:
                return False

    def _never(self, name: str, node: Node) -> bool:
        """Tell whether a property has but listed values, none of which satisfies `node`."""
        for demanded in self.values_at(name):
            keywords = demanded.keywords
            if "const" in keywords or "enum" in keywords:
                values: list[Any] = keywords["enum"] if "enum" in keywords else [keywords["const"]]
                return not any(node.holds(value) for value in values)
        return False
