"""`callgate add`: write a source into callgate.toml, and show what it brings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias, cast

import tomlkit
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tomlkit.exceptions import ParseError
from tomlkit.items import Table as TomlTable

from callgate import app
from callgate.cli.inspecting import token_count
from callgate.cli.linting import print_finding, tokens_of
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting
from callgate.contract.lint import Choice, Report, judge
from callgate.contract.lint.tokens import definition_text
from callgate.contract.listing import Listing
from callgate.errors import SettingsError
from callgate.schema.values import is_object
from callgate.settings import FILE

__all__ = ["commands"]

_FINDINGS = 20
"""Findings that are shown at once; they come with the worst first."""

commands = typer.Typer(no_args_is_help=True, help="Add a source of tools to callgate.toml.")

Name: TypeAlias = Annotated[str, typer.Argument(help="What the source is called in callgate.toml.")]
Secret: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Where the secret is, such as env:SHOP_TOKEN; never the secret itself."),
]


@commands.command("openapi", epilog="Example: callgate add openapi shop shop.yaml --tag orders")
def add_openapi(
    name: Name,
    document: Annotated[str, typer.Argument(help="The document, JSON or YAML.")],
    url: Annotated[str | None, typer.Option(help="Base URL, if not the document's.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only operations with this tag.")] = None,
    path: Annotated[list[str] | None, typer.Option(help="Only paths like this: /pets/*")] = None,
    auth: Annotated[
        list[str] | None, typer.Option(help="SCHEME=PLACE of its secret, such as key=env:SHOP_KEY")
    ] = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Add the operations of an OpenAPI document."""
    with reporting(as_json):
        entry: dict[str, Any] = {"document": document, "url": url, "tags": tag, "paths": path}
        entry["auth"] = dict(_pair(one) for one in auth or ()) or None
        _add(name, "openapi", entry, file, as_json=as_json)


