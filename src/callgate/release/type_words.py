"""Types as data sets and languages name them, in JSON Schema.

`dict`, `float`, `HashMap`, `list(str)`, `STRING`, `Union[List[dict], dict]`: the words that stand
under `type` where nobody checked it. A word that nobody knows becomes `string`, with a note.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from callgate.errors import DefinitionError
from callgate.schema.definition import MAX_SCHEMA_DEPTH
from callgate.schema.values import is_array, is_object

__all__ = ["Note", "is_plain", "translate", "type_of_word"]

Note = Callable[[str], None]
"""Takes a sentence about something that was read otherwise than written."""

_PLAIN = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})

_WORDS: Mapping[str, dict[str, Any]] = MappingProxyType(
    {
        word: schema
        for words, schema in (
            ("string str text char character varchar", {"type": "string"}),
            ("integer int int32 int64 long short byte bigint", {"type": "integer"}),
            ("number num float double decimal real bigdecimal", {"type": "number"}),
            ("boolean bool", {"type": "boolean"}),
            ("array list arraylist set tuple sequence collection", {"type": "array"}),
            ("object dict hashmap map json dictionary mapping record", {"type": "object"}),
            ("null none nonetype void", {"type": "null"}),
            ("any unknown mixed", {}),
            ("date", {"type": "string", "format": "date"}),
            ("datetime timestamp date-time", {"type": "string", "format": "date-time"}),
            ("time", {"type": "string", "format": "time"}),
            ("uuid", {"type": "string", "format": "uuid"}),
            ("url uri", {"type": "string", "format": "uri"}),
            ("email", {"type": "string", "format": "email"}),
            ("enum binary file bytes bytestring", {"type": "string"}),
        )
        for word in words.split()
    }
)
_LOSSY = frozenset({"binary", "bytes", "bytestring", "enum", "file", "set", "tuple"})
"""Words that say more than JSON Schema's type does."""

_OF = re.compile(r"\s*([A-Za-z]\w*)\s*[\[(<]\s*(.*?)\s*[\])>]\s*", re.DOTALL)
_NESTED = 8
"""Types inside each other that a word may have."""


def is_plain(word: object) -> bool:
    """Tell whether JSON Schema has this word as a type."""
    return isinstance(word, str) and word in _PLAIN


def type_of_word(word: str, note: Note, depth: int = 0) -> dict[str, Any]:
    """Return the schema that a word means.

    Args:
        word: Such as `HashMap` or `list(str)`.
        note: Takes a sentence if the schema says less than the word did.
        depth: How many types this one stands in; defaults to 0.
    """
    name = word.strip().casefold()
    if name in _WORDS:
        if name in _LOSSY:
            note(f"type {word!r} is read as {_WORDS[name]['type']}")
        return dict(_WORDS[name])
    if not name:
        note("an empty type is read as any value")
        return {}
    members = _split(word, "|")
    if len(members) > 1 and depth < _NESTED:
        return _union(members, note, depth)
    if (matched := _OF.fullmatch(word)) and depth < _NESTED:
        found = _generic(matched[1].casefold(), matched[2], note, depth)
        if found is not None:
            return found
        # `DATE (YYYY-MM-DD)`: what stands in brackets is for readers.
        if matched[1].casefold() in _WORDS:
            return type_of_word(matched[1], note)
    note(f"type {word[:60]!r} is not known and read as string")
    return {"type": "string"}


def _generic(name: str, inner: str, note: Note, depth: int) -> dict[str, Any] | None:
    parts = _split(inner, ",")
    if name == "union":
        return _union(parts, note, depth)
    if name == "optional":
        return _union([inner, "null"], note, depth)
    if name not in _WORDS:
        return None
    kind = _WORDS[name].get("type")
    if kind == "array":
        return {"type": "array", "items": type_of_word(parts[0], note, depth + 1)}
    if kind == "object" and len(parts) == 2:
        values = type_of_word(parts[1], note, depth + 1)
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}
    return None


def _union(members: list[str], note: Note, depth: int) -> dict[str, Any]:
    return {"anyOf": [type_of_word(member, note, depth + 1) for member in members]}


