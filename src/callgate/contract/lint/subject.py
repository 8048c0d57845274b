"""A tool as rules look at it: its parameters found once, with what is said about each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from callgate.contract.lint.words import split_name
from callgate.contract.listing import Listed, Steps
from callgate.errors import DefinitionError
from callgate.schema.check import Checker
from callgate.schema.values import is_array, is_object
from callgate.types import Tool

__all__ = ["Parameter", "Subject"]

_SEGMENTS = re.compile(r"::|[./]")
_DEPTH = 6
"""Objects and arrays inside each other in which parameters are looked for."""

_MOST = 500
"""Parameters of one tool that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One property of the arguments, at any depth.

    Attributes:
        name: Its name.
        path: Where it is: `parameters/filter/limit`.
        steps: The way to its schema, from the parameters.
        schema: Its schema, with what a reference leads to.
        types: The JSON types that it may have, null left out; empty for any.
        description: What is said about it.
        required: Whether its object must have it.
        words: The words of its name.
        depth: 0 for an argument of the tool.
    """

    name: str
    path: str
    steps: Steps
    schema: Mapping[str, Any]
    types: frozenset[str]
    description: str
    required: bool
    words: tuple[str, ...]
    depth: int

    def keyword(self, name: str) -> Any:
        """Return a keyword of the schema, or of the one alternative that is not null."""
        if name in self.schema:
            return self.schema[name]
        members = _members(self.schema)
        return members[0].get(name) if len(members) == 1 else None

    @property
    def is_closed(self) -> bool:
        """Whether the schema lists its values."""
        if self.keyword("enum") is not None or "const" in self.schema:
            return True
        members = _members(self.schema)
        return bool(members) and all("const" in m or "enum" in m for m in members)


class Subject:
    """A tool, and what rules ask about it again and again.

    Attributes:
        listed: The tool as it was found.
        tool: The contract.
        action: The words of its name behind the last dot, slash or colon: `Orders.cancel`.
        problem: Why the parameters are no usable schema; empty if they are.
        memo: What a check worked out and another one asks for again.
        words: The words of its name.
    """

    def __init__(self, listed: Listed) -> None:
        """Keep the tool.

        Args:
            listed: The tool as it was found.
        """
        self.listed = listed
        self.tool: Tool = listed.tool
        self.words = tuple(split_name(listed.tool.name))
        self.action = tuple(split_name(_SEGMENTS.split(listed.tool.name.rstrip("./"))[-1]))
        self.problem = _problem(listed.tool)
        self.memo: dict[str, Any] = {}

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters at all depths, outer ones first; none if the schema is unusable."""
        if self.problem:
            return ()
        found: list[Parameter] = []
        for parameter in self._walk(self.tool.parameters, "parameters", (), ()):
            found.append(parameter)
            if len(found) == _MOST:
                break
        return tuple(found)

    @cached_property
    def texts(self) -> tuple[tuple[str, str], ...]:
        """All that a model reads in prose: pairs of path and text."""
        told = [("description", self.tool.description)]
        told += [(p.path, p.description) for p in self.parameters]
        return tuple((path, text) for path, text in told if text)

    def steps(self, path: str) -> Steps | None:
        """Return where the description at a path stands in the document; None if nowhere."""
        if path == "description":
            return self.listed.steps.get("description")
        root = self.listed.steps.get("parameters")
        for parameter in self.parameters if root is not None else ():
            if parameter.path == path and parameter.schema is _at(self.tool, parameter.steps):
                return (*(root or ()), *parameter.steps, "description")
        return None

    def _walk(
        self, schema: Mapping[str, Any], path: str, steps: Steps, above: tuple[int, ...]
    ) -> Iterator[Parameter]:
        """Yield the properties of a schema; one that stands in itself is not entered again."""
        properties_id = id(schema.get("properties"))
        if properties_id in above or len(above) > _DEPTH:
            return
        above = (*above, properties_id)
        properties = schema.get("properties")
        required = schema.get("required")
        names = required if is_array(required) else []
        for name, inner in properties.items() if is_object(properties) else ():
            if is_object(inner):
                way = (*steps, "properties", name)
                one = self._one(name, inner, f"{path}/{name}", way, name in names, len(above) - 1)
                yield one
                yield from self._inside(one, above)

    def _one(
        self,
        name: str,
        inner: dict[str, Any],
        path: str,
        steps: Steps,
        required: bool,
        depth: int,
    ) -> Parameter:
        schema = self._resolved(inner)
        told = schema.get("description")
        return Parameter(
            name=name,
            path=path,
            steps=steps,
            schema=schema,
            types=self._types(schema),
            description=told if isinstance(told, str) else "",
            required=required,
            words=tuple(split_name(name)),
            depth=depth,
        )

    def _inside(self, outer: Parameter, above: tuple[int, ...]) -> Iterator[Parameter]:
        """Yield what is in an object, in the items of an array, or in an alternative."""
        items = outer.schema.get("items")
        yield from self._walk(outer.schema, outer.path, outer.steps, above)
        if is_object(items):
            way = (*outer.steps, "items")
            yield from self._walk(self._resolved(items), outer.path, way, above)
        for keyword in ("anyOf", "oneOf"):
            members = outer.schema.get(keyword)
            for place, member in enumerate(members if is_array(members) else ()):
                if is_object(member):
                    way = (*outer.steps, keyword, place)
                    yield from self._walk(self._resolved(member), outer.path, way, above)

    def _resolved(self, schema: dict[str, Any], depth: int = 0) -> dict[str, Any]:
        """Return a schema with the target of its reference merged into it."""
        reference = schema.get("$ref")
        if not isinstance(reference, str) or depth > _DEPTH:
            return schema
        target: Any = self.tool.parameters
        for step in reference.removeprefix("#").split("/")[1:]:
            target = target.get(step.replace("~1", "/").replace("~0", "~"), {})
            if not is_object(target):
                return schema
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {**self._resolved(target, depth + 1), **rest}

    def _types(self, schema: dict[str, Any]) -> frozenset[str]:
        word = schema.get("type")
        if isinstance(word, str):
            return frozenset({word})
        if is_array(word):
            return frozenset(str(each) for each in word) - {"null"}
        members = [self._types(self._resolved(member)) for member in _members(schema)]
        return frozenset[str]().union(*members) if members and all(members) else frozenset()


def _members(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the alternatives of a schema that are not null."""
    for keyword in ("anyOf", "oneOf"):
        if is_array(members := schema.get(keyword)):
            return [each for each in members if is_object(each) and each.get("type") != "null"]
    return []


def _at(tool: Tool, steps: Steps) -> Any:
    found: Any = tool.parameters
    for step in steps:
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return found


def _problem(tool: Tool) -> str:
    for schema in (tool.parameters, tool.returns):
        if schema is not None:
            try:
                Checker(schema).compile()
            except DefinitionError as exc:
                return exc.message
    return ""
