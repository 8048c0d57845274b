"""`callgate doctor exchanges`: recorded exchanges with providers, replayed against the codecs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate.cli.options import AsJson
from callgate.cli.outcome import Exit, ended, print_json, reporting, screen
from callgate.testing.exchanges import Report, files_of, read, replay

__all__ = ["replay_exchanges"]


def replay_exchanges(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files of JSON lines, plain or gzip, or folders."),
    ],
    seed: Annotated[
        int | None, typer.Option(help="What the cuts of streams are drawn from; else a new one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay recorded exchanges and compare.

    Per wire: the calls that are read, streams in random chunks, the history that goes back,
    definitions of tools, errors.
    """
    with reporting(as_json):
        chosen = random.randrange(2**32) if seed is None else seed
        report = replay(map(read, files_of(paths)), seed=chosen)
        if as_json:
            print_json(report.to_json())
        else:
            _print(report)
        ended(Exit.OK if report.ok else Exit.FAILED)


def _print(report: Report) -> None:
    table = Table("wire", "check", "checked", "mismatches", "skipped", box=None, pad_edge=False)
    for wire, checks in report.wires.items():
        for check, tally in checks.items():
            skipped = ", ".join(f"{reason} {count}" for reason, count in tally.skipped.items())
            style = "bold red" if tally.mismatches else ""
            cells = (wire, check.value, str(tally.checked), str(tally.mismatches), skipped)
            table.add_row(*(Text(cell) for cell in cells), style=style)
    Console(soft_wrap=True).print(table)
    typer.echo(f"seed {report.seed}")
    console = screen()
    for wire, checks in report.wires.items():
        for check, tally in checks.items():
            for identity, difference in tally.examples:
                line = f"{wire} {check.value} {identity}: {difference}"
                console.print(Text(line, style="red"))
    for name in report.idle:
        console.print(Text(f"recording: {name}: nothing in it was checked", style="bold red"))
