"""From a validator's errors to reasons that a model can act on."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jsonschema_rs
import orjson

from callgate.schema.values import is_array, is_object
from callgate.types import JsonSchema, Problem

__all__ = ["MAX_PROBLEMS", "at", "describe", "explain", "json_path", "place_of", "shown"]

MAX_PROBLEMS = 5
"""Problems told in one message; the rest are counted."""

_MAX_SHOWN = 80
"""Characters of a value that are quoted."""

_MAX_LISTED = 12
"""Names or options that are listed."""

_MAX_MESSAGE = 2_000
"""Characters of a whole message."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")

Error = jsonschema_rs.ValidationError
Step = str | int


def json_path(steps: Iterable[Step]) -> str:
    """Return the JSON path of `steps`, such as `$.items[0].count`."""
    parts = ["$"]
    for step in steps:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        else:
            parts.append(f".{step}" if _NAME.match(step) else f"[{shown(step)}]")
    return "".join(parts)


def shown(value: Any, *, most: int = _MAX_SHOWN) -> str:
    """Return the JSON text of `value`, cut to `most` characters."""
    text = orjson.dumps(value, default=repr).decode()
    return text if len(text) <= most else f"{text[: most - 1]}…"


def describe(errors: Sequence[Error], schema: JsonSchema, value: Any) -> tuple[Problem, ...]:
    """Return what is wrong, in the order of the paths, each place told once per reason.

    Args:
        errors: The errors of one value.
        schema: The schema they come from; tells names that would have been known.
        value: The value itself.
    """
    found: dict[tuple[str, str], Problem] = {}
    for error in sorted(_leaves(errors), key=place_of):
        for problem in _problems(error, schema, value):
            found.setdefault((problem.path, problem.allowed), problem)
    return tuple(found.values())


def explain(problems: Sequence[Problem]) -> str:
    """Return one text for a model: what came, what is needed, what was perhaps meant.

    Args:
        problems: At least one; five are told and the rest counted. The text has at most 2,000
            characters.
    """
    lines = [_sentence(problem) for problem in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"And {len(problems) - MAX_PROBLEMS} more.")
    if len(lines) == 1:
        text = f"The arguments are not valid. {lines[0]}"
    else:
        text = "\n- ".join(["The arguments are not valid:", *lines])
    return text if len(text) <= _MAX_MESSAGE else f"{text[: _MAX_MESSAGE - 1]}…"


def _sentence(problem: Problem) -> str:
    if problem.got == _NOTHING:
        text = f"{problem.path} is missing; it takes {problem.allowed}"
    else:
        text = f"{problem.path} is {problem.got}; allowed is {problem.allowed}"
    if problem.nearest is None:
        return f"{text}."
    return f"{text}. Did you mean {shown(problem.nearest)}?"


# ------------------------------------------------------------------ which errors are told


_NOTHING = "nothing"


def place_of(error: Error) -> tuple[tuple[bool, Step], ...]:
    """Return a key that sorts errors by their places."""
    # Indices and names do not compare with each other; a tag tells them apart.
    return tuple((isinstance(step, str), step) for step in error.instance_path)


def _leaves(errors: Iterable[Error]) -> Iterable[Error]:
    for error in errors:
        branches: list[list[Error]] | None = getattr(error.kind, "context", None)
        if not branches or not all(branches) or _says_types(branches) is not None:
            yield error
        else:
            yield from _leaves(min(branches, key=lambda branch: _distance(error, branch)))


def _distance(parent: Error, branch: Sequence[Error]) -> tuple[int, int]:
    """Tell how far a value is from one alternative: of another kind, or only in details."""
    depth = len(parent.instance_path)
    foreign = sum(
        len(error.instance_path) <= depth + (error.kind.name in ("const", "enum"))
        and error.kind.name in ("type", "const", "enum")
        for error in branch
    )
    return foreign, len(branch)


def _says_types(branches: Sequence[Sequence[Error]]) -> list[str] | None:
    """Return the types that alternatives ask for, if a type is all that each one asks for."""
    types: list[str] = []
    for branch in branches:
        for error in branch:
            if error.kind.name != "type" or error.instance_path != branches[0][0].instance_path:
                return None
            types += [name for name in _types(error) if name not in types]
    return types


# ------------------------------------------------------------------ one error, in words


def _problems(error: Error, schema: JsonSchema, value: Any) -> Iterable[Problem]:
    path = error.instance_path
    if error.kind.name == "required":
        yield _missing(error, at(schema, error.schema_path[:-1]))
    elif unexpected := _unexpected(error, at(value, path)):
        known = _known_names(schema, error, at(value, path))
        for name in unexpected:
            yield _unknown(path, name, at(value, [*path, name]), known)
    else:
        allowed, nearest = _allowed(error)
        yield Problem(
            path=json_path(path), got=shown(error.instance), allowed=allowed, nearest=nearest
        )


def _missing(error: Error, holder: Any) -> Problem:
    name = _value(error, "property")
    wanted = _part(_part(holder, "properties"), name)
    return Problem(
        path=json_path([*error.instance_path, name]),
        got=_NOTHING,
        allowed=_described(wanted) if is_object(wanted) else "a value",
        nearest=wanted.get("default") if is_object(wanted) else None,
    )


def _unexpected(error: Error, holder: Any) -> list[str]:
    if error.kind.name in ("additionalProperties", "unevaluatedProperties"):
        return _value(error, "unexpected")
    # Where a schema declares no property at all, the validator speaks of a false schema, at the
    # place of the object.
    closed = error.kind.name == "falseSchema" and error.schema_path[-1:] == ["additionalProperties"]
    return list(holder) if closed and is_object(holder) else []