@commands.command(
    "http", epilog="Example: callgate add http weather https://api.example.com /now --about 'Now.'"
)
def add_http(
    name: Name,
    url: Annotated[str, typer.Argument(help="Base URL.")],
    path: Annotated[str, typer.Argument(help="Path of the endpoint, such as /orders/{id}")],
    about: Annotated[str, typer.Option(help="What the model reads.")],
    method: Annotated[str, typer.Option(help="The HTTP method.")] = "GET",
    bearer: Secret = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Add one endpoint as a tool of the same name.

    Its parameters in the path become texts; others are added to the table that is written.
    """
    with reporting(as_json):
        holes = [part[1:-1] for part in path.split("/") if part.startswith("{")]
        endpoint: dict[str, Any] = {"path": path, "description": about, "method": method}
        endpoint["parameters"] = {hole: {"type": "string"} for hole in holes} or None
        entry: dict[str, Any] = {"url": url, "tools": {name: endpoint}}
        entry["auth"] = None if bearer is None else {"kind": "bearer", "secret": bearer}
        _add(name, "http", entry, file, as_json=as_json)


@commands.command("sql", epilog="Example: callgate add sql orders 'queries/*.sql' --sqlite shop.db")
def add_sql(
    name: Name,
    statements: Annotated[list[str], typer.Argument(help="Files of statements.")],
    sqlite: Annotated[str | None, typer.Option(help="File of an SQLite database.")] = None,
    postgresql: Secret = None,
    write: Annotated[bool, typer.Option(help="Allow statements that say they write.")] = False,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Add named SQL statements."""
    with reporting(as_json):
        entry: dict[str, Any] = {"statements": statements, "sqlite": sqlite}
        entry |= {"postgresql": postgresql, "write": write or None}
        _add(name, "sql", entry, file, as_json=as_json)


@commands.command("mcp", epilog="Example: callgate add mcp notes -- npx -y some-server --flag")
def add_mcp(
    name: Name,
    target: Annotated[list[str], typer.Argument(help="An address, or after -- a command.")],
    env: Annotated[
        list[str] | None, typer.Option(help="NAME=PLACE of a secret, such as KEY=env:SHOP_KEY")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help="NAME=PLACE of a secret header's value.")
    ] = None,
    prefix: Annotated[str | None, typer.Option(help="What its tools' names begin with.")] = None,
    accept_hints: Annotated[
        bool, typer.Option(help="Believe what the server says its tools do to the world.")
    ] = False,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Add the tools of an MCP server, which is started to be asked for them."""
    with reporting(as_json):
        web = target[0].startswith(("http://", "https://"))
        entry: dict[str, Any] = {"url": target[0]} if web else {"command": target}
        entry |= {"prefix": prefix, "accept_hints": accept_hints or None}
        entry["environment"] = dict(_pair(one, "--env") for one in env or ()) or None
        entry["headers"] = dict(_pair(one, "--header") for one in header or ()) or None
        _add(name, "mcp", entry, file, as_json=as_json)


def _pair(text: str, option: str = "--auth") -> tuple[str, str]:
    scheme, equals, place = text.partition("=")
    if not equals:
        raise SettingsError(f"{option}: write NAME=PLACE, such as key=env:SHOP_KEY")
    return scheme, place


def _add(name: str, kind: str, entry: dict[str, Any], file: Path | None, *, as_json: bool) -> None:
    """Write the entry, and leave the file as it was if the source cannot be opened."""
    path = _file(file)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(_with(before, name, {"kind": kind, **entry}, path), encoding="utf-8")
    try:
        chosen = app.settings(path)
        listing = app.read_source(chosen, name)
        report = judge(listing, app.lint_choice(chosen, Choice()))
    except BaseException:
        if before:
            path.write_text(before, encoding="utf-8")
        else:
            path.unlink()
        raise
    _show(path, listing, report, as_json=as_json)


def _file(file: Path | None) -> Path:
    if file is not None:
        return file
    return app.settings_file() or Path(FILE)


def _with(text: str, name: str, entry: dict[str, Any], path: Path) -> str:
    """Return the settings with one more source; comments and order stay."""
    try:
        document = tomlkit.parse(text)
    except ParseError as exc:
        raise SettingsError(f"{path}: not readable as TOML: {exc}") from exc
    root = cast("dict[str, Any]", document)
    sources = root.setdefault("sources", tomlkit.table(is_super_table=True))
    if name in sources:
        raise SettingsError(
            f"{path}: sources.{name} is there already; choose another name, or change it there",
            details={"key": f"sources.{name}"},
        )
    sources[name] = _table(entry)
    return tomlkit.dumps(document)


def _table(values: dict[str, Any]) -> TomlTable:
    made = tomlkit.table()
    # Tables last: what follows one in TOML belongs to it.
    for key, value in sorted(values.items(), key=lambda pair: is_object(pair[1])):
        if value is not None:
            made[key] = _table(value) if is_object(value) else value
    return made


def _show(path: Path, listing: Listing, report: Report, *, as_json: bool) -> None:
    """Show the tools that were found, what each costs, and what is wrong with them."""
    count = token_count()
    costs = [count.count(definition_text(tool)) for tool in listing.tools]
    if as_json:
        listed = [
            {"name": tool.name, "effect": tool.effect.value, "tokens": cost}
            for tool, cost in zip(listing.tools, costs, strict=True)
        ]
        told = {"source": listing.source.removeprefix("sources."), "file": str(path)}
        print_json(
            {
                **told,
                "tools": listed,
                "notes": list(listing.notes),
                "tokens": tokens_of(listing),
                "lint": report.to_json(),
            }
        )
        return
    table = Table("name", "effect", "tokens", "description", box=None, pad_edge=False)
    for tool, cost in zip(listing.tools, costs, strict=True):
        cells = (tool.name, tool.effect.value, str(cost), tool.description.partition("\n")[0])
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)
    _show_findings(listing, report)
    kind = f"tokens of {count.name}" if count.exact else "tokens (estimate)"
    typer.echo(f"{len(costs)} tools, {sum(costs)} {kind} in every request; in {path}", err=True)


def _show_findings(listing: Listing, report: Report) -> None:
    """Show what is no tool, and the worst findings; the rest is counted."""
    console = Console(highlight=False, soft_wrap=True)
    for note in listing.notes[:_FINDINGS]:
        console.print(Text.assemble(("note: ", "yellow"), note))
    if len(listing.notes) > _FINDINGS:
        console.print(Text(f"note: {len(listing.notes) - _FINDINGS} more are not offered"))
    for finding in report.findings[:_FINDINGS]:
        print_finding(console, finding)
    counts = ", ".join(f"{count} {kind}" for kind, count in report.counts().items())
    rest = len(report.findings) - _FINDINGS
    more = f"; {rest} more are shown by: callgate lint" if rest > 0 else ""
    console.print(Text(f"lint: {counts}{more}"))
