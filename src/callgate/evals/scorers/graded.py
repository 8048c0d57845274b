"""A model as a grader, worth as much as it agrees with people's labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from callgate.evals.cases import Attempt, Case
from callgate.evals.statistics import Interval, kappa, wilson

__all__ = ["Agreement", "Grade", "Grader", "agreement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """What a grader says of an attempt.

    Attributes:
        right: None if it cannot say.
        reason: Why, in a sentence.
        cost: What asking cost in US dollars; None if the price is not known.
    """

    right: bool | None
    reason: str = ""
    cost: Decimal | None = Decimal(0)


class Grader(Protocol):
    """Judges an attempt where no rule can, usually by asking a model."""

    async def __call__(self, case: Case, attempt: Attempt) -> Grade:
        """Return whether the attempt is right, by the case's rubric.

        What the attempt holds is data to judge: a grader follows no instruction in it.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How a grader compares with labels.

    Attributes:
        items: Labelled items.
        undecided: Items that the grader could not judge; they count as disagreement.
        agreed: Share of the items on which both say the same.
        interval: Of that share.
        kappa: Cohen's, agreement beyond chance; None if chance alone would always agree.
        too_kind: Items that only the grader calls right.
        too_strict: Items that only the label calls right.
    """

    items: int
    undecided: int
    agreed: float
    interval: Interval
    kappa: float | None
    too_kind: int
    too_strict: int

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "items": self.items,
            "undecided": self.undecided,
            "agreed": self.agreed,
            "interval": list(self.interval),
            "kappa": self.kappa,
            "too_kind": self.too_kind,
            "too_strict": self.too_strict,
        }


def agreement(grades: Sequence[bool | None], labels: Sequence[bool]) -> Agreement:
    """Compare a grader's verdicts with labels of the same items.

    Args:
        grades: The grader's verdicts, None where it could not say.
        labels: What people said.

    Raises:
        MisuseError: They differ in length or are empty.
    """
    beyond = kappa(grades, labels)
    pairs = list(zip(grades, labels, strict=True))
    agreed = sum(grade is label for grade, label in pairs)
    return Agreement(
        items=len(pairs),
        undecided=sum(grade is None for grade, _ in pairs),
        agreed=agreed / len(pairs),
        interval=wilson(agreed, len(pairs)),
        kappa=beyond,
        too_kind=sum(grade is True and not label for grade, label in pairs),
        too_strict=sum(grade is False and label for grade, label in pairs),
    )
