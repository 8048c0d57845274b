"""What counts as the same when a recording is compared: what recorders and clients changed.

Each rule stands in the documentation; what is not here is compared as it is.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, cast

import orjson

from callgate.testing.exchanges.records import Json

__all__ = ["base64_alphabet", "filled", "folded", "is_empty", "same_arguments", "value_of"]

_ASCII = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
    }
)
_DASHES = re.compile("--+")


def folded(value: Any) -> Any:
    """Return a JSON value with typographic quotes, dashes and dots in ASCII and texts in NFKC.

    Recorders change requests in this way, streams not: so both sides are folded.
    """
    if isinstance(value, str):
        return _DASHES.sub("-", unicodedata.normalize("NFKC", value.translate(_ASCII)))
    if isinstance(value, dict):
        return {name: folded(item) for name, item in cast("Json", value).items()}
    if isinstance(value, list):
        return [folded(item) for item in cast("list[Any]", value)]
    return value


def is_empty(value: Any) -> bool:
    """Whether a field says nothing: null, an empty text, an empty list or an empty object."""
    return value is None or value in ("", [], {})


def filled(fields: Json) -> Json:
    """Return the fields that say something."""
    return {name: value for name, value in fields.items() if not is_empty(value)}


def value_of(arguments: Any) -> Any:
    """Return the value of arguments that may be JSON text; other text is its own value."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments


def same_arguments(got: Any, expected: Any) -> bool:
    """Whether arguments are those that the provider's client read.

    Text is the same letter by letter; beside an object, text is the JSON value that it holds.
    """
    if type(got) is type(expected):
        return got == expected
    return value_of(got) == value_of(expected)


def base64_alphabet(text: str) -> str:
    """Return base64 in its alphabet for URLs, without padding: clients change both."""
    return text.replace("+", "-").replace("/", "_").rstrip("=")
