"""Plots as SVG: few, plain, readable without colour, and written by hand to stay small."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

from callgate.evals.reports.markdown import percent
from callgate.evals.statistics import Interval, wilson
from callgate.evals.suite.summary import Summary

__all__ = ["accuracy", "confusion", "cost", "failures", "shares"]

_WIDTH = 720
_LEFT = 220
_ROW = 26
_MOST = 18
_NOTHING = "(nothing)"


def accuracy(rows: Sequence[tuple[str, float, Interval, int]]) -> str:
    """Draw shares with their intervals, one below the other.

    Args:
        rows: For each its name, share, interval and number of items.
    """
    span = _WIDTH - _LEFT - 130
    parts = [
        f'<line x1="{_LEFT + span * n / 10}" y1="4" x2="{_LEFT + span * n / 10}" '
        f'y2="{_ROW * len(rows) + 4}" class="grid"/>'
        f'<text x="{_LEFT + span * n / 10}" y="{_ROW * len(rows) + 20}" class="mid">{10 * n}</text>'
        for n in range(0, 11, 2)
    ]
    for place, (name, share, interval, items) in enumerate(rows):
        y = _ROW * place + 18
        low, high = (_LEFT + span * bound for bound in interval)
        parts += [
            _label(name, y),
            f'<line x1="{low:.1f}" y1="{y}" x2="{high:.1f}" y2="{y}" class="range"/>',
            f'<circle cx="{_LEFT + span * share:.1f}" cy="{y}" r="4.5" class="dot"/>',
            f'<text x="{_WIDTH - 122}" y="{y + 4}">{percent(share)} of {items:,}</text>',
        ]
    return _svg(parts, _ROW * len(rows) + 28, "Shares in per cent with 95 % intervals")


def shares(summary: Summary) -> list[tuple[str, float, Interval, int]]:
    """Return the rows of `accuracy` for one run: all items, then each tag."""
    rows = [("all", summary.accuracy or 0.0, summary.interval, summary.items)]
    tags = sorted(summary.tags.items(), key=lambda item: -item[1][1])[:_MOST]
    return rows + [
        (tag, right / count, wilson(right, count), count) for tag, (right, count) in tags
    ]


def failures(summary: Summary) -> str:
    """Draw how many items failed, by class."""
    kinds = summary.failures.most_common(_MOST)
    most = max((count for _, count in kinds), default=1)
    parts: list[str] = []
    for place, (kind, count) in enumerate(kinds):
        y, width = _ROW * place + 18, (_WIDTH - _LEFT - 90) * count / most
        parts += [
            _label(kind, y),
            f'<rect x="{_LEFT}" y="{y - 8}" width="{width:.1f}" height="16" class="bar"/>',
            f'<text x="{_LEFT + width + 8:.1f}" y="{y + 4}">{count:,}</text>',
        ]
    return _svg(parts, _ROW * max(1, len(kinds)) + 8, "Failed items by class")


def confusion(summary: Summary) -> str:
    """Draw which tool was called where which was expected; only the most frequent ones."""
    weight: dict[str, int] = {}
    for (wanted, made), count in summary.confused.items():
        for name in {wanted, made}:
            # Tools that are confused first, then those that are used most.
            weight[name] = weight.get(name, 0) + (1_000_000 if wanted != made else 1) * count
    names = sorted(weight, key=lambda name: (-weight[name], name))[:_MOST]
    most = max(summary.confused.values(), default=1)
    cell, top = 26, 150
    parts: list[str] = []
    for row, wanted in enumerate(names):
        y = top + cell * row
        parts.append(_label(wanted or _NOTHING, y + 14))
        for column, made in enumerate(names):
            if count := summary.confused.get((wanted, made), 0):
                parts += _cell(_LEFT + cell * column, y, count, most, right=wanted == made)
    for column, made in enumerate(names):
        x = _LEFT + cell * column + 16
        text = escape(_short(made or _NOTHING, 22))
        parts.append(f'<text transform="translate({x},{top - 6}) rotate(-50)">{text}</text>')
    parts.append(f'<text x="8" y="{top - 8}" class="note">expected below, called above</text>')
    return _svg(parts, top + cell * len(names) + 10, "Which tool was called where which was right")


def cost(runs: Mapping[str, Summary]) -> str:
    """Draw the accuracy of runs over what they cost; runs without a known price are left out."""
    known = {
        name: (float(summary.cost), summary.accuracy or 0.0)
        for name, summary in runs.items()
        if summary.cost is not None
    }
    height, bottom = 300, 260
    most = max((dollars for dollars, _ in known.values()), default=0.0) or 1.0
    parts = [
        f'<line x1="60" y1="{bottom - 24 * n}" x2="{_WIDTH - 20}" y2="{bottom - 24 * n}" '
        f'class="grid"/><text x="52" y="{bottom - 24 * n + 4}" class="end">{10 * n}</text>'
        for n in range(0, 11, 2)
    ]
    for name, (dollars, share) in known.items():
        x, y = 60 + (_WIDTH - 240) * dollars / most, bottom - 240 * share
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="dot"/>',
            f'<text x="{x + 9:.1f}" y="{y + 4:.1f}">{escape(_short(name, 24))}</text>',
        ]
    digits = max(2, 2 - int(log10(most)))
    parts.append(f'<text x="{_WIDTH - 180}" y="{bottom + 20}">${most:.{digits}f}</text>')
    parts.append(f'<text x="60" y="{bottom + 20}">$0</text>')
    return _svg(parts, height, "Accuracy in per cent over US dollars")


def _cell(x: int, y: int, count: int, most: int, *, right: bool) -> list[str]:
    strength = 0.15 + 0.85 * count / most
    kind = "right" if right else "wrong"
    return [
        f'<rect x="{x}" y="{y}" width="24" height="24" class="{kind}" opacity="{strength:.2f}"/>',
        f'<text x="{x + 12}" y="{y + 16}" class="mid">{_short(str(count), 5)}</text>',
    ]


def _label(name: str, y: int) -> str:
    return f'<text x="{_LEFT - 10}" y="{y + 4}" class="end">{escape(_short(name, 30))}</text>'


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _svg(parts: Sequence[str], height: float, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
