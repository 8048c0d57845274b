"""`callgate journal` and `callgate doubts`: what became of effects, and what nobody knows."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from callgate import app
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import Exit, ended, print_json, reporting
from callgate.cli.screen import shown
from callgate.errors import SettingsError
from callgate.stages.journal import Entry, State
from callgate.types import Status, ToolResult

__all__ = ["doubts", "journal"]

journal = typer.Typer(no_args_is_help=True, help="Look at the journal of effects.")
doubts = typer.Typer(no_args_is_help=True, help="Decide about effects of which nobody knows.")

Key = Annotated[str, typer.Argument(help="The key of the call.")]


@journal.command("show", epilog="Example: callgate journal show acme/ana//order-77")
def show(key: Key, file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show what the journal knows of one call.

    Exit code 1 if there is no such call.
    """
    with reporting(as_json), closing(app.store(app.settings(file))) as store:
        store.database.check()
        entry = asyncio.run(store.journal.find(key))
        if as_json:
            print_json(None if entry is None else _told(entry))
        elif entry is None:
            typer.echo(f"The journal has no call {key}", err=True)
        else:
            for name, value in _told(entry).items():
                typer.echo(f"{name:<10} {value if isinstance(value, str) else shown(value)}")
    ended(Exit.OK if entry is not None else Exit.FAILED)


@journal.command("verify", epilog="Example: callgate journal verify --json")
def verify(file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Check the audit: that no entry was changed, left out or put in between.

    Keep the heads that are printed elsewhere: that the newest entries were cut off shows only
    beside them. Exit code 1 if a chain is broken.
    """
    with reporting(as_json), closing(app.store(app.settings(file))) as store:
        store.database.check()
        found = asyncio.run(store.verify())
        if as_json:
            print_json({"entries": found.entries, "breaks": found.breaks, "heads": found.heads})
        else:
            for line in found.breaks:
                typer.echo(f"broken: {line}")
            for writer, head in found.heads.items():
                typer.echo(f"{writer} {head}")
            typer.echo(f"{found.entries} entries, {len(found.breaks)} breaks")
    ended(Exit.FAILED if found.breaks else Exit.OK)


@doubts.command("list", epilog="Example: callgate doubts list --tenant acme")
def list_doubts(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """List the effects that may or may not have happened.

    An effect is in doubt when its process ended before its outcome was written down. One that is
    idempotent or reconcilable settles itself when it is called again under its key.
    """
    with reporting(as_json), closing(app.store(app.settings(file))) as store:
        store.database.check()
        found = asyncio.run(store.journal.doubts(tenant=tenant))
        if as_json:
            print_json([_told(entry) for entry in found])
        else:
            _print(found)


@doubts.command(
    "resolve", epilog="Example: callgate doubts resolve acme/ana//order-77 --not-happened"
)
def resolve(
    key: Key,
    happened: Annotated[
        bool | None,
        typer.Option("--happened/--not-happened", help="What you found out.", show_default=False),
    ] = None,
    value: Annotated[
        str, typer.Option(help="What the call gave, as JSON, if it happened.")
    ] = "null",
    note: Annotated[str, typer.Option(help="How you found out; kept in the audit.")] = "",
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say whether an effect in doubt happened, after looking it up in the system it acts on.

    If it happened, a call under its key gets the value; if not, it is tried again. The decision is
    kept with your name. Exit code 1 if the call is not in doubt any more.
    """
    with reporting(as_json), closing(app.store(app.settings(file))) as store:
        if happened is None:
            raise SettingsError("say --happened or --not-happened, after you have looked")
        result = _result(value) if happened else None
        store.database.check()
        state = State.DONE if happened else State.NOT_HAPPENED
        entry = asyncio.run(store.resolve(key, state, result, note=_note(note)))
        if as_json:
            print_json(None if entry is None else _told(entry))
        elif entry is None:
            typer.echo(f"{key} is not in doubt", err=True)
        else:
            typer.echo(f"{key}: {entry.state.value}")
    ended(Exit.OK if entry is not None else Exit.FAILED)


def _note(note: str) -> str:
    return f"{getpass.getuser()}: {note or 'decided by hand'}"


def _result(text: str) -> ToolResult:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise SettingsError(f"--value is not JSON: {exc}") from exc
    return ToolResult(status=Status.OK, value=value, body=orjson.dumps(value))


def _told(entry: Entry) -> dict[str, Any]:
    intent, result = entry.intent, entry.result
    return {
        "key": intent.key,
        "state": entry.state.value,
        "tool": intent.tool,
        "version": intent.version,
        "effect": intent.effect.value,
        "tenant": intent.tenant,
        "principal": intent.principal,
        "session": intent.session,
        "arguments": orjson.loads(intent.arguments),
        "digest": intent.digest,
        "tries": entry.tries,
        "created": _time(entry.created),
        "changed": _time(entry.changed),
        "alive": entry.state.open and entry.live,
        "status": None if result is None else result.status.value,
        "value": None if result is None else result.value,
        "error": None if result is None or result.error is None else result.error.to_json(),
        "note": entry.note,
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _print(entries: Sequence[Entry]) -> None:
    if not entries:
        typer.echo("nothing is in doubt")
        return
    table = Table("key", "tool", "effect", "since", box=None, pad_edge=False)
    table.add_column("arguments", overflow="fold")
    for entry in entries:
        intent = entry.intent
        arguments = shown(intent.arguments)
        since = _time(entry.changed)
        table.add_row(intent.key, intent.tool, intent.effect.value, since, arguments)
    Console(soft_wrap=True).print(table)
