"""A table of an MCP server: `kind = "mcp"`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from callgate.settings.table import Table, secret, table_of, text, texts, url

__all__ = ["McpSettings", "mcp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSettings:
    """How to reach an MCP server.

    Attributes:
        command: The program and its arguments, for a server on standard input and output.
        url: Where a server on the network is.
        environment: Where the values of the program's environment variables are, by name.
        headers: Where the values of headers are, by name.
        prefix: What stands before the names of its tools.
    """

    command: tuple[str, ...] = ()
    url: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    prefix: str = ""


def mcp(table: Table) -> McpSettings:
    """Read the table."""
    made = table.fill(
        McpSettings,
        {
            "command": texts,
            "url": url,
            "environment": _secrets,
            "headers": _secrets,
            "prefix": text,
        },
    )
    if bool(made.command) == bool(made.url):
        raise table.error("command", "both or neither", "either a command or a url")
    return made


def _secrets(value: object) -> Mapping[str, str]:
    return {name: secret(inner) for name, inner in table_of(value).items()}
