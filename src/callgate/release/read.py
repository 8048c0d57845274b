"""Reads a surface, wherever its tools are written down: what `inspect`, `lint` and `diff` take.

| SOURCE | what is read |
|---|---|
| `module:attribute`, `file.py:attribute`, `file.py` | tools of ours, LangChain, pydantic-ai |
| `file.json`, `.jsonl`, `.yaml`, also packed as `.gz` | what `documents.read_value` knows |
| `https://...` | a live MCP server, Streamable HTTP |
| `mcp:COMMAND`, or a command line with a space | a live MCP server, standard input and output |
"""

from __future__ import annotations

import re
from pathlib import Path

from callgate.contract.listing import Listing
from callgate.errors import DefinitionError, MissingDependencyError, SettingsError
from callgate.release.documents import read_document, read_value
from callgate.release.python_tools import read_references

__all__ = ["read"]

_DOCUMENTS = frozenset({".gz", ".json", ".jsonl", ".yaml", ".yml"})
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_MCP = "mcp:"


def read(source: str, root: Path, *, timeout: float = 30.0) -> Listing:
    """Read the tools that a source names.

    Args:
        source: As the table of this module has it.
        root: What paths and modules are relative to.
        timeout: Seconds a live server may take; defaults to 30.

    Returns:
        The tools; a name may occur more than once.

    Raises:
        DefinitionError: The source cannot be read, or holds no tools.
        SettingsError: A Python module cannot be imported, or has no such name.
        MissingDependencyError: A live server is asked for, without the extra `mcp`.
    """
    path = root / source
    if path.suffix in _DOCUMENTS or (path.is_file() and path.suffix != ".py"):
        return read_document(path, source)
    if source.startswith(("http://", "https://")):
        return _live(source, timeout)
    if source.startswith(_MCP) or (" " in source and not path.exists()):
        return _live(source.removeprefix(_MCP).strip(), timeout)
    return _imported(source, root)


def _imported(source: str, root: Path) -> Listing:
    """Read what a reference names; what can be none is not looked for among modules."""
    named = ":" in source or source.endswith(".py")
    if not named and _MODULE.fullmatch(source) is None:
        raise _unknown(source)
    try:
        return read_references((source,), root)
    except SettingsError as exc:
        missing = exc.__cause__
        if named or not isinstance(missing, ModuleNotFoundError):
            raise
        if missing.name is None or not f"{source}.".startswith(f"{missing.name}."):
            raise  # the module is there, and imports one that is not
        raise _unknown(source) from exc


def _unknown(source: str) -> DefinitionError:
    return DefinitionError(
        f"{source} is no file and no module. A SOURCE is file.py or module, with or without "
        ":attribute; a JSON or YAML file; the URL of an MCP server, or mcp:COMMAND; or "
        "callgate.toml."
    )


def _live(server: str, timeout: float) -> Listing:
    try:
        from callgate.release.mcp_server import list_tools
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            "A live MCP server is asked through the extra `mcp`: pip install 'callgate[mcp]'."
        ) from exc
    if not server:
        raise DefinitionError("mcp: names no server; write mcp:COMMAND or a URL.")
    return read_value({"tools": list_tools(server, timeout=timeout)}, server)
