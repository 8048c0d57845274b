"""From an operation and arguments to a request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from callgate.errors import ArgumentsError
from callgate.sources.web.bodies import written
from callgate.sources.web.client import Outgoing
from callgate.sources.web.operation import Operation
from callgate.sources.web.styles import cookie_text, header_text, path_text, query_pairs
from callgate.types import Effect

__all__ = ["key_text", "outgoing"]

_HOLE = re.compile(r"\{([^{}]+)\}")


def key_text(key: str) -> str:
    """Return what the other side is sent for the key of a call.

    A key names tenant, principal and session, which are nobody else's business, and may be longer
    than a header should be; its digest is as good.
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def outgoing(
    operation: Operation,
    arguments: Mapping[str, Any],
    *,
    key: str,
    timeout: float | None,
    headers: Sequence[tuple[str, str]] = (),
) -> Outgoing:
    """Write a request.

    Args:
        operation: The operation.
        arguments: The arguments, valid under the tool's schema.
        key: The key of the call.
        timeout: Seconds the other side may take; None for no bound.
        headers: Headers of every request.

    Raises:
        ArgumentsError: A value cannot stand where it belongs.
    """
    paths: dict[str, str] = {}
    query: list[tuple[str, str]] = []
    lines = [*headers, ("accept", operation.accept)]
    cookies: list[str] = []
    for parameter in operation.parameters:
        value = arguments.get(parameter.argument, parameter.fixed)
        if value is None:
            continue
        match parameter.place:
            case "path":
                paths[parameter.name] = path_text(parameter, value)
            case "query":
                query += query_pairs(parameter, value)
            case "header":
                lines.append((parameter.name, header_text(parameter, value)))
            case _:
                cookies.append(cookie_text(parameter, value))
    if cookies:
        lines.append(("cookie", "; ".join(cookies)))
    body = None if operation.body is None else written(operation.body, arguments)
    if body is not None:
        lines.append(("content-type", body.media_type))
    if operation.tool.effect is not Effect.READ:
        lines.append((operation.keyed, key_text(key)))
    url = f"{operation.base}{_path(operation, paths)}"
    if query:
        mark = "&" if "?" in url else "?"
        url += mark + "&".join(f"{name}={value}" for name, value in query)
    return Outgoing(
        method=operation.method,
        url=url,
        headers=lines,
        body=None if body is None else body.data,
        timeout=timeout,
        name=operation.tool.name,
    )


def _path(operation: Operation, values: Mapping[str, str]) -> str:
    def fill(hole: re.Match[str]) -> str:
        if hole[1] not in values:
            raise ArgumentsError(f"The path needs a value for {hole[1]!r}.")
        return values[hole[1]]

    return _HOLE.sub(fill, operation.path)
