"""`callgate db`: the tables of the store."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Annotated, TypeAlias

import typer

from callgate import app
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting
from callgate.errors import SettingsError

__all__ = ["commands"]

Days: TypeAlias = Annotated[
    float | None, typer.Option(min=0.001, help="Days to keep.", show_default=False)
]

_LIMITS = 30.0  # days that states of limits are kept at least, whatever the limits are

commands = typer.Typer(no_args_is_help=True, help="Look after the tables of the store.")


@commands.command("upgrade", epilog="Example: callgate db upgrade --json")
def upgrade(file: SettingsFile = None, as_json: AsJson = False) -> None:
    """Bring the tables of the store to the form that this version needs.

    A new SQLite file gets its tables by itself. Tables of a newer version are refused.
    """
    with reporting(as_json), closing(app.store(app.settings(file))) as store:
        versions = store.database.upgrade()
        if as_json:
            print_json({"store": store.database.name, "versions": versions})
        else:
            typer.echo(f"{store.database.name}: tables are up to date ({', '.join(versions)})")


@commands.command("prune", epilog="Example: callgate db prune --records 30 --blobs 7 --json")
def prune(
    records: Days = None,
    blobs: Days = None,
    runs: Days = None,
    journal: Days = None,
    audit: Days = None,
    approvals: Days = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Delete what is older than that many days; what is not named is kept.

    Of the journal only effects go whose outcome is known: without its entry a key protects nothing
    any more. What is open, waiting or in doubt always stays. --approvals is for approvals and
    grants that are over: used, refused or expired. What limits have counted goes by itself, once
    it matters no more.
    """
    with reporting(as_json):
        days = {
            "records": records,
            "blobs": blobs,
            "runs": runs,
            "journal": journal,
            "audit": audit,
            "approvals": approvals,
            "grants": approvals,
        }
        if not any(days.values()):
            raise SettingsError("name what to delete and after how many days: --records 30")
        chosen = app.settings(file)
        days["controls"] = max(_LIMITS, 2 * chosen.controls.memory / 86_400)
        with closing(app.store(chosen)) as store:
            store.database.check()
            deleted = asyncio.run(store.prune(days))
        if as_json:
            print_json(deleted)
        else:
            for name, count in deleted.items():
                typer.echo(f"{name}: {count} deleted")
