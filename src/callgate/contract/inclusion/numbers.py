"""Numbers that satisfy bounds, multiples and exclusions; exact, as JSON's decimals are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from callgate.contract.inclusion.answers import EMPTY, Answer, Found, Unknown
from callgate.contract.inclusion.facts import AtMost, Multiple, Size, exact

__all__ = ["Range", "find_number"]

_TRIES = 2_000
_EXACT = 2**53
"""Whole numbers up to here are the same as JSON integers and as floats."""

_ONE = Fraction(1)


@dataclass(slots=True)
class Range:
    """Numbers between two bounds; None for no bound."""

    least: Fraction | None = None
    above: bool = False
    most: Fraction | None = None
    below: bool = False

    def narrow(self, bound: Size | AtMost) -> None:
        """Take one more bound into account."""
        if isinstance(bound, Size):
            if self.least is None or (bound.least, bound.strict) > (self.least, self.above):
                self.least, self.above = bound.least, bound.strict
        elif self.most is None or (bound.most, not bound.strict) < (self.most, not self.below):
            self.most, self.below = bound.most, bound.strict

    @property
    def empty(self) -> bool:
        """Whether there is no number between the bounds."""
        if self.least is None or self.most is None:
            return False
        return self.least > self.most or (self.least == self.most and (self.above or self.below))

    def holds(self, number: Fraction) -> bool:
        """Tell whether a number is between the bounds."""
        return Range(number, False, number, False).within(self)

    def within(self, other: Range) -> bool:
        """Tell whether all of these numbers, of which there are some, are among `other`'s."""
        merged = Range(other.least, other.above, other.most, other.below)
        if self.least is not None:
            merged.narrow(Size(self.least, self.above))
        if self.most is not None:
            merged.narrow(AtMost(self.most, self.below))
        return merged == self


def find_number(
    range_: Range, multiples: Iterable[Multiple], excluded: Sequence[Fraction]
) -> Answer:
    """Find a number, the nearer to zero the better.

    Args:
        range_: Its bounds.
        multiples: What it must be a multiple of, and what it must not.
        excluded: Numbers it must not be.
    """
    if range_.empty:
        return EMPTY
    step: Fraction | None = None
    against: list[Fraction] = []
    for one in multiples:
        if one.holds:
            step = one.of if step is None else _common(step, one.of)
        else:
            against.append(one.of)
    if step is not None and any((step / other).denominator == 1 for other in against):
        return EMPTY
    if step is None:
        return _find_any(range_, against, excluded)
    return _find_multiple(range_, step, against, excluded)


def _find_multiple(
    range_: Range, step: Fraction, against: Sequence[Fraction], excluded: Sequence[Fraction]
) -> Answer:
    low = None if range_.least is None else math.ceil(range_.least / step)
    high = None if range_.most is None else math.floor(range_.most / step)
    if low is not None and range_.above and low * step == range_.least:
        low += 1
    if high is not None and range_.below and high * step == range_.most:
        high -= 1
    if low is not None and high is not None and low > high:
        return EMPTY
    certain = True
    for count in _nearest(low, high, _TRIES):
        number = count * step
        if number in excluded or any((number / other).denominator == 1 for other in against):
            continue
        if (shown := _json(number)) is not None:
            return Found(shown)
        certain = False
    finite = low is not None and high is not None and high - low < _TRIES
    return EMPTY if finite and certain else Unknown(frozenset({"multipleOf"}))


def _find_any(range_: Range, against: Sequence[Fraction], excluded: Sequence[Fraction]) -> Answer:
    for number in _candidates(range_):
        if (
            range_.holds(number)
            and number not in excluded
            and not any((number / other).denominator == 1 for other in against)
            and (shown := _json(number)) is not None
        ):
            return Found(shown)
    if range_.least is not None and range_.least == range_.most:
        number = range_.least
        if number in excluded or any((number / other).denominator == 1 for other in against):
            return EMPTY
    return Unknown(frozenset({"multipleOf" if against else "minimum"}))


def _candidates(range_: Range) -> Iterator[Fraction]:
    least, most = range_.least, range_.most
    low = None if least is None else math.floor(least)
    high = None if most is None else math.ceil(most)
    for whole in _nearest(low, high, 40):
        yield Fraction(whole)
    bounds = [bound for bound in (least, most) if bound is not None]
    yield from bounds
    start = least if least is not None else Fraction(0) if most is None else most - 8
    width = Fraction(8) if most is None or least is None else most - least
    yield start + Fraction(1, 2)
    for parts in (2, 10, 3, 7, 1000, 1001, 10**6 + 3):
        for part in range(1, min(parts, 12)):
            rounded = Fraction(round(float(start + width * part / parts), 12)).limit_denominator(
                10**13
            )
            yield rounded
            yield start + width * part / parts
    for digits in range(1, 16):
        for bound in bounds:
            yield bound + Fraction(1, 10**digits)
            yield bound - Fraction(1, 10**digits)


def _nearest(low: int | None, high: int | None, most: int) -> Iterator[int]:
    """Yield whole numbers from those nearest to zero on, at most so many."""
    start = 0
    if low is not None and low > 0:
        start = low
    elif high is not None and high < 0:
        start = high
    yield start
    given = 1
    for distance in range(1, most + 1):
        for number in (start + distance, start - distance):
            if (low is None or number >= low) and (high is None or number <= high):
                yield number
                given += 1
        if given >= most:
            return


def _common(one: Fraction, other: Fraction) -> Fraction:
    """Return the least common multiple of two positive fractions."""
    return Fraction(
        math.lcm(one.numerator, other.numerator), math.gcd(one.denominator, other.denominator)
    )


def _json(number: Fraction) -> float | None:
    """Return a JSON number that says exactly this, or None."""
    if number.denominator == 1 and abs(number) <= _EXACT:
        return int(number)
    try:
        rounded = float(number)
    except OverflowError:
        return None
    return rounded if exact(rounded) == number else None
