"""Which expected call is met by which call: the best assignment, and the greedy one."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

__all__ = ["assign", "assign_greedily"]

Weights = Sequence[Sequence[float]]
"""How well each row fits each column; 0 or less is no fit."""


def assign_greedily(weights: Weights, *, least: float = 1.0) -> list[tuple[int, int]]:
    """Give every row, in order, the first free column that fits: the official rule of BFCL.

    Args:
        weights: How well rows fit columns.
        least: The weight from which on a column fits.
    """
    pairs: list[tuple[int, int]] = []
    taken: set[int] = set()
    for row, fits in enumerate(weights):
        column = next((c for c, fit in enumerate(fits) if fit >= least and c not in taken), None)
        if column is not None:
            taken.add(column)
            pairs.append((row, column))
    return pairs


def assign(weights: Weights) -> list[tuple[int, int]]:
    """Return the pairs whose weights sum up to the most; rows and columns may be left over.

    The Hungarian method with potentials, cubic in the larger side. Pairs of no weight are not
    returned.
    """
    if not weights or not weights[0]:
        return []
    size = max(len(weights), len(weights[0]))
    # Rows and columns are filled up to a square by pairs of no weight; costs are weights negated.
    cost = [
        [
            -max(0.0, weights[r][c]) if r < len(weights) and c < len(weights[0]) else 0.0
            for c in range(size)
        ]
        for r in range(size)
    ]
    row_of = _solved(cost, size)
    pairs = [(row, column) for column, row in enumerate(row_of)]
    return sorted((r, c) for r, c in pairs if cost[r][c] < 0)


def _solved(cost: list[list[float]], size: int) -> list[int]:
    """Return the row of every column in the cheapest complete assignment."""
    # Place 0 is a column of no one, from which each row's search starts.
    rows, columns, row_of = [0.0] * (size + 1), [0.0] * (size + 1), [0] * (size + 1)
    for row in range(1, size + 1):
        row_of[0] = row
        _augment(cost, rows, columns, row_of)
    return [row - 1 for row in row_of[1:]]


def _augment(
    cost: list[list[float]], rows: list[float], columns: list[float], row_of: list[int]
) -> None:
    """Find a column for the row that stands at place 0, and shift the others along the way."""
    size, column = len(cost), 0
    least, way = [inf] * (size + 1), [0] * (size + 1)
    used = [False] * (size + 1)
    while row_of[column]:
        used[column] = True
        row, delta, following = row_of[column], inf, 0
        for other in range(1, size + 1):
            if used[other]:
                continue
            reduced = cost[row - 1][other - 1] - rows[row] - columns[other]
            if reduced < least[other]:
                least[other], way[other] = reduced, column
            if least[other] < delta:
                delta, following = least[other], other
        for other in range(size + 1):
            if used[other]:
                rows[row_of[other]] += delta
                columns[other] -= delta
            else:
                least[other] -= delta
        column = following
    while column:
        row_of[column] = row_of[way[column]]
        column = way[column]
