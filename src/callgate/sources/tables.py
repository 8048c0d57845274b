"""From a table `[sources.NAME]` of the settings to what it offers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from callgate.errors import MissingDependencyError
from callgate.settings.sources import (
    HttpSettings,
    McpSettings,
    OpenApiSettings,
    PythonSettings,
    SourceSettings,
    SqlSettings,
)
from callgate.sources import reference
from callgate.sources.mcp import McpSource, discover
from callgate.sources.mcp.table import server_of
from callgate.sources.secrets import Secrets
from callgate.sources.sql.source import sql

__all__ = ["known", "left_out", "opened"]


def opened(name: str, table: SourceSettings, root: Path) -> list[reference.Offered]:
    """Return what a table offers; connections are opened only when they are needed.

    Args:
        name: The table's name, for errors.
        table: The table.
        root: What its paths are relative to.

    Raises:
        SettingsError: The table does not fit what it names.
        MissingDependencyError: The extra for its kind is not installed.
    """
    secrets = Secrets.usual(root)
    match table:
        case PythonSettings():
            return reference.load(table.tools, root)
        case SqlSettings():
            return [sql(name, table, root=root, secrets=secrets)]
        case HttpSettings():
            return [_http(name, table, secrets)]
        case OpenApiSettings():
            return [_openapi(name, table, root, secrets)]
        case McpSettings():
            return [McpSource(server_of(name, table, root), secrets=secrets)]


def known(offered: Iterable[reference.Offered]) -> None:
    """Ask the servers that have to be asked for their tools, all at once; not inside a loop.

    Raises:
        CallError: A server cannot be reached or does not let us in.
        MissingDependencyError: The extra `mcp` is not installed.
    """
    if servers := [one for one in offered if isinstance(one, McpSource)]:
        discover(servers)


def left_out(offered: Iterable[reference.Offered]) -> list[str]:
    """Return what sources found and do not offer, and why, one line each."""
    told: list[str] = []
    for one in offered:
        skipped: Any = getattr(one, "skipped", ())
        if isinstance(one, McpSource):
            told += [f"{name} is not offered: {why}" for name, why in one.skipped.items()]
        else:
            told += [f"{op.method} {op.path} is not offered: {op.reason}" for op in skipped]
    return told


def _http(name: str, table: HttpSettings, secrets: Secrets) -> reference.Offered:
    try:
        from callgate.sources.http import http
    except ModuleNotFoundError as exc:
        raise _missing(exc, name) from exc
    return http(name, table, secrets=secrets)


def _openapi(name: str, table: OpenApiSettings, root: Path, secrets: Secrets) -> reference.Offered:
    try:
        from callgate.sources.openapi.source import openapi
    except ModuleNotFoundError as exc:
        raise _missing(exc, name) from exc
    return openapi(name, table, root=root, secrets=secrets)


def _missing(exc: ModuleNotFoundError, name: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"sources.{name} needs {exc.name}: pip install 'callgate[openapi]'",
        details={"extra": "openapi"},
    )
