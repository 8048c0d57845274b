"""The few schemas that the solver itself needs, to speak about names and arguments."""

from __future__ import annotations

from callgate.contract.inclusion.documents import Document
from callgate.contract.inclusion.nodes import Node, Nodes
from callgate.schema.definition import Definition

__all__ = ["Speech"]


class Speech:
    """Schemas of strings and of objects."""

    __slots__ = ("_document", "_known", "_nodes", "object", "text")

    def __init__(self, nodes: Nodes) -> None:
        """Keep where nodes come from."""
        self._nodes = nodes
        self._document = Document(Definition({}))
        self._known: dict[str, Node] = {}
        self.text = nodes.node({"type": "string"}, self._document)
        self.object = nodes.node({"type": "object"}, self._document)

    def matching(self, pattern: str) -> Node:
        """Return the schema of strings in which a pattern is found."""
        if pattern not in self._known:
            schema = {"type": "string", "pattern": pattern}
            self._known[pattern] = self._nodes.node(schema, self._document)
        return self._known[pattern]
