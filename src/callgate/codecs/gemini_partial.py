"""Arguments that come as values with JSON paths (`partialArgs` of Vertex AI), put together.

Values come one after the other; a string may come in pieces. What contradicts what has come
before is an error: a call must never be put together by guessing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, cast

from callgate.codecs.json_text import excerpt, list_of, object_of, text_of
from callgate.errors import ModelStreamError

__all__ = ["PartialArguments"]

_STEP = re.compile(
    r"\.([^.\[\]]+)|\[(\d{1,9})\]|\['((?:[^'\\]|\\.)*)'\]|\[\"((?:[^\"\\]|\\.)*)\"\]", re.DOTALL
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_DEPTH = 64
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")


class _Pieces(list[str]):
    """A string that is still growing; joined once, so that a long one costs by its length."""


class PartialArguments:
    """The arguments of one call while their values come."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        """Begin with what came whole.

        Args:
            start: The members that came as an object; usually none.
        """
        self._root: dict[str, Any] = dict(start)
        self._paths: dict[str, tuple[str | int, ...]] = {}
        self._growing: dict[str, _Pieces] = {}

    @property
    def complete(self) -> bool:
        """Whether no string waits for its next piece."""
        return not self._growing

    def add(self, values: Any) -> None:
        """Take the next values.

        Args:
            values: The array `partialArgs`.

        Raises:
            ModelStreamError: A value has no place, or its place is taken.
        """
        for item in list_of(values, "partialArgs"):
            value = object_of(item, "a partial argument")
            path = text_of(value.get("jsonPath"), "jsonPath")
            if path in self._growing:
                self._grow(path, value)
            else:
                self._place(path, value)

    def whole(self) -> dict[str, Any]:
        """Return the arguments; a string that is still growing ends where it is."""
        return _settled(self._root)

    def _grow(self, path: str, value: Mapping[str, Any]) -> None:
        self._growing[path].append(text_of(value.get("stringValue"), "stringValue"))
        if not value.get("willContinue"):
            del self._growing[path]

    def _place(self, path: str, value: Mapping[str, Any]) -> None:
        steps = self._paths.get(path)
        if steps is not None:
            raise _contradiction(path, "it has come already")
        steps = self._paths[path] = _steps(path)
        _set(self._root, steps, path, self._leaf(path, value))

    def _leaf(self, path: str, value: Mapping[str, Any]) -> Any:
        given = [name for name in _VALUES if name in value]
        if value.get("willContinue") and given in ([], ["stringValue"]):
            pieces = self._growing[path] = _Pieces([text_of(value.get("stringValue"), "a piece")])
            return pieces
        if len(given) != 1:
            raise _contradiction(path, "it has no value or several")
        return None if given[0] == "nullValue" else value[given[0]]


def _steps(path: str) -> tuple[str | int, ...]:
    """Return the names and indexes of a path such as `$.items[0].name`."""
    steps: list[str | int] = []
    place = 1
    while place < len(path) and len(steps) < _DEPTH:
        found = _STEP.match(path, place)
        if found is None:
            break
        name, index, single, double = found.groups()
        quoted = single if single is not None else double
        steps.append(
            int(index) if index else name if name else _ESCAPED.sub(r"\1", cast("str", quoted))
        )
        place = found.end()
    if not path.startswith("$") or place < len(path) or not steps or isinstance(steps[0], int):
        raise _contradiction(path, "it is no path of a member")
    return tuple(steps)


def _set(root: dict[str, Any], steps: tuple[str | int, ...], path: str, leaf: Any) -> None:
    place: Any = root
    for step, following in pairwise(steps):
        empty: Any = [] if isinstance(following, int) else {}
        place = _member(place, step, path, empty)
    if _member(place, steps[-1], path, leaf) is not leaf:
        raise _contradiction(path, "its place is taken")


def _member(place: Any, step: str | int, path: str, absent: Any) -> Any:
    """Return a member of an object or array; one that is absent becomes `absent`."""
    if isinstance(step, str) and isinstance(place, dict):
        return cast("dict[str, Any]", place).setdefault(step, absent)
    if isinstance(step, int) and type(place) is list:
        items = cast("list[Any]", place)
        if step == len(items):
            items.append(absent)
        if step < len(items):
            return items[step]
    raise _contradiction(path, "there is no such place")


def _settled(value: Any, depth: int = 0) -> Any:
    if isinstance(value, _Pieces):
        return "".join(value)
    if depth > _DEPTH:  # no piece lies below; what came whole may be deeper than Python recurses
        return value
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {name: _settled(item, depth + 1) for name, item in members}
    if isinstance(value, list):
        return [_settled(item, depth + 1) for item in cast("list[Any]", value)]
    return value


def _contradiction(path: str, why: str) -> ModelStreamError:
    return ModelStreamError(
        f"A partial argument at {excerpt(path)} cannot be placed: {why}.",
        details={"path": excerpt(path)},
    )
