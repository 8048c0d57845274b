"""Turns nearly valid arguments into valid ones where only one meaning is possible.

Repairs follow the validator's errors, so a value that is valid is never looked at, and what a
repair yields is checked by the same validator. Nothing is ever turned into a string or out of a
string that the schema takes; alternatives (`anyOf`, `oneOf`) are repaired only if exactly one
valid value comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import orjson

from callgate.errors import MalformedArgumentsError
from callgate.schema.canonical import canonical
from callgate.schema.check import Checker
from callgate.schema.parse import parse, refuse_deep
from callgate.schema.problems import at, json_path, shown
from callgate.schema.values import is_object
from callgate.types import Repair

__all__ = ["MAX_REPAIRS", "repair"]

MAX_REPAIRS = 500
"""Changes that one value may need; arguments with more mistakes are refused."""

_ROUNDS = 8
"""Repairs that may uncover another one at the same place."""

_CHECKS = 64
"""Candidates that are checked for one value."""

_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "none": None}

Error = jsonschema_rs.ValidationError
Place = tuple[str | int, ...]
Outcome = tuple[Any, tuple[Repair, ...]]


@dataclass(frozen=True, slots=True)
class _Edit:
    kind: str
    before: Any
    after: Any


Edits = dict[Place, _Edit]


def repair(checker: Checker, value: Any) -> Outcome:
    """Return the valid value that `value` obviously means, and what was changed.

    Args:
        checker: The schema.
        value: A JSON value; it is not changed.

    Returns:
        A valid value and the repairs that led to it. If `value` is valid, or no safe repair makes
        it valid, `value` itself and no repairs.
    """
    if checker.is_valid(value):
        return value, ()
    # Wrapping changes the structure, so it is tried only when nothing simpler helps.
    for wrap in (False, True):
        search = _Search(checker, wrap=wrap)
        outcomes = search.outcomes(value, ())
        if search.gave_up or len(outcomes) > 1:
            break  # what was not tried might have been meant too
        if outcomes:
            return outcomes[0]
    return value, ()


class _Search:
    """Follows the validator's errors to every valid value that safe edits lead to."""

    def __init__(self, checker: Checker, *, wrap: bool) -> None:
        self._checker = checker
        self._wrap = wrap
        self._checks = _CHECKS
        self.gave_up = False

    def outcomes(self, value: Any, done: tuple[Repair, ...]) -> list[Outcome]:
        """Return the distinct valid values that `value` can be edited into."""
        for _ in range(_ROUNDS):
            if self._checks == 0:
                break
            self._checks -= 1
            errors = self._checker.errors(value)
            if not errors:
                return [(value, done)] if _fits(value) else []
            edits, forks = self._plan(errors)
            if len(edits) + len(done) > MAX_REPAIRS:
                return []
            if not edits:
                return self._fork(value, done, forks)
            value, repairs = _apply(value, edits)
            done += repairs
        self.gave_up = True
        return []

    def _plan(self, errors: Iterable[Error]) -> tuple[Edits, list[Edits]]:
        """Return the edits without alternative, and the first choice between several."""
        edits: Edits = {}
        forks: list[Edits] = []
        for error in errors:
            options = self._options(error)
            if len(options) == 1:
                edits |= {at: edit for at, edit in options[0].items() if at not in edits}
            forks = forks or options
            if len(edits) > MAX_REPAIRS:
                break
        return edits, forks

    def _fork(
        self, value: Any, done: tuple[Repair, ...], options: Iterable[Edits]
    ) -> list[Outcome]:
        found: dict[bytes, Outcome] = {}
        for edits in options:
            candidate, repairs = _apply(value, edits)
            for outcome in self.outcomes(candidate, done + repairs):
                found.setdefault(canonical(outcome[0]), outcome)
        return list(found.values())

    def _options(self, error: Error) -> list[Edits]:
        """Return the sets of edits each of which may remove `error`."""
        branches: list[list[Error]] | None = getattr(error.kind, "context", None)
        if branches is None:
            edit = self._edit(error)
            return [] if edit is None else [edit]
        options: list[Edits] = []
        if isinstance(error.instance, str) and any(map(_takes_text, branches)):
            return options
        for branch in branches:
            edits = self._whole(branch)
            if edits and edits not in options:
                options.append(edits)
        return options

    def _whole(self, branch: Sequence[Error]) -> Edits:
        """Return edits that touch every error of an alternative; empty if one has none."""
        edits: Edits = {}
        for error in branch:
            options = self._options(error)
            if len(options) != 1:
                return {}
            edits = options[0] | edits
        return edits

    def _edit(self, error: Error) -> Edits | None:
        place: Place = tuple(error.instance_path)
        match error.kind:
            case jsonschema_rs.ValidationErrorKind.Type():
                return _at(place, self._convert(error.instance, set(error.kind.types), place))
            case jsonschema_rs.ValidationErrorKind.Enum():
                return _at(place, _choose(error.instance, error.kind.options))
            case jsonschema_rs.ValidationErrorKind.Constant():
                return _at(place, _choose(error.instance, [error.kind.expected_value]))
            case jsonschema_rs.ValidationErrorKind.Required():
                name = error.kind.property
                return _at((*place, name), self._default(name, error.schema_path))
            case _:
                return None

    def _default(self, name: str, schema_path: Sequence[str | int]) -> _Edit | None:
        """Return the default that the schema declares for a property it requires."""
        holder = at(self._checker.schema, [*schema_path[:-1], "properties", name])
        if not is_object(holder) or "default" not in holder:
            return None
        return _Edit("default", None, orjson.loads(orjson.dumps(holder["default"])))

    def _convert(self, value: Any, types: set[str], place: Place) -> _Edit | None:
        if isinstance(value, str):
            read = _read(value, types)
            if read is not None:
                return _Edit("parsed_string", value, read.after)
        # In an array of arrays it is not clear which of the two is missing.
        inner = bool(place) and isinstance(place[-1], int)
        if not self._wrap or inner or "array" not in types or value is None:
            return None
        if isinstance(value, str) and value.lstrip().startswith("["):
            return None
        return _Edit("wrapped_in_array", value, [value])