def _unknown(path: Sequence[Step], name: str, value: Any, known: list[str]) -> Problem:
    lower = {known_name.lower(): known_name for known_name in known}
    close = difflib.get_close_matches(name.lower(), lower, 1, 0.6)
    nearest = lower[close[0]] if close else None
    names = _listed(known) if known else "none"
    return Problem(
        path=json_path([*path, name]),
        got=shown(value),
        allowed=f"no property of this name (known: {names})",
        nearest=nearest,
    )


def _known_names(schema: JsonSchema, error: Error, present: Any) -> list[str]:
    names = at(schema, [*error.schema_path[:-1], "properties"])
    return [name for name in names if name not in present] if is_object(names) else []


def _described(wanted: dict[str, Any]) -> str:
    if is_array(options := wanted.get("enum")):
        return f"one of {_listed(options)}"
    types = wanted.get("type")
    if isinstance(types, str):
        return _ARTICLES.get(types, types)
    return "a value"


def at(schema: Any, steps: Iterable[Step]) -> Any:
    """Return what stands at a place of a schema; None if nothing does."""
    for step in steps:
        schema = _part(schema, step)
    return schema


def _part(value: Any, step: Step) -> Any:
    try:
        return value[step]
    except (LookupError, TypeError):
        return None


def _listed(options: Sequence[Any]) -> str:
    texts = [shown(option) for option in options[:_MAX_LISTED]]
    more = len(options) - _MAX_LISTED
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")


# ------------------------------------------------------------------ what each keyword allows

_ARTICLES = {
    "array": "an array",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "an object",
    "string": "a string",
}

Words = tuple[str, Any]


def _value(error: Error, name: str) -> Any:
    return getattr(error.kind, name)


def _types(error: Error) -> list[str]:
    return sorted(_value(error, "types"))


def _allowed(error: Error) -> Words:
    teller = _TELLERS.get(error.kind.name)
    if teller is not None:
        return teller(error)
    if error.kind.name in _SIZES:
        return _SIZES[error.kind.name].format(_value(error, "limit")), None
    return error.message[:_MAX_SHOWN], None


def _tell_type(error: Error) -> Words:
    types = _types(error)
    words = " or ".join(_ARTICLES[name] for name in types)
    value: Any = error.instance
    # Only a number or a truth value has one obvious text.
    spelled = types == ["string"] and isinstance(value, int | float)
    return words, shown(value) if spelled else None


def _tell_enum(error: Error) -> Words:
    options: list[Any] = _value(error, "options")
    texts = {str(option).lower(): option for option in options}
    text = error.instance[:_MAX_SHOWN].lower() if isinstance(error.instance, str) else ""
    close = difflib.get_close_matches(text, texts, 1, 0.6)
    return f"one of {_listed(options)}", texts[close[0]] if close else None


def _tell_const(error: Error) -> Words:
    expected = _value(error, "expected_value")
    return shown(expected), expected


def _tell_minimum(error: Error) -> Words:
    limit = _value(error, "limit")
    return f"a number of at least {limit}", limit


def _tell_maximum(error: Error) -> Words:
    limit = _value(error, "limit")
    return f"a number of at most {limit}", limit


def _tell_above(error: Error) -> Words:
    limit = _value(error, "limit")
    return f"a number above {limit}", _beside(error.instance, limit, 1)


def _tell_below(error: Error) -> Words:
    limit = _value(error, "limit")
    return f"a number below {limit}", _beside(error.instance, limit, -1)


def _beside(value: Any, limit: Any, step: int) -> int | None:
    whole = isinstance(value, int) and isinstance(limit, int)
    return limit + step if whole else None


def _tell_multiple(error: Error) -> Words:
    factor: Any = _value(error, "multiple_of")
    value: Any = error.instance
    whole = isinstance(value, int) and isinstance(factor, int)
    return f"a multiple of {factor}", (value + factor // 2) // factor * factor if whole else None


def _tell_pattern(error: Error) -> Words:
    pattern: str | None = getattr(error.kind, "pattern", None)
    if pattern is None:
        return "a shorter string: matching this one took too many steps", None
    return f"a string that matches {shown(pattern)}", None


def _tell_alternatives(error: Error) -> Words:
    branches: list[list[Error]] = _value(error, "context")
    if any(not branch for branch in branches):
        fits = sum(not branch for branch in branches)
        return f"a value that fits exactly one of {len(branches)} alternatives (fits {fits})", None
    types = sorted(_says_types(branches) or ())
    return " or ".join(_ARTICLES[name] for name in types), None


def _tell_not(error: Error) -> Words:
    return f"anything but {shown(_value(error, 'schema'))}", None


_SIZES = {
    "maxItems": "at most {} items",
    "maxLength": "at most {} characters",
    "maxProperties": "at most {} properties",
    "minItems": "at least {} items",
    "minLength": "at least {} characters",
    "minProperties": "at least {} properties",
}

_TELLERS: dict[str, Callable[[Error], Words]] = {
    "anyOf": _tell_alternatives,
    "const": _tell_const,
    "contains": lambda error: ("an array with an item of the required kind", None),
    "enum": _tell_enum,
    "exclusiveMaximum": _tell_below,
    "exclusiveMinimum": _tell_above,
    "falseSchema": lambda error: ("nothing at this place", None),
    "maximum": _tell_maximum,
    "minimum": _tell_minimum,
    "multipleOf": _tell_multiple,
    "not": _tell_not,
    "oneOf": _tell_alternatives,
    "pattern": _tell_pattern,
    "propertyNames": lambda error: (f"names as here: {_value(error, 'error').message[:80]}", None),
    "type": _tell_type,
    "uniqueItems": lambda error: ("an array whose items all differ", None),
}
