"""BFCL's stateful environments, run in a process of their own: one request a line, one answer.

    python -m callgate.evals.benchmarks.bfcl.environments FOLDER

FOLDER is what `pip install --no-deps --target` made of the benchmark's package. A model's call is
looked up by its name and made with its decoded arguments; no text of a model is evaluated. Every
request gets instances of its own, so that no state reaches the next.
"""

from __future__ import annotations

import ast
import copy
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TextIO, cast

from callgate.errors import EvaluationDataError
from callgate.schema.values import is_object

__all__ = ["Instances", "check", "serve"]

_PACKAGE = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code"
_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "GorillaFileSystem": "gorilla_file_system",
        "MathAPI": "math_api",
        "MessageAPI": "message_api",
        "TwitterAPI": "posting_api",
        "TicketAPI": "ticket_api",
        "TradingBot": "trading_bot",
        "TravelAPI": "travel_booking",
        "VehicleControlAPI": "vehicle_control",
    }
)
_STATELESS = frozenset({"MathAPI"})
_FORBIDDEN = frozenset({"kill", "exit", "quit", "remove", "unlink", "popen", "Popen", "run"})
"""Names that the benchmark refuses to call."""
_CALLED = re.compile(r"\b([a-zA-Z_]\w*)\s*(?=\()")

_OF_ANOTHER_FORM = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What environments raise that are made from other data than theirs."""

Call = tuple[str, list[Any], dict[str, Any]]
"""Name, positional and named arguments."""


class Instances:
    """The objects that one side, the model's or the right one, acts on."""

    def __init__(self, item: Mapping[str, Any], side: str) -> None:
        """Make them, with the item's first state.

        Args:
            item: `classes`, `config` by class and `long_context`.
            side: A word that tells the two sides apart.
        """
        self._side = side
        self.objects: dict[str, Any] = {name: _made(name, item) for name in item["classes"]}
        self._methods: dict[str, tuple[str, Callable[..., Any]]] = {}
        for owner, one in self.objects.items():
            for name, method in inspect.getmembers(one, inspect.ismethod):
                if not name.startswith("_"):
                    self._methods[name] = owner, method

    def call(self, call: Call) -> str:
        """Make one call and return its result as the text that a model reads."""
        name, positional, named = call
        if name not in self._methods:
            return f"Error during execution: name {name!r} is not defined"
        if name in _FORBIDDEN:
            return f"Error during execution: Function call {name} is not allowed."
        _, method = self._methods[name]
        try:
            values = [self._seen(value) for value in positional]
            return _text(
                method(*values, **{key: self._seen(value) for key, value in named.items()})
            )
        except Exception as error:  # noqa: BLE001 - what a foreign tool raises is its answer
            return f"Error during execution: {error}"

    def _seen(self, value: Any) -> Any:
        """Return a value as the benchmark's own text of the call would hold it.

        There, a method's name before a bracket gets its object's name in front, in texts too; the
        two sides' objects have different names, so such a text is never equal. NaN has no
        literal and fails there as here.
        """
        return ast.literal_eval(_CALLED.sub(self._owned, repr(value)))

    def _owned(self, found: re.Match[str]) -> str:
        owner = self._methods.get(found[1])
        return f"{self._side}_{owner[0]}.{found[1]}" if owner else found[1]


def _made(name: str, item: Mapping[str, Any]) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise EvaluationDataError(f"there is no environment {name!r}")
    one = getattr(importlib.import_module(f"{_PACKAGE}.{module}"), name)()
    if name not in _STATELESS:
        first = copy.deepcopy(item["config"].get(name, {}))
        one._load_scenario(first, long_context=item["long_context"])
    return one


def _text(result: Any) -> str:
    if isinstance(result, str):
        return result
    if is_object(result):
        try:
            return json.dumps(result)
        except (TypeError, ValueError):
            return str(result)
    return str(result)


# ------------------------------------------------------------------ one item


def check(item: Mapping[str, Any]) -> str | None:
    """Return the official error type of an item, or None if it is right.

    Args:
        item: `classes`, `config`, `long_context`; `turns`, the model's steps of calls by turn; and
            `gold`, the right calls by turn.
    """
    model, right = Instances(item, "model"), Instances(item, "right")
    seen: list[str] = []
    for steps, gold in zip(item["turns"], item["gold"], strict=True):
        seen += [model.call(call) for step in steps for call in step]
        expected = [right.call(call) for call in gold]
        if not gold:
            continue
        if not steps:
            return "multi_turn:empty_turn_model_response"
        if not _same_state(model, right):
            return "multi_turn:instance_state_mismatch"
        if not _holds(seen, expected):
            return "multi_turn:execution_response_mismatch"
    return None


def _same_state(model: Instances, right: Instances) -> bool:
    for owner, one in right.objects.items():
        state = cast("dict[str, Any]", vars(one))
        public = [name for name in state if not name.startswith("_")]
        if any(getattr(model.objects[owner], name) != state[name] for name in public):
            return False
    return True


def _holds(seen: Sequence[str], expected: Sequence[str]) -> bool:
    """Tell whether every expected result was seen in this turn or before, as often as expected."""
    left = list(seen)
    for result in expected:
        if result not in left:
            return False
        left.remove(result)
    return True


# ------------------------------------------------------------------ the process


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests, one JSON object a line, until there are no more."""
    for line in requests:
        try:
            answer = {"error": check(json.loads(line))}
        except EvaluationDataError as error:
            answer = {"failed": error.message}
        except _OF_ANOTHER_FORM as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def main() -> None:
    """Serve standard input; what an environment prints goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    sys.path.append(sys.argv[1])
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
