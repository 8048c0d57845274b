"""`callgate compile`: tools as one wire takes them, and what its schemas no longer say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.json import JSON
from rich.text import Text

from callgate import app
from callgate.cli.options import AsJson, Wire
from callgate.cli.outcome import print_json, reporting
from callgate.errors import DefinitionError
from callgate.schema.dialects import Compiled, CompiledTool, compile_tools
from callgate.schema.values import is_array, is_object
from callgate.settings import Settings
from callgate.types import Effect, Tool

__all__ = ["compile_source"]


def compile_source(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="file.py:attribute, module:attribute, or a JSON file: tools or one schema.",
        ),
    ],
    wire: Wire,
    strict: Annotated[
        bool, typer.Option(help="Let the provider enforce the schemas, where it can.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compile tools for a wire.

    Prints the definitions, what each schema no longer says, and which tools cannot be strict.
    """
    with reporting(as_json):
        compiled = compile_tools(_tools(source), wire, strict=strict)
        if as_json:
            print_json(compiled.to_json())
        else:
            _print(compiled)


def _tools(source: str) -> tuple[Tool, ...]:
    path = Path(source)
    if path.suffix == ".json" or path.is_file():
        return tuple(_defined(path))
    return app.tools(Settings(root=Path.cwd(), tools=(source,)))


# --- definitions in JSON --------------------------------------------------------------------

_UNFIT = re.compile(r"[^a-zA-Z0-9_-]|^(?=[0-9-])")
"""What the name of a tool cannot have, and the place before a digit that it cannot begin with."""


def _defined(path: Path) -> list[Tool]:
    """Read tools of ours, an answer to MCP's `tools/list`, or one schema.

    Raises:
        DefinitionError: The file cannot be read, or holds something else.
    """
    try:
        data: Any = orjson.loads(path.read_bytes())
    except OSError as exc:
        raise DefinitionError(f"{path} cannot be read: {exc.strerror}.") from exc
    except orjson.JSONDecodeError as exc:
        raise DefinitionError(f"{path} is not JSON: {exc}.") from exc
    for name in ("result", "tools"):
        if is_object(data) and name in data:
            data = data[name]
    if is_array(data):
        return [_tool(item, path) for item in data]
    if is_object(data):
        return [_made(_UNFIT.sub("_", path.stem), data, data, "")]
    raise DefinitionError(f"{path} holds neither tools nor a schema.")


def _tool(item: Any, path: Path) -> Tool:
    if is_object(item) and isinstance(item.get("name"), str):
        for key, effect in (("parameters", item.get("effect")), ("inputSchema", _hinted(item))):
            if is_object(item.get(key)):
                return _made(item["name"], item[key], item, effect)
    raise DefinitionError(
        f"{path}: a tool is an object with name and parameters (or inputSchema); "
        f"got {orjson.dumps(item)[:80].decode('utf-8', 'replace')}"
    )


def _made(name: str, schema: dict[str, Any], fields: dict[str, Any], effect: Any) -> Tool:
    told = fields.get("description")
    known = effect in {kind.value for kind in Effect}
    return Tool(
        name=name,
        description=told if isinstance(told, str) else "",
        parameters=schema,
        effect=Effect(effect) if known else Effect.IRREVERSIBLE,
    )


def _hinted(item: Any) -> str:
    """Return the effect that MCP's annotations hint at; it only decides which tool is strict."""
    match item:
        case {"annotations": {"readOnlyHint": True}}:
            return Effect.READ.value
        case {"annotations": {"idempotentHint": True}}:
            return Effect.IDEMPOTENT.value
        case _:
            return Effect.IRREVERSIBLE.value


# --- the screen -----------------------------------------------------------------------------


def _print(compiled: Compiled) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for tool in compiled.tools:
        _print_tool(console, tool)
    for item in compiled.downgraded:
        console.print(Text.assemble((f"{item.tool} is not strict: ", "bold yellow"), item.reason))


def _print_tool(console: Console, tool: CompiledTool) -> None:
    strict = "  strict" if tool.strict else ""
    console.print(Text.assemble((tool.tool.name, "bold cyan"), strict))
    console.print(Text(tool.description))
    console.print(JSON.from_data(tool.schema))
    for loss in tool.losses:
        mark = "narrows  " if loss.narrows else ""
        head = f"{loss.happened.value}  {loss.path} {loss.keyword}: "
        console.print(Text.assemble((mark, "red"), (head, "yellow"), loss.words))
