"""`callgate approvals`: calls that wait for a person, and what people say to them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeAlias, TypeVar

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.approvals.desk import Approvals
from callgate.approvals.records import Approval, Standing, approval_to_json, visible
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting
from callgate.cli.screen import shown
from callgate.settings import Settings

__all__ = ["By", "at_desk", "clock", "commands"]

_Made = TypeVar("_Made")

commands = typer.Typer(no_args_is_help=True, help="Decide about calls that wait for a person.")

By: TypeAlias = Annotated[
    str, typer.Option("--by", help="Who decides: a name of [approvals.people].")
]
_Id: TypeAlias = Annotated[str, typer.Argument(metavar="ID", help="The approval.")]
_Reason: TypeAlias = Annotated[str, typer.Option(help="Why; a denial's is told to the model.")]


class _Choice(StrEnum):
    """What a signed link decides."""

    APPROVE = "approve"
    DENY = "deny"


def at_desk(chosen: Settings, work: Callable[[Approvals], Awaitable[_Made]]) -> _Made:
    """Do something at the desk of the settings' store."""

    async def run() -> _Made:
        return await work(app.approvals(chosen, store))

    with closing(app.store(chosen)) as store:
        store.database.check()
        return asyncio.run(run())


def clock(at: float) -> str:
    """Return a time for people, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


@commands.command("list", epilog="Example: callgate approvals list --by boss --json")
def list_approvals(
    by: Annotated[
        str | None, typer.Option("--by", help="Only those that this person may decide about.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """List the calls that wait for a person, the oldest first."""
    with reporting(as_json):
        chosen = app.settings(file)
        person = None if by is None else app.person(chosen, by)
        standing = None if everything else Standing.PENDING
        found = at_desk(chosen, lambda desk: desk.list(standing=standing, person=person))
        if as_json:
            print_json([_told(one) for one in found])
            return
        table = Table("id", "tool", "arguments", "for", "standing", "until", box=None)
        for one in found:
            cells = (
                one.id,
                f"{one.tool}@{one.version}",
                shown(visible(one.arguments.decode())),
                one.binding.principal,
                one.standing(time.time()).value,
                clock(one.expires_at),
            )
            table.add_row(*(Text(cell) for cell in cells))
        Console().print(table)


@commands.command("show", epilog="Example: callgate approvals show apr_5f0c1b")
def show_approval(id: _Id, file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show one approval: the tool, exactly the arguments that will execute, and who said what."""
    with reporting(as_json):
        _print(at_desk(app.settings(file), lambda desk: desk.get(id)), as_json=as_json)


@commands.command("approve", epilog="Example: callgate approvals approve apr_5f0c1b --by boss")
def approve(
    id: _Id,
    by: By,
    reason: _Reason = "",
    arguments: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="All arguments of the call that is approved instead."),
    ] = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say yes to a call, or to the same call with other arguments.

    What is printed is what will execute: arguments that were changed are completed and checked
    as a model's are.
    """
    with reporting(as_json):
        chosen = app.settings(file)
        person = app.person(chosen, by)
        known = at_desk(
            chosen, lambda desk: desk.approve(id, person, reason=reason, arguments=arguments)
        )
        _print(known, as_json=as_json)


@commands.command(
    "deny", epilog='Example: callgate approvals deny apr_5f0c1b --by boss --reason "x"'
)
def deny(
    id: _Id,
    by: By,
    reason: _Reason = "",
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say no to a call, also to one that was approved and is not used yet."""
    with reporting(as_json):
        chosen = app.settings(file)
        person = app.person(chosen, by)
        known = at_desk(chosen, lambda desk: desk.deny(id, person, reason=reason))
        _print(known, as_json=as_json)


@commands.command("link", epilog="Example: callgate approvals link apr_5f0c1b approve --by boss")
def make_link(
    id: _Id,
    decision: Annotated[_Choice, typer.Argument(help="What the link decides.")],
    by: By,
    seconds: Annotated[float, typer.Option(min=1, help="How long it can be used.")] = 3600.0,
    url: Annotated[str, typer.Option(help="What stands before the token.")] = "",
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a signed link: one decision of one person, usable once.

    The key is read from the variable that [approvals] link_key names, CALLGATE_LINK_KEY by default.
    """
    with reporting(as_json):
        chosen = app.settings(file)
        person, signer = app.person(chosen, by), app.links(chosen)
        known = at_desk(chosen, lambda desk: desk.get(id))
        token = signer.sign(known, decision.value, person, seconds=seconds)
        if as_json:
            expires_at = signer.read(token).expires_at
            print_json({"link": url + token, "approval": id, "expires_at": expires_at})
        else:
            typer.echo(url + token)


@commands.command("use", epilog="Example: callgate approvals use TOKEN")
def use_link(
    token: Annotated[str, typer.Argument(help="The token at the end of a signed link.")],
    reason: _Reason = "",
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Make the decision of a signed link."""
    with reporting(as_json):
        chosen = app.settings(file)
        signer = app.links(chosen)
        known = at_desk(chosen, lambda desk: signer.follow(token, desk, reason=reason))
        _print(known, as_json=as_json)


def _told(known: Approval) -> dict[str, Any]:
    """Return an approval as JSON, with where it stands now and the arguments as a value, too."""
    return {
        **approval_to_json(known),
        "standing": known.standing(time.time()).value,
        "expires_at": known.expires_at,
        "value": orjson.loads(known.arguments),
    }


def _print(known: Approval, *, as_json: bool) -> None:
    if as_json:
        print_json(_told(known))
        return
    console, now = Console(), time.time()
    roles, approvers = known.asked(now)
    standing = known.standing(now).value
    console.print(
        Text.assemble((known.id, "bold"), f"  {standing}, until {clock(known.expires_at)}")
    )
    console.print(
        Text.assemble((f"{known.tool}@{known.version}", "bold cyan"), f"  {known.effect}")
    )
    console.print(Text(visible(known.description)))
    console.print(Text("arguments", style="bold"))
    indented = json.dumps(json.loads(known.arguments), indent=2, ensure_ascii=False)
    console.print(Text(visible(indented)))
    bound = known.binding
    console.print(Text(f"for {bound.principal} of {bound.tenant or '-'}, session {bound.session}"))
    console.print(Text(f"{known.need.reason} It takes {approvers} of {', '.join(sorted(roles))}."))
    for vote in known.votes:
        said = f": {vote.reason}" if vote.reason else ""
        console.print(Text(f"{clock(vote.at)} {vote.by}: {vote.verdict}{said}"))
