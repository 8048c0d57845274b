"""What a compiled schema no longer says, and the words that say it instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import orjson

__all__ = ["Change", "Lose", "Loss", "described", "phrase", "told"]

_LONGEST = 400
"""Characters of a constraint that a description tells; a longer one says a model nothing."""


class Change(StrEnum):
    """What became of a keyword."""

    DROPPED = "dropped"
    """Gone; only the original schema still checks it."""
    MOVED = "moved_to_description"
    """The model reads it; only the original schema still checks it."""
    REWRITTEN = "rewritten"
    """Arguments are written in another form, or the schema takes other values than before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One thing that the wire cannot say as the original schema says it.

    What is only spelled differently, such as `const` as an `enum` of one, is no loss.

    Attributes:
        path: Where in the original schema, as a JSON pointer; at a definition for what it holds.
        keyword: The keyword concerned.
        happened: What became of it.
        words: For a person: what is lost, or how it is written now.
        narrows: Whether some valid arguments can no longer be written.
    """

    path: str
    keyword: str
    happened: Change
    words: str
    narrows: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the loss as a JSON object."""
        return asdict(self)


Lose = Callable[[Loss], None]
"""Takes what is lost."""


def _text(value: Any) -> str:
    return orjson.dumps(value).decode()


def _each(values: Any) -> str:
    return ", ".join(map(_text, values))


def _needs(value: Any) -> str:
    return "; ".join(f"with {name} also {', '.join(others)}" for name, others in value.items())


# The keywords that are told in plain words; every other one is told as JSON.
_PHRASES: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "minimum": lambda value: f"at least {value}",
        "maximum": lambda value: f"at most {value}",
        "exclusiveMinimum": lambda value: f"more than {value}",
        "exclusiveMaximum": lambda value: f"less than {value}",
        "multipleOf": lambda value: f"a multiple of {value}",
        "minLength": lambda value: f"at least {value} characters",
        "maxLength": lambda value: f"at most {value} characters",
        "pattern": lambda value: f"matching the pattern {value}",
        "format": lambda value: f"in the format {value}",
        "minItems": lambda value: f"at least {value} items",
        "maxItems": lambda value: f"at most {value} items",
        "uniqueItems": lambda value: "no two items alike" if value else "",
        "minProperties": lambda value: f"at least {value} properties",
        "maxProperties": lambda value: f"at most {value} properties",
        "enum": lambda value: f"one of {_each(value)}",
        "const": lambda value: f"always {_text(value)}",
        "default": lambda value: f"default {_text(value)}",
        "examples": lambda value: f"for example {_each(value)}",
        "dependentRequired": _needs,
    }
)


def phrase(keyword: str, value: Any) -> str:
    """Return the words for a keyword; empty if it says nothing, or too much for a description.

    Args:
        keyword: A keyword of JSON Schema.
        value: What stands under it.
    """
    tell = _PHRASES.get(keyword)
    words = tell(value) if tell else f"{keyword}: {_text(value)}"
    return words if len(words) <= _LONGEST else ""


def told(
    path: str,
    keyword: str,
    value: Any,
    lose: Lose,
    notes: list[str],
    *,
    narrows: bool = False,
) -> None:
    """Let a description say what a keyword says, or report that nothing does any more.

    Args:
        path: Where the schema stands.
        keyword: The keyword.
        value: What stands under it.
        lose: Takes the loss.
        notes: Takes the words.
        narrows: Whether some valid arguments can no longer be written; defaults to False.
    """
    words = phrase(keyword, value)
    if words:
        notes.append(words)
    lose(
        Loss(
            path=path,
            keyword=keyword,
            happened=Change.MOVED if words else Change.DROPPED,
            words=words or f"{keyword} is not accepted and too long for a description.",
            narrows=narrows,
        )
    )


def described(description: str, notes: list[str]) -> str:
    """Return a description with what the schema can no longer say behind it, in brackets."""
    return f"{description} ({'; '.join(notes)})".lstrip() if notes else description
