"""Whether everything valid under one schema is valid under another, with a witness if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from callgate.contract.inclusion.answers import Empty, Found, too_hard
from callgate.contract.inclusion.documents import Document
from callgate.contract.inclusion.facts import Literal
from callgate.contract.inclusion.nodes import Node, Nodes
from callgate.contract.inclusion.search import Mentioned, search
from callgate.contract.inclusion.shrink import shrunk
from callgate.contract.inclusion.solver import Solver
from callgate.contract.inclusion.speech import Speech
from callgate.schema.check import Checker
from callgate.schema.definition import bare
from callgate.types import JsonSchema, Problem

__all__ = ["Inclusion", "Verdict", "example", "include"]

_STEPS = 6_000
"""Goals and branches the solver looks at; about half a second."""

_TRIES = 3_000
"""Values that are tried where nothing is proved."""

_PROBES = 60
"""Values that a proof must survive."""

_MOST_SEEDS = 24


class Verdict(StrEnum):
    """Whether a change breaks callers."""

    COMPATIBLE = "compatible"
    BREAKING = "breaking"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inclusion:
    """The answer to whether one schema includes another.

    Attributes:
        verdict: Compatible only with a proof, breaking only with a checked witness.
        witness: If breaking: a JSON value that the narrower schema does not allow.
        problems: Why it does not.
        keywords: If undecided: what made it too hard.
    """

    verdict: Verdict
    witness: Any = None
    problems: tuple[Problem, ...] = ()
    keywords: tuple[str, ...] = ()


def include(
    before: JsonSchema | bool, after: JsonSchema | bool, *, objects: bool = False
) -> Inclusion:
    """Decide whether every value valid under `before` is valid under `after`.

    Args:
        before: A JSON Schema.
        after: The schema that should allow at least as much.
        objects: Whether only objects are meant, as arguments are; defaults to False.

    Raises:
        DefinitionError: One of them is not a schema that values can be checked against.
    """
    old, new = _checker(before), _checker(after)
    if _text(old.schema) == _text(new.schema):
        return Inclusion(verdict=Verdict.COMPATIBLE)
    one, other = Document(old.definition), Document(new.definition)
    nodes = Nodes()
    wide, narrow = nodes.node(one.root, one), nodes.node(other.root, other)
    unsaid = one.unsaid | other.unsaid
    if wide is narrow and not unsaid:
        return Inclusion(verdict=Verdict.COMPATIBLE)
    speech = Speech(nodes)
    solver = Solver(speech, _STEPS)
    among = frozenset({Literal(True, speech.object)}) if objects else frozenset[Literal]()
    answer = solver.solve(among | {Literal(True, wide), Literal(False, narrow)})

    def valid(value: Any) -> bool:
        return (not objects or isinstance(value, dict)) and old.is_valid(value)

    def breaks(value: Any) -> bool:
        return valid(value) and not new.is_valid(value)

    if isinstance(answer, Found) and breaks(answer.value):
        return _breaking(answer.value, breaks, new)
    surely = isinstance(answer, Empty) and not unsaid
    doubts = too_hard(answer) | unsaid or {"$schema"}
    found = search(
        Mentioned((old.schema, new.schema)),
        _seeds(Solver(speech, _STEPS // 3), wide, narrow, few=surely),
        valid=valid,
        wanted=lambda value: not new.is_valid(value),
        tries=_PROBES if surely else _TRIES,
    )
    if found:
        return _breaking(found[0], breaks, new)
    if surely:
        return Inclusion(verdict=Verdict.COMPATIBLE)
    return Inclusion(verdict=Verdict.UNDECIDED, keywords=tuple(sorted(doubts)))


def _checker(schema: JsonSchema | bool) -> Checker:
    # A boolean is a schema, too; as the whole schema of a tool it is written as an object.
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    checker = Checker(schema)
    checker.compile()
    return checker


def _text(schema: JsonSchema) -> bytes:
    return orjson.dumps(bare(schema), option=orjson.OPT_SORT_KEYS)


def _breaking(value: Any, breaks: Callable[[Any], bool], new: Checker) -> Inclusion:
    witness = shrunk(value, breaks)
    return Inclusion(verdict=Verdict.BREAKING, witness=witness, problems=new.problems(witness))


def _seeds(solver: Solver, wide: Node, narrow: Node, *, few: bool) -> Iterator[Any]:
    """Yield values that are valid under `wide`, of many kinds."""
    goals = [frozenset({Literal(True, wide)})]
    if not few:
        for node in (wide, narrow):
            for inner in _beside(node):
                goals.append(frozenset({Literal(True, wide), Literal(True, inner)}))
                goals.append(frozenset({Literal(True, wide), Literal(False, inner)}))
    for goal in goals[:_MOST_SEEDS]:
        answer = solver.solve(goal)
        if isinstance(answer, Found):
            yield answer.value


def _beside(node: Node) -> Iterator[Node]:
    for keyword in ("allOf", "anyOf", "oneOf"):
        yield from node.keywords.get(keyword, ())
    for keyword in ("if", "then", "else", "not", "$ref"):
        if keyword in node.keywords:
            yield node.keywords[keyword]


def example(schema: JsonSchema, *, objects: bool = False) -> Any:
    """Return a small value that is valid under a schema, or None if none was found.

    Args:
        schema: A JSON Schema.
        objects: Whether it has to be an object, as arguments are; defaults to False.

    Raises:
        DefinitionError: It is not a schema that values can be checked against.
    """
    checker = _checker(schema)
    document = Document(checker.definition)
    nodes = Nodes()
    speech = Speech(nodes)
    goal = {Literal(True, nodes.node(document.root, document))}
    goal |= {Literal(True, speech.object)} if objects else set()
    answer = Solver(speech, _STEPS).solve(frozenset(goal))
    if not isinstance(answer, Found) or not checker.is_valid(answer.value):
        return None
    return shrunk(
        answer.value,
        lambda value: (not objects or isinstance(value, dict)) and checker.is_valid(value),
    )
