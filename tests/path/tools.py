"""Tools that the tests of the path share."""

from __future__ import annotations

from typing import Any

from callgate.testing import FakeSource
from callgate.types import Effect, Limits, Tool

OPEN: dict[str, Any] = {"type": "object"}


def spec(name: str, effect: Effect = Effect.READ, **options: Any) -> Tool:
    """Return a tool that takes any arguments; options that are limits become its limits."""
    limits = {key: options.pop(key) for key in list(options) if key in Limits.__slots__}
    options.setdefault("parameters", OPEN)
    return Tool(name=name, description="A tool.", effect=effect, limits=Limits(**limits), **options)


def one(reply: Any, effect: Effect = Effect.READ, **options: Any) -> FakeSource:
    """Return a source with the tool `t`."""
    return FakeSource([spec("t", effect, **options)], t=reply)
