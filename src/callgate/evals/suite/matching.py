"""Matchers: JSON values that say which values are right. They are data; nothing is evaluated.

A value matches the equal value; numbers match by value, so that 1 is 1.0, and true is not 1. An
object with one key that begins with `$` is a matcher:

    {"$in": [a, b]}        one of these, each a matcher
    {"$near": [3.0, 0.1]}  a number that differs by at most 0.1
    {"$text": "New York"}  the same text without case, white space and punctuation
    {"$match": "^a+$"}     a text in which the regular expression is found, in linear time
    {"$contains": x}       a text with this text in it, or an array with a value that matches
    {"$has": {...}}        an object whose named members match; others may be there
    {"$not": x}            anything that does not match
    {"$any": true}         any value
    {"$absent": true}      no value at all
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.schema.values import is_array, is_object

__all__ = ["ABSENT", "check_matcher", "matches"]

ABSENT: Final = object()
"""Stands for a value that is not there."""

_IGNORED = re.compile(r"[\W_]+")


def matches(wanted: Any, value: Any) -> bool:
    """Tell whether a value is right.

    Args:
        wanted: A matcher.
        value: A JSON value, or `ABSENT`.

    Raises:
        DefinitionError: The matcher is none.
    """
    if is_object(wanted) and len(wanted) == 1:
        ((name, given),) = wanted.items()
        if name.startswith("$"):
            return _matcher(name)(given, value)
    if value is ABSENT:
        return False
    if is_object(wanted):
        return (
            is_object(value)
            and wanted.keys() >= value.keys()
            and all(matches(inner, value.get(key, ABSENT)) for key, inner in wanted.items())
        )
    if is_array(wanted):
        return is_array(value) and len(wanted) == len(value) and all(map(matches, wanted, value))
    return _same(wanted, value)


def check_matcher(wanted: Any) -> None:
    """Look through a matcher for what is none.

    Raises:
        DefinitionError: An unknown `$` name, or a regular expression that is none.
    """
    matches(wanted, ABSENT)
    inner: list[Any] = []
    if is_object(wanted):
        inner = list(wanted.values())
        if "$match" in wanted:
            _pattern(wanted["$match"]).compile()
    elif is_array(wanted):
        inner = wanted
    for item in inner:
        check_matcher(item)


def _same(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    if isinstance(wanted, int | float):
        return isinstance(value, int | float) and wanted == value
    return type(wanted) is type(value) and wanted == value


def _near(given: Any, value: Any) -> bool:
    if not is_array(given) or len(given) != 2:
        raise DefinitionError('"$near" takes [number, difference].')
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value - given[0]) <= given[1]


def _text(given: Any, value: Any) -> bool:
    return isinstance(value, str) and _plain(value) == _plain(str(given))


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).casefold()


def _pattern(given: Any) -> Checker:
    return Checker({"type": "string", "pattern": given})


def _match(given: Any, value: Any) -> bool:
    return value is not ABSENT and _pattern(given).is_valid(value)


def _contains(given: Any, value: Any) -> bool:
    if isinstance(value, str):
        return isinstance(given, str) and given.casefold() in value.casefold()
    return is_array(value) and any(matches(given, item) for item in value)


def _has(given: Any, value: Any) -> bool:
    if not is_object(value):
        return False
    wanted = cast("Mapping[str, Any]", given)
    return all(matches(inner, value.get(key, ABSENT)) for key, inner in wanted.items())


_MATCHERS: Mapping[str, Callable[[Any, Any], bool]] = MappingProxyType(
    {
        "$in": lambda given, value: any(matches(item, value) for item in given),
        "$near": _near,
        "$text": _text,
        "$match": _match,
        "$contains": _contains,
        "$has": _has,
        "$not": lambda given, value: not matches(given, value),
        "$any": lambda given, value: value is not ABSENT,
        "$absent": lambda given, value: value is ABSENT,
    }
)


def _matcher(name: str) -> Callable[[Any, Any], bool]:
    known = _MATCHERS.get(name)
    if known is None:
        raise DefinitionError(f"There is no matcher {name!r}; there are {', '.join(_MATCHERS)}.")
    return known
