from decimal import Decimal

import pytest

from callgate.agents.budget import Budget, Reason, Spending
from callgate.messages import Usage


def test_a_fresh_run_is_within_the_default_budget() -> None:
    budget, spent = Budget(), Spending()

    assert (budget.exhausted(spent), budget.toolless(spent)) == (None, None)


def test_the_defaults_are_those_the_documentation_names() -> None:
    assert Budget() == Budget(
        turns=50, calls=200, refusals=3, tokens=None, seconds=600.0, cost=None, cuts=2
    )


@pytest.mark.parametrize(
    ("spent", "reason"),
    [
        (Spending(input=60, output=39), None),
        (Spending(input=60, output=40), Reason.TOKENS),
        (Spending(seconds=4.9), None),
        (Spending(seconds=5.0), Reason.SECONDS),
        (Spending(cost=Decimal("0.99")), None),
        (Spending(cost=Decimal("1.00")), Reason.COST),
    ],
)
def test_what_is_used_up_forbids_a_further_request(spent: Spending, reason: Reason | None) -> None:
    budget = Budget(tokens=100, seconds=5.0, cost=Decimal(1))

    assert budget.exhausted(spent) is reason


def test_a_cost_that_is_not_known_counts_as_used_up() -> None:
    assert Budget(cost=Decimal(1)).exhausted(Spending(cost=None)) is Reason.COST


@pytest.mark.parametrize(
    ("spent", "reason"),
    [
        (Spending(turns=2, calls=3, refusals=1), None),
        (Spending(turns=3, calls=4, refusals=2), Reason.TURNS),
        (Spending(turns=2, calls=4, refusals=2), Reason.CALLS),
        (Spending(turns=2, calls=3, refusals=2), Reason.REFUSALS),
    ],
)
def test_when_turns_calls_or_refusals_are_used_up_the_model_may_only_answer(
    spent: Spending, reason: Reason | None
) -> None:
    assert Budget(turns=3, calls=4, refusals=2).toolless(spent) is reason


def test_none_is_no_bound() -> None:
    budget = Budget(turns=None, calls=None, refusals=None, seconds=None)
    spent = Spending(turns=10**6, calls=10**6, refusals=10**6, input=10**9, seconds=1e9, cost=None)

    assert (budget.exhausted(spent), budget.toolless(spent)) == (None, None)


def test_the_answers_of_the_model_are_added_up() -> None:
    spent = Spending()
    spent.answered(Usage(input=5, output=3, cached=2, requests=1), 0.5, Decimal("0.1"))
    spent.answered(Usage(input=1, output=1, requests=2), 0.25, Decimal("0.2"))

    assert (spent.usage, spent.seconds, spent.cost) == (
        Usage(input=6, output=4, cached=2, requests=3),
        0.75,
        Decimal("0.3"),
    )


def test_one_answer_without_a_price_makes_the_cost_unknown_for_good() -> None:
    spent = Spending()
    for cost in (Decimal(1), None, Decimal(1)):
        spent.answered(Usage(), 0.0, cost)

    assert spent.cost is None
