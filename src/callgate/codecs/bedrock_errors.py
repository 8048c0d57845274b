"""Errors as Amazon Bedrock writes them: the name of an exception and a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import orjson

from callgate.codecs.json_text import excerpt
from callgate.codecs.limits import rate_limits, retry_after
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelUnavailableError,
    RateLimitedError,
)

__all__ = ["error_in_stream", "read_error"]

_TRY_AGAIN = frozenset({408, 409, 424, 425})
"""424: the model itself failed."""
_STATUS_OF = {
    "accessdeniedexception": 403,
    "internalserverexception": 500,
    "modelerrorexception": 424,
    "modelnotreadyexception": 429,
    "modelstreamerrorexception": 424,
    "modeltimeoutexception": 408,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 400,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}


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
    # "ThrottlingException:http://internal.amazon.com/coral/..."
    name = headers.get("x-amzn-errortype", "").partition(":")[0]
    return _error(status, name, headers, data)


def error_in_stream(name: str, data: Any) -> ModelError:
    """Return the error that is reported inside an answer with status 200.

    Args:
        name: The exception's name, such as `throttlingException`.
        data: Its JSON value.
    """
    return _error(_STATUS_OF.get(name.lower(), 500), name, {}, data)


def _error(status: int, name: str, headers: Mapping[str, str], data: Any) -> ModelError:
    told: Any = cast("dict[str, Any]", data) if isinstance(data, dict) else {"message": data}
    details: dict[str, Any] = {"status": status}
    if name := name or excerpt(told.get("code") or told.get("__type") or ""):
        details["type"] = name
    if request_id := headers.get("x-amzn-requestid"):
        details["request_id"] = request_id
    if limits := rate_limits(headers):
        details["limits"] = limits
    words = told.get("message") or told.get("Message") or "without a word"
    return _kind(_STATUS_OF.get(name.lower(), status))(
        f"The provider answered {status}: {excerpt(words)}",
        retry_after=retry_after(headers),
        details=details,
    )


def _kind(status: int) -> type[ModelError]:
    if status == 429:
        return RateLimitedError
    if status >= 500 or status in _TRY_AGAIN:
        return ModelUnavailableError
    return ModelRequestError
