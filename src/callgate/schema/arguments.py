"""From what a model wrote to the canonical arguments of a call, or to an error it can act on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, TypeAlias, cast

import orjson

from callgate.errors import ArgumentsError, MalformedArgumentsError
from callgate.schema.canonical import canonical
from callgate.schema.check import Checker
from callgate.schema.complete import complete, fill
from callgate.schema.parse import MAX_BYTES, MAX_DEPTH, parse
from callgate.schema.problems import MAX_PROBLEMS, explain, shown
from callgate.schema.repair import repair
from callgate.schema.values import is_object
from callgate.types import Problem, Repair

__all__ = ["PlainReader", "Prepared", "plain_reader", "prepare"]

_SHORT = 2 * MAX_DEPTH
"""Bytes that too deep a JSON text has at least: one opener and one closer per level."""

_MAX_DETAILS = 20
"""Problems kept for programs; the message tells fewer."""

# Bytes as numbers: looking for one takes a tenth of the time of looking for a text of one byte.
_BRACE, _BRACKET, _COLON, _EXPONENT, _POINT = b"{[:e."
_LEAVES = (str, int, type(None))

_SORTED = orjson.OPT_SORT_KEYS

PlainReader: TypeAlias = "Callable[[Any], tuple[dict[str, Any], bytes] | None]"
"""From arguments as they came to the object and its canonical text; None where it is not sure."""


class Prepared(NamedTuple):
    """Arguments as every later stage sees them.

    Attributes:
        value: The arguments: valid, repaired, completed by defaults. The caller's own.
        body: Their canonical JSON text.
        repairs: What was changed; defaults that went in are not listed.
    """

    value: dict[str, Any]
    body: bytes
    repairs: tuple[Repair, ...]


def prepare(
    checker: Checker,
    raw: Any,
    *,
    effect: bool,
    strict: bool = False,
    truncated: bool = False,
    limit: int = MAX_BYTES,
) -> Prepared:
    """Parse, repair, complete and check the arguments of a call.

    Args:
        checker: The tool's parameters.
        raw: JSON text (str, or UTF-8 bytes), or an object of JSON values, which is copied.
        effect: Whether the tool does more than read; missing closers are then never added.
        strict: Whether a repair is an error that names it; defaults to False.
        truncated: Whether the model was stopped before its end; missing closers are then never
            added. Defaults to False.
        limit: Bytes the arguments may have as they come; 1 MiB by default.

    Raises:
        ArgumentsError: The arguments are not valid and no safe repair makes them so, or a repair
            would be needed in strict mode. `details["problems"]` lists why.
        MalformedArgumentsError: They are not one JSON object that can be read without guessing.
        DefinitionError: At the first call of a tool: its schema is not one.
    """
    plain = plain_reader(checker, limit)(raw)
    if plain is not None:
        return Prepared(*plain, ())
    return _prepare(checker, raw, closing=not effect and not truncated, strict=strict, limit=limit)


def plain_reader(checker: Checker, limit: int = MAX_BYTES) -> PlainReader:
    """Return what reads arguments that are valid as they stand, text in about a microsecond.

    It gives the arguments, completed by defaults, with their canonical text; or None where it is
    not sure of something: `prepare` then looks at everything again and says what is wrong.

    Args:
        checker: The tool's parameters.
        limit: Bytes the arguments may have as they come; 1 MiB by default.
    """
    whole = not checker.has_defaults
    loads, dumps = orjson.loads, orjson.dumps  # a closure reaches them sooner than a module does

    def read(raw: Any) -> tuple[dict[str, Any], bytes] | None:
        try:
            if type(raw) is not str:
                # What is not text becomes text first: the caller's object is copied, foreign
                # values and NaN are refused, and one way of reading remains.
                raw = (_text_of(raw) if is_object(raw) else raw).decode()
            if len(raw) > limit:
                return None
            value: dict[str, Any] = loads(raw)
            body = dumps(value, None, _SORTED)
        except (ValueError, TypeError, AttributeError, ArgumentsError):
            return None
        size = len(body)
        if type(value) is not dict or size > limit:
            return None
        # A key that occurs twice takes a colon away from the canonical text. Colons in strings
        # stand in both, unless the text has one as an escape.
        colons = raw.count(":")
        if colons != len(value) and (colons != body.count(_COLON) or "\\u003" in raw):
            return None
        if size > _SHORT and body.count(_BRACE) + body.count(_BRACKET) > MAX_DEPTH:
            return None
        # An integer beyond 64 bits was read as a float, and every such float is integral; the
        # text of a float has a point or an exponent.
        if (_POINT in body or _EXPONENT in body) and _has_integral_float(value.values()):
            return None
        if checker.is_valid(value):
            return (value, b"%b" % body) if whole else _completed(checker, value, body)
        return None

    return read


def _completed(
    checker: Checker, value: dict[str, Any], body: bytes
) -> tuple[dict[str, Any], bytes] | None:
    if checker.definition.deep_defaults:
        return None
    for name, _ in checker.definition.defaults:
        if name not in value:
            fill(checker, value)
            return value, canonical(value)
    return value, b"%b" % body


def _has_integral_float(values: Iterable[Any]) -> bool:
    for value in values:
        if isinstance(value, _LEAVES):
            continue
        if isinstance(value, float):
            if value.is_integer():
                return True
        elif is_object(value):
            if _has_integral_float(value.values()):
                return True
        elif value and _has_integral_float(value):
            return True
    return False


def _prepare(checker: Checker, raw: Any, *, closing: bool, strict: bool, limit: int) -> Prepared:
    text = raw if isinstance(raw, str | bytes) else _text_of(raw)
    value, repairs = _read(checker, text, closing=closing, limit=limit)
    repairs += complete(checker, value)
    if strict and repairs:
        raise _strict(repairs)
    return Prepared(value, canonical(value), repairs)


def _text_of(raw: Any) -> bytes:
    if not is_object(raw):
        raise MalformedArgumentsError(
            f"The arguments are of type {type(raw).__name__}; they must be JSON text or an object."
        )
    try:
        body = orjson.dumps(raw, option=_SORTED | orjson.OPT_PASSTHROUGH_DATACLASS)
    except TypeError as error:
        raise MalformedArgumentsError(f"The arguments are not JSON: {error}.") from error
    if b"null" in body and _has_no_number(raw):
        raise MalformedArgumentsError(
            "The arguments hold NaN or an infinity, which is not JSON. Send a finite number, or "
            "leave the value out."
        )
    return body


def _has_no_number(value: Any) -> bool:
    """Tell whether NaN or an infinity is in a value that orjson could write."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if is_object(value):
        return any(map(_has_no_number, value.values()))
    return isinstance(value, list | tuple) and any(map(_has_no_number, cast("list[Any]", value)))


