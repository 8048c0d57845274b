"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

__all__ = ["AsJson", "Seconds", "SettingsFile", "Source", "Wire"]

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON value on standard output, errors too.")
]
SettingsFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--file", "-f", help="Settings file; else $CALLGATE_FILE, else the nearest callgate.toml."
    ),
]
Seconds: TypeAlias = Annotated[
    float, typer.Option("--timeout", min=0.1, help="Seconds a live server may take.")
]
Source: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help=(
            "file.py:attribute, module:attribute, a JSON or YAML file (tools of any provider, "
            "tools/list, OpenAPI, one schema), the URL or the command of an MCP server, or "
            "callgate.toml."
        ),
    ),
]
Wire: TypeAlias = Annotated[
    str, typer.Option("--wire", "-w", help="The wire, such as openai or anthropic.")
]
