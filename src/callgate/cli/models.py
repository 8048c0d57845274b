"""`callgate model`: the weights of the local models."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.agents import weights
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting, screen

__all__ = ["commands"]

commands = typer.Typer(no_args_is_help=True, help="Fetch and list local models.")


@commands.command("list", epilog="Example: callgate model list")
def list_models(file: SettingsFile = None, as_json: AsJson = False) -> None:
    """List the local models and what is here."""
    with reporting(as_json):
        stored = weights.models(app.models_folder(app.settings(file)))
        if as_json:
            print_json([_entry(item) for item in stored])
            return
        table = Table("name", "size", "licence", "here", box=None, pad_edge=False)
        table.add_column("file", overflow="fold")
        for item in stored:
            here = "yes" if item.present else f"{item.partial:,} bytes" if item.partial else "no"
            size = f"{item.weights.size / 1e6:,.0f} MB"
            cells = (
                f"local:{item.weights.name}",
                size,
                item.weights.licence,
                here,
                str(item.path),
            )
            table.add_row(*(Text(cell) for cell in cells))
        Console().print(table)


@commands.command("pull", epilog="Example: callgate model pull qwen2.5-coder-1.5b")
def pull_model(
    name: Annotated[
        str, typer.Argument(help="A name of `callgate model list`.")
    ] = "qwen2.5-coder-1.5b",
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Fetch the weights of a local model.

    An interrupted pull goes on where it stopped; the file's hash decides whether it is right.
    """
    with reporting(as_json):
        chosen = weights.find(name.removeprefix("local:"))
        folder = app.models_folder(app.settings(file))
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, TransferSpeedColumn(), console=screen()) as bar:
            task = bar.add_task(chosen.name, total=chosen.size)
            path = weights.pull(
                chosen, folder, progress=lambda p: bar.update(task, completed=p.done)
            )
        if as_json:
            print_json({"name": chosen.name, "file": str(path), "sha256": chosen.sha256})
        else:
            typer.echo(path)


def _entry(item: weights.Stored) -> dict[str, object]:
    return {
        "name": item.weights.name,
        "size": item.weights.size,
        "sha256": item.weights.sha256,
        "licence": item.weights.licence,
        "present": item.present,
        "partial": item.partial,
        "file": str(item.path),
    }
