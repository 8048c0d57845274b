"""From what a model did to a verdict: right, or the first thing that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import orjson

from callgate.evals.scorers.matching import assign
from callgate.evals.suite.cases import Case, Expectation, WantedCall
from callgate.evals.suite.matching import ABSENT, matches

__all__ = ["Made", "Seen", "Verdict", "judge"]

_SHOWN = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A call that the model made.

    Attributes:
        name: The tool's name.
        arguments: The arguments; None if they cannot be read.
        text: What cannot be read.
        status: How the call ended; empty if it was not executed.
    """

    name: str
    arguments: dict[str, Any] | None
    text: str = ""
    status: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        said = {"text": self.text} if self.arguments is None else {"arguments": self.arguments}
        return {"name": self.name, **said, "status": self.status}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that is judged of one item.

    Attributes:
        calls: The calls in the model's order.
        answer: The text of the last answer.
        state: The state of the environment afterwards; `ABSENT` without one.
    """

    calls: Sequence[Made]
    answer: str = ""
    state: Any = ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is said of an item; the fields are those of `ItemResult`."""

    failure: str
    difference: str
    selected: list[list[str]]
    arguments: int
    argument_count: int


def judge(case: Case, seen: Seen) -> Verdict:
    """Judge an item.

    Calls are matched with the expected ones optimally, not greedily: if any assignment makes all
    right, it is right.
    """
    expect = case.expect
    # Without a word about calls, none of them is a wrong one.
    judged = expect.calls is not None or expect.abstain
    pairs = _pairs(expect, seen.calls) if judged else []
    failure, difference = _failure(expect, seen, pairs)
    right = count = 0
    for wanted, made in pairs:
        if wanted and made and made.arguments is not None:
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


_Pair = tuple[tuple[WantedCall, ...] | None, Made | None]


def _failure(expect: Expectation, seen: Seen, pairs: Sequence[_Pair]) -> tuple[str, str]:
    broken = next((made for made in seen.calls if made.arguments is None), None)
    if broken is not None:
        return "unparsable", f"the arguments of {broken.name} cannot be read: {broken.text}"
    if taken := [made.name for made in seen.calls if made.name in expect.forbidden]:
        return "forbidden", f"{taken[0]} was called"
    if expect.abstain and seen.calls:
        return "called", f"{seen.calls[0].name} was called, nothing should have been"
    if expect.calls is not None and (wrong := _wrong_calls(expect, seen, pairs)):
        return wrong
    if expect.answer is not None and not matches(expect.answer, seen.answer):
        return "wrong_answer", f"answered {seen.answer!r}, expected {_json(expect.answer)}"
    if expect.state is not None and not matches(expect.state, seen.state):
        state = None if seen.state is ABSENT else seen.state
        return "wrong_state", f"left {_json(state)}, expected {_json(expect.state)}"
    return "", ""


def _wrong_calls(expect: Expectation, seen: Seen, pairs: Sequence[_Pair]) -> tuple[str, str] | None:
    wanted = expect.calls or ()
    if wanted and not seen.calls:
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
    if expect.ordered and not _in_order(wanted, seen.calls):
        return "wrong_order", " then ".join(made.name for made in seen.calls)
    return None


# --- which call is which --------------------------------------------------------------------


def _pairs(expect: Expectation, calls: Sequence[Made]) -> list[_Pair]:
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


def _weight(alternatives: tuple[WantedCall, ...], made: Made, most: int) -> float:
    if any(_fits(one, made) for one in alternatives):
        return float(most * most)
    return float(most if any(one.name == made.name for one in alternatives) else 1)


def _fits(wanted: WantedCall, made: Made) -> bool:
    if wanted.name != made.name or made.arguments is None:
        return False
    if not wanted.open and not wanted.arguments.keys() >= made.arguments.keys():
        return False
    return all(
        matches(inner, made.arguments.get(name, ABSENT)) for name, inner in wanted.arguments.items()
    )


def _nearest(alternatives: tuple[WantedCall, ...], made: Made) -> WantedCall:
    fitting = (one for one in alternatives if _fits(one, made))
    named = (one for one in alternatives if one.name == made.name)
    return next(chain(fitting, named), alternatives[0])


def _in_order(wanted: Sequence[tuple[WantedCall, ...]], calls: Sequence[Made]) -> bool:
    return all(
        any(_fits(one, made) for one in alternatives)
        for alternatives, made in zip(wanted, calls, strict=False)
    )


def _argument_difference(wanted: WantedCall, made: Made) -> str:
    given = made.arguments or {}
    for name, inner in wanted.arguments.items():
        value = given.get(name, ABSENT)
        if not matches(inner, value):
            came = "nothing" if value is ABSENT else _json(value)
            return f"{made.name}: {name} is {came}, expected {_json(inner)}"
    extra = sorted(given.keys() - wanted.arguments.keys())
    return f"{made.name}: {', '.join(extra)} should not be there"


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
