"""Results as one HTML file: figures, plots, and every item down to its calls.

The file needs no network. Items stand in it compressed, and the page draws only those that can be
seen, so that a hundred thousand of them scroll.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from importlib.resources import files

from callgate.evals.files import written
from callgate.evals.reports import plots
from callgate.evals.reports.markdown import percent
from callgate.evals.suite.comparison import Comparison
from callgate.evals.suite.results import ItemResult
from callgate.evals.suite.summary import Summary

__all__ = ["page"]

_SHOWN = ("case", "repetition", "failure", "difference", "calls", "expected", "answer")
_PIECE = 3 * 19_000
"""Bytes that become base64 at a time; a multiple of three, so that pieces can be joined."""


def page(
    runs: Mapping[str, Summary],
    results: Iterable[tuple[str, ItemResult]],
    comparison: Comparison | None = None,
) -> Iterator[str]:
    """Yield the pieces of a page; results are read once and not kept.

    Args:
        runs: The figures of each run, by its name.
        results: The results of all runs, each with the name of its run.
        comparison: The last run beside the one before it, if they were compared.
    """
    frame = files("callgate.evals.reports").joinpath("page.html").read_text(encoding="utf-8")
    head, rest = frame.split("<!--BODY-->")
    middle, tail = rest.split("<!--DATA-->")
    yield head
    yield from _figures(runs, comparison)
    yield middle
    yield from _packed(results)
    yield tail


def _figures(runs: Mapping[str, Summary], comparison: Comparison | None) -> Iterator[str]:
    yield _table(runs)
    if comparison is not None:
        yield _compared(comparison)
    if len(runs) > 1:
        rows = [
            (name, summary.accuracy or 0.0, summary.interval, summary.items)
            for name, summary in runs.items()
        ]
        yield f"<h2>Accuracy</h2>{plots.accuracy(rows)}"
        yield f"<h2>Cost against accuracy</h2>{plots.cost(runs)}"
    for name, summary in runs.items():
        mark = f" of {escape(name)}" if len(runs) > 1 else ""
        yield f"<h2>Accuracy by tag{mark}</h2>{plots.accuracy(plots.shares(summary))}"
        if summary.failures:
            yield f"<h2>Failures{mark}</h2>{plots.failures(summary)}"
        if summary.confused:
            yield f"<h2>Confusion{mark}</h2>{plots.confusion(summary)}"


def _table(runs: Mapping[str, Summary]) -> str:
    head = ("run", "items", "passed", "95 %", "F1", "unfinished", "requests", "cost", "seconds")
    rows: list[tuple[str, ...]] = [head]
    for name, summary in runs.items():
        interval = summary.interval
        rows.append(
            (
                name,
                f"{summary.items:,}",
                percent(summary.accuracy),
                f"{percent(interval.low)} to {percent(interval.high)}",
                percent(summary.selection.f1),
                f"{summary.unfinished:,}",
                f"{summary.usage[0]:,}",
                "-" if summary.cost is None else f"${summary.cost:.4f}",
                f"{summary.seconds:,.1f}",
            )
        )
    lines = [
        "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row)
        for tag, row in zip(("th", *["td"] * len(runs)), rows, strict=True)
    ]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _compared(comparison: Comparison) -> str:
    change = comparison.change
    return (
        f"<p>Compared with the run before, over {change.items:,} items of both: "
        f"{change.gained:,} gained, {change.lost:,} lost, {100 * change.delta:+.1f} points "
        f"(95 %: {100 * change.interval.low:+.1f} to {100 * change.interval.high:+.1f}), "
        f"exact McNemar p = {change.p:.3g}.</p>"
    )


def _packed(results: Iterable[tuple[str, ItemResult]]) -> Iterator[str]:
    """Yield all items as gzip in base64, piece by piece."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    waiting = bytearray()
    for run, result in results:
        data = result.to_json()
        line = {name: data[name] for name in _SHOWN} | {"run": run}
        waiting += packer.compress(written(line) + b"\n")
        while len(waiting) >= _PIECE:
            yield base64.b64encode(waiting[:_PIECE]).decode() + "\n"
            del waiting[:_PIECE]
    waiting += packer.flush()
    yield base64.b64encode(waiting).decode() + "\n"
