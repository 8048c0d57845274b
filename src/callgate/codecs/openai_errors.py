"""Errors as OpenAI and its many siblings write them, in an answer of their own or in a stream."""

from __future__ import annotations

from collections.abc import Mapping
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
_USED_UP = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""429 that waiting does not help: money is missing, not time."""
_STATUS_OF = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "tool_use_failed": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
}
_WORDS = ("code", "type", "param")


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
    """Return the error that an answer with an HTTP error status means.

    Args:
        status: The HTTP status.
        headers: HTTP headers, names in lower case.
        body: The body: JSON of one of the known shapes, or anything else, such as a proxy's page.
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
    """Find the object that describes the error in the shapes providers give it."""
    for _ in range(3):  # Gemini's compatible endpoint nests deepest: [{"error": {...}}]
        if isinstance(data, list) and data:
            data = cast("list[Any]", data)[0]
        elif isinstance(data, dict) and "error" in data:
            data = cast("dict[str, Any]", data)["error"]
    return cast("dict[str, Any]", data) if isinstance(data, dict) else {"message": data}


def _status(inner: dict[str, Any]) -> int:
    for word in ("status_code", "code", "type"):
        value = inner.get(word)
        if isinstance(value, int) and 400 <= value < 600:
            return value
        if isinstance(value, str) and value in _STATUS_OF:
            return _STATUS_OF[value]
    return 500


def _error(status: int, headers: Mapping[str, str], inner: dict[str, Any]) -> ModelError:
    details: dict[str, Any] = {"status": status}
    details.update({word: excerpt(inner[word]) for word in _WORDS if inner.get(word) is not None})
    for name in ("failed_generation", "metadata"):
        if inner.get(name):
            details[name] = excerpt(inner[name])
    if request_id := headers.get("x-request-id"):
        details["request_id"] = request_id
    if limits := rate_limits(headers):
        details["limits"] = limits
    if (again := should_retry(headers)) is not None:
        details["retry"] = again
    kind = _kind(status, str(inner.get("code")))
    words = inner.get("message") or inner.get("detail") or "without a word"
    return kind(
        f"The provider answered {status}: {excerpt(words)}",
        retry_after=retry_after(headers),
        details=details,
    )


def _kind(status: int, code: str) -> type[ModelError]:
    if status == 429:
        return ModelRequestError if code in _USED_UP else RateLimitedError
    if status >= 500 or status in _TRY_AGAIN:
        return ModelUnavailableError
    return ModelRequestError
