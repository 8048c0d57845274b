"""The tables `[sources.NAME]`: where more tools come from, one dataclass per kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from callgate.settings.sources.http import HttpSettings, http
from callgate.settings.sources.mcp import McpSettings, mcp
from callgate.settings.sources.openapi import OpenApiSettings, openapi
from callgate.settings.sources.python import PythonSettings, python
from callgate.settings.sources.sql import SqlSettings, sql
from callgate.settings.table import Table, text

__all__ = [
    "KINDS",
    "HttpSettings",
    "McpSettings",
    "OpenApiSettings",
    "PythonSettings",
    "SourceSettings",
    "SqlSettings",
    "source",
]

SourceSettings: TypeAlias = (
    HttpSettings | McpSettings | OpenApiSettings | PythonSettings | SqlSettings
)
"""What a table `[sources.NAME]` says."""

KINDS: Mapping[str, Callable[[Table], SourceSettings]] = MappingProxyType(
    {"http": http, "mcp": mcp, "openapi": openapi, "python": python, "sql": sql}
)
"""What reads the rest of a table, by its `kind`."""


def source(table: Table) -> SourceSettings:
    """Read one table by its `kind`.

    Raises:
        SettingsError: The kind is absent or unknown, or something in the table is wrong.
    """
    kind = table.take("kind", text, "")
    if kind not in KINDS:
        got = repr(kind) if kind else "nothing"
        raise table.error("kind", got, f"one of {', '.join(KINDS)}")
    return KINDS[kind](table.without("kind"))
