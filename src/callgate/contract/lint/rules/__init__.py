"""All rules, in the order in which they are listed."""

from callgate.contract.lint.rule import Rule
from callgate.contract.lint.rules import (
    bounds,
    cost,
    describing,
    effects,
    hiding,
    naming,
    pairs,
    prose,
    results,
    schemas,
    secrets,
    wires,
)

__all__ = ["RULES"]

RULES: tuple[Rule, ...] = (
    *naming.RULES,
    *describing.RULES,
    *schemas.RULES,
    *prose.RULES,
    *bounds.RULES,
    *results.RULES,
    *effects.RULES,
    *secrets.RULES,
    *hiding.RULES,
    *pairs.RULES,
    *cost.RULES,
    *wires.RULES,
)
"""The rules of Callgate."""
