"""Compiles tool schemas into a GBNF grammar: a local model can only write well-formed calls.

A sentence of the grammar is one call a line, `name(key=value, ...)`: Python's form with JSON
values, which takes a third fewer tokens than a JSON object and is what a coder model has seen most.
Names that are no identifiers are written as JSON strings. `read_calls` reads it back.

Every call is finite: strings, arrays, maps and recursion are bounded, because a grammar alone does
not make a small model stop. Keywords that a grammar cannot say (`pattern`, `multipleOf`,
`uniqueItems` ...) are left to the check of the arguments that follows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard, cast

__all__ = ["Bounds", "call_grammar", "read_calls"]

FORMATS: Mapping[str, str] = {
    "date": "date",
    "time": "time",
    "date-time": 'date "T" time',
    "uuid": 'hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12}',
}
TERMINALS: Mapping[str, str] = {
    # No \u escapes: they could spell half a surrogate pair, and the text is UTF-8 anyway.
    "char": r'[^"\\\x00-\x1f\x7f] | "\\" ["\\/bfnrt]',
    "natural": '"0" | [1-9] [0-9]{0,14}',
    "fraction": '("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "hex": "[0-9a-fA-F]",
    "date": '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])',
    "time": 'hour ":" sixty ":" sixty ("." [0-9]{1,6})? ("Z" | [-+] hour ":" sixty)',
    "hour": '[01] [0-9] | "2" [0-3]',
    "sixty": "[0-5] [0-9]",
}
SAFE_INTEGER = 10**15 - 1
LONGEST = 1900
"""Characters a string may be required to have: the runtime refuses 2000 repetitions."""
DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How large the parts of one call may get.

    Attributes:
        string: Characters of a string without a smaller `maxLength`.
        items: Elements of an array without a smaller `maxItems`.
        entries: Entries of an object whose property names are free.
        nesting: Levels of values about which the schema says nothing.
        references: How often a `$ref` may be followed inside what a `$ref` stands for.
        calls: Calls in one answer.
    """

    string: int = 400
    items: int = 16
    entries: int = 8
    nesting: int = 2
    references: int = 3
    calls: int = 1


def call_grammar(signatures: Mapping[str, dict[str, Any]], *, bounds: Bounds | None = None) -> str:
    """Return the GBNF grammar of calls.

    Args:
        signatures: JSON Schema of the arguments object by function name; at least one.
        bounds: Sizes of the parts of a call.

    Returns:
        The rules, `root` first.
    """
    writer = _Writer(bounds=bounds or Bounds())
    calls = " | ".join(_call(writer, name, schema) for name, schema in signatures.items())
    more = writer.bounds.calls - 1
    root = f'call ("\\n" call){{0,{more}}}' if more else "call"
    rules = {"root": root, "call": calls, **writer.rules}
    return "\n".join(f"{name} ::= {body}" for name, body in _with_terminals(rules).items())


def _call(writer: _Writer, name: str, schema: dict[str, Any]) -> str:
    members = writer.members(schema, schema, writer.bounds.references, _keyword)
    return f'{_literal(_word(name) + "(")} {members or _literal("")} ")"'


def _keyword(name: str) -> str:
    return f"{_word(name)}="


def _entry(name: str) -> str:
    return f"{_json(name)}: "


