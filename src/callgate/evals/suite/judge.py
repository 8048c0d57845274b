"""From what a model did to a verdict: right, or the first thing that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson

from callgate.evals.cases import Attempt, Call, Case, Expectation, ExpectedCall
from callgate.evals.matchers import ABSENT, matches
from callgate.evals.scorers.matching import assign
from callgate.evals.scorers.sequence import in_order

__all__ = ["Verdict", "judge"]

_SHOWN = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said of an item; the fields are those of `ItemResult`."""

    failure: str
    difference: str
    selected: list[list[str]]
    arguments: int
    argument_count: int


def judge(case: Case, attempt: Attempt) -> Verdict:
    """Judge an item.

    Calls are matched with the expected ones optimally, not greedily: if any assignment makes all
    right, it is right.
    """
    expect = case.expect
    # Without a word about calls, none of them is a wrong one.
    judged = expect.calls is not None or expect.abstain
    pairs = _pairs(expect, attempt.calls) if judged else []
    failure, difference = _failure(expect, attempt, pairs)
    right = count = 0
    for wanted, made in pairs:
        if wanted and made and not made.text:
            near = _nearest(wanted, made)
            if near.name == made.name:
                right += sum(
                    matches(inner, made.arguments.get(name, ABSENT))
                    for name, inner in near.arguments.items()
                )
                count += len(near.arguments)
    return Verdict(
        failure=failure,
        difference=difference[:_SHOWN],
        selected=[
            [wanted[0].name if wanted else "", made.name if made else ""] for wanted, made in pairs
        ],
        arguments=right,
        argument_count=count,
    )


_Pair = tuple[tuple[ExpectedCall, ...] | None, Call | None]


def _failure(expect: Expectation, attempt: Attempt, pairs: Sequence[_Pair]) -> tuple[str, str]:
    broken = next((made for made in attempt.calls if made.text), None)
    if broken is not None:
        return "unparsable", f"the arguments of {broken.name} cannot be read: {broken.text}"
    if taken := [made.name for made in attempt.calls if made.name in expect.forbidden]:
        return "forbidden", f"{taken[0]} was called"
    if expect.abstain and attempt.calls:
        return "called", f"{attempt.calls[0].name} was called, nothing should have been"
    if expect.calls is not None and (wrong := _wrong_calls(expect, attempt, pairs)):
        return wrong
    if expect.answer is not None and not matches(expect.answer, attempt.answer):
        return "wrong_answer", f"answered {attempt.answer!r}, expected {_json(expect.answer)}"
    if expect.state is not None and not matches(expect.state, attempt.state):
        state = None if attempt.state is ABSENT else attempt.state
        return "wrong_state", f"left {_json(state)}, expected {_json(expect.state)}"
    return "", ""


def _wrong_calls(
    expect: Expectation, attempt: Attempt, pairs: Sequence[_Pair]
) -> tuple[str, str] | None:
    wanted = expect.calls or ()
    if wanted and not attempt.calls:
        return "abstained", f"nothing was called, expected {wanted[0][0].name}"
    for alternatives, made in pairs:
        if alternatives is None and made is not None:
            return "unexpected_call", f"{made.name} was called beside what was expected"
        if alternatives is not None and made is None:
            return "missing_call", f"{alternatives[0].name} was not called"
        if alternatives is not None and made is not None:
            near = _nearest(alternatives, made)
            if near.name != made.name:
                return "wrong_tool", f"{made.name} was called, expected {near.name}"
            if not _fits(near, made):
                return "wrong_arguments", _argument_difference(near, made)
    places = list(_places(pairs, attempt.calls))
    turned = expect.ordered and not _in_order(wanted, attempt.calls)
    if turned or not in_order(wanted, places):
        return "wrong_order", " then ".join(made.name for made in attempt.calls)
    return None


# --- which call is which --------------------------------------------------------------------


def _pairs(expect: Expectation, calls: Sequence[Call]) -> list[_Pair]:
    """Pair expected and made calls as well as can be.

    As many right pairs as there can be, then calls of the same tool, then whatever is left.
    """
    wanted = expect.calls or ()
    # A right pair weighs more than any number of pairs of the same tool could, and so on.
    most = 1 + max(len(wanted), len(calls))
    weights = [[_weight(alternatives, made, most) for made in calls] for alternatives in wanted]
    taken = dict(assign(weights))
    pairs: list[_Pair] = [
        (alternatives, calls[taken[place]] if place in taken else None)
        for place, alternatives in enumerate(wanted)
    ]
    used = set(taken.values())
    return [*pairs, *((None, made) for place, made in enumerate(calls) if place not in used)]


def _weight(alternatives: tuple[ExpectedCall, ...], made: Call, most: int) -> float:
    if any(_fits(one, made) for one in alternatives):
        return float(most * most)
    return float(most if any(one.name == made.name for one in alternatives) else 1)


def _fits(wanted: ExpectedCall, made: Call) -> bool:
    if wanted.name != made.name or made.text:
        return False
    if not wanted.open and not wanted.arguments.keys() >= made.arguments.keys():
        return False
    return all(
        matches(inner, made.arguments.get(name, ABSENT)) for name, inner in wanted.arguments.items()
    )


def _nearest(alternatives: tuple[ExpectedCall, ...], made: Call) -> ExpectedCall:
    fitting = (one for one in alternatives if _fits(one, made))
    named = (one for one in alternatives if one.name == made.name)
    return next(chain(fitting, named), alternatives[0])


def _places(pairs: Sequence[_Pair], calls: Sequence[Call]) -> Iterator[tuple[int, int]]:
    """Yield the places of expected calls and of the calls they are paired with."""
    for row, (wanted, made) in enumerate(pairs):
        if wanted is not None and made is not None:
            yield row, next(place for place, call in enumerate(calls) if call is made)


def _in_order(wanted: Sequence[tuple[ExpectedCall, ...]], calls: Sequence[Call]) -> bool:
    return all(
        any(_fits(one, made) for one in alternatives)
        for alternatives, made in zip(wanted, calls, strict=False)
    )


def _argument_difference(wanted: ExpectedCall, made: Call) -> str:
    given = made.arguments
    for name, inner in wanted.arguments.items():
        value = given.get(name, ABSENT)
        if not matches(inner, value):
            came = "nothing" if value is ABSENT else _json(value)
            return f"{made.name}: {name} is {came}, expected {_json(inner)}"
    extra = sorted(given.keys() - wanted.arguments.keys())
    return f"{made.name}: {', '.join(extra)} should not be there"


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
