"""JSON values of unknown shape, read strictly: a wrong type is an error, never an empty success."""

from __future__ import annotations

from typing import Any, cast

import orjson

from callgate.errors import ModelStreamError

__all__ = ["excerpt", "is_hollow", "list_of", "number_of", "object_of", "plain", "read", "text_of"]

EXCERPT = 500
"""Characters of a provider's words that an error repeats."""


def excerpt(value: Any) -> str:
    """Return a value as text of bounded length, for errors."""
    if isinstance(value, bytes):
        # Four bytes per character at most; the rest need not be decoded.
        value = value[: 4 * EXCERPT].decode("utf-8", "replace")
    try:
        text = value if isinstance(value, str) else str(value)
    except RecursionError:
        text = f"a deeply nested {type(value).__name__}"
    return text if len(text) <= EXCERPT else f"{text[: EXCERPT - 3]}..."


def read(text: bytes, what: str) -> Any:
    """Return the value of JSON text.

    Raises:
        ModelStreamError: It is not JSON in UTF-8; `details["data"]` holds its beginning.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise ModelStreamError(
            f"{what} is not JSON in UTF-8: {exc}", details={"data": excerpt(text)}
        ) from exc


def plain(response: Any) -> Any:
    """Return the JSON value of an SDK's response object; anything else as it is.

    Of a pydantic model only what came: it has a null for every field that did not, and what the SDK
    itself has put in, such as arguments it has parsed; parts that must go back unchanged would go
    back with them.
    """
    dump = getattr(response, "model_dump", None)
    if dump is None:
        return response
    if not hasattr(response, "model_fields_set"):
        return dump()
    return dump(exclude_unset=True, exclude=_put_in(response))


def _put_in(value: Any) -> dict[Any, Any] | None:
    """Return what an SDK has put into its model, as pydantic's `exclude`; None if nothing."""
    if isinstance(value, list):
        items = enumerate(cast("list[Any]", value))
        return {index: inner for index, item in items if (inner := _put_in(item))} or None
    names: Any = getattr(value, "model_fields_set", None)
    if names is None:
        return None
    own: Any = getattr(value, "__api_exclude__", None) or ()
    found: dict[Any, Any] = {**own} if isinstance(own, dict) else dict.fromkeys(own, True)
    for name in names - found.keys():
        if inner := _put_in(getattr(value, name, None)):
            found[name] = inner
    return found or None


def object_of(value: Any, what: str) -> dict[str, Any]:
    """Return a JSON object; null counts as an empty one.

    Raises:
        ModelStreamError: It is something else.
    """
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    if value is None:
        return {}
    raise _wrong(what, "an object", value)


def list_of(value: Any, what: str) -> list[Any]:
    """Return a JSON array; null counts as an empty one.

    Raises:
        ModelStreamError: It is something else.
    """
    if isinstance(value, list):
        return cast("list[Any]", value)
    if value is None:
        return []
    raise _wrong(what, "an array", value)


def text_of(value: Any, what: str) -> str:
    """Return a JSON string; null counts as an empty one.

    Raises:
        ModelStreamError: It is something else.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    raise _wrong(what, "a string", value)


def number_of(value: Any) -> int:
    """Return a count; whatever is none counts as 0, for counts never decide what is done."""
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def is_hollow(value: Any) -> bool:
    """Whether nothing is in a value: null, "", 0, false, and objects and arrays of such."""
    # A stack of our own: JSON may be nested deeper than Python may recurse.
    rest: list[Any] = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            rest.extend(cast("dict[str, Any]", item).values())
        elif isinstance(item, list):
            rest.extend(cast("list[Any]", item))
        elif item:
            return False
    return True


def _wrong(what: str, wanted: str, value: Any) -> ModelStreamError:
    return ModelStreamError(
        f"{what} of the response is {type(value).__name__}, not {wanted}.",
        details={"data": excerpt(value)},
    )
