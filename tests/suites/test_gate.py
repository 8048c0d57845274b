"""A gate holds the figures of a run to a condition."""

import pytest

from callgate.errors import DefinitionError
from callgate.evals.suite.gate import Gate, figures_of

FIGURES = {"selection.f1": 0.9, "regressions": 2.0, "items": 100.0}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("selection.f1 < 0.95", True),
        ("selection.f1 < 0.95 or regressions > 5", True),
        ("selection.f1 < 0.95 and regressions > 5", False),
        ("selection.f1 >= 0.9", True),
        ("not regressions == 2", False),
        ("(regressions > 5 or items == 100) and selection.f1 != 1", True),
        ("regressions > 5 or items == 100 and selection.f1 > 1", False),
        ("0.95 > selection.f1", True),
        ("regressions<=2", True),
        ("regressions > -1e3", True),
    ],
)
def test_a_condition_is_true_or_not(text: str, holds: bool):
    assert Gate(text).holds(FIGURES) is holds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "items",
        "items <",
        "items < 3 4",
        "(items < 3",
        "items < 3)",
        "< 3",
        "and",
        "items = 3",
        "items < 3 or",
        "__import__('os')",
        "not " * 40 + "items < 3",
    ],
)
def test_what_is_no_condition_is_refused_before_anything_runs(text: str):
    with pytest.raises(DefinitionError):
        Gate(text)


def test_an_unknown_figure_is_told_with_its_neighbours():
    with pytest.raises(DefinitionError, match=r"no figure 'selection.f2'; did you mean selection"):
        Gate("selection.f2 < 1").holds(FIGURES)


def test_figures_are_the_numbers_by_their_dotted_names():
    report = {"a": 1, "b": {"c": 0.5, "d": None, "e": [1], "f": {"g": True}}}
    assert figures_of(report) == {"a": 1.0, "b.c": 0.5, "b.f.g": 1.0}
