"""BFCL's multi-turn items: a run's calls change stateful environments, turn by turn.

The environments are the benchmark's own, in a child process; see `environments`.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from callgate.errors import EvaluationDataError
from callgate.evals.files import of_form, read_lines
from callgate.evals.tally import Coverage, Difference, Outcome, Tally
from callgate.schema.values import is_array, is_object

__all__ = ["Child", "score"]

_MODULE = "callgate.evals.benchmarks.bfcl.environments"
_PATIENCE = 5.0
"""Seconds that the process gets to end by itself."""
HOW = "pip install --no-deps --target FOLDER bfcl-eval==2026.3.23"
"""How a folder of environments is made."""


class Child:
    """A process that holds the environments and answers one item after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Keep the process, whose standard input and output are pipes of text."""
        self._process = process

    def check(self, item: Mapping[str, Any]) -> str | None:
        """Return the official error type of an item, or None if it is right.

        Raises:
            EvaluationDataError: The process ended, or the item cannot be judged.
        """
        requests, answers = self._process.stdin, self._process.stdout
        line = ""
        if requests is not None and answers is not None:
            with suppress(OSError):
                requests.write(json.dumps(item) + "\n")
                requests.flush()
                line = answers.readline()
        if not line.endswith("\n"):
            raise EvaluationDataError(
                "the process of the environments ended before its answer"
                f"{self._how()}; nothing was written, score again"
            )
        answer = json.loads(line)
        if "failed" in answer:
            raise EvaluationDataError(f"the environments cannot judge it: {answer['failed']}")
        return answer["error"]

    def _how(self) -> str:
        try:
            code = self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            return ""
        return f" by signal {-code}" if code < 0 else f" with code {code}"

    def end(self) -> None:
        """Let the process end, or end it."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()


@contextmanager
def environments(folder: Path) -> Generator[Child]:
    """Run the environments of a folder in a child process.

    Args:
        folder: What `pip install --no-deps --target` made of the benchmark's package.

    Raises:
        EvaluationDataError: The folder does not hold them.
    """
    if not (folder / "bfcl_eval").is_dir():
        raise EvaluationDataError(f"{folder} holds no environments; make it: {HOW}")
    command = [sys.executable, "-m", _MODULE, str(folder.resolve())]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    ) as process:
        child = Child(process)
        try:
            yield child
        finally:
            child.end()


def score(questions: Path, outputs: Path, *, folder: Path) -> Tally:
    """Judge recorded trajectories and compare with their official verdicts.

    Args:
        questions: The items with first states and right calls.
        outputs: Trajectories, one per run and item, with official verdicts if they are known.
        folder: The environments; see `environments`.

    Raises:
        EvaluationDataError: A file or the folder is absent, damaged or not of its form.
    """
    items = {str(line.get("id")): line for line in read_lines(questions)}
    tally, coverage = Tally(), Coverage((_category(item), name) for name, item in items.items())
    with environments(folder) as child:
        for line in read_lines(outputs):
            name = str(line.get("id"))
            item = items.get(name)
            if item is None:
                raise EvaluationDataError(f"{outputs.name}: {questions.name} has no item {name!r}")
            with of_form(f"{questions.name}: item {name!r}"):
                request = _request(item, line.get("result"))
            error = request if isinstance(request, str) else _checked(request, name, child)
            _count(line, item, error, tally)
            coverage.add(str(line.get("run")), (_category(item), name))
    tally.note(coverage)
    return tally


def _checked(request: Mapping[str, Any], name: str, child: Child) -> str | None:
    try:
        return child.check(request)
    except EvaluationDataError as error:
        raise EvaluationDataError(f"item {name!r}: {error.message}") from error


def _request(item: Mapping[str, Any], result: Any) -> dict[str, Any] | str:
    """Return what the environments are asked, or the error type that stands without them."""
    gold = item.get("ground_truth")
    if not is_array(gold) or not gold:
        raise EvaluationDataError(f"item {item['id']!r} has no expectation: `ground_truth`")
    # What an inference that failed left is text, or turns that are no lists of steps.
    if not is_array(result) or not all(is_array(turn) for turn in result):
        return "multi_turn:inference_error"
    if len(result) != len(gold):
        return "multi_turn:force_terminated"
    kind = item["id"].rsplit("_", 1)[0]
    return {
        "classes": item["involved_classes"],
        "config": item["initial_config"],
        "long_context": "long_context" in kind or "composite" in kind,
        "turns": [[calls for step in turn if (calls := _calls(step))] for turn in result],
        "gold": [[_written(text) for text in turn] for turn in gold],
    }


def _calls(step: Any) -> list[tuple[str, list[Any], dict[str, Any]]]:
    """Return the calls of a step; one that cannot be read takes the whole step with it."""
    parts = [step] if is_object(step) else step if is_array(step) else []
    calls: list[tuple[str, list[Any], dict[str, Any]]] = []
    for part in parts:
        if not is_object(part):
            return []
        for name, came in part.items():
            try:
                # NaN is read here and not refused, as the benchmark does.
                arguments = json.loads(came) if isinstance(came, str) else came
            except ValueError:
                return []
            if not is_object(arguments):
                return []
            calls.append((name, [], arguments))
    return calls


def _written(text: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Read a right call, which is written as Python with literal arguments."""
    try:
        call = cast("ast.Call", ast.parse(text, mode="eval").body)
        name = cast("ast.Name", call.func).id
        named = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
        return name, [ast.literal_eval(value) for value in call.args], named
    except (SyntaxError, ValueError, AttributeError, TypeError) as error:
        raise EvaluationDataError(f"a right call cannot be read: {text!r}") from error


def _category(item: Mapping[str, Any]) -> str:
    return str(item.get("category", str(item.get("id")).rsplit("_", 1)[0]))


def _count(
    line: Mapping[str, Any], item: Mapping[str, Any], error: str | None, tally: Tally
) -> None:
    model, category = str(line.get("run")), _category(item)
    result = line.get("result")
    turns = result if is_array(result) else []
    called = any(_calls(step) for turn in turns if is_array(turn) for step in turn)
    tally.add(model, category, error, Outcome.CALLED if called else Outcome.ABSTAINED)
    if "valid" not in line:
        return
    difference = Difference(
        model=model, category=category, id=item["id"], ours=error, official=line.get("error_type")
    )
    same = (error is None) == bool(line["valid"]) and error == line.get("error_type")
    tally.compare(difference, same=same)
