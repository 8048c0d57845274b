"""Labels: what people say of the items that a model has graded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from callgate.errors import EvaluationDataError
from callgate.evals.files import read_lines
from callgate.evals.scorers.graded import Agreement, agreement
from callgate.evals.suite.results import ItemResult

__all__ = ["agreement_of", "read_labels"]

_GRADES: Mapping[str, bool | None] = {"right": True, "wrong": False, "undecided": None}


def read_labels(path: Path) -> dict[tuple[str, int], bool]:
    """Return what a file says of items, by case and repetition.

    Args:
        path: JSON lines with `case`, `right` (true or false) and `repetition` (0 by default).

    Raises:
        EvaluationDataError: The file cannot be read, a line is no label, or two are of one item.
    """
    labels: dict[tuple[str, int], bool] = {}
    for number, line in enumerate(read_lines(path), 1):
        case, right, repetition = line.get("case"), line.get("right"), line.get("repetition", 0)
        if type(case) is not str or type(right) is not bool or type(repetition) is not int:
            raise EvaluationDataError(
                f'{path.name}:{number}: expected a label such as {{"case": "one", "right": true}}.'
            )
        if (case, repetition) in labels:
            raise EvaluationDataError(
                f"{path.name}:{number}: a line before labels repetition {repetition} of {case}."
            )
        labels[case, repetition] = right
    return labels


def agreement_of(
    results: Iterable[ItemResult], labels: Mapping[tuple[str, int], bool]
) -> Agreement:
    """Compare what the grader said with labels, over the items that have both.

    Raises:
        EvaluationDataError: No item has both.
    """
    pairs = [
        (_GRADES[result.grade], labels[result.key])
        for result in results
        if result.grade and result.key in labels
    ]
    if not pairs:
        raise EvaluationDataError("No item has a grade and a label: look at the names of cases.")
    return agreement([grade for grade, _ in pairs], [label for _, label in pairs])
