"""From an answer to a result, or to an error that a model can act on."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import orjson

from callgate.errors import CallError, ResultError, ToolFailedError, TransientError
from callgate.schema.values import is_array, is_object
from callgate.sources.web.client import Answer
from callgate.sources.web.operation import Operation
from callgate.types import Effect, FilePart, ImagePart, Status, ToolResult

__all__ = ["failure", "passing", "plain", "result_of", "value_of"]

_EXPLAINED = 1_000
"""Characters of a service's own words that an error repeats."""

_NOT_ACTED = frozenset({408, 425, 429})
"""The request was not taken up: it came too slowly, too early, or one too many."""
_PASSING = frozenset({500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAYING = ("title", "message", "msg", "detail", "error", "error_description", "errors", "reason")
_DEEPEST = 8
_EMPTY = frozenset({204, 205})
_LONG_NUMBER = re.compile(rb"[0-9]{19}")
_DIGITS = 30
_LARGEST = 2**63
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def plain(text: str, most: int) -> str:
    """Return foreign text without control and invisible characters, of bounded length."""
    clean = _INVISIBLE.sub("", text).strip()
    return clean if len(clean) <= most else f"{clean[: most - 3]}..."


def result_of(operation: Operation, answer: Answer) -> ToolResult:
    """Return the result that an answer is.

    Raises:
        CallError: The service did not do what it was asked, or its answer cannot be read.
    """
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        raise failure(operation, answer)
    _check_whole(operation, answer)
    if answer.status in _EMPTY or not answer.body:
        return ToolResult(
            status=Status.OK, body=b"null", notes=(f"[Done: {_phrase(answer.status)}]",)
        )
    if answer.media_type.startswith("image/"):
        part = ImagePart(media_type=answer.media_type, data=answer.body)
        return ToolResult(status=Status.OK, body=b"null", content=(part,))
    if not _is_text(answer.media_type):
        part = FilePart(
            media_type=answer.media_type or "application/octet-stream",
            name=_file_name(answer),
            data=answer.body,
        )
        note = f"[A file of {len(answer.body)} bytes, {part.media_type}.]"
        return ToolResult(status=Status.OK, body=b"null", content=(part,), notes=(note,))
    value = value_of(operation, answer)
    return ToolResult(status=Status.OK, value=value, body=orjson.dumps(value))


def value_of(operation: Operation, answer: Answer) -> Any:
    """Return the JSON value of an answer; text that is not JSON is a string.

    Raises:
        ResultError: It says that it is JSON, and is not.
    """
    if not _is_json(answer.media_type):
        return _decoded(answer)
    try:
        if _LONG_NUMBER.search(answer.body):
            # Numbers beyond 64 bits are kept digit by digit, as text.
            value = json.loads(answer.body, parse_int=_exact)
            orjson.dumps(value)
            return value
        return orjson.loads(answer.body)
    except (ValueError, TypeError, RecursionError) as exc:
        raise ResultError(
            f"{operation.tool.name} got an answer that says it is JSON and is not: "
            f"{plain(str(exc), 200)}."
        ) from None


def _exact(digits: str) -> int | str:
    number = int(digits) if len(digits) < _DIGITS else 2 * _LARGEST
    return number if -_LARGEST <= number < 2 * _LARGEST else digits


def failure(operation: Operation, answer: Answer) -> CallError:
    """Return the error that an answer without success is."""
    name, status = operation.tool.name, answer.status
    said = f"{name}: the service answered {_phrase(status)}"
    explained = _explained(answer)
    message = f"{said}: {explained}" if explained else f"{said}."
    details = {"status": status}
    if status in _REDIRECTS:
        return ToolFailedError(
            f"{said}. Redirects are not followed; the settings must name the final address.",
            details=details,
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ToolFailedError(
            f"{message} The service does not allow this to the credentials in use; other "
            "arguments may be allowed, the same ones will not.",
            details=details,
        )
    return passing(status, answer.headers, message) or ToolFailedError(message, details=details)


def passing(status: int, headers: Mapping[str, str], message: str) -> TransientError | None:
    """Return the error that a status stands for, if what it stands for may pass.

    Args:
        status: The HTTP status.
        headers: The headers of the answer, by names in lower case.
        message: What the error says.
    """
    if status not in _NOT_ACTED and status not in _PASSING:
        return None
    wait = _retry_after(headers)
    # A service that names a time has turned the request away; without one, a gateway may
    # speak that has passed it on.
    turned_away = status in _NOT_ACTED or (
        status == HTTPStatus.SERVICE_UNAVAILABLE and wait is not None
    )
    return TransientError(
        message, retry_after=wait, acted=not turned_away, details={"status": status}
    )


def _check_whole(operation: Operation, answer: Answer) -> None:
    if not answer.cut:
        return
    told = f"{operation.tool.name} got an answer of more than {len(answer.body)} bytes."
    if operation.tool.effect is Effect.READ:
        raise ToolFailedError(f"{told} Ask for less.")
    raise ResultError(told)


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


def _is_text(media_type: str) -> bool:
    return (
        _is_json(media_type)
        or media_type.startswith("text/")
        or media_type.endswith(("+xml", "/xml", "/yaml", "+yaml", "/x-ndjson"))
    )


def _decoded(answer: Answer) -> str:
    line = Message()
    line["content-type"] = answer.headers.get("content-type", "")
    try:
        return answer.body.decode(str(line.get_param("charset") or "utf-8"), "replace")
    except LookupError:
        return answer.body.decode("utf-8", "replace")


def _file_name(answer: Answer) -> str:
    line = Message()
    line["content-disposition"] = answer.headers.get("content-disposition", "")
    given = line.get_filename() or ""
    return plain(re.split(r"[/\\]", given)[-1], 200)


def _explained(answer: Answer) -> str:
    """Return what the service itself says went wrong, in one line."""
    text = _decoded(answer)
    if _is_json(answer.media_type):
        with suppress(ValueError):
            text = _words(orjson.loads(answer.body)) or text
    elif "html" in answer.media_type:
        text = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text[:4_000], flags=re.S | re.I)
    return plain(" ".join(text.split()), _EXPLAINED)


def _words(value: Any, depth: int = 0) -> str:
    """Return the words in an error as services write it: problem details, messages, lists."""
    if isinstance(value, str):
        return value
    if depth > _DEEPEST:
        return ""
    if is_array(value):
        return "; ".join(filter(None, (_words(item, depth + 1) for item in value[:10])))
    if not is_object(value):
        return ""
    said = [_words(value.get(key), depth + 1) for key in _SAYING]
    text = ": ".join(dict.fromkeys(filter(None, said)))
    where = value.get("loc") or value.get("field") or value.get("path")
    if text and where:
        place = ".".join(map(str, where)) if is_array(where) else str(where)
        return f"{place}: {text}"
    return text


def _retry_after(headers: Mapping[str, str]) -> float | None:
    given = headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return float(given[:9])
    try:
        when = parsedate_to_datetime(given)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())
