"""`callgate runs`: the runs that the store has kept."""

from __future__ import annotations

import asyncio
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import typer

from callgate import app
from callgate.agents.runlog import standing
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True, help="Look at the runs that the store has kept.")


@commands.command("list", epilog="Example: callgate runs list --json")
def list_runs(
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """List runs and how they stand, the one that was at work last first.

    `unfinished` is one that is at work, or was killed: callgate run --resume RUN goes on with it.
    """
    with reporting(as_json):
        with closing(app.store(app.settings(file))) as store:
            store.database.check()
            found = asyncio.run(store.runs.list(limit=limit))
        rows = [
            {
                "run": one.run,
                "status": standing(one.last) or "unfinished",
                "events": one.events,
                "at": datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds"),
            }
            for one in found
        ]
        if as_json:
            print_json(rows)
            return
        for row in rows:
            typer.echo("  ".join(str(value) for value in row.values()))
        if not rows:
            typer.echo("no runs are kept")
