"""Errors as Google's model APIs write them, in an answer of their own or in a stream."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import orjson

from callgate.codecs.json_text import excerpt
from callgate.codecs.limits import retry_after
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelUnavailableError,
    RateLimitedError,
)

__all__ = ["error_in_stream", "read_error"]

_TRY_AGAIN = frozenset({408, 409, 425, 499})
_STATUS_OF = {
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    "CANCELLED": 499,
    "ABORTED": 409,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "UNIMPLEMENTED": 501,
}
"""Words that stand in place of a status; every other one means a defect of the server."""
_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """Return the error that an answer with an HTTP error status means.

    Args:
        status: The HTTP status.
        headers: HTTP headers, names in lower case.
        body: The body: JSON of the known shape, or anything else, such as a proxy's page.
    """
    try:
        data: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = excerpt(body)
    return _error(status, headers, _inner(data))


def error_in_stream(data: Any) -> ModelError:
    """Return the error that a provider reports inside an answer with status 200.

    Args:
        data: The value of the member `error`.
    """
    inner = _inner(data)
    return _error(_status(inner), {}, inner)


def _inner(data: Any) -> dict[str, Any]:
    """Find the object that describes the error: bare, within `error`, or within an array."""
    for _ in range(2):
        if isinstance(data, list) and data:
            data = cast("list[Any]", data)[0]
        elif isinstance(data, dict) and "error" in data:
            data = cast("dict[str, Any]", data)["error"]
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {"message": data}


def _status(inner: Mapping[str, Any]) -> int:
    code = inner.get("code")
    if isinstance(code, int) and 400 <= code < 600:
        return code
    # The interactions API writes the word into the code, in small letters and as part of a URI.
    words = (str(inner.get("status")), str(code).rpartition("/")[2].upper())
    return next((_STATUS_OF[word] for word in words if word in _STATUS_OF), 500)


def _error(status: int, headers: Mapping[str, str], inner: Mapping[str, Any]) -> ModelError:
    details: dict[str, Any] = {"status": status}
    for name in ("code", "status"):
        if isinstance(inner.get(name), str):
            details["reason"] = excerpt(inner[name])
    more = inner.get("details")
    if more:
        details["details"] = excerpt(more)
    wait = retry_after(headers)
    return _kind(status)(
        f"The provider answered {status}: {excerpt(inner.get('message') or 'without a word')}",
        retry_after=_delay(more) if wait is None else wait,
        details=details,
    )


def _kind(status: int) -> type[ModelError]:
    if status == 429:
        return RateLimitedError
    if status >= 500 or status in _TRY_AGAIN:
        return ModelUnavailableError
    return ModelRequestError


def _delay(details: Any) -> float | None:
    """Return the seconds that a `RetryInfo` names, such as `34.4s`."""
    for item in cast("list[Any]", details) if isinstance(details, list) else []:
        if isinstance(item, dict):
            text = str(cast("dict[str, Any]", item).get("retryDelay"))
            if found := _DELAY.fullmatch(text):
                return float(found[1])
    return None
