"""`callgate tools`: what is offered."""

from __future__ import annotations

import difflib
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.json import JSON
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting
from callgate.errors import UnknownToolError
from callgate.types import Tool

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True, help="Look at the tools.")


@commands.command("list", epilog="Example: callgate tools list --json")
def list_tools(file: SettingsFile = None, as_json: AsJson = False) -> None:
    """List the tools.

    Shows the effect, the version and the first line of the description.
    """
    with reporting(as_json):
        tools = app.tools(app.settings(file))
        if as_json:
            print_json([_summary(tool) for tool in tools])
            return
        table = Table("name", "effect", "version", "description", box=None, pad_edge=False)
        for tool in tools:
            # Text, because a description is not markup.
            cells = (tool.name, tool.effect.value, tool.version, _first_line(tool))
            table.add_row(*(Text(cell) for cell in cells))
        Console().print(table)


@commands.command("show", epilog="Example: callgate tools show count_words")
def show_tool(
    name: Annotated[str, typer.Argument(help="The tool's name.")],
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the whole contract of one tool.

    Description, schemas, effect and limits; with --json examples and flags too.
    """
    with reporting(as_json):
        tool = _find(name, app.tools(app.settings(file)))
        if as_json:
            print_json(_contract(tool))
            return
        console = Console()
        head = (f"{tool.name}@{tool.version}", "bold cyan"), f"  {tool.effect.value}"
        console.print(Text.assemble(*head))
        console.print(Text(tool.description))
        for title, schema in (("parameters", tool.parameters), ("returns", tool.returns)):
            if schema is not None:
                console.print(Text(title, style="bold"))
                console.print(JSON.from_data(schema))
        limits = ", ".join(f"{key} {value}" for key, value in asdict(tool.limits).items())
        console.print(Text.assemble(("limits ", "bold"), limits))


def _find(name: str, tools: tuple[Tool, ...]) -> Tool:
    for tool in tools:
        if tool.name == name:
            return tool
    names = [tool.name for tool in tools]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names) or 'none'}"
    raise UnknownToolError(f"no tool is called {name}; {hint}")


def _first_line(tool: Tool) -> str:
    return tool.description.partition("\n")[0]


def _summary(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "effect": tool.effect.value,
        "version": tool.version,
        "description": _first_line(tool),
    }


def _contract(tool: Tool) -> dict[str, Any]:
    return {
        **_summary(tool),
        "description": tool.description,
        "parameters": tool.parameters,
        "returns": tool.returns,
        "limits": asdict(tool.limits),
        "examples": [{"arguments": dict(e.arguments), "note": e.note} for e in tool.examples],
        "parallel": tool.parallel,
        "poll": tool.poll,
        "tags": sorted(tool.tags),
    }
