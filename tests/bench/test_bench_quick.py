"""The quick form of the bench: no figure is more than three times its target.

The targets are scaled by how fast this machine is now. The bench runs in a process of its own,
without the coverage that makes the package slow and leaves its floors as they are.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.bench.__main__ import judged
from tests.bench.measure import Figure, Spread, above, alone, side_by_side
from tests.conftest import ROOT

FIGURES: dict[str, Any] = tomllib.loads((Path(__file__).parent / "targets.toml").read_text())[
    "figures"
]
NEEDS_DATA = {"codec.decode"}
ONLY_FULL = {name for name in FIGURES if "1MB" in name}


WITHOUT_FLOOR = {
    "loop.growth",
    "lint.tools",
    "lint.pairs",
    "prepare.memory",
    "prepare.gate",
    "first_call.time",
    "first_call.memory",
    "concurrent.memory",
    "import.modules",
    "wire.compile",
    "wire.compiled_again",
    "stream.rows.10kB",
    *(name for name in FIGURES if name.endswith(".checked")),
    "store.syncs",
    "store.records.written",
}


def _quick(*parts: str) -> dict[str, dict[str, Any]]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--json", *parts],
        stdout=subprocess.PIPE,
        check=False,
        cwd=ROOT,
        env=env,
        timeout=180,
    )
    return {one["figure"]: one for one in json.loads(done.stdout)["figures"]}


# One test, so that the bench runs once, whatever the tests are spread over.
@pytest.mark.timeout(400)
def test_every_figure_is_measured_beside_its_floor_and_none_is_far_from_its_target():
    figures = _quick()
    assert FIGURES.keys() - figures.keys() <= NEEDS_DATA | ONLY_FULL
    assert {name for name, one in figures.items() if "ratio_to_floor" not in one} == (
        WITHOUT_FLOOR - ONLY_FULL
    )
    missed = {name for name, one in figures.items() if not one.get("met", True)}
    if missed:
        # What else runs here can only add, so a figure counts that is missed twice.
        again = _quick()
        missed = {name for name in missed if not again[name].get("met", True)}
        assert [(figures[name], again[name]) for name in missed] == []


# ------------------------------------------------------------------ what the numbers mean


async def test_variants_take_turns_in_being_first_after_a_warm_up():
    order: list[str] = []

    async def a() -> None:
        order.append("a")

    async def b() -> None:
        order.append("b")

    took = await side_by_side({"a": a, "b": b}, repeats=3, ops=1)
    assert order == ["a", "b", "a", "b", "b", "a", "a", "b"]
    assert [len(took[name].wall) for name in "ab"] == [3, 3]


def test_a_difference_is_of_minima_and_the_median_is_of_pairs():
    ours = Spread(wall=[5.0, 9.0, 7.0], cpu=[4.0, 6.0, 5.0])
    floor = Spread(wall=[1.0, 2.0, 3.0], cpu=[1.0, 1.0, 2.0])
    assert above("path.core", ours, floor, unit=1.0) == Figure(
        name="path.core",
        value=3.0,
        median=4.0,
        ours={"wall": {"min": 5.0, "median": 7.0}, "cpu": {"min": 4.0, "median": 5.0}},
        floor={"wall": {"min": 1.0, "median": 2.0}, "cpu": {"min": 1.0, "median": 1.0}},
        ratio=3.5,
    )


def test_where_a_case_is_mostly_waiting_the_wall_decides():
    ours = Spread(wall=[0.5, 0.4], cpu=[0.1, 0.1])
    assert alone("concurrent.time", ours, unit=1e-3, basis="wall").value == 400.0


@pytest.mark.parametrize(
    ("value", "slack", "met"), [(8.0, 1.0, True), (8.1, 1.0, False), (24.0, 3.0, True)]
)
def test_a_target_is_met_up_to_its_slack(value: float, slack: float, met: bool):
    figure = Figure(name="path.core", value=value, median=value + 100)
    assert judged(figure, slack)["met"] is met
    assert judged(figure, slack)["met_by_median"] is False


def test_what_misses_its_target_is_held_to_what_it_has_reached_in_the_quick_form():
    reached = FIGURES["stage.validate"]["reached"]
    slower = Figure(name="stage.validate", value=3.1 * reached, median=0.0)
    assert judged(slower, 3.0)["met"] is False
    as_before = Figure(name="stage.validate", value=2.9 * reached, median=0.0)
    assert judged(as_before, 3.0)["met"] is True
    assert judged(as_before, 1.0)["met"] is False


def test_a_figure_without_a_target_is_not_judged():
    assert "met" not in judged(Figure(name="prepare.gate", value=1.0, median=1.0), 1.0)
