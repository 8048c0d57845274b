"""Vertex `partialArgs` as JSON text: named values that come one by one become one document.

Vertex streams arguments as values with their JSON paths, in the order of the document. As text
they are read, judged and shown like those of every other wire.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from callgate.errors import MalformedArgumentsError

__all__ = ["PartialArgs"]

_STEP = re.compile(
    r"\.(?P<name>[^.\[\]'\"\s]+)|\[(?P<index>0|[1-9][0-9]{0,8})\]"
    r"|\['(?P<single>(?:[^'\\]|\\.)*)'\]|\[\"(?P<double>(?:[^\"\\]|\\.)*)\"\]"
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_Step = str | int


class PartialArgs:
    """Turns the parts of one call into pieces of JSON text, for `JsonStream.feed`."""

    def __init__(self) -> None:
        # Where the last value stands; all that holds it is open.
        self._path: tuple[_Step, ...] = ()
        self._open_text = False
        self._begun = False
        self._ended = False

    def feed(self, part: Mapping[str, Any]) -> str:
        """Return the text that one part adds.

        Args:
            part: An entry of `partialArgs`: `jsonPath`, one of `stringValue`, `numberValue`,
                `boolValue` and `nullValue`, and `willContinue` if more of the same string
                follows.

        Raises:
            MalformedArgumentsError: The part has no path that can be read, or its place is not
                after what came before.
        """
        path = _steps(part.get("jsonPath"))
        goes_on = bool(part.get("willContinue"))
        text = _text(part)
        if self._open_text and path == self._path:
            text = '""' if text is None else text
            if text[0] != '"':
                raise _refusal(part, "a string goes on as something else")
            self._open_text = goes_on
            return text[1:-1] if goes_on else text[1:]
        if text is None:
            if goes_on:
                return ""  # announced; what it is comes with the next part
            raise _refusal(part, "it has no value")
        lead = self._lead(path, part)
        self._path = path
        self._open_text = goes_on and text[0] == '"'
        return lead + (text[:-1] if self._open_text else text)

    def finish(self) -> str:
        """Return the text that ends the arguments; an empty object if no part came."""
        if self._ended:
            return ""
        self._ended = True
        closers = "".join(_closer(step) for step in reversed(self._path))
        return ("" if self._begun else "{}") + ('"' if self._open_text else "") + closers

    def _lead(self, path: tuple[_Step, ...], part: Mapping[str, Any]) -> str:
        """Return what stands between the last value and the one at `path`."""
        if self._ended:
            raise _refusal(part, "the arguments have ended")
        shared = 0
        while shared < min(len(path), len(self._path)) and path[shared] == self._path[shared]:
            shared += 1
        old, new = self._path[shared:], path[shared:]
        if self._begun and not (old and new):
            raise _refusal(part, "another value stands there already")
        text = '"' if self._open_text else ""
        text += "".join(_closer(step) for step in reversed(old[1:]))
        if self._begun:
            self._refuse_jump(old[0], new[0], part)
            text += "," + _label(new[0])
            new = new[1:]
        self._begun = True
        if any(isinstance(step, int) and step > 0 for step in new):
            raise _refusal(part, "an earlier item is missing")
        return text + "".join(_opener(step) + _label(step) for step in new)

    def _refuse_jump(self, old: _Step, new: _Step, part: Mapping[str, Any]) -> None:
        if isinstance(old, int) != isinstance(new, int):
            raise _refusal(part, "an object cannot be an array too")
        if isinstance(old, int) and new != old + 1:
            raise _refusal(part, f"the item after {old} must be next")


def _steps(path: Any) -> tuple[_Step, ...]:
    """Read a JSON path of names and indices; at least one name."""
    steps: list[_Step] = []
    place = 1
    while isinstance(path, str) and path[:1] == "$" and place < len(path):
        match = _STEP.match(path, place)
        if match is None:
            break
        quoted = match["single"] if match["single"] is not None else match["double"]
        if match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(_ESCAPED.sub(r"\1", quoted) if quoted is not None else match["name"])
        place = match.end()
    if not steps or place < len(path) or not isinstance(steps[0], str):
        raise MalformedArgumentsError(
            f"A part of the arguments has the path {str(path)[:80]!r}, which names no argument."
        )
    return tuple(steps)


def _text(part: Mapping[str, Any]) -> str | None:
    """Return the JSON text of a part's value; None if it has none."""
    if isinstance(text := part.get("stringValue"), str):
        # Half characters stay as they are: the other half may come with the next part.
        return json.dumps(text, ensure_ascii=False)
    if isinstance(flag := part.get("boolValue"), bool):
        return "true" if flag else "false"
    number = part.get("numberValue")
    if isinstance(number, int | float) and not isinstance(number, bool) and isfinite(number):
        return repr(number)
    return "null" if "nullValue" in part else None


def _opener(step: _Step) -> str:
    return "[" if isinstance(step, int) else "{"


def _closer(step: _Step) -> str:
    return "]" if isinstance(step, int) else "}"


def _label(step: _Step) -> str:
    return "" if isinstance(step, int) else f"{json.dumps(step, ensure_ascii=False)}:"


def _refusal(part: Mapping[str, Any], why: str) -> MalformedArgumentsError:
    return MalformedArgumentsError(
        f"A part of the arguments cannot stand at {str(part.get('jsonPath'))[:80]!r}: {why}."
    )
