"""What a schema says about values of one JSON type, in pieces small enough to reason with.

A *goal* is a set of literals: schemas that a value must satisfy, or must not. For one type, the
keywords of a goal become *facts*, which all hold, and *choices*, of which one alternative must.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

from callgate.contract.inclusion.nodes import Node

__all__ = [
    "Absent",
    "AtItem",
    "AtMost",
    "Contains",
    "Fact",
    "FromItem",
    "Goal",
    "HasProperty",
    "Items",
    "Kind",
    "Literal",
    "Member",
    "Multiple",
    "Names",
    "Opaque",
    "Pattern",
    "Present",
    "Properties",
    "Size",
    "SomeExtra",
    "SomeMatching",
    "SomeName",
    "Unique",
    "among",
    "exact",
    "kind_of",
    "same",
]


class Kind(Enum):
    """A JSON type; integers are numbers."""

    NULL = "null"
    BOOLEAN = "boolean"
    NUMBER = "number"
    STRING = "string"
    ARRAY = "array"
    OBJECT = "object"


class Literal(NamedTuple):
    """A schema that a value satisfies, or does not."""

    holds: bool
    node: Node


Goal: TypeAlias = frozenset[Literal]


class Member(NamedTuple):
    """The value is one of those of an `enum` or `const`, or none of them."""

    holds: bool
    values: tuple[Any, ...]

    def __hash__(self) -> int:
        """Hash by identity: JSON values have no hash."""
        return hash((self.holds, id(self.values)))


class Multiple(NamedTuple):
    """A number is a multiple of another, or is not."""

    holds: bool
    of: Fraction


class Size(NamedTuple):
    """A lower bound: of a number, or of what the kind's `min...` keyword counts."""

    least: Fraction
    strict: bool = False


class AtMost(NamedTuple):
    """An upper bound, as `Size` is a lower one."""

    most: Fraction
    strict: bool = False


class Pattern(NamedTuple):
    """A regular expression is found in a string, or is not."""

    holds: bool
    pattern: str


class Unique(NamedTuple):
    """The items of an array differ from each other, or two do not."""

    holds: bool


class Items(NamedTuple):
    """`prefixItems` and `items` of a schema hold."""

    node: Node


class Contains(NamedTuple):
    """So many items of an array satisfy a schema; `most` is None for any number."""

    node: Node
    least: int
    most: int | None


class AtItem(NamedTuple):
    """There is an item at that index, and it does not satisfy the schema."""

    at: int
    node: Node


class FromItem(NamedTuple):
    """There is an item at that index or later that does not satisfy the schema."""

    at: int
    node: Node


class Properties(NamedTuple):
    """`properties`, `patternProperties` and `additionalProperties` of a schema hold."""

    node: Node


class Names(NamedTuple):
    """The names of an object's properties satisfy a schema."""

    node: Node


class Present(NamedTuple):
    """An object has a property."""

    name: str


class Absent(NamedTuple):
    """An object has no such property."""

    name: str


class HasProperty(NamedTuple):
    """An object has a property whose value does not satisfy the schema."""

    name: str
    node: Node


class SomeMatching(NamedTuple):
    """A property whose name matches a pattern has a value that does not satisfy the schema."""

    pattern: str
    node: Node


class SomeExtra(NamedTuple):
    """A property that is additional in `node` has a value that breaks `additionalProperties`."""

    node: Node


class SomeName(NamedTuple):
    """The name of a property does not satisfy the schema."""

    node: Node


class Opaque(NamedTuple):
    """A keyword holds, or does not, that only a validator understands."""

    holds: bool
    keyword: str


Fact: TypeAlias = (
    Member
    | Multiple
    | Size
    | AtMost
    | Pattern
    | Unique
    | Items
    | Contains
    | AtItem
    | FromItem
    | Properties
    | Names
    | Present
    | Absent
    | HasProperty
    | SomeMatching
    | SomeExtra
    | SomeName
    | Opaque
)


def exact(number: float) -> Fraction:
    """Return a JSON number exactly as its shortest text says it."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def kind_of(value: Any) -> Kind:
    """Return the JSON type of a value."""
    match value:
        case None:
            return Kind.NULL
        case bool():
            return Kind.BOOLEAN
        case int() | float():
            return Kind.NUMBER
        case str():
            return Kind.STRING
        case list():
            return Kind.ARRAY
        case _:
            return Kind.OBJECT


def same(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are equal: `1` and `1.0` are, `1` and `true` are not."""
    kind = kind_of(one)
    if kind is not kind_of(other):
        return False
    if kind is Kind.ARRAY:
        return len(one) == len(other) and all(map(same, one, other))
    if kind is Kind.OBJECT:
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    return bool(one == other)


def among(value: Any, values: Iterable[Any]) -> bool:
    """Tell whether a JSON value is equal to one of others."""
    return any(same(value, other) for other in values)
