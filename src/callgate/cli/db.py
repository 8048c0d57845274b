"""`callgate db`: the tables of the store."""

from __future__ import annotations

from contextlib import closing

import typer

from callgate import app
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting

__all__ = ["commands"]

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
