"""A table of single endpoints: `kind = "http"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callgate.settings.sources.web import (
    AuthSettings,
    PageSettings,
    auth,
    effect,
    page,
    pairs,
)
from callgate.settings.table import Table, json_object, seconds, text, texts, url, whole

__all__ = ["EndpointSettings", "HttpSettings", "http"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """One endpoint that is one tool.

    Attributes:
        path: What follows the base URL, such as `/forecast/{city}`.
        description: What the model reads.
        method: The HTTP method.
        effect: What it does to the world; by default what the method says.
        parameters: JSON Schema of each parameter, by name; beside it may stand `in` (`path`,
            `query`, `header`, `cookie`, `body`), `wire` (its name on the wire) and `required`.
        body: The media type of the body.
        returns: JSON Schema of the answer.
        select: What is kept of an answer, such as `items[].id`; empty keeps all.
        pages: How pages are put together.
        timeout: Seconds a call may take; the source's by default.
    """

    path: str
    description: str
    method: str = "GET"
    effect: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: str = "application/json"
    returns: dict[str, Any] | None = None
    select: tuple[str, ...] = ()
    pages: PageSettings | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSettings:
    """Single endpoints of one service.

    Attributes:
        url: Base URL.
        hosts: Hosts of this machine or a private network that may be reached, `name:port`.
        auth: How requests prove who asks; None where nobody asks.
        headers: Headers of every request; no secrets.
        timeout: Seconds a call may take.
        response_bytes: Bytes of an answer that are read at most.
        tools: The endpoints, by the names of their tools.
    """

    url: str
    hosts: tuple[str, ...] = ()
    auth: AuthSettings | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout: float = 30.0
    response_bytes: int = 4_194_304
    tools: Mapping[str, EndpointSettings] = field(default_factory=dict[str, EndpointSettings])


def http(table: Table) -> HttpSettings:
    """Read the table."""
    return table.without("auth", "tools").fill(
        HttpSettings,
        {
            "url": url,
            "hosts": texts,
            "headers": pairs,
            "timeout": seconds,
            "response_bytes": whole,
        },
        auth=auth(table.table("auth")) if "auth" in table.values else None,
        tools={name: _endpoint(inner) for name, inner in table.tables("tools")},
    )


def _endpoint(table: Table) -> EndpointSettings:
    pages = page(table.table("pages")) if "pages" in table.values else None
    return table.without("pages").fill(
        EndpointSettings,
        {
            "path": text,
            "description": text,
            "method": text,
            "effect": effect,
            "parameters": json_object,
            "body": text,
            "returns": json_object,
            "select": texts,
            "timeout": seconds,
        },
        pages=pages,
    )
