"""Looks for a witness by trying: values made from what both schemas mention, varied at random.

Where no proof is at hand this may still find a witness, and where there is one it may find the
error in it: a proof is believed only if this finds nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from callgate.contract.inclusion.facts import Kind, kind_of
from callgate.schema.values import is_array, is_object

__all__ = ["Mentioned", "search"]

_MOST_MENTIONED = 120
_MOST_KEPT = 60

_PLAIN: tuple[Any, ...] = (
    None,
    False,
    True,
    0,
    1,
    -1,
    2,
    0.5,
    1.5,
    1e9,
    "",
    "a",
    "ab",
    "A1!b",
    "0",
    "2024-01-31",
    " ",
    "x" * 40,
    (),
    (None,),
    (0, 0),
    ("a", "b"),
    {},
    {"a": 1},
    {"zz": None},
)


class Mentioned:
    """Values and names that schemas mention, and their neighbours.

    Attributes:
        values: JSON values.
        names: Names of properties.
    """

    __slots__ = ("names", "values")

    def __init__(self, schemas: Iterable[Any]) -> None:
        """Collect what `schemas` mention, their definitions included."""
        self.values: list[Any] = [_thawed(value) for value in _PLAIN]
        self.names: list[str] = ["a", "zz"]
        for schema in schemas:
            self._collect(schema)
        self.names = list(dict.fromkeys(self.names))
        self.values = self.values[:_MOST_MENTIONED]

    def _collect(self, schema: Any) -> None:
        waiting = [schema]
        while waiting:
            inner = waiting.pop()
            if is_array(inner):
                waiting += inner
            if not is_object(inner):
                continue
            waiting += inner.values()
            for keyword, value in inner.items():
                self._mention(keyword, value)

    def _mention(self, keyword: str, value: Any) -> None:
        match keyword:
            case "enum" if is_array(value):
                self.values += value
            case "const" | "default":
                self.values.append(value)
            case "examples" if is_array(value):
                self.values += value
            case "required" if is_array(value):
                self.names += [name for name in value if isinstance(name, str)]
            case "properties" | "dependentRequired" | "dependentSchemas" if is_object(value):
                self.names += value
            case _ if isinstance(value, int | float) and not isinstance(value, bool):
                self.values += _near(keyword, value)
            case _:
                pass


def _near(keyword: str, bound: float) -> Iterator[Any]:
    if keyword.endswith("Length"):
        if bound < 200:
            yield from ("a" * int(bound), "a" * (int(bound) + 1), "a" * max(0, int(bound) - 1))
    elif keyword.endswith(("Items", "Contains")):
        if bound < 20:
            yield [*range(int(bound))]
            yield [*range(int(bound) + 1)]
            yield [0] * (int(bound) + 1)
    elif not keyword.endswith("Properties"):
        yield from (bound, bound + 1, bound - 1, bound * 2, bound + 0.5)


def _thawed(value: Any) -> Any:
    return list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value


def search(
    mentioned: Mentioned,
    seeds: Iterable[Any],
    *,
    valid: Callable[[Any], bool],
    wanted: Callable[[Any], bool],
    tries: int,
) -> Any:
    """Look for a value that is wanted, near values that are valid.

    Args:
        mentioned: What values are made of.
        seeds: Where to begin.
        valid: Whether a value is worth going on from.
        wanted: Whether a valid value is what is looked for.
        tries: How many values are made.

    Returns:
        A list with the value, or an empty one.
    """
    chance = random.Random(tries)
    kept: list[Any] = []
    for value in [*seeds, *mentioned.values]:
        tries -= 1
        if valid(value):
            if wanted(value):
                return [value]
            kept.append(value)
    kept = kept[:_MOST_KEPT]
    while kept and tries > 0:
        tries -= 1
        base = chance.choice(kept)
        value = _varied(base, mentioned, chance, 0)
        if chance.random() < 0.3:
            value = _varied(value, mentioned, chance, 0)
        if not valid(value):
            continue
        if wanted(value):
            return [value]
        if len(kept) < _MOST_KEPT:
            kept.append(value)
        else:
            kept[chance.randrange(len(kept))] = value
    return []


def _varied(value: Any, mentioned: Mentioned, chance: random.Random, depth: int) -> Any:
    """Return a value that differs in one place."""
    kind = kind_of(value)
    deeper = depth < 8 and chance.random() < 0.6
    if kind is Kind.OBJECT and deeper:
        return _varied_object(value, mentioned, chance, depth)
    if kind is Kind.ARRAY and deeper:
        return _varied_array(value, mentioned, chance, depth)
    if kind is Kind.STRING and value and chance.random() < 0.3:
        place = chance.randrange(len(value))
        return value[:place] + chance.choice(["", "a", "0", "Z", "-", " "]) + value[place + 1 :]
    if kind is Kind.NUMBER and chance.random() < 0.5:
        return value + chance.choice([1, -1, 0.5, 10, -10, 0.1, 2])
    return chance.choice(mentioned.values)


def _varied_object(
    value: dict[str, Any], mentioned: Mentioned, chance: random.Random, depth: int
) -> dict[str, Any]:
    way = chance.random()
    if value and way < 0.25:
        left_out = chance.choice([*value])
        return {name: inner for name, inner in value.items() if name != left_out}
    if value and way < 0.6:
        name = chance.choice([*value])
        return {**value, name: _varied(value[name], mentioned, chance, depth + 1)}
    name = chance.choice(mentioned.names)
    return {**value, name: chance.choice(mentioned.values)}


def _varied_array(
    value: list[Any], mentioned: Mentioned, chance: random.Random, depth: int
) -> list[Any]:
    way = chance.random()
    if value and way < 0.25:
        place = chance.randrange(len(value))
        return [*value[:place], *value[place + 1 :]]
    if value and way < 0.4:
        return [*value, chance.choice(value)]
    if value and way < 0.7:
        place = chance.randrange(len(value))
        other = _varied(value[place], mentioned, chance, depth + 1)
        return [*value[:place], other, *value[place + 1 :]]
    place = chance.randrange(len(value) + 1)
    return [*value[:place], chance.choice(mentioned.values), *value[place:]]
