"""Scorers of general form: matching, parameters, selection, whole attempts, graders."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import MisuseError
from callgate.evals.cases import Attempt, Call, Case, Expectation, ExpectedCall
from callgate.evals.scorers.attempt import Score, score_attempt
from callgate.evals.scorers.graded import Grade, Grader, agreement
from callgate.evals.scorers.matching import assign, assign_greedily
from callgate.evals.scorers.parameters import Fields, Strength, fits, same
from callgate.evals.scorers.selection import Selection, is_sibling
from callgate.evals.scorers.sequence import match

# ------------------------------------------------------------------ matching


def total(weights: list[list[float]], pairs: list[tuple[int, int]]) -> float:
    return sum(weights[row][column] for row, column in pairs)


def best(weights: list[list[float]]) -> float:
    """The best sum, by trying everything."""
    columns = range(len(weights[0]))
    if len(weights) > len(weights[0]):
        return best([list(column) for column in zip(*weights, strict=True)])
    return max(
        sum(max(0.0, weights[row][column]) for row, column in enumerate(chosen))
        for chosen in permutations(columns, len(weights))
    )


matrices = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(-1, 9).map(float), min_size=size[1], max_size=size[1]),
        min_size=size[0],
        max_size=size[0],
    )
)


@given(matrices)
def test_the_assignment_is_the_best_of_all(weights: list[list[float]]) -> None:
    pairs = assign(weights)
    assert total(weights, pairs) == best(weights)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)


def test_the_assignment_is_that_of_scipy() -> None:
    weights = [
        [24.0, 3.0, 56.0, 72.0, 0.0, 21.0],
        [19.0, 74.0, 41.0, 10.0, 21.0, 38.0],
        [96.0, 20.0, 44.0, 93.0, 39.0, 14.0],
        [26.0, 81.0, 90.0, 22.0, 66.0, 2.0],
    ]
    # scipy.optimize.linear_sum_assignment(weights, maximize=True)
    assert total(weights, assign(weights)) == 332.0
    assert assign([]) == assign([[]]) == []


def test_the_greedy_rule_may_miss_what_the_best_assignment_finds() -> None:
    weights = [[1.0, 1.0], [1.0, 0.0]]
    assert assign_greedily(weights) == [(0, 0)]
    assert assign(weights) == [(0, 1), (1, 0)]


# ------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    ("expected", "got", "weakest"),
    [
        (1, 1, "exact"),
        ({"a": [1, "b"]}, {"a": [1, "b"]}, "exact"),
        (1, 1.0, "typed"),
        ([2], [2.0], "typed"),
        ("New  York", " new york ", "normalised"),
        (3, "3", "normalised"),
        (True, "true", "normalised"),
        (100, 101, "tolerant"),
        (100, "99.5", "tolerant"),
        (True, 1, None),
        (None, "", None),
        ("a", "b", None),
        (100, 120, None),
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ([1], [1, 2], None),
        ([1], 1, None),
    ],
)
def test_a_value_is_alike_from_one_strength_on(
    expected: Any, got: Any, weakest: str | None
) -> None:
    alike = [s.value for s in Strength if same(expected, got, s, tolerance=0.01)]
    every = [s.value for s in Strength]
    assert alike == ([] if weakest is None else every[every.index(weakest) :])


def call(name: str = "f", **arguments: Any) -> Call:
    return Call(name=name, arguments=arguments)


def expected(name: str = "f", **accepted: Any) -> ExpectedCall:
    arguments: dict[str, Any] = {key: {"$in": values} for key, values in accepted.items()}
    if "o" in arguments:
        arguments["o"]["$in"].append({"$absent": True})
    return ExpectedCall(name=name, arguments=arguments)


@pytest.mark.parametrize(
    ("made", "share"),
    [
        (call(a=1, b="x"), 1.0),
        (call(a=1, b="y"), 1.0),
        (call(a=1, b="x", o=7), 1.0),
        (call(a=1, b="x", o=8), 3 / 4),
        (call(a=2, b="x"), 2 / 3),
        (call(a=1), 2 / 3),
        (call(a=1, b="x", c=1), 3 / 4),
        (call("g", a=1, b="x"), 0.0),
    ],
)
def test_each_parameter_and_the_name_counts_the_same(made: Call, share: float) -> None:
    right = expected(a=[1], b=["x", "y"], o=[7])
    assert fits(right, made, Strength.EXACT) == pytest.approx(share)


def test_accuracy_is_kept_by_field_and_by_type() -> None:
    fields = Fields()
    fields.add(
        expected(a=[1], b=["x"], c=[[1]], d=[{}], e=[True], f=[0.5], g=[None]),
        call(a="1", b="z", c=[1], d={}, e=True, f=0.5, g=None, h=1),
    )
    told = fields.to_json()
    assert told["by_field"]["f.a"]["typed"]["accuracy"] == 0.0
    assert told["by_field"]["f.a"]["normalised"]["accuracy"] == 1.0
    kinds = {kind: by["exact"]["accuracy"] for kind, by in told["by_type"].items()}
    assert kinds == {
        "array": 1.0,
        "boolean": 1.0,
        "integer": 0.0,
        "none": 0.0,
        "null": 1.0,
        "number": 1.0,
        "object": 1.0,
        "string": 0.0,
    }


# ------------------------------------------------------------------ selection


@pytest.mark.parametrize(
    ("one", "other", "yes"),
    [
        ("math.add", "math.sub", True),
        ("math.add", "text.add", False),
        ("getUser", "getOrder", True),
        ("create_order", "cancel_order", True),
        ("getUser", "sendMail", False),
        ("getUser", "getUser", False),
        ("_", "getUser", False),
    ],
)
def test_siblings_share_a_prefix_a_verb_or_an_object(one: str, other: str, yes: bool) -> None:
    assert is_sibling(one, other) is yes


def test_selection_counts_what_was_taken_for_what() -> None:
    chosen = Selection()
    chosen.add(["getUser", "getUser"], ["getUser", "getOrder"])
    chosen.add(["getUser"], ["sendMail"])
    chosen.add(["getUser"], [])
    chosen.add([], ["sendMail"])
    told = chosen.to_json()
    assert told["confusion"] == {
        "": {"sendMail": 1},
        "getUser": {"getUser": 1, "getOrder": 1, "sendMail": 1, "": 1},
    }
    assert told["wrong_sibling"] == 1
    assert (told["hits"], told["missed"], told["extra"]) == (1, 3, 3)
    assert told["precision"] == told["recall"] == told["f1"] == 0.25
    assert told["tools"]["sendMail"] == {
        "hits": 0,
        "missed": 0,
        "extra": 2,
        "precision": 0.0,
        "recall": None,
        "f1": 0.0,
    }
    assert Selection().to_json()["f1"] is None


# ------------------------------------------------------------------ sequences


def test_calls_are_matched_without_order_beside_the_greedy_rule() -> None:
    """The first expectation also takes what only the second can use."""
    right = [(expected(a=[1, 2]),), (expected(a=[1]),)]
    found = match(right, [call(a=1), call(a=2)])
    assert (found.optimal, found.greedy, found.partial) == (True, False, 1.0)
    assert found.pairs == ((0, 1), (1, 0))


def test_missing_and_needless_calls_cost_the_same() -> None:
    right = [(expected(a=[1]),), (expected("g"),)]
    missing, needless = match(right, [call(a=1)]), match(right[:1], [call(a=1), call("g")])
    assert missing.partial == needless.partial == 0.5
    assert not missing.optimal
    assert not needless.optimal
    assert match([], []).to_json() == {
        "optimal": True,
        "greedy": True,
        "ordered": True,
        "partial": 1.0,
    }


def test_a_call_comes_after_those_it_depends_on() -> None:
    right = [
        (expected("find"),),
        (ExpectedCall(name="book", after=frozenset({0})),),
        (ExpectedCall(name="pay", after=frozenset({1, 7})),),
    ]
    assert match(right, [call("find"), call("book"), call("pay")]).ordered
    assert not match(right, [call("book"), call("find"), call("pay")]).ordered


# ------------------------------------------------------------------ attempts


def scored(expectation: Expectation, **attempt: Any) -> Score:
    return score_attempt(expectation, Attempt(**attempt))


RIGHT = Expectation(calls=((ExpectedCall.exactly(call(a=1)),),))
TEXTS = {"$all": [{"$contains": "1234"}, {"$contains": "Paris"}]}
EITHER = Expectation(calls=((expected("g"), expected(a=[1])),))
BOTH = Expectation(calls=((expected("g"),), (expected("f"),)), ordered=True)


@pytest.mark.parametrize(
    ("expectation", "attempt", "success", "partial"),
    [
        (RIGHT, {"calls": (call(a=1),)}, True, 1.0),
        (RIGHT, {"calls": (call(a=2),)}, False, 0.5),
        (RIGHT, {"calls": (call(a=1),), "finished": False}, False, 0.0),
        (RIGHT, {}, False, 0.0),
        (RIGHT, {"calls": (Call(name="f", text="{"),)}, False, 0.0),
        (EITHER, {"calls": (call(a=1),)}, True, 1.0),
        (BOTH, {"calls": (call("g"), call("f"))}, True, 1.0),
        (BOTH, {"calls": (call("f"), call("g"))}, False, 1.0),
        (Expectation(calls=()), {"calls": (call(),)}, False, 0.0),
        (Expectation(abstain=True), {}, True, 1.0),
        (Expectation(abstain=True), {"unparsable": True}, False, 0.0),
        (Expectation(abstain=True), {"calls": (call(),)}, False, 0.0),
        (Expectation(state={"$has": {"x": 1}}), {"state": {"x": 1.0, "y": 2}}, True, 1.0),
        (Expectation(state={"$has": {"x": 1}}), {}, False, 0.0),
        (Expectation(answer=TEXTS), {"answer": "It is 1,234 in PARIS"}, True, 1.0),
        (Expectation(answer=TEXTS), {"answer": "1234"}, False, 0.5),
        (Expectation(forbidden=frozenset({"f"}), answer="x"), {"answer": "x"}, True, 1.0),
        (
            Expectation(forbidden=frozenset({"f"}), answer="x"),
            {"answer": "x", "calls": (call(),)},
            False,
            0.0,
        ),
    ],
)
def test_an_attempt_succeeds_if_everything_that_is_expected_holds(
    expectation: Expectation, attempt: dict[str, Any], success: bool, partial: float
) -> None:
    found = scored(expectation, **attempt)
    assert (found.success, found.partial) == (success, partial)


def test_the_outcome_is_one_of_three_and_efficiency_is_told() -> None:
    found = scored(RIGHT, calls=(call(a=1), call(a=2)), turns=2, tokens=30, seconds=1.5, denied=1)
    told = found.to_json()
    assert told["outcome"] == "called"
    assert told["denied"] == 1
    assert told["efficiency"] == {
        "calls_per_expected": 2.0,
        "calls": 2.0,
        "turns": 2.0,
        "tokens": 30.0,
        "cost": None,
        "seconds": 1.5,
    }
    assert scored(Expectation()).to_json()["outcome"] == "abstained"
    assert scored(Expectation(), unparsable=True).to_json()["outcome"] == "unparsable"
    assert scored(Expectation()).to_json()["match"] is None


# ------------------------------------------------------------------ graders


class Strict:
    """A grader that wants an answer of one word."""

    async def __call__(self, case: Case, attempt: Attempt) -> Grade:
        return Grade(right=len(attempt.answer.split()) == 1 if attempt.answer else None)


async def test_a_grader_is_worth_its_agreement_with_labels() -> None:
    case = Case(id="a", messages=(), expect=Expectation())
    grader: Grader = Strict()
    answers = ["yes", "yes", "no", "not at all", "not sure", "", "maybe so", "yes"]
    labels = [True, True, True, True, False, False, False, False]
    grades = [(await grader(case, Attempt(answer=answer))).right for answer in answers]
    found = agreement(grades, labels)
    assert (found.items, found.undecided, found.agreed) == (8, 1, 0.625)
    assert (found.too_kind, found.too_strict) == (1, 1)
    told = found.to_json()
    # Agreement by chance: (4 * 4 + 3 * 4) / 64 = 0.4375.
    assert told["kappa"] == pytest.approx((0.625 - 0.4375) / (1 - 0.4375))
    assert told["interval"] == pytest.approx([0.305742, 0.863156], abs=1e-6)
    with pytest.raises(MisuseError):
        agreement([], [])
