"""Calls written as Java or JavaScript: parsed by their grammars, of which only text is read.

Needs the extra `evals` (tree-sitter), so it is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import tree_sitter_java
import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

from callgate.evals.benchmarks.bfcl.syntax import DecodeError

__all__ = ["read_java", "read_javascript"]

_VERBATIM = frozenset({"identifier", "class_literal", "type_identifier", "method_invocation"})
_QUOTED = frozenset({"string_literal", "character_literal"})
_UNNAMED_JAVA = frozenset({"identifier", "class_literal", "set"})
_UNNAMED_JAVASCRIPT = frozenset({"identifier", "true"})


def read_java(text: str) -> list[dict[str, dict[str | None, str]]] | dict[str, str]:
    """Return the first method invocation, its arguments as source text.

    Returns:
        One call, or an empty object where nothing is invoked, as the leaderboard has it.

    Raises:
        DecodeError: It is not Java, or an argument is named twice.
    """
    found = next(_invocations(_parsed(text, tree_sitter_java.language(), "Java")), None)
    if found is None:
        return {}
    name, owner = found.child_by_field_name("name"), found.child_by_field_name("object")
    arguments = found.child_by_field_name("arguments")
    called = ".".join(_cut(text, part) for part in (owner, name) if part is not None)
    pairs = _java_arguments(text, arguments.children if arguments else ())
    return [{called: _once(pairs)}]


def read_javascript(text: str) -> list[dict[str, dict[str | None, str]]] | None:
    """Return the first call that stands as a statement, its arguments as source text.

    Returns:
        One call, or None where nothing is called, as the leaderboard has it.

    Raises:
        DecodeError: It is not JavaScript, or an argument is named twice.
    """
    root = _parsed(text, tree_sitter_javascript.language(), "JavaScript")
    statements = (child for child in root.children if child.type == "expression_statement")
    calls = (part for child in statements for part in child.children)
    found = next((part for part in calls if part.type == "call_expression"), None)
    if found is None:
        return None
    function, arguments = found.children[0], found.children[1]
    return [{_own(function): _once(_javascript_arguments(arguments.children))}]


def _parsed(text: str, language: object, name: str) -> Node:
    root = Parser(Language(language)).parse(text.encode("utf-8", "surrogatepass")).root_node
    # A node that the parser only added for completeness is no error to the leaderboard.
    if "ERROR" in str(root):
        raise DecodeError(f"not {name}")
    return root


def _once(pairs: Iterable[tuple[str | None, str]]) -> dict[str | None, str]:
    arguments: dict[str | None, str] = {}
    for name, value in pairs:
        if name in arguments:
            raise DecodeError("an argument stands twice")
        arguments[name] = value
    return arguments


# ------------------------------------------------------------------ Java


def _cut(text: str, node: Node) -> str:
    # The leaderboard cuts characters by the parser's bytes, so text behind an umlaut is shifted.
    return text[node.start_byte : node.end_byte]


def _invocations(node: Node) -> Iterator[Node]:
    if node.type == "method_invocation":
        yield node
        return
    for child in node.children:
        yield from _invocations(child)


def _java_arguments(text: str, children: Iterable[Node]) -> Iterator[tuple[str | None, str]]:
    for child in children:
        if child.type == "assignment_expression":
            value = child.children[2]
            yield _cut(text, child.children[0]), _java_value(text, value)
        elif child.type in _UNNAMED_JAVA:
            yield None, _java_value(text, child)


def _java_value(text: str, node: Node) -> str:
    whole = _java_text(text, node)
    return whole[1:-1] if node.type in _QUOTED else whole


def _java_text(text: str, node: Node) -> str:
    """Write a value again without the spaces between its parts."""
    if node.type in _QUOTED or node.type in _VERBATIM or not node.child_count:
        return _cut(text, node)
    if node.type == "array_creation_expression":
        kind, value = node.child_by_field_name("type"), node.child_by_field_name("value")
        if kind is None or value is None:
            raise DecodeError("an array has no members")
        return f"new {_java_text(text, kind)}[]{_java_text(text, value)}"
    if node.type == "object_creation_expression":
        return _java_object(text, node)
    return "".join(_java_text(text, child) for child in node.children)


def _java_object(text: str, node: Node) -> str:
    kind, arguments = node.child_by_field_name("type"), node.child_by_field_name("arguments")
    name = _java_text(text, kind) if kind else ""
    parts = arguments.children if arguments else ()
    inside = [_java_text(text, part) for part in parts if part.type not in ("(", ")", ",")]
    return f"new {name}({', '.join(inside)})"


# ------------------------------------------------------------------ JavaScript


def _own(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _javascript_arguments(children: Iterable[Node]) -> Iterator[tuple[str | None, str]]:
    for child in children:
        if child.type == "assignment_expression":
            yield _own(child.children[0]), _unquoted(_own(child.children[2]))
        elif child.type in _UNNAMED_JAVASCRIPT:
            yield None, _own(child)


def _unquoted(text: str) -> str:
    quoted = any(text.startswith(quote) and text.endswith(quote) for quote in "\"'")
    return text[1:-1] if quoted else text
