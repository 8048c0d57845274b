"""The command line: thin commands over `callgate.app`. Needs the extra `cli`."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit; see `callgate --help`."""
    try:
        from callgate.cli.commands import app
    except ModuleNotFoundError as exc:
        if exc.name not in {"typer", "rich"}:
            raise
        sys.stderr.write(f'callgate: {exc.name} is not installed; pip install "callgate[cli]"\n')
        sys.exit(3)
    app(prog_name="callgate")
