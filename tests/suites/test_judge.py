"""A verdict names the first thing that is wrong; calls are matched optimally."""

from typing import Any

import pytest

from callgate.evals.cases import Attempt, Call
from callgate.evals.suite.judge import judge
from tests.suites.made import case


def made(name: str, **arguments: Any) -> Call:
    return Call(name=name, arguments=arguments)


def verdict(expect: dict[str, Any], *calls: Call, answer: str = "", **state: Any) -> str:
    return judge(case(expect=expect), Attempt(calls=calls, answer=answer, **state)).failure


ADD = {"name": "add", "arguments": {"a": 2, "b": 3}}
ANY_ADD = {"name": "add", "arguments": {"a": {"$any": True}, "b": 3}}


@pytest.mark.parametrize(
    ("calls", "failure"),
    [
        ([made("add", a=2, b=3)], ""),
        ([], "abstained"),
        ([made("multiply", a=2, b=3)], "wrong_tool"),
        ([made("add", a=2, b=4)], "wrong_arguments"),
        ([made("add", a=2, b=3, c=1)], "wrong_arguments"),
        ([made("add", a=2)], "wrong_arguments"),
        ([made("add", a=2, b=3), made("add", a=2, b=3)], "unexpected_call"),
        ([Call(name="add", text="{")], "unparsable"),
    ],
)
def test_calls_are_held_to_what_is_expected(calls: list[Call], failure: str):
    assert verdict({"calls": [ADD]}, *calls) == failure


def test_an_open_call_may_have_further_arguments():
    assert verdict({"calls": [ADD | {"open": True}]}, made("add", a=2, b=3, c=1)) == ""


def test_one_of_several_alternatives_is_enough():
    either = {"any_of": [ADD, {"name": "multiply", "arguments": {"a": 1, "b": 5}}]}
    assert verdict({"calls": [either]}, made("multiply", a=1, b=5)) == ""
    assert verdict({"calls": [either]}, made("multiply", a=1, b=6)) == "wrong_arguments"


def test_calls_are_assigned_so_that_as_many_as_can_be_are_right():
    # A greedy match gives the first call to the first expectation and leaves the second without.
    calls = made("add", a=2, b=3), made("add", a=9, b=3)
    assert verdict({"calls": [ANY_ADD, ADD]}, *calls) == ""
    assert verdict({"calls": [ANY_ADD, ADD]}, *reversed(calls)) == ""


def test_order_counts_where_it_is_asked_for():
    both = [ADD, {"name": "multiply", "arguments": {"a": 5, "b": 5}}]
    calls = made("multiply", a=5, b=5), made("add", a=2, b=3)
    assert verdict({"calls": both}, *calls) == ""
    assert verdict({"calls": both, "ordered": True}, *calls) == "wrong_order"


def test_a_call_comes_after_those_it_depends_on():
    later = [ADD, {"name": "multiply", "arguments": {"a": 5, "b": 5}, "after": [0]}]
    calls = made("add", a=2, b=3), made("multiply", a=5, b=5)
    assert verdict({"calls": later}, *calls) == ""
    assert verdict({"calls": later}, *reversed(calls)) == "wrong_order"


def test_what_may_not_be_called_is_told_first():
    assert verdict({"forbidden": ["multiply"]}, made("multiply", a=1)) == "forbidden"
    assert verdict({"abstain": True}, made("add", a=1)) == "called"
    assert verdict({"abstain": True}) == ""


def test_the_answer_and_the_state_are_matched():
    assert verdict({"answer": {"$contains": "5"}}, answer="It is 5.") == ""
    assert verdict({"answer": {"$contains": "5"}}, answer="It is 6.") == "wrong_answer"
    assert verdict({"state": {"left": 1}}, state={"left": 1}) == ""
    assert verdict({"state": {"left": 1}}, state={"left": 2}) == "wrong_state"
    assert verdict({"state": {"left": 1}}) == "wrong_state"


def test_the_difference_names_the_argument_and_arguments_are_counted_one_by_one():
    seen = Attempt(calls=[made("add", a=2, b=4)])
    told = judge(case(), seen)
    assert told.difference == "add: b is 4, expected 3"
    assert (told.arguments, told.argument_count) == (1, 2)
    assert told.selected == [["add", "add"]]


def test_a_missing_and_a_needless_call_are_in_the_selection():
    both = {"calls": [ADD, {"name": "multiply", "arguments": {}}]}
    told = judge(case(expect=both), Attempt(calls=[made("add", a=2, b=3)]))
    assert told.failure == "missing_call"
    assert told.selected == [["add", "add"], ["multiply", ""]]
    told = judge(case(), Attempt(calls=[made("add", a=2, b=3), made("multiply", a=1)]))
    assert told.selected == [["add", "add"], ["", "multiply"]]