def _takes_text(branch: Sequence[Error]) -> bool:
    """Tell whether an alternative takes texts, only not this one."""
    return all(error.kind.name in ("maxLength", "minLength", "pattern") for error in branch)


def _at(place: Place, edit: _Edit | None) -> Edits | None:
    return None if edit is None else {place: edit}


def _fits(value: Any) -> bool:
    try:
        refuse_deep(value)
    except MalformedArgumentsError:
        return False
    return True


def _read(text: str, types: set[str], *, again: bool = True) -> _Edit | None:
    """Return what `text` says, if that is of one of `types`, none of which is a string."""
    word = text.strip().lower()
    if word in _WORDS:
        value: Any = _WORDS[word]
    else:
        try:
            value = parse(text, may_close=False).value
        except MalformedArgumentsError:
            return None
    if isinstance(value, str):
        return _read(value, types, again=False) if again else None
    value = _as_integer(value) if "number" not in types else value
    return _Edit("parsed_string", text, value) if _type(value) & types else None


def _as_integer(value: Any) -> Any:
    whole = isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    return int(value) if whole else value


def _type(value: Any) -> set[str]:
    match value:
        case None:
            return {"null"}
        case bool():
            return {"boolean"}
        case int():
            return {"integer", "number"}
        case float():
            return {"number"}
        case list():
            return {"array"}
        case _:
            return {"object"}


def _choose(value: Any, options: Sequence[Any]) -> _Edit | None:
    """Return the option that `value` is but for its case, or that its text says."""
    if not isinstance(value, str):
        return None
    texts = [option for option in options if isinstance(option, str)]
    folded = value.casefold()
    same = [option for option in texts if option.casefold() == folded]
    if len(same) == 1:
        return _Edit("enum_case", value, same[0])
    types = {name for option in options for name in _type(option)}
    read = None if texts else _read(value, types)
    if read is not None and canonical(read.after) in [canonical(option) for option in options]:
        return read
    return None


def _apply(value: Any, edits: Edits) -> Outcome:
    copy = orjson.loads(canonical(value))
    repairs: list[Repair] = []
    for place, edit in edits.items():
        if any(place[:size] in edits for size in range(len(place))):
            continue  # what holds this place is replaced itself
        copy = _replace(copy, place, edit.after)
        repairs.append(
            Repair(
                path=json_path(place),
                kind=edit.kind,
                before=shown(edit.before),
                after=shown(edit.after),
            )
        )
    return copy, tuple(repairs)


def _replace(value: Any, place: Place, new: Any) -> Any:
    if not place:
        return new
    holder = value
    for step in place[:-1]:
        holder = holder[step]
    holder[place[-1]] = new
    return value