def _word(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else _json(name)


def _with_terminals(rules: dict[str, str]) -> dict[str, str]:
    """Add the terminal rules that the others mention."""
    used, wanted = dict(rules), list(rules.values())
    while wanted:
        body = wanted.pop()
        for name, terminal in TERMINALS.items():
            if name not in used and name in body:
                used[name] = terminal
                wanted.append(terminal)
    return used


@dataclass(slots=True, kw_only=True)
class _Writer:
    """Grows the rules of one grammar; equal schemas share a rule.

    The methods return an expression, or None for a value that cannot be written within the bounds
    (a recursion too deep).
    """

    bounds: Bounds
    rules: dict[str, str] = field(default_factory=dict[str, str])
    known: dict[str, str] = field(default_factory=dict[str, str])
    names: dict[tuple[str, int], str | None] = field(
        default_factory=dict[tuple[str, int], "str | None"]
    )

    def value(self, schema: Any, root: dict[str, Any], references: int) -> str | None:
        """Return an expression for the values of `schema`; `root` resolves its references."""
        if not _is_object(schema):
            return None if schema is False else self.anything(self.bounds.nesting)
        key = (f"{id(root)}:{_json(schema)}", references)
        if key not in self.names:
            body = self._body(schema, root, references)
            self.names[key] = body if body is None or body.isalnum() else self._rule(body)
        return self.names[key]

    def anything(self, nesting: int, *, objects: bool = False) -> str:
        """Return an expression for any JSON value or object, at most `nesting` levels deep."""
        # A string is a rule of its own: the runtime refuses repetitions within repetitions.
        text = self._rule(self._string({}))
        scalar = f'{text} | "-"? natural fraction | boolean | "null"'
        if nesting == 0:
            return self._rule(scalar)
        inner = self.anything(nesting - 1)
        entries = self._listed(f'{text} ": " {inner}', 0, self.bounds.entries)
        if objects:
            return self._rule(f'"{{" {entries} "}}"')
        items = self._listed(inner, 0, self.bounds.items)
        return self._rule(f'{scalar} | "[" {items} "]" | "{{" {entries} "}}"')

    def _rule(self, body: str) -> str:
        name = self.known.setdefault(body, f"r{len(self.rules)}")
        self.rules[name] = body
        return name

    def _body(self, schema: dict[str, Any], root: dict[str, Any], references: int) -> str | None:
        if "$ref" in schema:
            target = _resolve(schema["$ref"], root)
            return None if references == 0 else self.value(target, root, references - 1)
        if "const" in schema:
            return _literal(_json(schema["const"]))
        if "enum" in schema:
            return " | ".join(_literal(_json(option)) for option in schema["enum"]) or None
        if "allOf" in schema:
            return self.value(_merged(schema, root), root, references)
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            return self._any_of(options, schema, root, references)
        return self._typed(schema, root, references)

    def _any_of(
        self, options: Sequence[Any], schema: dict[str, Any], root: dict[str, Any], references: int
    ) -> str | None:
        # What stands beside `anyOf` (such as shared properties) holds for every alternative.
        beside = {
            k: v
            for k, v in schema.items()
            if k not in {"anyOf", "oneOf", "description", "title", "default"}
        }
        written = (
            self.value(
                _merged({"allOf": [beside, option]}, root) if beside else option, root, references
            )
            for option in options
        )
        return " | ".join(dict.fromkeys(option for option in written if option)) or None

    def _typed(self, schema: dict[str, Any], root: dict[str, Any], references: int) -> str | None:
        kinds = schema.get("type") or _implied_type(schema)
        if isinstance(kinds, list):
            kinds = cast("list[str]", kinds)
            options = (self.value({**schema, "type": kind}, root, references) for kind in kinds)
            return " | ".join(option for option in options if option) or None
        match kinds:
            case "object":
                return self._object(schema, root, references)
            case "array":
                return self._array(schema, root, references)
            case "string":
                return self._string(schema)
            case "integer":
                return _integer(schema)
            case "number":
                return f"{_sign(schema)}natural fraction"
            case "boolean":
                return "boolean"
            case "null":
                return '"null"'
            case _:
                return self.anything(self.bounds.nesting)

    def _string(self, schema: Mapping[str, Any]) -> str:
        known = FORMATS.get(schema.get("format", ""))
        if known:
            return f'"\\"" {known} "\\""'
        least = min(int(schema.get("minLength", 0)), LONGEST)
        most = max(least, min(int(schema.get("maxLength", self.bounds.string)), self.bounds.string))
        return f'"\\"" char{{{least},{most}}} "\\""'

    def _array(self, schema: dict[str, Any], root: dict[str, Any], references: int) -> str | None:
        head = [self.value(item, root, references) for item in schema.get("prefixItems", ())]
        if head:
            return None if None in head else f'"[" {_joined([item for item in head if item])} "]"'
        least = min(int(schema.get("minItems", 0)), LONGEST // 10)
        most = max(least, min(int(schema.get("maxItems", self.bounds.items)), self.bounds.items))
        item = self.value(schema.get("items", True), root, references)
        if item is None:
            return '"[]"' if least == 0 else None
        return f'"[" {self._listed(item, least, most)} "]"'

    def _listed(self, item: str, least: int, most: int) -> str:
        if most == 0:
            return '""'
        rest = f'{item} (", " {item}){{{max(least - 1, 0)},{most - 1}}}'
        return rest if least else f"({rest})?"

    def _object(self, schema: dict[str, Any], root: dict[str, Any], references: int) -> str | None:
        properties: dict[str, Any] = schema.get("properties", {})
        extra = schema.get("additionalProperties", not properties)
        if not properties:
            return '"{}"' if extra is False else self._map(extra, root, references)
        members = self.members(schema, root, references, _entry)
        return None if members is None else f'"{{" {members} "}}"'

    def members(
        self,
        schema: dict[str, Any],
        root: dict[str, Any],
        references: int,
        label: Callable[[str], str],
    ) -> str | None:
        """Return the named members of an object: the required ones, then any of the others."""
        required = set(schema.get("required", ()))
        first: list[str] = []
        later: list[str] = []
        for name, inner in schema.get("properties", {}).items():
            written = self.value(inner, root, references)
            if written is not None:
                (first if name in required else later).append(f"{_literal(label(name))} {written}")
            elif name in required:
                return None
        return self._members(first, later)

    def _map(self, values: Any, root: dict[str, Any], references: int) -> str:
        written = self.value(values, root, references)
        if written is None:
            return '"{}"'
        entry = f'{self._rule(self._string({}))} ": " {written}'
        return f'"{{" {self._listed(entry, 0, self.bounds.entries)} "}}"'

    def _members(self, first: list[str], later: list[str]) -> str:
        """Return required members, then any of the optional ones, in the order of the schema."""
        if first:
            return " ".join([_joined(first), *(f'(", " {member})?' for member in later)])
        tail, starts = '""', list[str]()
        for member in reversed(later):
            starts.append(f"{member} {tail}")
            tail = self._rule(f'(", " {member})? {tail}')
        return f"({' | '.join(reversed(starts))})?" if starts else '""'


def _integer(schema: Mapping[str, Any]) -> str:
    low, high = _limits(schema)
    if low is None and high is None:
        return '"-"? natural'
    low = -SAFE_INTEGER if low is None else low
    high = max(low, SAFE_INTEGER) if high is None else high
    options: list[str] = []
    if low < 0:
        options.append(f'"-" ({_between(max(1, -high), -low)})')
    if high >= 0:
        options.append(_between(max(0, low), high))
    return " | ".join(options)


def _limits(schema: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return the least and greatest allowed integer, each None where the schema has no bound."""
    lows = [-int(-schema["minimum"] // 1)] if "minimum" in schema else []
    lows += [int(schema["exclusiveMinimum"] // 1) + 1] if "exclusiveMinimum" in schema else []
    highs = [int(schema["maximum"] // 1)] if "maximum" in schema else []
    highs += [-int(-schema["exclusiveMaximum"] // 1) - 1] if "exclusiveMaximum" in schema else []
    return max(lows, default=None), min(highs, default=None)


def _sign(schema: Mapping[str, Any]) -> str:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1))
    return "" if low >= 0 else '"-"? '


def _between(low: int, high: int) -> str:
    """Return an expression for the natural numbers from `low` to `high`, without leading zeros."""
    options: list[str] = []
    for length in range(len(str(low)), len(str(high)) + 1):
        start = max(low, 10 ** (length - 1) if length > 1 else 0)
        end = min(high, 10**length - 1)
        if start <= end:
            options.append(_same_length(str(start), str(end)))
    return " | ".join(options) or _literal(str(low))


def _same_length(low: str, high: str) -> str:
    """Return an expression for the digit strings between two of the same length."""
    if not low:
        return ""
    free = len(low) - 1
    if low[1:] == "0" * free and high[1:] == "9" * free:
        return _digits(low[0], high[0], free)
    if low[0] == high[0]:
        return f'"{low[0]}" ({_same_length(low[1:], high[1:])})'
    options = [f'"{low[0]}" ({_same_length(low[1:], "9" * free)})']
    if int(low[0]) + 1 < int(high[0]):
        options.append(_digits(str(int(low[0]) + 1), str(int(high[0]) - 1), free))
    options.append(f'"{high[0]}" ({_same_length("0" * free, high[1:])})')
    return " | ".join(options)


def _digits(low: str, high: str, free: int) -> str:
    first = f"[{low}-{high}]" if low != high else f'"{low}"'
    return f"{first} [0-9]{{{free}}}" if free else first


def _implied_type(schema: Mapping[str, Any]) -> str | None:
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else None


def _resolve(reference: str, root: dict[str, Any]) -> Any:
    """Return what a local `$ref` points to; anything at all where it points nowhere."""
    found: Any = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if not _is_object(found) or name not in found:
            return True
        found = found[name]
    return found if reference.startswith("#") else True


def _merged(schema: dict[str, Any], root: dict[str, Any], depth: int = 8) -> dict[str, Any]:
    """Return one schema for an `allOf`: members add up, a later keyword wins."""
    merged = {k: v for k, v in schema.items() if k != "allOf"}
    for part in schema["allOf"]:
        flat = _flat(part, root, depth)
        properties = {**merged.get("properties", {}), **flat.get("properties", {})}
        required = [*merged.get("required", ()), *flat.get("required", ())]
        merged.update(flat)
        if properties:
            merged["properties"] = properties
        if required:
            merged["required"] = required
    return merged


def _flat(part: Any, root: dict[str, Any], depth: int) -> dict[str, Any]:
    """Return a member of an `allOf` without `$ref` and `allOf`, at most `depth` levels down."""
    if not _is_object(part) or depth == 0:
        return {}
    if "$ref" in part:
        beside = {k: v for k, v in part.items() if k != "$ref"}
        return {**_flat(_resolve(part["$ref"], root), root, depth - 1), **beside}
    return _merged(part, root, depth - 1) if "allOf" in part else part


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _joined(parts: Sequence[str]) -> str:
    return ' ", " '.join(parts)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def read_calls(text: str) -> tuple[tuple[str, str], ...]:
    """Read calls written under `call_grammar`.

    Args:
        text: One call a line.

    Returns:
        Name and arguments (JSON text of an object) of every call, in order.

    Raises:
        ValueError: The text is not such a list of calls, as when it was cut.
    """
    calls: list[tuple[str, str]] = []
    at = 0
    while not calls or at < len(text):
        name, at = _read_word(text, at, "(")
        members, at = _read_members(text, at)
        calls.append((name, "{" + ", ".join(members) + "}"))
        if text[at : at + 1] not in {"", "\n"}:
            raise ValueError(f"unexpected text after a call at {at}")
        at += 1
    return tuple(calls)


def _read_members(text: str, at: int) -> tuple[list[str], int]:
    members: list[str] = []
    while text[at : at + 1] != ")":
        key, start = _read_word(text, at, "=")
        _, at = DECODER.raw_decode(text, start)
        members.append(f"{_json(key)}: {text[start:at]}")
        at += 2 if text.startswith(", ", at) else 0
    return members, at + 1


def _read_word(text: str, at: int, end: str) -> tuple[str, int]:
    """Read a bare or quoted name up to `end`; return it and where the text goes on."""
    if text[at : at + 1] == '"':
        word, stop = DECODER.raw_decode(text, at)
    else:
        stop = text.index(end, at)
        word = text[at:stop]
    if text[stop : stop + 1] != end:
        raise ValueError(f"no {end!r} after a name at {stop}")
    return word, stop + 1
