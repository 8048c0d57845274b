"""Nested calls: arguments that refer to results of earlier calls, as ComplexFuncBench and NESTFUL.

A reference is `$label$` or `$label.path$`. Calls that wait for nothing run together, so the number
of levels and not of calls decides how long a plan takes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callgate.errors import EvaluationDataError
from callgate.evals.files import read_lines
from callgate.schema.values import is_array, is_object

__all__ = ["Plan", "Reference", "Report", "Step", "read_plan", "resolve", "score"]

_REFERENCE = re.compile(r"\$([A-Za-z_]\w*)((?:[.\[][^$]*)?)\$")
_PART = re.compile(r"[^.\[\]]+")
_ANSWER = "var_result"
"""Not a call: it says which results are the answer."""
_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A place in an argument that stands for a result.

    Attributes:
        label: Of the call whose result it is.
        path: Names and numbers that lead into it; empty for the whole.
    """

    label: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of a plan.

    Attributes:
        label: By which later calls refer to it.
        references: What it takes from others.
        response: The recorded result, None if none was recorded.
    """

    label: str
    references: tuple[Reference, ...]
    response: Any

    @property
    def needs(self) -> frozenset[str]:
        """Labels of the calls that have to be finished first."""
        return frozenset(reference.label for reference in self.references)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The calls of one sample, and what its answer refers to."""

    id: str
    steps: tuple[Step, ...]
    answer: tuple[Reference, ...]

    def levels(self) -> dict[str, int]:
        """Return the level of every call, from 1: one more than the highest it waits for."""
        levels: dict[str, int] = {}
        for step in self.steps:
            levels[step.label] = 1 + max((levels.get(label, 0) for label in step.needs), default=0)
        return levels

    def unresolved(self) -> Iterator[Reference]:
        """Yield references of calls to no earlier call, or to nothing in its recorded result."""
        known: dict[str, Any] = {}
        for step in self.steps:
            yield from _unresolved(step.references, known)
            known[step.label] = step.response

    def unanswered(self) -> Iterator[Reference]:
        """Yield references of the answer likewise."""
        return _unresolved(self.answer, {step.label: step.response for step in self.steps})


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a scoring found.

    Attributes:
        items: Samples.
        calls: Calls of all samples.
        references: References of calls, of all samples.
        unresolved: Sample and reference of a call, where nothing stands behind it.
        answers: References of answers.
        unanswered: Sample and reference of an answer, where nothing stands behind it.
        levels: Levels of all samples.
        depths: Samples by number of levels.
        widest: Most calls on one level.
        seconds: That each call took when the plans were run.
        took: Seconds that all plans took together, one plan after the other.
    """

    items: int
    calls: int
    references: int
    unresolved: Sequence[tuple[str, str]]
    answers: int
    unanswered: Sequence[tuple[str, str]]
    levels: int
    depths: Mapping[int, int]
    widest: int
    seconds: float
    took: float

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values; speed-ups are over one call after the other."""
        return {
            "items": self.items,
            "calls": self.calls,
            "references": self.references,
            "resolved": self.references - len(self.unresolved),
            "unresolved": [list(one) for one in self.unresolved[:_SHOWN]],
            "answers": {
                "references": self.answers,
                "resolved": self.answers - len(self.unanswered),
                "unresolved": [list(one) for one in self.unanswered[:_SHOWN]],
            },
            "levels": self.levels,
            "depths": {str(depth): count for depth, count in sorted(self.depths.items())},
            "widest": self.widest,
            "speedup": {
                "ideal": round(self.calls / self.levels, 3),
                "reached": round(self.calls * self.seconds / self.took, 3),
                "seconds_per_call": self.seconds,
            },
        }


