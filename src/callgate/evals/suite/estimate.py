"""What a run will take, before it begins: tokens by length, dollars by the price list."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from callgate.agents.budget import Price
from callgate.evals.cases import Case
from callgate.messages import Usage

__all__ = ["Estimate", "estimate"]

_CHARACTERS_PER_TOKEN = 4
_WRITTEN = 80
"""Tokens that one answer with a call has, about."""

_TURNS = 3
"""Requests of a case that goes on after its calls, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Orders of magnitude, not promises: lengths stand for tokens.

    Attributes:
        items: Cases times repetitions.
        requests: Model requests.
        input: Tokens read.
        output: Tokens written.
        cost: US dollars; None if the model has no known price.
    """

    items: int
    requests: int
    input: int
    output: int
    cost: Decimal | None


def estimate(
    cases: Iterable[Case], *, repetitions: int, model: str, price: Price | None
) -> Estimate:
    """Estimate a run; cases are read once and not kept.

    Args:
        cases: What is asked.
        repetitions: How often each.
        model: Our full name of the model.
        price: Its prices; None without any.
    """
    items = requests = read = 0
    for case in cases:
        turns = (_TURNS if case.loop else 1) * (1 + len(case.user))
        items += 1
        requests += turns
        read += turns * (_length(case) // _CHARACTERS_PER_TOKEN + turns * _WRITTEN // 2)
    written = requests * _WRITTEN
    usage = Usage(input=read * repetitions, output=written * repetitions, requests=requests)
    return Estimate(
        items=items * repetitions,
        requests=requests * repetitions,
        input=usage.input,
        output=usage.output,
        cost=None if price is None else price(usage, model.partition(":")[2]),
    )


def _length(case: Case) -> int:
    tools = sum(
        len(tool.name) + len(tool.description) + len(json.dumps(tool.parameters))
        for tool in case.tools
    )
    return tools + sum(len(message.text) for message in case.messages)
