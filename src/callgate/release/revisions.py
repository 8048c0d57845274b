"""Reads a surface as it stood in a git revision: `git:REVISION:PATH`."""

from __future__ import annotations

import subprocess
from pathlib import Path

from callgate.contract.listing import Listing
from callgate.errors import DefinitionError
from callgate.release.documents import MAX_BYTES, parse, read_value

__all__ = ["PREFIX", "read_revision"]

PREFIX = "git:"

_SECONDS = 30.0


def read_revision(source: str, root: Path) -> Listing:
    """Read the tools of a JSON file as a revision has it.

    Args:
        source: `git:REVISION:PATH`; the path is relative to `root`.
        root: A folder within the repository.

    Raises:
        DefinitionError: There is no such revision or file, it is too large, or it holds no tools.
    """
    revision, _, path = source.removeprefix(PREFIX).partition(":")
    # git would take what begins with a dash for an option.
    if not revision or not path or revision.startswith("-"):
        raise DefinitionError(f"{source} names no file; write git:REVISION:PATH.")
    return read_value(parse(_shown(revision, path, source, root), source), source)


def _shown(revision: str, path: str, source: str, root: Path) -> bytes:
    command = ["git", "show", f"{revision}:./{path}"]
    try:
        with subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            data = process.stdout.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                process.kill()
                raise DefinitionError(f"{source} holds more than {MAX_BYTES >> 20} MiB.")
            errors = process.stderr.read(2_000).decode("utf-8", "replace")
            code = process.wait(_SECONDS)
    except OSError as exc:
        raise DefinitionError(f"{source} cannot be read: git cannot be run.") from exc
    if code:
        told = " ".join(errors.split()) or f"git ended with {code}"
        raise DefinitionError(f"{source} cannot be read: {told}")
    return data
