"""From a table `[sources.NAME]` of `kind = "mcp"` to a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callgate.settings.sources.mcp import McpSettings, OAuthSettings
from callgate.sources.mcp.browser import Browser
from callgate.sources.mcp.server import McpServer, OAuth
from callgate.sources.mcp.tokens import FileTokens
from callgate.types import Effect, Limits

__all__ = ["server_of"]


def server_of(name: str, table: McpSettings, root: Path) -> McpServer:
    """Return the server that a table describes.

    Args:
        name: The table's name.
        table: The table.
        root: What its paths are relative to.

    Raises:
        SettingsError: The name cannot be that of a server.
    """
    # The table has been read: these are two of the words that are allowed.
    chosen: dict[str, Any] = {"transport": table.transport, "era": table.era}
    return McpServer(
        name=name,
        command=table.command,
        url=table.url or "",
        environment=table.variables,
        secret_environment=table.environment,
        secret_headers=table.headers,
        folder=root if table.folder is None else root / table.folder,
        prefix=table.prefix,
        only=table.only,
        effects={tool: Effect(effect) for tool, effect in table.effects.items()},
        accept_hints=table.accept_hints,
        limits=Limits(timeout=table.timeout),
        patience=table.patience,
        message_bytes=table.message_bytes,
        roots=table.roots,
        oauth=None if table.oauth is None else _oauth(table.oauth, root),
        **chosen,
    )


def _oauth(table: OAuthSettings, root: Path) -> OAuth:
    grant: dict[str, Any] = {"grant": table.grant}
    return OAuth(
        client_id=table.client_id,
        client_secret=table.client_secret,
        key=table.key,
        document=table.document,
        redirect=table.redirect,
        scope=table.scope,
        issuer=table.issuer,
        personal=table.personal,
        authorize=Browser(table.redirect),
        tokens=None if table.tokens is None else FileTokens(root / table.tokens),
        **grant,
    )
