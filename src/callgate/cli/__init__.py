"""The command line: thin commands over `callgate.app`. Needs the extra `cli`."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

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
    stdout: Any = sys.stdout
    if hasattr(stdout, "reconfigure"):
        # Recorded data hold what no terminal can show, such as lone surrogates.
        stdout.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="callgate")
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise
        # What is left in the buffer would fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout.fileno())
        sys.stderr.write(
            f"callgate: {exc.strerror}: the output is cut off; make room, or write it elsewhere\n"
        )
        sys.exit(1)
