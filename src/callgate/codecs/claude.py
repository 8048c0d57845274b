"""What the Claude models accept, by their names on any provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

__all__ = ["refuses_forced_choice", "refuses_temperature", "thinking_of"]

_NAME = re.compile(r"claude-([a-z]+)-(?:(\d{1,2})(?:-(\d{1,2}))?(?!\d)|preview)")
_FIRST_TO_REFUSE = {"opus": (5, 5), "sonnet": (5, 5), "fable": (5, 1), "mythos": (5, 1)}
"""By family: the first version that answers 400 to a forced tool choice."""
_THINKS = frozenset({"enabled", "adaptive"})


def thinking_of(fields: Mapping[str, Any]) -> str:
    """Return how a request has a model think: `enabled`, `adaptive` ...; empty for its own way.

    Args:
        fields: Fields of the request, among them perhaps `thinking`.
    """
    thinking: Any = fields.get("thinking")
    return str(cast("dict[str, Any]", thinking).get("type")) if isinstance(thinking, dict) else ""


def refuses_forced_choice(model: str, thinking: str = "") -> bool:
    """Whether a model can only be left to choose by itself.

    Args:
        model: Its name at Anthropic, Bedrock or elsewhere, with or without a date.
        thinking: How it is to think; see `thinking_of`.
    """
    family, version = _parsed(model)
    if thinking == "enabled" or (thinking == "adaptive" and version < (4, 8)):
        return True
    first = _FIRST_TO_REFUSE.get(family)
    return first is not None and version >= first


def refuses_temperature(model: str, thinking: str = "") -> bool:
    """Whether a model samples in its own way only; arguments as in `refuses_forced_choice`."""
    return thinking in _THINKS or _parsed(model)[1] >= (4, 7)


def _parsed(model: str) -> tuple[str, tuple[int, int]]:
    """Return family and version; nothing and 0 for a name that has none, as before Claude 4."""
    found = _NAME.search(model)
    if not found:
        return "", (0, 0)
    if found[2] is None:  # Mythos Preview, which was like 5.1
        return found[1], (5, 1)
    return found[1], (int(found[2]), int(found[3] or 0))
