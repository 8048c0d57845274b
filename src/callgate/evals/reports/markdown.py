"""Results as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callgate.evals.suite.comparison import Comparison
from callgate.evals.suite.summary import Summary

__all__ = ["markdown", "percent"]

_MOST = 20


def markdown(runs: Mapping[str, Summary], comparison: Comparison | None = None) -> str:
    """Return a page about one or several runs.

    Args:
        runs: The figures of each run, by its name.
        comparison: The last run beside the one before it, if they were compared.
    """
    parts = [
        "# Evaluation\n",
        _table(
            ("run", "items", "passed", "95 %", "F1", "arguments", "unfinished", "cost", "seconds"),
            [_row(name, summary) for name, summary in runs.items()],
        ),
    ]
    for name, summary in runs.items():
        if summary.failures:
            rows = [(kind, str(count)) for kind, count in summary.failures.most_common()]
            parts += [f"## Failures of {_cell(name)}\n", _table(("class", "items"), rows)]
    if comparison is not None:
        parts += _compared(comparison)
    return "\n".join(parts)


def percent(value: float | None) -> str:
    """Return a share as people read it."""
    return "-" if value is None else f"{100 * value:.1f} %"


def _row(name: str, summary: Summary) -> tuple[str, ...]:
    interval = summary.interval
    right, expected = summary.arguments
    return (
        name,
        str(summary.items),
        percent(summary.accuracy),
        f"{percent(interval.low)} to {percent(interval.high)}",
        percent(summary.selection.f1),
        percent(right / expected if expected else None),
        str(summary.unfinished),
        "-" if summary.cost is None else f"${summary.cost:.4f}",
        f"{summary.seconds:.1f}",
    )


def _compared(comparison: Comparison) -> list[str]:
    change = comparison.change
    text = (
        f"Over {change.items} items of both: {change.gained} gained, {change.lost} lost, "
        f"{100 * change.delta:+.1f} points (95 %: {100 * change.interval.low:+.1f} to "
        f"{100 * change.interval.high:+.1f}), exact McNemar p = {change.p:.3g}.\n"
    )
    parts = ["## Compared with the run before\n", text]
    if comparison.regressions:
        rows = [
            (result.case, result.failure, result.difference)
            for result in comparison.regressions[:_MOST]
        ]
        parts += [_table(("regressed", "class", "difference"), rows)]
        if rest := len(comparison.regressions) - _MOST:
            parts += [f"and {rest} more\n"] if rest > 0 else []
    return parts


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) + "\n"


def _cell(text: Any) -> str:
    text = str(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return " ".join(text.split())
