"""`callgate tools`: what is offered, and the kill switch."""

from __future__ import annotations

import asyncio
import difflib
from contextlib import closing
from dataclasses import asdict
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.json import JSON
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting
from callgate.errors import UnknownToolError
from callgate.stages.resolve import Switch
from callgate.types import Tool

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True, help="Look at the tools; switch them off and on.")

_Name: TypeAlias = Annotated[str, typer.Argument(help="The tool's name.")]
_Tenant: TypeAlias = Annotated[
    str | None, typer.Option(help="Only for this tenant; else for all.", show_default=False)
]


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


@commands.command("disable", epilog='Example: callgate tools disable refund --reason "pays twice"')
def disable_tool(
    name: _Name,
    tenant: _Tenant = None,
    reason: Annotated[str, typer.Option(help="Why; the model is told.")] = "",
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Switch a tool off, from the next call on, in every process that shares the store.

    Calls that run are not stopped. Needs [store] in the settings.
    """
    with reporting(as_json):
        chosen = app.settings(file)
        tool = _find(name, app.tools(chosen))
        switch = Switch(tool=tool.name, tenant=tenant, reason=reason)
        with closing(app.store(chosen)) as store:
            store.database.check()
            asyncio.run(store.switches().disable(switch))
        _print_switch(switch, off=True, as_json=as_json)


@commands.command("enable", epilog="Example: callgate tools enable refund")
def enable_tool(
    name: _Name, tenant: _Tenant = None, file: SettingsFile = None, as_json: AsJson = False
) -> None:
    """Switch a tool on again: for the tenant, or for all, as it was switched off.

    Fails if it was not off in this way. Needs [store] in the settings.
    """
    with reporting(as_json):
        with closing(app.store(app.settings(file))) as store:
            store.database.check()
            found = asyncio.run(store.switches().enable(name, tenant))
        if not found:
            whom = "all tenants" if tenant is None else f"tenant {tenant}"
            raise UnknownToolError(f"{name} is not switched off for {whom}: callgate tools off")
        _print_switch(Switch(tool=name, tenant=tenant), off=False, as_json=as_json)


@commands.command("off", epilog="Example: callgate tools off --json")
def list_off(file: SettingsFile = None, as_json: AsJson = False) -> None:
    """List what is switched off.

    Needs [store] in the settings.
    """
    with reporting(as_json):
        with closing(app.store(app.settings(file))) as store:
            store.database.check()
            found = asyncio.run(store.switches().look())
        if as_json:
            print_json([asdict(switch) for switch in found])
            return
        for switch in found:
            _print_switch(switch, off=True, as_json=False)


def _print_switch(switch: Switch, *, off: bool, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(switch), "off": off})
        return
    whom = "" if switch.tenant is None else f" for tenant {switch.tenant}"
    why = f": {switch.reason}" if switch.reason else ""
    typer.echo(f"{switch.tool} is {'off' if off else 'on'}{whom}{why}")


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
        "fallback": [asdict(one) for one in tool.fallback],
    }
