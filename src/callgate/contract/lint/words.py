"""Words of identifiers and of prose."""

from __future__ import annotations

import re

__all__ = ["WORD", "has", "quoted", "said", "split_name"]

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_QUOTED = re.compile(r"""(?<![\w])(?:'([^'\n]{1,40})'|"([^"\n]{1,40})"|`([^`\n]{1,40})`)(?!\w)""")


def split_name(name: str) -> list[str]:
    """Return the words of an identifier in lower case: `getUserID_v2` is get, user, id, v, 2."""
    return [part.lower() for part in _PARTS.findall(name)]


def said(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [word.lower() for word in WORD.findall(text)]


def quoted(text: str) -> list[str]:
    """Return what stands in quotation marks."""
    return [next(filter(None, groups)) for groups in _QUOTED.findall(text) if any(groups)]


def has(pattern: re.Pattern[str], text: str) -> str:
    """Return what a pattern finds first in a text; empty if nothing."""
    found = pattern.search(text)
    return found[0] if found else ""
