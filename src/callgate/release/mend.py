"""Writes the safe fixes of lint into the JSON document that the tools came from."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from callgate.contract.lint import Edit
from callgate.errors import DefinitionError
from callgate.release.documents import load, parse
from callgate.schema.values import is_array

__all__ = ["mend"]


def mend(path: Path, source: str, edits: Iterable[Edit]) -> int:
    """Change a JSON document in place; one with a value a line stays so.

    Args:
        path: The document.
        source: What to call it in errors.
        edits: What to change; one whose place is not there is passed over.

    Returns:
        How many changes were made.

    Raises:
        DefinitionError: The document cannot be read or written.
    """
    data = load(path, source)
    value = parse(data, source)
    # Of two changes of one text the second was worked out without the first.
    first = {edit.steps: edit for edit in reversed(tuple(edits))}
    made = sum(_apply(value, edit) for edit in first.values())
    if made:
        text = _text(value, data)
        packed = path.read_bytes()[:2] == b"\x1f\x8b"
        try:
            path.write_bytes(gzip.compress(text) if packed else text)
        except OSError as exc:
            raise DefinitionError(f"{source} cannot be written: {exc.strerror}.") from exc
    return made


def _apply(value: Any, edit: Edit) -> bool:
    *way, last = edit.steps
    try:
        for step in way:
            value = value[step]
        before = value[last]
    except (KeyError, IndexError, TypeError):
        return False
    if edit.value is None:
        del value[last]
    else:
        value[last] = edit.value
    return before != edit.value


def _text(value: Any, before: bytes) -> bytes:
    """Write a value as the document was written: in lines, on one line, or indented."""
    lines = [line for line in before.splitlines() if line.strip()]
    if len(lines) > 1 and _is_json(lines[0]) and is_array(value):
        return b"\n".join([*map(orjson.dumps, value), b""])
    if len(lines) == 1:
        return orjson.dumps(value) + (b"\n" if before.endswith(b"\n") else b"")
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"


def _is_json(line: bytes) -> bool:
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return False
    return True
