"""Makes a witness as small as can be: whatever can be left out or made simpler is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from callgate.contract.inclusion.facts import Kind, kind_of
from callgate.schema.values import is_array, is_object

__all__ = ["shrunk", "weight"]

_LARGE = 500
"""The weight at which asking costs twice as much."""

_WEIGHED = 1_000
"""Characters of a text that are looked at one by one."""


def shrunk(value: Any, keeps: Callable[[Any], bool], tries: int = 1_500) -> Any:
    """Return the smallest value near `value` that still does what it has to.

    Args:
        value: A JSON value; it is not changed.
        keeps: Whether a value still does it; true of `value`.
        tries: How often `keeps` is asked at most; less often of a large value.
    """
    better: Any = value
    while better is not None:
        value, better = better, None
        # What is large takes longer to ask about, and has more that could be left out.
        price = 1 + sum(weight(value)) // _LARGE
        for other in _smaller(value):
            tries -= price
            if tries < 0:
                return value
            if keeps(other):
                better = other
                break
        else:
            return value
    return value


def weight(value: Any) -> tuple[int, int]:
    """Return how large a value is: how many values it holds, and how long its text is."""
    if is_object(value):
        inner = [weight(item) for item in value.values()]
        names = sum(len(name) + 1 for name in value)
        return 1 + sum(one for one, _ in inner), 2 + names + sum(size for _, size in inner)
    if is_array(value):
        inner = [weight(item) for item in value]
        return 1 + sum(one for one, _ in inner), 2 + sum(size for _, size in inner)
    return 1, _cost(value)


def _cost(value: Any) -> int:
    if isinstance(value, str):
        return 1 + 2 * len(value) + sum(not sign.isalnum() for sign in value[:_WEIGHED])
    if isinstance(value, bool) or value is None:
        return 1
    return 1 + len(repr(value)) + (value < 0)


def _smaller(value: Any) -> Iterator[Any]:
    """Yield simpler values, the simplest first; each weighs less."""
    least = weight(value)
    for other in _simpler(value):
        if weight(other) < least:
            yield other


def _simpler(value: Any) -> Iterator[Any]:
    match kind_of(value):
        case Kind.OBJECT:
            yield from ({}, [], "", 0, None)
            yield from _without(value)
            for name, inner in value.items():
                for other in _smaller(inner):
                    yield {**value, name: other}
        case Kind.ARRAY:
            yield from ([], "", 0, None)
            yield from _halves(value)
            for place, inner in enumerate(value):
                for other in _smaller(inner):
                    yield [*value[:place], other, *value[place + 1 :]]
        case Kind.STRING:
            yield from ("", "a", "x", 0, None)
            yield from _shorter(value)
        case Kind.NUMBER:
            yield from (0, 1, -1, None)
            yield from _rounder(value)
        case _:
            yield None


def _without(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    names = [*value]
    if len(names) > 3:
        half = len(names) // 2
        for kept in (names[half:], names[:half]):
            yield {name: value[name] for name in kept}
    for left_out in names:
        yield {name: inner for name, inner in value.items() if name != left_out}


def _halves(value: list[Any]) -> Iterator[list[Any]]:
    half = len(value) // 2
    if half > 1:
        yield value[half:]
        yield value[:half]
    for place in range(min(len(value), 40)):
        yield [*value[:place], *value[place + 1 :]]


def _shorter(value: str) -> Iterator[str]:
    half = len(value) // 2
    if half > 1:
        yield value[:half]
        yield value[half:]
    for place in range(min(len(value), 40)):
        yield value[:place] + value[place + 1 :]
    for place in range(min(len(value), 40)):
        if value[place] != "a":
            yield value[:place] + "a" + value[place + 1 :]


def _rounder(value: float) -> Iterator[float]:
    try:
        whole = int(value)
    except OverflowError:
        return
    yield from (whole, whole + 1, whole - 1)
    yield from (whole // 2, whole // 10, round(value, 1), round(value, 3))
