"""`python -m tests.bench`: measure, hold against targets.toml, print JSON.

`--quick` takes some seconds and allows three times the targets, scaled by how fast this machine is;
`--check` exits with 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import tomllib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.bench import approvals, contract, fresh, loop, path, servers, store, web, wires
from tests.bench.measure import Figure, Plan

# Batches of some milliseconds are mostly done before the scheduler gives the processor away, and
# many of them make the least one a clean one.
FULL = Plan(batch=200, repeats=120, processes=7, scale=1000)
QUICK = Plan(batch=200, repeats=12, processes=1, scale=1000)
GENEROUS = 3.0

_PARTS = MappingProxyType(
    {
        "path": path.figures,
        "approvals": approvals.figures,
        "loop": loop.figures,
        "store": store.figures,
        "fresh": fresh.figures,
        "web": web.figures,
        "wires": wires.figures,
        "servers": servers.figures,
        "contract": contract.figures,
    }
)
_TARGETS = tomllib.loads((Path(__file__).parent / "targets.toml").read_text())


def judged(figure: Figure, slack: float, slowness: float = 1.0) -> dict[str, Any]:
    """Return a figure beside its target.

    Args:
        figure: What was measured.
        slack: By how much a target may be exceeded.
        slowness: How much slower this machine is now than the one that the targets are for.
    """
    known = _TARGETS["figures"][figure.name]
    target, noise = known.get("target"), known.get("noise", 0.0)
    held = known.get("reached", target) if slack > 1.0 else target
    bound = None if held is None else held * slack + noise * max(1.0, slack)
    report: dict[str, Any] = {
        "figure": figure.name,
        "what": known["what"],
        "unit": known["unit"],
        "target": target,
        "value": round(figure.value, 3),
        "at_reference_speed": round(figure.value / slowness, 3) if _is_time(known) else None,
        "median": round(figure.median, 3),
        "ratio_to_floor": None if figure.ratio is None else round(figure.ratio, 2),
        "met": None if bound is None else figure.value <= bound,
        "met_by_median": None if bound is None else figure.median <= bound,
        "basis": known.get("basis", "cpu"),
        "best_peer": known.get("peer"),
        "peers": figure.peers,
        "ours": figure.ours,
        "floor": figure.floor,
    }
    return {key: value for key, value in report.items() if value is not None}


def _is_time(known: dict[str, Any]) -> bool:
    return known["unit"] in ("us", "ms", "s") and known.get("basis") != "wall"


async def measured(plan: Plan, parts: Sequence[str], *, quick: bool) -> dict[str, Any]:
    """Run the bench, or some parts of it, and return its report."""
    before = os.getloadavg()
    # Before and after all others: what slows the machine down comes and goes.
    limits = [await path.limit(plan)]
    figures = [figure for name in parts for figure in await _PARTS[name](plan)]
    limits.append(await path.limit(plan))
    limit = min(spread.least("cpu") for spread in limits) / 1e-6
    slowness = limit / _TARGETS["reference"]["limit"]
    slack = GENEROUS * slowness if quick else 1.0
    return {
        "form": "quick" if quick else "full",
        "machine": {
            "python": platform.python_version(),
            "system": platform.platform(terse=True),
            "processors": os.cpu_count(),
            "load_before": [round(one, 2) for one in before],
            "load_after": [round(one, 2) for one in os.getloadavg()],
            "limit_us": round(limit, 3),
            "slowness": round(slowness, 2),
            "reference": _TARGETS["reference"]["machine"],
        },
        "versions": {name: version(name) for name in ("callgate", "orjson", "jsonschema-rs")},
        "slack": round(slack, 2),
        "figures": [judged(figure, slack, slowness) for figure in figures],
    }


_COLUMNS = (
    "figure",
    "target",
    "value",
    "at_reference_speed",
    "median",
    "unit",
    "ratio_to_floor",
)
_HEAD = ("figure", "target", "value", "at reference", "median", "unit", "floor x", "")


def table(report: dict[str, Any]) -> str:
    """Return the figures as aligned lines, for people."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for one in report["figures"]:
        verdict = {True: "ok", False: "MISSED", None: ""}[one.get("met")]
        rows.append((*(str(one.get(key, "")) for key in _COLUMNS), verdict))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def main() -> int:
    """Measure and report; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="some seconds, three times the targets"
    )
    parser.add_argument("--json", action="store_true", help="no table on stderr, only the JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(_PARTS)}; all by default")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    report = asyncio.run(measured(plan, options.parts or list(_PARTS), quick=options.quick))
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    if not options.json:
        sys.stderr.write(table(report) + "\n")
    return int(options.check and not all(one.get("met", True) for one in report["figures"]))


if __name__ == "__main__":
    sys.exit(main())
