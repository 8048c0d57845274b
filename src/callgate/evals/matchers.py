"""Matchers: JSON values that say which values are right. They are data; nothing is evaluated.

A value matches the equal value; numbers match by value, so that 1 is 1.0, and true is not 1. An
object with one key that begins with `$` is a matcher:

    {"$in": [a, b]}        one of these, each a matcher
    {"$near": [3.0, 0.1]}  a number that differs by at most 0.1
    {"$equal": {"$in": 1}} this very value, whatever its keys begin with
    {"$text": "New York"}  the same text without case, white space and punctuation
    {"$match": "^a+$"}     a text in which the regular expression is found, in linear time
    {"$contains": x}       a text with this text in it, without case and thousands' commas, or an
                           array with a value that matches
    {"$all": [a, b]}       all of these, each a matcher
    {"$has": {...}}        an object whose named members match; others may be there
    {"$not": x}            anything that does not match
    {"$any": true}         any value
    {"$absent": true}      no value at all
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.schema.values import is_array, is_object

__all__ = ["ABSENT", "Alike", "check_matcher", "matches", "matching_share"]

ABSENT: Final = object()
"""Stands for a value that is not there."""

Alike: TypeAlias = Callable[[Any, Any], bool]
"""Compares an expected JSON value with one that came."""

_IGNORED = re.compile(r"[\W_]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")


def matches(wanted: Any, value: Any, alike: Alike | None = None) -> bool:
    """Tell whether a value is right.

    Args:
        wanted: A matcher.
        value: A JSON value, or `ABSENT`.
        alike: Compares values that are no matchers; by default they have to be equal.

    Raises:
        DefinitionError: The matcher is none.
    """
    if is_object(wanted) and len(wanted) == 1:
        ((name, given),) = wanted.items()
        if name.startswith("$"):
            return _matcher(name)(given, value, alike or _equal)
    if value is ABSENT:
        return False
    if is_object(wanted):
        return (
            is_object(value)
            and wanted.keys() >= value.keys()
            and all(matches(inner, value.get(key, ABSENT), alike) for key, inner in wanted.items())
        )
    if is_array(wanted):
        return (
            is_array(value)
            and len(wanted) == len(value)
            and all(matches(one, item, alike) for one, item in zip(wanted, value, strict=True))
        )
    return (alike or _equal)(wanted, value)


def matching_share(wanted: Any, value: Any) -> float:
    """Return the share of what is wanted that holds: of the members of `$all`, else all or none.

    Args:
        wanted: A matcher.
        value: A JSON value, or `ABSENT`.

    Raises:
        DefinitionError: The matcher is none.
    """
    if is_object(wanted) and wanted.keys() == {"$all"} and wanted["$all"]:
        return sum(matches(one, value) for one in wanted["$all"]) / len(wanted["$all"])
    return float(matches(wanted, value))


def check_matcher(wanted: Any) -> None:
    """Look through a matcher for what is none.

    Raises:
        DefinitionError: An unknown `$` name, or a regular expression that is none.
    """
    matches(wanted, ABSENT)
    inner: list[Any] = []
    if is_object(wanted) and wanted.keys() == {"$equal"}:
        return
    if is_object(wanted):
        inner = list(wanted.values())
        if "$match" in wanted:
            _pattern(wanted["$match"]).compile()
    elif is_array(wanted):
        inner = wanted
    for item in inner:
        check_matcher(item)


def _equal(wanted: Any, value: Any) -> bool:
    if is_object(wanted) and is_object(value):
        return wanted.keys() == value.keys() and all(
            _equal(inner, value[key]) for key, inner in wanted.items()
        )
    if is_array(wanted) and is_array(value):
        return len(wanted) == len(value) and all(map(_equal, wanted, value))
    if isinstance(wanted, bool) or isinstance(value, bool):
        return wanted is value
    if isinstance(wanted, int | float):
        return isinstance(value, int | float) and wanted == value
    return type(wanted) is type(value) and wanted == value


def _near(given: Any, value: Any, _: Alike) -> bool:
    if not is_array(given) or len(given) != 2 or not all(map(_is_number, given)):
        raise DefinitionError('"$near" takes [number, difference].')
    if not _is_number(value):
        return False
    return abs(value - given[0]) <= given[1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in(given: Any, value: Any, alike: Alike) -> bool:
    if not is_array(given):
        raise DefinitionError('"$in" takes a list of matchers.')
    return any(matches(item, value, alike) for item in given)


def _text(given: Any, value: Any, _: Alike) -> bool:
    return isinstance(value, str) and _plain(value) == _plain(str(given))


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).casefold()


def _pattern(given: Any) -> Checker:
    return Checker({"type": "string", "pattern": given})


def _match(given: Any, value: Any, _: Alike) -> bool:
    return value is not ABSENT and _pattern(given).is_valid(value)


def _contains(given: Any, value: Any, alike: Alike) -> bool:
    if isinstance(value, str):
        return isinstance(given, str) and _said(given) in _said(value)
    return is_array(value) and any(matches(given, item, alike) for item in value)


def _said(text: str) -> str:
    return _THOUSANDS.sub("", text).casefold()


def _has(given: Any, value: Any, alike: Alike) -> bool:
    if not is_object(given):
        raise DefinitionError('"$has" takes an object of matchers.')
    if not is_object(value):
        return False
    return all(matches(inner, value.get(key, ABSENT), alike) for key, inner in given.items())


def _all(given: Any, value: Any, alike: Alike) -> bool:
    if not is_array(given):
        raise DefinitionError('"$all" takes a list of matchers.')
    return all(matches(item, value, alike) for item in given)


_MATCHERS: Mapping[str, Callable[[Any, Any, Alike], bool]] = MappingProxyType(
    {
        "$in": _in,
        "$all": _all,
        "$equal": lambda given, value, alike: value is not ABSENT and alike(given, value),
        "$near": _near,
        "$text": _text,
        "$match": _match,
        "$contains": _contains,
        "$has": _has,
        "$not": lambda given, value, alike: not matches(given, value, alike),
        "$any": lambda given, value, alike: value is not ABSENT,
        "$absent": lambda given, value, alike: value is ABSENT,
    }
)


def _matcher(name: str) -> Callable[[Any, Any, Alike], bool]:
    known = _MATCHERS.get(name)
    if known is None:
        raise DefinitionError(f"There is no matcher {name!r}; there are {', '.join(_MATCHERS)}.")
    return known
