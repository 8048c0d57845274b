"""Arguments, compared at four strengths, and accuracy by field and by type."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from callgate.evals.cases import Call, ExpectedCall
from callgate.evals.matchers import ABSENT, matches
from callgate.evals.tally import Share
from callgate.schema.values import is_array, is_object

__all__ = ["Fields", "Strength", "fits", "same"]

_SPACE = re.compile(r"\s+")


class Strength(StrEnum):
    """How alike two values have to be, from strict to lenient."""

    EXACT = "exact"
    """The same JSON: 1 is not 1.0."""
    TYPED = "typed"
    """The same number, whether written as integer or not; the same type else."""
    NORMALISED = "normalised"
    """Text without case, outer and double spaces; a number or truth value may be text."""
    TOLERANT = "tolerant"
    """As normalised, and numbers within a relative tolerance."""


def same(expected: Any, got: Any, strength: Strength, *, tolerance: float = 0.0) -> bool:
    """Tell whether two JSON values are alike.

    Args:
        expected: The right value.
        got: What came.
        strength: How alike.
        tolerance: Relative difference that numbers may have, for `TOLERANT`.
    """
    if is_object(expected) and is_object(got):
        return expected.keys() == got.keys() and all(
            same(value, got[key], strength, tolerance=tolerance) for key, value in expected.items()
        )
    if is_array(expected) and is_array(got):
        return len(expected) == len(got) and all(
            same(one, other, strength, tolerance=tolerance)
            for one, other in zip(expected, got, strict=True)
        )
    match strength:
        case Strength.EXACT:
            return type(expected) is type(got) and expected == got
        case Strength.TYPED:
            return _typed(expected, got)
        case _:
            allowed = tolerance if strength is Strength.TOLERANT else 0.0
            return _typed(expected, got) or _near(_plain(expected), _plain(got), allowed)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _typed(expected: Any, got: Any) -> bool:
    if _is_number(expected) and _is_number(got):
        return expected == got
    return type(expected) is type(got) and expected == got


def _plain(value: Any) -> Any:
    """Return a value as it is compared: numbers that are text become numbers."""
    if not isinstance(value, str):
        return value
    text = _SPACE.sub(" ", value.strip()).casefold()
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _near(expected: Any, got: Any, tolerance: float) -> bool:
    if _is_number(expected) and _is_number(got):
        return abs(expected - got) <= tolerance * abs(expected)
    return type(expected) is type(got) and expected == got


def fits(expected: ExpectedCall, call: Call, strength: Strength) -> float:
    """Return the share of an expected call that a call meets, from 0 to 1.

    It is 0 for another tool, and for arguments that cannot be read. Each parameter counts the same,
    one that is not expected counts as a miss, and so does the name: a call of the right tool
    without a right argument is worth more than another tool.
    """
    if expected.name != call.name or call.text:
        return 0.0
    judged = _judged(expected, call, strength)
    return (1 + sum(judged.values())) / (1 + len(judged))


def _judged(expected: ExpectedCall, call: Call, strength: Strength) -> dict[str, bool]:
    """Return whether each parameter is right; optional ones that were left out do not count."""

    def alike(wanted: Any, got: Any) -> bool:
        return same(wanted, got, strength, tolerance=expected.tolerance)

    given = call.arguments
    judged = {
        key: matches(wanted, given.get(key, ABSENT), alike)
        for key, wanted in expected.arguments.items()
        if key in given or not matches(wanted, ABSENT)
    }
    further = () if expected.open else given.keys() - expected.arguments.keys()
    return judged | dict.fromkeys(further, False)


@dataclass(slots=True)
class Fields:
    """Accuracy of arguments over calls of the right tool.

    Attributes:
        by_field: Shares by `tool.parameter`, by strength.
        by_type: Shares by JSON type of the first accepted value (`none` without one), by strength.
    """

    by_field: defaultdict[str, dict[Strength, Share]] = field(
        default_factory=lambda: defaultdict(_shares)
    )
    by_type: defaultdict[str, dict[Strength, Share]] = field(
        default_factory=lambda: defaultdict(_shares)
    )

    def add(self, expected: ExpectedCall, call: Call) -> None:
        """Count the arguments of a call that an expected one was matched with."""
        for strength in Strength:
            for key, right in _judged(expected, call, strength).items():
                kind = _kind(expected.arguments[key]) if key in expected.arguments else "none"
                self.by_field[f"{expected.name}.{key}"][strength].add(right)
                self.by_type[kind][strength].add(right)

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {"by_field": _told(self.by_field), "by_type": _told(self.by_type)}


def _shares() -> dict[Strength, Share]:
    return {strength: Share() for strength in Strength}


def _told(shares: Mapping[str, Mapping[Strength, Share]]) -> dict[str, Any]:
    return {
        name: {strength.value: share.to_json() for strength, share in by_strength.items()}
        for name, by_strength in sorted(shares.items())
    }


_KINDS: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda value: isinstance(value, bool), "boolean"),
    (lambda value: isinstance(value, int), "integer"),
    (lambda value: isinstance(value, float), "number"),
    (lambda value: isinstance(value, str), "string"),
    (is_array, "array"),
    (is_object, "object"),
)


def _kind(wanted: Any) -> str:
    """Return the type of the value that a matcher names first; an object that is none is one."""
    value = wanted
    while is_object(value) and len(value) == 1:
        ((name, given),) = value.items()
        if name == "$equal":
            value = given
            break
        if name in ("$in", "$near") and given:
            value = given[0]
        elif name in ("$text", "$match"):
            value = str(given)
        elif name.startswith("$"):
            return "none"
        else:
            break
    return next((name for is_kind, name in _KINDS if is_kind(value)), "null")
