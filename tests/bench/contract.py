"""Judging changes to tools."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from callgate.contract.diff.tool import diff_tools
from callgate.contract.lint import Choice
from callgate.schema.check import Checker
from callgate.types import Tool
from tests.bench.measure import Figure, Plan, Spread, alone, side_by_side
from tests.contract.speed import seconds

__all__ = ["figures"]

MS = 1e-3

_PROPERTIES: dict[str, Any] = {
    "origin": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "Where from."},
    "destination": {"type": "string", "pattern": "^[A-Z]{3}$", "description": "Where to."},
    "date": {"type": "string", "format": "date"},
    "cabin": {"enum": ["economy", "business", "first"], "default": "economy"},
    "adults": {"type": "integer", "minimum": 1, "maximum": 9},
    "stops": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
    "airlines": {"type": "array", "items": {"type": "string"}, "maxItems": 5, "uniqueItems": True},
    "contact": {
        "type": "object",
        "properties": {"mail": {"type": "string"}, "phone": {"type": "string"}},
        "required": ["mail"],
    },
}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": _PROPERTIES,
    "required": ["origin", "destination", "date"],
    "additionalProperties": False,
}
_TOOL = Tool(name="search", description="Search flights.", parameters=_SCHEMA)


def _with(**properties: Any) -> Tool:
    return replace(_TOOL, parameters=_SCHEMA | {"properties": _PROPERTIES | properties})


_CHANGED = (
    replace(_TOOL, description="Search flights of all airlines."),
    _with(bags={"type": "integer"}),
    _with(adults={"type": "integer", "minimum": 1, "maximum": 12}),
    _with(stops={"type": ["integer", "null"]}),
    _with(cabin={"enum": ["economy", "business"]}),
    _with(origin={"type": "string", "pattern": "^[A-Y]{3}$"}),
    _with(airlines={"type": "array", "items": {"type": "string"}, "maxItems": 3}),
    replace(_TOOL, parameters=_SCHEMA | {"required": ["origin", "destination", "date", "adults"]}),
)


async def figures(plan: Plan) -> list[Figure]:
    """Measure all of this module."""
    rounds = plan.fewer(50).batch

    async def floor() -> None:
        for _ in range(rounds):
            for changed in _CHANGED:
                Checker(_TOOL.parameters).compile()
                Checker(changed.parameters).compile()

    async def ours() -> None:
        for _ in range(rounds):
            for changed in _CHANGED:
                diff_tools(_TOOL, changed)

    took = await side_by_side(
        {"floor": floor, "ours": ours}, repeats=plan.repeats, ops=rounds * len(_CHANGED)
    )
    return [
        alone("diff.tools", took["ours"], took["floor"], unit=MS),
        _linted("lint.tools", plan, 1000, Choice(enable=("all",))),
        _linted("lint.pairs", plan, 5000, Choice(only=("confusable-pair",))),
    ]


def _linted(name: str, plan: Plan, count: int, choice: Choice) -> Figure:
    """Judge a made-up surface; each judgement is seconds long, so a few tell enough."""
    took = Spread()
    for _ in range(min(3, plan.processes)):
        began = time.perf_counter()
        took.cpu.append(seconds(count, choice))
        took.wall.append(time.perf_counter() - began)
    return alone(name, took, unit=1.0)
