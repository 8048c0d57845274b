"""How the bench takes time: variants side by side in rotated order, minima and medians."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

__all__ = ["Batch", "Figure", "Plan", "Spread", "above", "alone", "counted", "side_by_side"]

Batch: TypeAlias = Callable[[], Awaitable[object]]
"""Does one variant's work, some number of operations long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How thorough the bench is.

    Attributes:
        batch: Operations of about ten microseconds in one measurement.
        repeats: How often each variant is measured.
        processes: How often each fresh process is started.
        scale: Tools and runs in the cases that have a thousand of them.
    """

    batch: int
    repeats: int
    processes: int
    scale: int

    def fewer(self, cost: int) -> Plan:
        """Return the plan for operations that are `cost` times as long."""
        batch = max(1, self.batch // cost)
        return Plan(batch=batch, repeats=self.repeats, processes=self.processes, scale=self.scale)


@dataclass(slots=True)
class Spread:
    """What was measured of one variant, one number per repeat.

    Attributes:
        wall: Seconds per operation.
        cpu: Seconds of process time per operation.
    """

    wall: list[float] = field(default_factory=list[float])
    cpu: list[float] = field(default_factory=list[float])

    def least(self, basis: str) -> float:
        """Return the least that was measured by this clock."""
        return min(self.cpu if basis == "cpu" else self.wall)

    def as_json(self, unit: float) -> dict[str, Any]:
        """Return minima and medians; `unit` is how many seconds one is."""
        return {
            name: {
                "min": round(min(values) / unit, 4),
                "median": round(statistics.median(values) / unit, 4),
            }
            for name, values in (("wall", self.wall), ("cpu", self.cpu))
            if values
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of the report.

    Attributes:
        name: As in targets.toml.
        value: What is judged, from minima.
        median: The same from medians of wall time.
        ours: What was measured of us, as JSON.
        floor: What was measured of the bare floor beside it, as JSON.
        ratio: Medians of wall time: ours to the floor's.
        peers: The same of others in the same run, by name, in the same unit.
    """

    name: str
    value: float
    median: float
    ours: Any = None
    floor: Any = None
    ratio: float | None = None
    peers: Mapping[str, float] | None = None


async def side_by_side(
    variants: Mapping[str, Batch], *, repeats: int, ops: int
) -> dict[str, Spread]:
    """Measure all variants in every repeat, each time beginning with another one.

    Args:
        variants: What to measure, by name.
        repeats: How often.
        ops: Operations in one batch.
    """
    spreads = {name: Spread() for name in variants}
    names = list(variants)
    for batch in variants.values():
        await batch()
    # What is there by now stays: to look at it before each measurement would take longer than them.
    gc.collect()
    gc.freeze()
    for repeat in range(repeats):
        start = repeat % len(names)
        for name in names[start:] + names[:start]:
            gc.collect()
            cpu, wall = time.process_time(), time.perf_counter()
            await variants[name]()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            spreads[name].wall.append(wall / ops)
            spreads[name].cpu.append(cpu / ops)
    gc.unfreeze()
    return spreads


def above(
    name: str,
    ours: Spread,
    floor: Spread,
    *,
    unit: float,
    basis: str = "cpu",
    share: int = 1,
    peers: Mapping[str, float] | None = None,
) -> Figure:
    """Return how much more than the floor ours takes.

    Args:
        name: The figure.
        ours: What we took.
        floor: What the floor took.
        unit: How many seconds one is.
        basis: The clock that decides.
        share: Among how many the difference is divided.
        peers: As in `Figure`.
    """
    apart = statistics.median(mine - bare for mine, bare in zip(ours.wall, floor.wall, strict=True))
    return Figure(
        name=name,
        value=(ours.least(basis) - floor.least(basis)) / unit / share,
        median=apart / unit / share,
        ours=ours.as_json(unit),
        floor=floor.as_json(unit),
        ratio=_ratio(ours, floor),
        peers=peers,
    )


def alone(
    name: str,
    ours: Spread,
    floor: Spread | None = None,
    *,
    unit: float,
    basis: str = "cpu",
    peers: Mapping[str, float] | None = None,
) -> Figure:
    """Return what ours takes in all; the floor and peers are for comparison."""
    return Figure(
        name=name,
        value=ours.least(basis) / unit,
        median=statistics.median(ours.wall) / unit,
        ours=ours.as_json(unit),
        floor=None if floor is None else floor.as_json(unit),
        ratio=None if floor is None else _ratio(ours, floor),
        peers=peers,
    )


def counted(name: str, counts: Sequence[float]) -> Figure:
    """Return a figure that is no time, such as bytes, from several processes."""
    return Figure(name=name, value=min(counts), median=statistics.median(counts))


def _ratio(ours: Spread, floor: Spread) -> float:
    return statistics.median(ours.wall) / statistics.median(floor.wall)
