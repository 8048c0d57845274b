"""A token bucket: it fills with time, and a call takes one token out."""

from __future__ import annotations

from typing import Any

from callgate.controls import Rate

__all__ = ["Bucket"]

_TOKEN = 1.0 - 1e-9
"""A level is a sum of products, so what is a billionth short of a token is one."""


class Bucket:
    """How full one bucket was when it was last looked at.

    Attributes:
        level: Tokens in it then.
        at: When that was, in seconds.
    """

    __slots__ = ("at", "level")

    def __init__(self, level: float, at: float) -> None:
        """Begin with so many tokens.

        Args:
            level: Tokens.
            at: Now, in seconds.
        """
        self.level = level
        self.at = at

    def lacks(self, rate: Rate, now: float) -> float:
        """Fill the bucket up to now; return the seconds until it holds a token, 0.0 if it does.

        A clock that went backwards adds nothing and takes nothing away.
        """
        speed, size = rate.speed, rate.size
        level = self.level + max(0.0, now - self.at) * speed
        self.level = level = min(level, size)
        self.at = now
        return 0.0 if level >= _TOKEN else (1.0 - level) / speed

    def draw(self, rate: Rate, now: float) -> bool:
        """Fill the bucket up to now and take a token out; return whether there is none."""
        level, passed = self.level, now - self.at
        if passed > 0.0:
            level += passed * rate.speed
            if level > rate.size:
                level = rate.size
        self.at = now
        if level < _TOKEN:
            self.level = level
            return True
        self.level = level - 1.0
        return False

    def full(self, rate: Rate, now: float) -> bool:
        """Tell whether it is full by now, and so like one that nobody has used."""
        return self.level + max(0.0, now - self.at) * rate.speed >= rate.size

    def take(self, most: int = 1) -> int:
        """Take tokens out, after `lacks` has told that there is one; return how many.

        Args:
            most: How many are wanted; defaults to 1.
        """
        count = max(1, min(most, int(self.level)))
        self.level = max(0.0, self.level - count)
        return count

    def dump(self) -> list[Any]:
        """Return the bucket as a JSON value."""
        return [self.level, self.at]

    @classmethod
    def load(cls, value: list[Any]) -> Bucket:
        """Make the bucket that `dump` described."""
        return cls(value[0], value[1])
