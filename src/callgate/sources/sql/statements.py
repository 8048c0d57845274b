"""Files of named statements with typed parameters.

A statement begins with comment lines that say what it is:

    -- tool: orders_of
    -- description: Orders of one customer, newest first.
    -- param customer integer: The customer's number.
    -- param since date = null: Only orders from this day on.
    SELECT id, total FROM orders WHERE customer = :customer ORDER BY id DESC;

Types are `text`, `integer`, `number`, `boolean`, `date` and `timestamp`; a default after `=` is
JSON. `-- effect: irreversible` is for statements that change something. `:call_key`,
`:call_principal` and `:call_tenant` are filled from the call and not seen by the model; an
`idempotent` statement takes the key, or says `idempotent, natural`. Values are never written into
the text of a statement: the database gets them apart from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from callgate.errors import SettingsError
from callgate.types import Effect, JsonSchema

__all__ = ["OWN", "Statement", "parse", "read"]

OWN = ("call_key", "call_principal", "call_tenant")
"""Parameters that are filled from the call."""

_TYPES: Mapping[str, JsonSchema] = MappingProxyType(
    {
        "text": {"type": "string"},
        "integer": {"type": "integer"},
        "number": {"type": "number"},
        "boolean": {"type": "boolean"},
        "date": {"type": "string", "format": "date", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "timestamp": {"type": "string", "format": "date-time"},
    }
)
_EFFECTS = ("read", "idempotent", "irreversible")
_HEAD = re.compile(r"--\s*(tool|description|effect)\s*:\s*(.*)")
_PARAM = re.compile(r"--\s*param\s+([A-Za-z_]\w*)\s+(\w+)\s*(?:=\s*([^:]+?)\s*)?(?::\s*(.*))?$")
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")
_TOKEN = re.compile(
    r"""
    (?P<skip>--[^\n]* | /\*.*?\*/ | '(?:[^']|'')*' | "(?:[^"]|"")*"
      | \$(?P<tag>[A-Za-z_]*)\$.*?\$(?P=tag)\$ | ::)
    | :(?P<name>[A-Za-z_]\w*)
    | (?P<end>;)
    | (?P<other>\?|\$\d+)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement that is one tool.

    Attributes:
        name: The tool's name.
        description: What the model reads.
        parameters: JSON Schema of the arguments object.
        effect: What it does to the world.
        parts: The text between the parameters; one more than `names`.
        names: The parameters, in the order in which they stand.
        types: The type of each parameter.
    """

    name: str
    description: str
    parameters: JsonSchema
    effect: Effect
    parts: tuple[str, ...]
    names: tuple[str, ...]
    types: Mapping[str, str]


def read(patterns: Iterable[str], root: Path) -> list[Statement]:
    """Read the statements of files.

    Args:
        patterns: Paths, relative to `root`; `*` may stand in them.
        root: The folder of the settings.

    Raises:
        SettingsError: A file is not there, or a statement is not understood.
    """
    found: dict[str, Statement] = {}
    for pattern in patterns:
        files = sorted(root.glob(pattern)) if not Path(pattern).is_absolute() else [Path(pattern)]
        if not files:
            raise _wrong(pattern, "there is no such file")
        for path in files:
            try:
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as exc:
                raise _wrong(str(path), "it cannot be read") from exc
            for statement in parse(text, path.name):
                if statement.name in found:
                    raise _wrong(path.name, f"there are two statements {statement.name!r}")
                found[statement.name] = statement
    return list(found.values())


def parse(text: str, name: str) -> list[Statement]:
    """Read the statements of one text.

    Args:
        text: Statements with their comment lines.
        name: Where it is from, for errors.

    Raises:
        SettingsError: A statement is not understood.
    """
    chunks = re.split(r"(?m)^(?=--\s*tool\s*:)", text)
    if chunks[0].strip():
        raise _wrong(name, "it does not begin with `-- tool: NAME`")
    return [_statement(chunk, name) for chunk in chunks[1:]]


def _statement(chunk: str, file: str) -> Statement:
    head: dict[str, list[str]] = {}
    types: dict[str, str] = {}
    properties: dict[str, JsonSchema] = {}
    required: list[str] = []
    lines = chunk.splitlines()
    while lines and (lines[0].startswith("--") or not lines[0].strip()):
        line = lines.pop(0).strip()
        where = f"{file}: {head.get('tool', ['?'])[0]}"
        if found := _HEAD.fullmatch(line):
            head.setdefault(found[1], []).append(found[2])
        elif found := _PARAM.fullmatch(line):
            properties[found[1]], needed = _parameter(where, found)
            types[found[1]] = found[2]
            required += [found[1]] if needed else []
        elif line.startswith("-- param"):
            raise _wrong(where, f"{line!r} is not `-- param NAME TYPE = DEFAULT: DESCRIPTION`")
    name = head["tool"][0].strip()
    where = f"{file}: {name}"
    if not _NAME.fullmatch(name) or "description" not in head:
        raise _wrong(where, "it needs a name of letters, digits, `_` and `-`, and a description")
    parts, names = _split(where, "\n".join(lines).strip())
    if unknown := (set(names) - set(OWN)) ^ set(types):
        raise _wrong(where, f"{', '.join(sorted(unknown))} stands only in one of params and text")
    schema: JsonSchema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    if required:
        schema["required"] = required
    return Statement(
        name=name,
        description=" ".join(head["description"]),
        parameters=schema,
        effect=_effect(where, head.get("effect", ["read"])[0].strip(), names),
        parts=parts,
        names=names,
        types=types,
    )


def _effect(where: str, words: str, names: Iterable[str]) -> Effect:
    word, comma, natural = (part.strip() for part in words.partition(","))
    if word not in _EFFECTS or (comma and (word, natural) != ("idempotent", "natural")):
        raise _wrong(where, f"{words!r} is no effect; say {', '.join(_EFFECTS)}")
    if word == "idempotent" and not comma and "call_key" not in names:
        raise _wrong(where, "an idempotent statement takes :call_key, or is `idempotent, natural`")
    return Effect(word)


def _parameter(where: str, found: re.Match[str]) -> tuple[JsonSchema, bool]:
    if found[2] not in _TYPES:
        raise _wrong(where, f"{found[2]!r} is no type; there are {', '.join(_TYPES)}")
    schema = dict(_TYPES[found[2]])
    if found[4]:
        schema["description"] = found[4].strip()
    if found[3] is None:
        return schema, True
    try:
        default: Any = orjson.loads(found[3])
    except ValueError:
        raise _wrong(where, f"the default {found[3]!r} is not JSON") from None
    schema["default"] = default
    if default is None:
        schema["type"] = [schema["type"], "null"]
    return schema, False


def _split(where: str, text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Cut a statement at its parameters; quotes and comments are passed over."""
    parts, names, start = list[str](), list[str](), 0
    for found in _TOKEN.finditer(text):
        if found["name"]:
            parts.append(text[start : found.start()])
            names.append(found["name"])
            start = found.end()
        elif found["end"]:
            if text[found.end() :].strip():
                raise _wrong(where, "something stands behind its `;`: a tool is one statement")
            text = text[: found.start()]
            break
        elif found["other"]:
            raise _wrong(where, f"parameters are written :name, not {found['other']}")
    parts.append(text[start:])
    if not "".join(parts).strip():
        raise _wrong(where, "it has no text")
    return tuple(parts), tuple(names)


def _wrong(where: str, why: str) -> SettingsError:
    return SettingsError(f"{where}: {why}", details={"key": "statements"})
