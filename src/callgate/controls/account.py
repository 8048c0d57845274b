"""An account: what was spent in the present span of time, reservations included."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from callgate.controls import Allowance

__all__ = ["Account"]

_NOTHING = Decimal(0)


class Account:
    """What was spent or is reserved in one span.

    A reservation is spent money until it is settled: a process that dies with one leaves it
    spent, so nothing has to be cleaned up and no allowance is ever exceeded.

    Attributes:
        span: The number of the span since the epoch.
        spent: US dollars.
    """

    __slots__ = ("span", "spent")

    def __init__(self, span: int = 0, spent: Decimal = _NOTHING) -> None:
        """Begin with what was spent.

        Args:
            span: The number of the span.
            spent: US dollars in it; defaults to none.
        """
        self.span = span
        self.spent = spent

    def lacks(self, allowance: Allowance, amount: Decimal, now: float) -> bool:
        """Turn to the present span; tell whether `amount` more is too much for it.

        A clock that goes backwards leads into no earlier span.
        """
        span = int(now // allowance.seconds)
        if span > self.span:
            self.span, self.spent = span, _NOTHING
        return self.spent + amount > allowance.amount

    def reserve(self, amount: Decimal) -> int:
        """Spend `amount` for now; return the span, which settling it needs."""
        self.spent += amount
        return self.span

    def settle(self, span: int, reserved: Decimal, actual: Decimal) -> None:
        """Put what was spent in the place of what was reserved, if that span is not over."""
        if span == self.span:
            self.spent += actual - reserved

    def dump(self) -> list[Any]:
        """Return the account as a JSON value; money is text."""
        return [self.span, str(self.spent)]

    @classmethod
    def load(cls, value: list[Any]) -> Account:
        """Make the account that `dump` described."""
        return cls(value[0], Decimal(value[1]))
