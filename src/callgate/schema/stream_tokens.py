"""The tokens of JSON text that may be cut anywhere, as patterns for `callgate.schema.stream`."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isfinite
from typing import TypeAlias, cast

from callgate.errors import MalformedArgumentsError
from callgate.schema.parse import ATOMIC

__all__ = [
    "CHARACTERS",
    "CLOSER",
    "CUT_ESCAPE",
    "CUT_NAME",
    "CUT_NUMBER",
    "CUT_TEXT",
    "FLOAT",
    "INTEGER",
    "MEMBER",
    "MEMBER_VALUE",
    "NAME",
    "NEXT_ITEM",
    "NEXT_MEMBER",
    "NUMBER_RUN",
    "OPENER",
    "SPACES",
    "TEXT",
    "VALUE",
    "WHOLE_NUMBER",
    "WORD",
    "begins_number",
    "exact_number",
    "hint",
    "shortened",
]

_Always: TypeAlias = Callable[[str, int], re.Match[str]]

_SPACE = r"[ \t\n\r]*+"
_PLAIN = r'[^"\\\x00-\x1f]*+'
_NUMBER = r"-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?+[0-9]++)?"
_ENDS = r"(?=[ \t\n\r,\]}])"
_LONGEST = 20
"""Characters of an integer of 64 bits."""
_HEX = "[0-9a-fA-F]"

# What lies in one piece, with as much of what follows as does. The number of the last group tells
# what it ends with; the first is the key, or empty where there is none.
NAME, TEXT, CUT_TEXT, INTEGER, OPENER, WORD, FLOAT, CUT_NUMBER, CUT_NAME, CLOSER = range(1, 11)
_ANY = (
    rf'{_SPACE}(?:"(?:({_PLAIN})"|({_PLAIN})\Z)|(-?+(?:0|[1-9][0-9]{{0,17}}+)){_ENDS}|([{{\[])'
    rf"|(true|false|null)|({_NUMBER}){_ENDS}|([-0-9][-+.0-9eE]*+)\Z)"
)
_NAMED = rf'{_SPACE}"(?:({_PLAIN})"{_SPACE}:(?:{_ANY})?|({_PLAIN})\Z)'

MEMBER = re.compile(_NAMED).match
"""A key and perhaps its value."""

MEMBER_VALUE = re.compile(rf"(){_SPACE}:(?:{_ANY})?").match
"""A colon and perhaps a value."""

VALUE = re.compile(rf"(){_ANY}").match
"""A value, or the opener of one."""

NEXT_MEMBER = re.compile(rf"{_SPACE}(?:,(?:{_NAMED})?|(\}}))").match
"""What stands after a member: a comma and perhaps another one, or a closer."""

NEXT_ITEM = re.compile(rf"{_SPACE}(?:,()(?:{_ANY})?|()(\]))").match
"""What stands after an item: a comma and perhaps another one, or a closer."""

SPACES = cast("_Always", re.compile(_SPACE).match)
"""White space, perhaps none."""

CHARACTERS = cast(
    "_Always",
    re.compile(
        rf'{_PLAIN}(?:\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F]){_HEX}{{4}}'
        rf"|u[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}}){_PLAIN})*{ATOMIC}"
    ).match,
)
"""Whole characters of a string, escaped or not."""

CUT_ESCAPE = re.compile(
    rf"\\(?:u(?:[dD][89abAB]{_HEX}{{2}}(?:\\(?:u(?:[dD](?:[c-fC-F]{_HEX}?+)?)?)?)?"
    rf"|(?![dD][c-fC-F]){_HEX}{{0,3}}+)?)?"
).fullmatch
"""The beginning of an escape, or of the two that make one character."""

WHOLE_NUMBER = re.compile(_NUMBER).fullmatch
"""A number."""

NUMBER_RUN = cast("_Always", re.compile(r"[-+.0-9eE]*+").match)
"""Characters of which numbers are made."""

_CUT_NUMBER = re.compile(
    r"-?+(?:(?:0|[1-9][0-9]*+)"
    r"(?:\.(?:[0-9]++(?:[eE][+-]?+[0-9]*+)?)?|[eE][+-]?+[0-9]*+)?)?"
).fullmatch
_MORE_DIGITS = re.compile(r"(?<=[0-9])[0-9]+")


def begins_number(text: str) -> bool:
    """Tell whether `text` is a number or the beginning of one."""
    return bool(text) and _CUT_NUMBER(text) is not None


def shortened(number: str) -> str:
    """Return the beginning of a number with one digit in place of each run of them.

    It may go on in the same ways, and it is short however long the number is.
    """
    return _MORE_DIGITS.sub("", number)


def exact_number(text: str, position: int) -> int | float:
    """Read a whole number as `parse` does: exactly, or not at all.

    Args:
        text: A number as JSON has it.
        position: The character it begins at.

    Raises:
        MalformedArgumentsError: An integer beyond 64 bits, or too large for a float.
    """
    if not text.lstrip("-").isdecimal():
        value: int | float = float(text)
        if isfinite(value):
            return value
        what = f"The number {text[:40]} is too large for a float"
    else:
        value = int(text) if len(text) <= _LONGEST else 2**64
        if -(2**63) <= value < 2**64:
            return value
        what = f"The integer {text[:40]} does not fit into 64 bits"
    raise MalformedArgumentsError(
        f"{what}, and rounding it would change it. Only a parameter that takes a string can hold "
        "it.",
        details={"position": position},
    )


def hint(mark: str) -> str:
    """Return what may have been meant by a character that begins no value."""
    if mark in "TFN":
        return ": JSON writes true, false and null, and has no NaN"
    if mark in "Ii+":
        return ": JSON has finite numbers only, without a plus"
    if mark == "'":
        return ": JSON strings take double quotes"
    return ""
