"""What the Claude models accept, by their names on any provider."""

from __future__ import annotations

import re

__all__ = ["refuses_forced_choice"]

_NAME = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:-(\d{1,2}))?(?!\d)")
_FIRST_TO_REFUSE = {"opus": (5, 5), "sonnet": (5, 5), "fable": (5, 1), "mythos": (5, 1)}
"""By family: the first version that answers 400 to a forced tool choice."""


def refuses_forced_choice(model: str) -> bool:
    """Whether a model can only be left to choose by itself.

    Args:
        model: Its name at Anthropic, Bedrock or elsewhere, with or without a date.
    """
    found = _NAME.search(model)
    if not found or found[1] not in _FIRST_TO_REFUSE:
        return False
    return (int(found[2]), int(found[3] or 0)) >= _FIRST_TO_REFUSE[found[1]]
