"""From JSON arguments to Python arguments, and from Python results to JSON."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any, TypeAlias, cast

import orjson

__all__ = ["Bind", "binder", "dump", "encode"]

Bind: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""From canonical JSON arguments to keyword arguments."""

_SCALARS = frozenset((str, int, bool, type(None)))
# Dataclasses come to `_jsonable`, because orjson leaves out fields that begin with `_` and does
# not know pydantic's aliases.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_SERIALIZE_NUMPY


def binder(rich: Mapping[str, Any]) -> Bind:
    """Build what turns JSON arguments into the arguments of a function.

    Where all types are plain it hands on the very dict it gets. Otherwise pydantic's validators
    are built at the first call, not before.

    Args:
        rich: Types of the parameters whose JSON value must be converted: `Signature.rich`.

    Returns:
        A function from valid canonical arguments to keyword arguments, without the `CallContext`.
        It raises `ArgumentsError` where a type refuses what its schema allows.
    """
    return _Rich(rich) if rich else _as_they_are


def _as_they_are(arguments: dict[str, Any]) -> dict[str, Any]:
    return arguments


class _Rich:
    """A binder that builds its converter when it is called first."""

    __slots__ = ("_annotations", "_convert")

    def __init__(self, annotations: Mapping[str, Any]) -> None:
        self._annotations = annotations
        self._convert: Bind | None = None

    def __call__(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if self._convert is None:
            from callgate.schema import rich  # loads pydantic

            self._convert = rich.converter(self._annotations)
        return self._convert(arguments)


def dump(value: object) -> Any:
    """Turn what a function returned into JSON values.

    Args:
        value: JSON values, dataclasses, named tuples, sets, enum members, dates, decimals (as
            text), bytes (as base64url), numpy arrays, pydantic models, and containers of them.

    Returns:
        A JSON value that shares nothing with `value`. NaN and infinities become null.

    Raises:
        TypeError: Something in it has no form in JSON, or it contains itself.
    """
    if type(value) in _SCALARS:
        return value
    return orjson.loads(encode(value))


def encode(value: object) -> bytes:
    """Turn what a function returned into JSON text; see `dump`.

    Raises:
        TypeError: Something in it has no form in JSON, or it contains itself.
    """
    try:
        return orjson.dumps(value, _jsonable, _OPTIONS)
    except TypeError as exc:
        # Allowing keys such as 7 makes orjson slower for everybody, so it is the second try.
        if "key" not in str(exc):
            raise
        return orjson.dumps(value, _jsonable, _OPTIONS | orjson.OPT_NON_STR_KEYS)


def _jsonable(value: object) -> Any:
    """Take one layer off a value that orjson does not know; orjson goes on with what is inside."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes | bytearray):
        return base64.urlsafe_b64encode(value).decode()
    if isinstance(value, AbstractSet):
        return _in_order(cast("AbstractSet[Any]", value))
    if isinstance(value, Mapping):
        return dict(cast("Mapping[Any, Any]", value))
    if isinstance(value, tuple):
        return list(cast("tuple[object, ...]", value))
    if dataclasses.is_dataclass(value) and not hasattr(value, "__pydantic_serializer__"):
        return {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
    from callgate.schema import rich  # loads pydantic

    return rich.jsonable(value)


def _in_order(values: AbstractSet[Any]) -> list[Any]:
    """Sort a set, since equal results must have equal digests in every process."""
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=encode)
