"""Statistics against numbers of textbooks and of scipy and statsmodels, computed once."""

import random
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import MisuseError
from callgate.evals.statistics import (
    clustered,
    compare,
    flip_rate,
    kappa,
    mcnemar,
    minimum_detectable_effect,
    paired_bootstrap,
    pass_at,
    passes,
    wilson,
)


@pytest.mark.parametrize(
    ("right", "total", "expected"),
    [
        # scipy.stats.binomtest(k, n).proportion_ci(method="wilson")
        (81, 263, (0.2552885, 0.3662096)),  # Newcombe 1998, table I: .2553 to .3662
        (15, 148, (0.0623864, 0.1604872)),  # .0624 to .1605
        (0, 20, (0.0, 0.1611252)),  # .0000 to .1611
        (1, 29, (0.0061132, 0.1717552)),  # .0061 to .1718
        (29, 29, (0.8830302, 1.0)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_wilson_is_that_of_newcombe(right: int, total: int, expected: tuple[float, float]) -> None:
    assert wilson(right, total) == pytest.approx(expected, abs=1e-7)


@given(st.integers(1, 400), st.data())
def test_wilson_holds_the_share_and_mirrors_it(total: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, total))
    low, high = wilson(right, total)
    assert 0 <= low <= right / total <= high <= 1
    mirrored = wilson(total - right, total)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((low, high))


def test_clusters_of_one_give_the_plain_interval_and_equal_items_widen_it() -> None:
    values = [1.0] * 60 + [0.0] * 40
    plain = clustered(values, range(100))
    # 0.6 -+ 1.959964 * sqrt(0.6 * 0.4 / 100)
    assert plain == pytest.approx((0.503982, 0.696018), abs=1e-6)
    fours = clustered(values, [place // 4 for place in range(100)])
    # statsmodels: OLS(y, 1).fit(cov_type="cluster", cov_kwds={"use_correction": False})
    assert fours == pytest.approx((0.40796353, 0.79203647), abs=1e-8)


@pytest.mark.parametrize(
    ("gained", "lost", "expected"),
    [
        # scipy.stats.binomtest(min, n, 0.5).pvalue
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 6, 0.03125),
        (10, 2, 0.03857421875),
        (59, 6, 4.964650327128616e-12),
        (143, 48, 3.66943758682655e-12),
        (2_600, 2_400, 0.004883649737517494),
    ],
)
def test_mcnemar_is_the_exact_binomial_test(gained: int, lost: int, expected: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(expected, rel=1e-9)
    assert mcnemar(lost, gained) == mcnemar(gained, lost)


def test_pass_at_k_is_the_unbiased_estimate() -> None:
    assert pass_at(3, 10, 1) == pytest.approx(0.3)
    assert pass_at(3, 10, 5) == pytest.approx(1 - comb(7, 5) / comb(10, 5))
    assert pass_at(8, 10, 5) == 1.0
    assert pass_at(3, 4, 5) is None


def test_unfinished_trials_count_as_failed_and_are_listed_apart() -> None:
    found = passes({"a": [True, True], "b": [True, None], "c": [False, None]}, upto=3)
    assert (found.tasks, found.trials, found.unfinished) == (3, 6, 2)
    assert found.hat == {1: pytest.approx(0.5), 2: pytest.approx(1 / 3), 3: None}
    assert found.at == {1: pytest.approx(0.5), 2: pytest.approx(2 / 3), 3: None}


def test_k_goes_as_far_as_the_task_with_the_fewest_trials() -> None:
    found = passes({"a": [True, True, True], "b": [True]}, upto=2)
    assert found.hat == {1: 1.0, 2: None}


def test_a_comparison_tells_what_was_gained_and_lost() -> None:
    before = [True] * 50 + [False] * 50
    after = [True] * 48 + [False] * 42 + [True] * 10
    found = compare(before, after, seed=1)
    assert (found.items, found.gained, found.lost) == (100, 10, 2)
    assert found.delta == pytest.approx(0.08)
    assert found.p == pytest.approx(0.03857422)
    # 0.08 -+ 1.96 * sqrt((12 - 100 * 0.08^2) / 100^2) is 0.0139 to 0.1461.
    assert found.interval == pytest.approx((0.0139, 0.1461), abs=0.012)
    assert compare(before, after, seed=1) == found


def test_a_bootstrap_of_clusters_draws_whole_clusters() -> None:
    draw = random.Random(4)
    tasks = [draw.choice((0.0, 1.0, -1.0)) for _ in range(80)]
    items = [value for value in tasks for _ in range(9)]
    clusters = [task for task in range(80) for _ in range(9)]
    single = paired_bootstrap(tasks, seed=3)
    whole = paired_bootstrap(items, seed=3, clusters=clusters)
    narrow = paired_bootstrap(items, seed=3)
    assert whole == pytest.approx(single, abs=0.03)
    assert narrow.high - narrow.low == pytest.approx((single.high - single.low) / 3, rel=0.15)


def test_flips_are_the_noise_between_two_runs() -> None:
    assert flip_rate([True, True, False, False], [True, False, True, False]) == 0.5


def test_the_smallest_change_that_will_be_seen_shrinks_with_items() -> None:
    # 600 items of which 16 % flip see 4.6 points; (1.96 + 0.84)^2 * 0.16 / n is the rule of thumb.
    assert minimum_detectable_effect(600, flips=97 / 600) == pytest.approx(0.0457, abs=2e-4)
    assert minimum_detectable_effect(4 * 600, flips=97 / 600) == pytest.approx(0.023, abs=2e-4)
    assert minimum_detectable_effect(5, flips=0.05) == 1.0


def test_kappa_is_agreement_beyond_chance() -> None:
    # Cohen's example of 50 proposals: 20 and 15 agreed, 5 and 10 did not.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(first, second) == pytest.approx(0.4)
    assert kappa([1, 2], [1, 2]) == 1.0
    assert kappa([1, 1], [1, 1]) is None


def test_numbers_that_mean_nothing_are_refused() -> None:
    refused = [
        lambda: wilson(3, 2),
        lambda: clustered([], []),
        lambda: clustered([1.0], [1, 2]),
        lambda: passes({}, upto=1),
        lambda: passes({"a": []}, upto=1),
        lambda: compare([True], [], seed=1),
        lambda: paired_bootstrap([], seed=1),
        lambda: minimum_detectable_effect(0, flips=0.1),
        lambda: minimum_detectable_effect(10, flips=0),
    ]
    for call in refused:
        with pytest.raises(MisuseError):
            call()
