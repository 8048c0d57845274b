"""`callgate compile`: tools as one wire takes them, and what its schemas no longer say."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.json import JSON
from rich.text import Text

from callgate import app
from callgate.cli.options import AsJson, Source, Wire
from callgate.cli.outcome import print_json, reporting
from callgate.schema.dialects import Compiled, CompiledTool, compile_tools

__all__ = ["compile_source"]


def compile_source(
    source: Source,
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
        compiled = compile_tools(app.read(source).tools, wire, strict=strict)
        if as_json:
            print_json(compiled.to_json())
        else:
            _print(compiled)


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
