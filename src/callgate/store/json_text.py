"""JSON values as the text that columns hold."""

from __future__ import annotations

import json
from typing import Any

import orjson

__all__ = ["dump", "load"]


def dump(value: Any) -> str:
    """Return JSON text; integers of any size and lone surrogates are kept."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, separators=(",", ":"))


def load(text: str) -> Any:
    """Return the value of JSON text, integers exact."""
    # The standard parser: orjson would turn great integers into floats.
    return json.loads(text)
