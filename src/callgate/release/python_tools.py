"""Tools in a Python module: ours, LangChain's and pydantic-ai's.

Importing a module runs it, so this is for one's own code. Foreign tools are told by the modules
of their classes: nothing of these frameworks is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from callgate.contract.listing import Listed, Listing
from callgate.errors import DefinitionError, SettingsError
from callgate.pipeline import Source
from callgate.sources import reference
from callgate.tool import FunctionTool
from callgate.types import Tool

__all__ = ["read_references"]

_IGNORE = "ignore:"
"""The tag that switches a rule of lint off, as in `tags=frozenset({"ignore:some-rule"})`."""


def read_references(references: Iterable[str], root: Path) -> Listing:
    """Import what each reference names, and return its tools.

    Args:
        references: `module:attribute`, `file.py:attribute`, or a module or file alone for all of
            its public tools.
        root: What paths are relative to; modules are looked for here first.

    Raises:
        SettingsError: A reference cannot be imported, or names nothing.
        DefinitionError: What it names is no tool.
    """
    names = tuple(references)
    entries = [entry for name in names for entry in _entries(name, root)]
    return Listing(source=", ".join(names), entries=tuple(entries))


def _entries(name: str, root: Path) -> list[Listed]:
    found = reference.find(name, root)
    named = ":" in name
    entries = list(_of(found, name) if named else _of_module(found, name))
    if not entries and not named:
        raise DefinitionError(f"{name} has no tool among its public names; say {name}:NAME")
    return entries


def _of_module(module: object, name: str) -> Iterator[Listed]:
    seen: set[int] = set()
    for key, value in vars(module).items():
        if key.startswith("_") or isinstance(value, type):
            continue
        many = isinstance(value, list | tuple)
        for item in cast("Iterable[object]", value) if many else (value,):
            if id(item) not in seen:
                seen.add(id(item))
                yield from _known(item, f"{name}:{key}") or ()


def _of(value: object, place: str) -> Iterator[Listed]:
    many = isinstance(value, list | tuple)
    for item in cast("Iterable[object]", value) if many else (value,):
        found = _known(item, place)
        if found is None:
            kind = getattr(item, "__name__", None) or type(item).__name__
            hint = "; put @tool before the function" if callable(item) else ""
            raise SettingsError(
                f"tools: {place}: {kind} is neither a tool nor a source{hint}",
                details={"key": "tools", "got": place},
            )
        yield from found


def _known(item: object, place: str) -> list[Listed] | None:
    """Return the tools that a value is or holds; None if it is nothing of the kind."""
    if isinstance(item, FunctionTool):
        return [_ours(cast("FunctionTool[..., Any]", item).tool, place)]
    makers = {base.__module__.partition(".")[0] for base in type(item).__mro__}
    if "langchain_core" in makers and hasattr(item, "tool_call_schema"):
        return [_langchain(item, place)]
    if "pydantic_ai" in makers:
        return _pydantic_ai(item, place)
    if callable(getattr(item, "list", None)) and callable(getattr(item, "call", None)):
        return [_ours(tool, place) for tool in cast("Source", item).list()]
    return None


def _ours(tool: Tool, place: str) -> Listed:
    rules = {tag.removeprefix(_IGNORE) for tag in tool.tags if tag.startswith(_IGNORE)}
    return Listed(
        tool=tool, place=place, form="callgate", effect_told=True, ignored=frozenset(rules)
    )


def _langchain(item: Any, place: str) -> Listed:
    shape = item.tool_call_schema
    schema = cast("Any", shape if isinstance(shape, dict) else shape.model_json_schema())
    tags: Iterable[str] = item.tags or ()
    rules = {tag.removeprefix(_IGNORE) for tag in tags if tag.startswith(_IGNORE)}
    return Listed(
        tool=Tool(
            name=str(item.name),
            description=str(item.description),
            parameters=schema,
        ),
        place=place,
        form="langchain",
        ignored=frozenset(rules),
    )


def _pydantic_ai(item: Any, place: str) -> list[Listed] | None:
    """Read a `Tool`, a toolset with `tools`, or an agent with toolsets."""
    if hasattr(item, "tool_def"):
        return [_definition(item.tool_def, place)]
    tools: Any = getattr(item, "tools", None)
    if isinstance(tools, Mapping):
        held = cast("Mapping[str, Any]", tools).values()
        return [_definition(tool.tool_def, place) for tool in held if hasattr(tool, "tool_def")]
    toolsets: Any = getattr(item, "toolsets", None)
    if isinstance(toolsets, list | tuple):
        found = (_pydantic_ai(toolset, place) for toolset in cast("list[Any]", toolsets))
        return [entry for entries in found for entry in entries or ()]
    return None


def _definition(given: Any, place: str) -> Listed:
    return Listed(
        tool=Tool(
            name=str(given.name),
            description=str(given.description or ""),
            parameters=given.parameters_json_schema,
            returns=getattr(given, "return_schema", None),
        ),
        place=place,
        form="pydantic-ai",
    )
