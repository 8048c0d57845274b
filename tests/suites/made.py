"""Cases and results as the tests of suites need them."""

from typing import Any

from callgate.evals.cases import Case
from callgate.evals.suite.reading import case_of
from callgate.evals.suite.results import ItemResult

ADD = {
    "name": "add",
    "description": "Add two integers.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
MULTIPLY = {**ADD, "name": "multiply", "description": "Multiply two integers."}


def case(id: str = "one", **fields: Any) -> Case:
    usual = {
        "id": id,
        "ask": "What is 2 + 3?",
        "tools": [ADD, MULTIPLY],
        "expect": {"calls": [{"name": "add", "arguments": {"a": 2, "b": 3}}]},
    }
    return case_of({**usual, **fields})


def result(case: str = "one", *, passed: bool = True, **fields: Any) -> ItemResult:
    usual: dict[str, Any] = {
        "repetition": 0,
        "failure": "" if passed else "wrong_tool",
        "difference": "" if passed else "multiply was called, expected add",
        "outcome": "called",
        "selected": [["add", "add" if passed else "multiply"]],
        "cost": "0.01",
    }
    return ItemResult(case=case, passed=passed, **(usual | fields))
