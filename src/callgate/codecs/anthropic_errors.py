"""Errors as Anthropic writes them, in an answer of their own or as an event of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import orjson

from callgate.codecs.json_text import excerpt
from callgate.codecs.limits import rate_limits, retry_after, should_retry
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelUnavailableError,
    RateLimitedError,
)

__all__ = ["error_in_stream", "read_error"]

_TRY_AGAIN = frozenset({408, 409, 425})
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_REMAINING, _RESET = "-remaining", "-reset"


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """Return the error that an answer with an HTTP error status means.

    Args:
        status: The HTTP status.
        headers: HTTP headers, names in lower case.
        body: The body: JSON, or anything else, such as a proxy's page.
    """
    try:
        data: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = excerpt(body)
    return _error(status, headers, data)


def error_in_stream(data: Any) -> ModelError:
    """Return the error that is reported inside an answer with status 200.

    Args:
        data: The whole event.
    """
    kind = _inner(data).get("type")
    return _error(_STATUS_OF.get(str(kind), 500), {}, data)


def _inner(data: Any) -> dict[str, Any]:
    """Return the object that describes the error."""
    inner: Any = cast("dict[str, Any]", data).get("error", data) if isinstance(data, dict) else data
    return cast("dict[str, Any]", inner) if isinstance(inner, dict) else {"message": inner}


def _error(status: int, headers: Mapping[str, str], data: Any) -> ModelError:
    inner = _inner(data)
    details: dict[str, Any] = {"status": status}
    if kind := inner.get("type"):
        details["type"] = excerpt(kind)
    if more := inner.get("details"):
        details["details"] = excerpt(more)
    outer = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    if request_id := headers.get("request-id") or outer.get("request_id"):
        details["request_id"] = excerpt(request_id)
    if limits := rate_limits(headers):
        details["limits"] = limits
    if (again := should_retry(headers)) is not None:
        details["retry"] = again
    words = inner.get("message") or "without a word"
    seconds = retry_after(headers)
    return _kind(status)(
        f"The provider answered {status}: {excerpt(words)}",
        retry_after=_until_reset(headers) if seconds is None else seconds,
        details=details,
    )


def _kind(status: int) -> type[ModelError]:
    if status == 429:
        return RateLimitedError
    if status >= 500 or status in _TRY_AGAIN:
        return ModelUnavailableError
    return ModelRequestError


def _until_reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until all limits that are used up are reset, by the answer's own date."""
    resets = [
        _seconds(headers.get(name.removesuffix(_REMAINING) + _RESET, ""), headers.get("date", ""))
        for name, left in headers.items()
        if name.startswith("anthropic-ratelimit-") and name.endswith(_REMAINING) and left == "0"
    ]
    return max((seconds for seconds in resets if seconds is not None), default=None)


def _seconds(then: str, now: str) -> float | None:
    try:
        span = datetime.fromisoformat(then) - parsedate_to_datetime(now)
    except (ValueError, TypeError):  # no date, or one of them without a time zone
        return None
    return max(0.0, span.total_seconds())
