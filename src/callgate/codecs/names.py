"""Names that every provider accepts, and the way back to ours.

A name outside `[a-zA-Z_][a-zA-Z0-9_-]{0,63}` is written with its strange characters replaced and a
digest of the whole name at the end. The change depends on that one name only, so it is the same in
every process and every turn, whatever other tools there are. A name that already looks changed is
changed too: nobody can choose a name that another tool is given on the wire.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from callgate.codecs.wire import NO_NAMES
from callgate.types import Tool

__all__ = ["wire_name", "wire_names"]

_SAFE = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_STRANGE = re.compile(r"[^a-zA-Z0-9_-]")
_MARK = "__x"
_DIGITS = 12
_STEM = 64 - len(_MARK) - _DIGITS
_CHANGED = re.compile(rf".*{_MARK}[0-9a-f]{{{_DIGITS}}}", re.DOTALL)


def wire_name(name: str) -> str:
    """Return the name of a tool on the wire: its own where every provider accepts it."""
    if _SAFE.fullmatch(name) and not (_MARK in name and _CHANGED.fullmatch(name)):
        return name
    # A name may hold lone surrogates; they are no reason to fail here.
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    stem = _STRANGE.sub("_", name)
    if not _SAFE.match(stem):
        stem = f"_{stem}"
    return f"{stem[:_STEM]}{_MARK}{digest}"


def wire_names(tools: Iterable[Tool]) -> Mapping[str, str]:
    """Return our names by the wire's names, for the tools where they differ."""
    changed = {wire: tool.name for tool in tools if (wire := wire_name(tool.name)) != tool.name}
    return changed or NO_NAMES
