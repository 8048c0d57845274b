"""`callgate grants`: standing approvals, each listed and revocable."""

from __future__ import annotations

from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.approvals.desk import GrantOptions
from callgate.approvals.need import DAY
from callgate.approvals.records import grant_to_json
from callgate.cli.approvals import By, at_desk, clock
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True, help="Look at and take back standing approvals.")


@commands.command("list", epilog="Example: callgate grants list --json")
def list_grants(
    tool: Annotated[str | None, typer.Option(help="Only those for this tool.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that have ended.")] = False,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """List the grants that stand, the oldest first."""
    with reporting(as_json):
        found = at_desk(app.settings(file), lambda desk: desk.grants(tool=tool, all=everything))
        if as_json:
            print_json([grant_to_json(one) for one in found])
            return
        table = Table("id", "tool", "when", "for", "by", "used", "until", box=None)
        for one in found:
            bound = "" if one.uses is None else f" of {one.uses}"
            cells = (
                one.id,
                one.tool,
                one.when,
                one.principal or "everybody",
                one.by,
                f"{one.used}{bound}",
                f"revoked by {one.revoked_by}" if one.revoked_by else clock(one.expires_at),
            )
            table.add_row(*(Text(cell) for cell in cells))
        Console().print(table)


@commands.command("give", epilog='Example: callgate grants give pay --by boss --when "cents < 500"')
def give_grant(
    tool: Annotated[str, typer.Argument(help="The tool's name.")],
    by: By,
    when: Annotated[str, typer.Option(help="A condition over the arguments.")] = "always",
    principal: Annotated[str, typer.Option(help="For whom; everybody by default.")] = "",
    uses: Annotated[int | None, typer.Option(min=1, help="How many calls it covers.")] = None,
    seconds: Annotated[float, typer.Option(min=1, help="How long it stands.")] = DAY,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Give a standing approval for calls of a tool."""
    with reporting(as_json):
        chosen = app.settings(file)
        person = app.person(chosen, by)
        bounds: dict[str, Any] = {
            "when": when,
            "principal": principal,
            "uses": uses,
        }
        options = cast("GrantOptions", bounds)
        grant = at_desk(chosen, lambda desk: desk.give(tool, person, seconds=seconds, **options))
        if as_json:
            print_json(grant_to_json(grant))
        else:
            typer.echo(grant.id)


@commands.command("revoke", epilog="Example: callgate grants revoke grt_5f0c1b --by boss")
def revoke_grant(
    id: Annotated[str, typer.Argument(metavar="ID", help="The grant.")],
    by: By,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Take a grant back; it covers no call that has not begun."""
    with reporting(as_json):
        chosen = app.settings(file)
        person = app.person(chosen, by)
        grant = at_desk(chosen, lambda desk: desk.revoke(id, person))
        if as_json:
            print_json(grant_to_json(grant))
        else:
            typer.echo(f"{grant.id} is taken back")