def score(data: Path, *, seconds: float = 0.005) -> Report:
    """Resolve the references of a file's plans, count levels, and run the plans.

    Args:
        data: Samples, one a line.
        seconds: That each call takes when plans are run; defaults to 0.005.

    Raises:
        EvaluationDataError: The file is absent, damaged, empty or not of its form.
    """
    plans = [read_plan(line) for line in read_lines(data)]
    if not any(plan.steps for plan in plans):
        raise EvaluationDataError(f"{data.name}: holds no calls")
    levels = [plan.levels() for plan in plans]
    widths = [max(Counter(one.values()).values(), default=0) for one in levels]
    depths = Counter(max(one.values(), default=0) for one in levels)
    return Report(
        items=len(plans),
        calls=sum(len(plan.steps) for plan in plans),
        references=sum(len(step.references) for plan in plans for step in plan.steps),
        answers=sum(len(plan.answer) for plan in plans),
        unanswered=[(plan.id, _shown(one)) for plan in plans for one in plan.unanswered()],
        unresolved=[(plan.id, _shown(one)) for plan in plans for one in plan.unresolved()],
        levels=sum(depth * count for depth, count in depths.items()),
        depths=depths,
        widest=max(widths),
        seconds=seconds,
        took=asyncio.run(_run_all(plans, seconds)),
    )


def read_plan(line: Mapping[str, Any]) -> Plan:
    """Read one sample.

    Raises:
        EvaluationDataError: It has no list of calls with names and arguments.
    """
    calls = line.get("calls")
    if not is_array(calls) or not all(_is_call(call) for call in calls):
        raise EvaluationDataError(f"sample {line.get('id')!r} has no list of calls")
    steps: dict[str, Step] = {}
    answer: list[Reference] = []
    for place, call in enumerate(calls, 1):
        references = tuple(_references(call["arguments"]))
        if call["name"] == _ANSWER:
            answer += references
            continue
        # Some labels are missing or stand twice; the call then has that of its place.
        label = str(call.get("label"))
        if "label" not in call or label in steps:
            label = f"var{place}"
        steps[label] = Step(label=label, references=references, response=call.get("response"))
    return Plan(id=str(line.get("id")), steps=tuple(steps.values()), answer=tuple(answer))


def resolve(response: Any, path: Sequence[str]) -> Any:
    """Return what a path leads to; a list is entered at its first element.

    Args:
        response: The result.
        path: Names, or numbers of elements.

    Raises:
        LookupError: There is nothing.
    """
    for part in path:
        if is_array(response) and not part.isdecimal():
            response = response[0]
        if is_array(response):
            response = response[int(part)]
        elif is_object(response):
            response = response[part]
        else:
            raise LookupError(f"nothing has a part {part!r}")
    return response


def _is_call(call: Any) -> bool:
    return is_object(call) and "name" in call and "arguments" in call


def _references(value: Any) -> Iterator[Reference]:
    if isinstance(value, str):
        for label, path in _REFERENCE.findall(value):
            yield Reference(label=label, path=tuple(_PART.findall(path)))
    elif is_object(value):
        for member in value.values():
            yield from _references(member)
    elif is_array(value):
        for member in value:
            yield from _references(member)


def _unresolved(references: Sequence[Reference], known: Mapping[str, Any]) -> Iterator[Reference]:
    for reference in references:
        try:
            response = known[reference.label]
            if response is not None:
                resolve(response, reference.path)
        except LookupError:
            yield reference


def _shown(reference: Reference) -> str:
    return f"${'.'.join((reference.label, *reference.path))}$"


async def _run_all(plans: Sequence[Plan], seconds: float) -> float:
    start = time.perf_counter()
    for plan in plans:
        await _run(plan, seconds)
    return time.perf_counter() - start


async def _run(plan: Plan, seconds: float) -> None:
    """Run a plan: every call starts when the calls that it needs are finished."""
    done = {step.label: asyncio.Event() for step in plan.steps}

    async def call(step: Step) -> None:
        for label in step.needs & done.keys():
            await done[label].wait()
        await asyncio.sleep(seconds)
        done[step.label].set()

    # A call that refers to itself or a later one would wait for ever; it does not resolve.
    places = {step.label: place for place, step in enumerate(plan.steps)}
    async with asyncio.TaskGroup() as group:
        for place, step in enumerate(plan.steps):
            if all(places.get(label, -1) < place for label in step.needs):
                group.create_task(call(step))
            else:
                done[step.label].set()