def _split(text: str, separator: str) -> list[str]:
    """Split at separators that stand in no bracket."""
    parts: list[str] = []
    start = open_ = 0
    for place, sign in enumerate(text):
        open_ += (sign in "[(<") - (sign in "])>")
        if sign == separator and not open_:
            parts.append(text[start:place])
            start = place + 1
    return [part.strip() for part in (*parts, text[start:])]


# --- whole schemas --------------------------------------------------------------------------


def translate(schema: Any, note: Note, path: str = "", depth: int = 0) -> dict[str, Any]:
    """Return a schema whose types, and what hangs on them, are JSON Schema's.

    Args:
        schema: A schema that may use words of others: types, `required: true` in a property, an
            empty `enum`, OpenAPI's `nullable`. Not changed.
        note: Takes a sentence for each thing that was read otherwise than written.
        path: Where the schema stands, for the notes; defaults to the root.
        depth: Schemas it stands in; defaults to 0.

    Raises:
        DefinitionError: More than 64 schemas stand in each other.
    """
    if depth > MAX_SCHEMA_DEPTH:
        raise DefinitionError(f"{path or 'the schema'} nests more than {MAX_SCHEMA_DEPTH} schemas.")
    if isinstance(schema, str):
        # Some tables write the type alone where a schema belongs.
        schema = {"type": schema}
    if not is_object(schema):
        note(f"{_at(path)}{str(schema)[:40]!r} is no schema and read as any value")
        return {}
    made = _typed(schema, _noting(note, path))
    for keyword in ("properties", "$defs", "definitions"):
        if keyword in made:
            made[keyword] = _named(made[keyword], note, path, depth)
    for keyword in ("items", "additionalProperties"):
        if is_object(made.get(keyword)):
            made[keyword] = translate(made[keyword], note, f"{path}/{keyword}", depth + 1)
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if is_array(made.get(keyword)):
            made[keyword] = [
                translate(inner, note, f"{path}/{keyword}/{place}", depth + 1)
                for place, inner in enumerate(made[keyword])
            ]
    _mark_required(schema, made)
    return made


def _at(path: str) -> str:
    return f"{path.lstrip('/')}: " if path else ""


def _noting(note: Note, path: str) -> Note:
    return lambda words: note(f"{_at(path)}{words}")


def _typed(schema: dict[str, Any], note: Note) -> dict[str, Any]:
    made = {key: value for key, value in schema.items() if key not in ("type", "nullable")}
    word = schema.get("type")
    if is_array(word):
        made["type"] = [_one(str(item), note) for item in word]
    elif word is not None:
        found = {"type": word} if is_plain(word) else type_of_word(str(word), note)
        made = found | made
        if found.get("type") == "array" and is_array(made.get("items")):
            # A list of schemas says what each place of a tuple holds.
            made["prefixItems"] = made.pop("items")
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    _drop_empty(made, note)
    return made


def _one(word: str, note: Note) -> str:
    return type_of_word(word, note).get("type", "string")


def _drop_empty(made: dict[str, Any], note: Note) -> None:
    """Remove what stands there only because a table has such a column."""
    for keyword in ("enum", "required"):
        value = made.get(keyword)
        if keyword in made and not (is_array(value) and value):
            del made[keyword]
            if value not in ([], None, True, False):
                note(f"{keyword} {str(value)[:40]!r} is no list and left out")
    for keyword in ("allOf", "anyOf", "oneOf"):
        if keyword in made and not made[keyword]:
            del made[keyword]
    for keyword in ("items", "properties", "default", "description", "title"):
        if keyword in made and made[keyword] in (None, "", {}):
            del made[keyword]
    if "description" in made and not isinstance(made["description"], str):
        made["description"] = str(made["description"])


def _named(value: Any, note: Note, path: str, depth: int) -> dict[str, Any]:
    if not is_object(value):
        note(f"{_at(path)}properties are no object and left out")
        return {}
    return {
        str(name): translate(inner, note, f"{path}/{name}", depth + 1)
        for name, inner in value.items()
    }


def _mark_required(schema: dict[str, Any], made: dict[str, Any]) -> None:
    """Move `required: true` of properties to the list of their object."""
    properties: Any = schema.get("properties")
    if not is_object(properties):
        return
    marked = [
        name
        for name, inner in properties.items()
        if is_object(inner) and inner.get("required") is True
    ]
    if marked:
        made["required"] = list(dict.fromkeys([*made.get("required", []), *marked]))
