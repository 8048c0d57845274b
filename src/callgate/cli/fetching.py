"""`callgate eval fetch`: the data of benchmarks, from their public homes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting, screen
from callgate.downloads import Progress as Came
from callgate.errors import SettingsError
from callgate.evals.sets.catalogue import CATALOGUE, DataSet, find
from callgate.evals.sets.fetching import Fetched, fetch, is_here

__all__ = ["fetch_data"]


def fetch_data(
    name: Annotated[
        str | None, typer.Argument(help="A name of --list.", show_default=False)
    ] = None,
    names: Annotated[
        bool, typer.Option("--list", help="Show names, homes, sizes and licences.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A folder or file that has it, in place of its home."),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="The folder of all data sets; else evals in the cache.")
    ] = None,
    lock: Annotated[
        Path | None,
        typer.Option(help="Where hashes of first fetches are kept; else evals.lock.json there."),
    ] = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Get the data of a benchmark, in the form that eval score reads.

    What comes is held to a SHA-256 and never trusted otherwise. Where none is known, the first
    fetch prints and keeps it, and every later one is held to it. A fetch that was cut off goes on.
    """
    with reporting(as_json):
        folder = to or app.data_folder(app.settings(file))
        if names == (name is not None):
            raise SettingsError("name a data set, or say --list")
        if name is None:
            _list(folder, as_json=as_json)
            return
        one = find(name)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            console=screen(),
            disable=as_json,
        ) as bar:
            task = bar.add_task(one.name, total=None)

            def show(came: Came) -> None:
                bar.update(task, completed=came.done, total=came.total)

            fetched = fetch(one, folder, source=source, lock=lock, progress=show)
        _tell(one, fetched, as_json=as_json)


def _tell(one: DataSet, fetched: Fetched, *, as_json: bool) -> None:
    use = one.use.format(folder=fetched.folder)
    if as_json:
        print_json(
            {
                "name": one.name,
                "folder": str(fetched.folder),
                "present": fetched.present,
                "files": dict(fetched.files),
                "pieces": dict(fetched.pieces),
                "first": list(fetched.first),
                "use": use,
            }
        )
        return
    for file, sha256 in fetched.files.items():
        typer.echo(f"{fetched.folder / file}  {sha256}")
    console = screen()
    for file in fetched.first:
        console.print(Text(f"{file}: no hash was known; from now on it must be the same"))
    console.print(Text(f"next: {use}", style="dim"))


def _list(folder: Path, *, as_json: bool) -> None:
    rows = [_row(one, folder) for one in CATALOGUE.values()]
    if as_json:
        print_json(rows)
        return
    table = Table("name", "MB", "licence", "hash", "here", box=None, pad_edge=False)
    table.add_column("home", overflow="fold")
    for row in rows:
        cells = [f"{row['megabytes']:.1f}", row["licence"], row["hash"]]
        cells += ["yes" if row["here"] else "no", row["home"]]
        table.add_row(*map(Text, (row["name"], *cells)))
    Console(soft_wrap=True).print(table)


def _row(one: DataSet, folder: Path) -> dict[str, Any]:
    return {
        "name": one.name,
        "about": one.about,
        "home": one.home,
        "licence": one.licence,
        "megabytes": one.megabytes,
        "hash": "pinned" if all(piece.sha256 for piece in one.pieces) else "first fetch",
        "here": is_here(one, folder),
        "sources": [piece.source for piece in one.pieces],
    }
