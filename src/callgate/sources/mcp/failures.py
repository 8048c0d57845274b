"""What an error of the protocol means for a call."""

from __future__ import annotations

from http import HTTPStatus

import mcp_types as mt
import orjson
from mcp.shared.exceptions import MCPError

from callgate.codecs.foreign import bounded
from callgate.errors import CallError, ResultError, ToolFailedError, ToolRaisedError, TransientError
from callgate.sources.mcp.connection import Connection, redacted
from callgate.sources.mcp.link import Link
from callgate.sources.mcp.refusals import HttpError

__all__ = ["failure_of"]

_SAID = 2_000  # characters of a server's error that a model reads
_STAND_IN = "Server returned an error response"  # the SDK's, for an HTTP error that says no more
_CLOSED = "Connection closed"  # the SDK's, where no transport is left
_REFUSED = (mt.INVALID_PARAMS, mt.INVALID_REQUEST, mt.METHOD_NOT_FOUND, mt.HEADER_MISMATCH)


async def failure_of(
    exc: MCPError, name: str, connection: Connection, link: Link, *, acts: bool = True
) -> CallError:
    """Return what an error of the protocol means for a call.

    Args:
        exc: The error, an `HttpError` where the answer was one.
        name: What was asked for: a tool, or a method.
        connection: Where it was asked for.
        link: The same, as it stood then.
        acts: Whether the request may have had an effect.
    """
    if (refused := _refused(exc, name, acts)) is not None:
        return refused
    if exc.code == mt.CONNECTION_CLOSED and exc.message == _CLOSED:
        await connection.broken(link)
    said = orjson.dumps(bounded(redacted(exc.message, connection.forms), _SAID)).decode()
    if exc.code == mt.CONNECTION_CLOSED and connection.standing is None:
        why = f": it {connection.reason}" if connection.reason else ""
        return TransientError(f"{name}: the connection to the server broke{why}.", acted=acts)
    if exc.code in (mt.CONNECTION_CLOSED, mt.REQUEST_TIMEOUT):
        return TransientError(f"{name}: no answer came: {said}.", acted=acts)
    if exc.message == "Session terminated":
        connection.end("forgot the session")
        return TransientError(f"{name}: the server has forgotten the session.")
    if exc.code == mt.PARSE_ERROR:
        return ResultError(f"{name}: the server's answer is not readable: {said}.")
    if exc.code in _REFUSED:
        return ToolFailedError(f"{name}: the server refuses the call. It says: {said}")
    return ToolRaisedError(f"{name}: the server reports an error ({exc.code}): {said}")


def _refused(exc: MCPError, name: str, acts: bool) -> CallError | None:
    """Return what an HTTP error means, where it says more than the error of the protocol in it."""
    if not isinstance(exc, HttpError):
        return None
    status = exc.refusal.status
    told = f"{name}: the server answered with HTTP status {status}."
    # An internal error of the protocol comes with status 500, and says what happened.
    silent = exc.message == _STAND_IN or exc.code == mt.CONNECTION_CLOSED
    error = exc.refusal.error(told)
    if error is not None and (silent or status != HTTPStatus.INTERNAL_SERVER_ERROR):
        return TransientError(
            told, retry_after=error.retry_after, acted=error.acted and acts, details=error.details
        )
    return ToolFailedError(told, details={"status": status}) if silent else None
