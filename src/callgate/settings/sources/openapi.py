"""A table of a service described by an OpenAPI document: `kind = "openapi"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from callgate.settings.sources.web import (
    AuthSettings,
    PageSettings,
    auth,
    effect,
    page,
    pairs,
)
from callgate.settings.table import Table, flag, seconds, secret, text, texts, url, whole

__all__ = ["OpenApiSettings", "OverlaySettings", "openapi"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlaySettings:
    """What is said differently of one operation than its document says it.

    Attributes:
        name: The tool's name.
        description: What the model reads.
        hide: Whether it is no tool at all.
        effect: What it does to the world.
        select: What is kept of an answer, such as `items[].id`; empty keeps all.
        pages: How pages are put together.
        rename: Other names of parameters, by ours.
        describe: Other descriptions of parameters, by name.
        fix: Values of parameters that the model does not see.
        timeout: Seconds a call may take.
    """

    name: str | None = None
    description: str | None = None
    hide: bool = False
    effect: str | None = None
    select: tuple[str, ...] = ()
    pages: PageSettings | None = None
    rename: Mapping[str, str] = field(default_factory=dict[str, str])
    describe: Mapping[str, str] = field(default_factory=dict[str, str])
    fix: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApiSettings:
    """A service described by an OpenAPI document.

    Attributes:
        document: The file of the document, JSON or YAML.
        url: Base URL, where the document's own is not the one.
        variables: Values for the variables in the document's server URL.
        hosts: Hosts of this machine or a private network that may be reached, `name:port`.
        auth: How requests prove who asks, by the document's name of the scheme.
        tags: Only operations with one of these tags.
        paths: Only operations whose path matches one of these, such as `/pets/*`.
        operations: Only operations whose id matches one of these.
        prefix: What stands before the names of the tools.
        timeout: Seconds a call may take.
        response_bytes: Bytes of an answer that are read at most.
        tools: What is said differently, by operation id, tool name or `GET /path`.
    """

    document: str
    url: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    hosts: tuple[str, ...] = ()
    auth: Mapping[str, AuthSettings] = field(default_factory=dict[str, AuthSettings])
    tags: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    prefix: str = ""
    timeout: float = 30.0
    response_bytes: int = 4_194_304
    tools: Mapping[str, OverlaySettings] = field(default_factory=dict[str, OverlaySettings])


def openapi(table: Table) -> OpenApiSettings:
    """Read the table."""
    schemes = table.table("auth")
    proofs = {
        # The commonest scheme needs one secret only: `auth.api_key = "env:SHOP_KEY"`.
        name: AuthSettings(secret=schemes.take(name, secret, ""))
        if isinstance(schemes.values[name], str)
        else auth(schemes.table(name))
        for name in schemes.values
    }
    overlays = {name: _overlay(inner) for name, inner in table.tables("tools")}
    return table.without("auth", "tools").fill(
        OpenApiSettings,
        {
            "document": text,
            "url": url,
            "variables": pairs,
            "hosts": texts,
            "tags": texts,
            "paths": texts,
            "operations": texts,
            "prefix": text,
            "timeout": seconds,
            "response_bytes": whole,
        },
        auth=proofs,
        tools=overlays,
    )


def _overlay(table: Table) -> OverlaySettings:
    pages = page(table.table("pages")) if "pages" in table.values else None
    return table.without("pages").fill(
        OverlaySettings,
        {
            "name": text,
            "description": text,
            "hide": flag,
            "effect": effect,
            "select": texts,
            "rename": pairs,
            "describe": pairs,
            "fix": pairs,
            "timeout": seconds,
        },
        pages=pages,
    )
