"""Tools in a JSON document: which form it has, and what stands in it."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from callgate.contract.listing import Listed, Listing, Steps
from callgate.errors import DefinitionError, MissingDependencyError
from callgate.release.benchmarks import benchmark_tools, observed_tools
from callgate.release.forms import Item, ignored, provider_tool
from callgate.release.openapi import is_openapi, operations
from callgate.schema.values import is_array, is_object
from callgate.types import Tool

__all__ = ["MAX_BYTES", "load", "parse", "read_document", "read_value"]

MAX_BYTES = 32 * 2**20
"""Bytes of JSON text that are read, unpacked."""

_YAML = (".yaml", ".yml")

_UNFIT = re.compile(r"[^a-zA-Z0-9_-]|^(?=[0-9-])")
"""What the name of a tool cannot have, and the place before a digit that it cannot begin with."""


def read_document(path: Path, source: str) -> Listing:
    """Read the tools of a file: JSON, one JSON value a line, or YAML, also packed with gzip.

    Args:
        path: The file.
        source: What to call it in notes and errors.

    Raises:
        DefinitionError: It cannot be read, is too large, or holds something else.
    """
    return read_value(parse(load(path, source), source), source)


def load(path: Path, source: str) -> bytes:
    """Return the bytes of a file, unpacked.

    Args:
        path: The file.
        source: What to call it in errors.

    Raises:
        DefinitionError: It cannot be read, or there are more than 32 MiB.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            opened = gzip.GzipFile(fileobj=file) if packed else file
            # One byte more than allowed tells a large file, and a small one that unpacks to much.
            data = opened.read(MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as exc:
        raise DefinitionError(f"{source} is a damaged gzip file: {exc}.") from exc
    except OSError as exc:
        raise DefinitionError(f"{source} cannot be read: {exc.strerror}.") from exc
    if len(data) > MAX_BYTES:
        raise DefinitionError(
            f"{source} holds more than {MAX_BYTES >> 20} MiB; leave out what is no tool."
        )
    return data


def parse(data: bytes, source: str) -> Any:
    """Return the JSON value of a text; of several lines of JSON, the list of their values.

    Args:
        data: The text; YAML too, if the source is called `.yaml` or `.yml`.
        source: What to call it in errors.

    Raises:
        DefinitionError: It is none of these.
        MissingDependencyError: It is YAML, without the extra `openapi`.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as exc:
        if source.removesuffix(".gz").endswith(_YAML):
            return _of_yaml(data, source)
        try:
            lines = [line for line in data.splitlines() if line.strip()]
            values = [orjson.loads(line) for line in lines]
        except orjson.JSONDecodeError:
            values = []
        if len(values) > 1:
            return values
        raise DefinitionError(f"{source} is not JSON: {exc}.") from exc


def _of_yaml(data: bytes, source: str) -> Any:
    try:
        from callgate.release.yaml_text import parse_yaml
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            "YAML is read through the extra `openapi`: pip install 'callgate[openapi]'."
        ) from exc
    return parse_yaml(data, source)


def read_value(data: Any, source: str) -> Listing:
    """Read the tools of a JSON value.

    Args:
        data: Tools of ours, of MCP, OpenAI, Anthropic, Gemini or Bedrock, alone, in a list or in a
            request; an OpenAPI document; records of a benchmark; or one schema, which becomes a
            tool with the name of the source.
        source: What to call it in notes and errors.

    Raises:
        DefinitionError: It holds something else, or a schema is nested too deep.
    """
    if isinstance(data, bool):
        data = {} if data else {"not": {}}
    if is_object(data):
        listing = _read(*_unwrapped(data), source)
        return _ignoring(listing, ignored(data))
    return _read(data, (), source)


def _read(data: Any, steps: Steps, source: str) -> Listing:
    if is_openapi(data):
        return operations(data, source)
    if is_array(data):
        return _many(_items(data, steps), source)
    if is_object(data):
        return _one(Item(value=data, steps=steps), source)
    raise DefinitionError(f"{source} holds neither tools nor a schema.")


def _ignoring(listing: Listing, rules: frozenset[str]) -> Listing:
    """Switch the rules off for all tools of a document that names them at its top."""
    if not rules:
        return listing
    entries = [replace(entry, ignored=entry.ignored | rules) for entry in listing.entries]
    return replace(listing, entries=tuple(entries))


def _unwrapped(data: dict[str, Any]) -> tuple[Any, Steps]:
    """Follow the keys under which an answer or a request holds its tools."""
    inner: Any = data
    steps: Steps = ()
    for name in ("result", "toolConfig", "tools"):
        if is_object(inner) and name in inner and "dialogue" not in inner:
            inner, steps = inner[name], (*steps, name)
    return inner, steps


def _items(data: list[Any], steps: Steps) -> Iterator[Item | None]:
    for place, value in enumerate(data):
        yield Item(value=value, steps=(*steps, place)) if is_object(value) else None


def _one(item: Item, source: str) -> Listing:
    """Read one tool, a table of tools, or one schema."""
    found = _tools(item)
    if found is None and _is_table(item.value):
        inner = (Item(value=value, steps=(*item.steps, name)) for name, value in item.value.items())
        return _many(inner, source, form="bfcl")
    if found is None:
        found = [_bare(item, source)]
    return Listing(source=source, entries=tuple(found))


def _is_table(value: dict[str, Any]) -> bool:
    return bool(value) and all(
        is_object(inner) and inner.get("name") == name and is_object(inner.get("parameters"))
        for name, inner in value.items()
    )


def _bare(item: Item, source: str) -> Listed:
    stem = Path(source.removesuffix(".gz")).stem or "schema"
    told = item.value.get("description")
    return Listed(
        tool=Tool(
            name=_UNFIT.sub("_", stem),
            description=told if isinstance(told, str) else "",
            parameters=item.value,
        ),
        place=item.place,
        form="schema",
        steps={"item": item.steps, "parameters": item.steps},
    )


def _tools(item: Item) -> list[Listed] | None:
    found = benchmark_tools(item)
    return provider_tool(item) if found is None else found


def _many(items: Iterator[Item | None], source: str, form: str = "") -> Listing:
    entries: list[Listed] = []
    notes: list[str] = []
    unread: list[Item] = []
    for item in items:
        found = None if item is None else _tools(item)
        if item is not None and found is None and _is_hosted(item.value):
            notes.append(f"{item.place} is run by the provider and has no schema; left out")
        elif item is not None and found is None:
            unread.append(item)
        elif found is None:
            raise _no_tool(None, source)
        else:
            entries += [replace(entry, form=form) for entry in found] if form else found
    if unread:
        observed = observed_tools(unread) if not entries else []
        if not observed:
            raise _no_tool(unread[0].value, source)
        entries = observed
    kept = _distinct(entries)
    if len(kept) < len(entries):
        notes.append(f"{len(entries) - len(kept)} definitions stand there more than once")
    return Listing(source=source, entries=tuple(kept), notes=tuple(notes))


_HOSTED = frozenset(
    {
        "cachePoint",
        "codeExecution",
        "code_execution",
        "computerUse",
        "computer_use",
        "fileSearch",
        "file_search",
        "googleMaps",
        "googleSearch",
        "googleSearchRetrieval",
        "google_maps",
        "google_search",
        "google_search_retrieval",
        "systemTool",
        "urlContext",
        "url_context",
    }
)
"""Keys under which Gemini and Bedrock are asked for a tool of their own, or for no tool at all."""


def _is_hosted(value: dict[str, Any]) -> bool:
    """Tell a tool of the provider's own: `{"type": "web_search"}`, `{"googleSearch": {}}`."""
    kind = value.get("type")
    if isinstance(kind, str):
        return kind not in ("function", "object", "namespace")
    return len(value) == 1 and next(iter(value)) in _HOSTED


def _distinct(entries: list[Listed]) -> list[Listed]:
    """Drop what stands there twice, word for word; questions of a benchmark share their tools."""
    seen: dict[bytes, Listed] = {}
    surfaces: dict[bytes, dict[str, None]] = {}
    for entry in entries:
        tool = entry.tool
        key = _bytes([tool.name, tool.description, tool.parameters, tool.returns])
        seen.setdefault(key, entry)
        surfaces.setdefault(key, {}).update(dict.fromkeys(entry.surfaces))
    return [replace(entry, surfaces=tuple(surfaces[key])) for key, entry in seen.items()]


def _bytes(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as exc:
        raise DefinitionError(f"A definition is nested too deep to be read: {exc}.") from exc


def _no_tool(value: Any, source: str) -> DefinitionError:
    try:
        shown = orjson.dumps(value)[:80].decode("utf-8", "replace")
    except TypeError:
        shown = "a value that is nested too deep"
    return DefinitionError(
        f"{source}: a tool is an object with name and parameters (or inputSchema), or what OpenAI, "
        f"Anthropic, Gemini or Bedrock take as one; got {shown}"
    )
