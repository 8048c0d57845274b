"""Names: of tools, short and the same whatever is filtered; of arguments, with the way back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

__all__ = ["argument_name", "tool_name"]

_STRANGE = re.compile(r"[^A-Za-z0-9_]+")
_MOST = 48
"""Characters of a tool's name; the rest of 64 is for prefixes of sources."""
_MOST_ARGUMENT = 52


def tool_name(operation_id: str | None, method: str, path: str, taken: Collection[str]) -> str:
    """Return the name of an operation's tool.

    It is the operation's id without what a framework has added to it, or is made of method and
    path; one that is taken or too long gets a digest of method and path.

    Args:
        operation_id: As the document says; None where it says nothing.
        method: The HTTP method.
        path: The path's template.
        taken: Names of earlier operations.
    """
    name = _short_id(operation_id, method, path) if operation_id else _of_path(method, path)
    mark = hashlib.sha256(f"{method.upper()} {path}".encode()).hexdigest()[:6]
    if len(name) > _MOST:
        name = f"{name[: _MOST - 7].rstrip('_')}_{mark}"
    return f"{name[: _MOST - 7]}_{mark}" if name in taken else name


def _short_id(operation_id: str, method: str, path: str) -> str:
    # FastAPI appends path and method: `read_item_items__item_id__get`.
    added = f"{re.sub(r'[^A-Za-z0-9_]', '_', path)}_{method.lower()}"
    own = operation_id.removesuffix(added) or operation_id
    return _plain(own) or _of_path(method, path)


def _of_path(method: str, path: str) -> str:
    words = [
        f"by_{part[1:-1]}" if part.startswith("{") and part.endswith("}") else part
        for part in path.split("/")
        if part
    ]
    return _plain("_".join([method.lower(), *words]))


def _plain(text: str) -> str:
    name = _STRANGE.sub("_", text).strip("_")
    return f"_{name}" if name[:1].isdigit() else name


def argument_name(wire: str, place: str, taken: Collection[str]) -> str:
    """Return the name of a parameter among the arguments of its tool.

    Args:
        wire: Its name on the wire.
        place: Where it stands; the second of two with one name is called by it.
        taken: Arguments that the tool has already.
    """
    name = re.sub(r"_{2,}", "_", _STRANGE.sub("_", wire).strip("_"))[:_MOST_ARGUMENT] or place
    if name[0].isdigit():
        name = f"_{name}"
    candidate, number = name, 1
    while candidate in taken:
        candidate = f"{place}_{name}" if number == 1 else f"{place}_{name}_{number}"
        number += 1
    return candidate