def _read(
    checker: Checker, text: str | bytes, *, closing: bool, limit: int
) -> tuple[dict[str, Any], tuple[Repair, ...]]:
    """Return valid arguments, but for their defaults, and what was changed."""
    if not text.strip() and (closing or not checker.schema.get("properties")):
        # Some models send nothing where there is nothing to say.
        value, repairs = {}, (Repair(path="$", kind="empty_text", before="", after="{}"),)
    else:
        parsed = parse(text, may_close=closing, limit=limit)
        value, repairs = parsed.value, parsed.repairs
    meant, more = repair(checker, value)
    if not more and not checker.is_valid(meant):
        problems = checker.problems(meant)
        raise ArgumentsError(explain(problems), details=_details(problems))
    if not is_object(meant):
        raise MalformedArgumentsError(
            f"The arguments are {shown(meant)}; they must be one JSON object."
        )
    return meant, repairs + more


def _strict(repairs: tuple[Repair, ...]) -> ArgumentsError:
    problems = tuple(
        Problem(path=item.path, got=item.before, allowed=item.after) for item in repairs
    )
    changes = "; ".join(
        f"{item.path} came as {item.before or 'nothing'} and would have become "
        f"{item.after or 'nothing'} ({item.kind})"
        for item in repairs[:MAX_PROBLEMS]
    )
    return ArgumentsError(
        f"Repairs are switched off here, and the arguments need {len(repairs)}: {changes}.",
        details=_details(problems),
    )


def _details(problems: Sequence[Problem]) -> dict[str, Any]:
    return {"problems": [asdict(problem) for problem in problems[:_MAX_DETAILS]]}
