"""Where the real servers are that `make mcp-servers` installs."""

import sys
from pathlib import Path
from typing import Any

import pytest

from callgate.sources.mcp import McpServer

INSTALLED = Path(__file__).resolve().parents[3] / ".cache/mcp"
NODE = Path(sys.executable).parent / "node"


def from_npm(name: str, *arguments: str, **options: Any) -> McpServer:
    """Return a server of `@modelcontextprotocol`, by what follows `server-`."""
    script = INSTALLED / f"node/node_modules/@modelcontextprotocol/server-{name}/dist/index.js"
    return _server(name, script, (str(NODE), str(script), *arguments), options)


def from_pypi(name: str, *arguments: str, **options: Any) -> McpServer:
    """Return a server by the name of its command."""
    program = INSTALLED / f"python/bin/{name}"
    return _server(name, program, (str(program), *arguments), options)


def _server(name: str, file: Path, command: tuple[str, ...], options: dict[str, Any]) -> McpServer:
    if not file.exists():
        pytest.skip("needs mcp-servers: run `make mcp-servers`")
    return McpServer(name=name, command=command, patience=60.0, **options)
