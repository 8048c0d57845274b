"""The commands of `callgate`, put together."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from callgate.cli import (
    approvals,
    breakers,
    db,
    evaluation,
    grants,
    models,
    runs,
    sources,
    tools,
)
from callgate.cli.calls import call_tool, run_question
from callgate.cli.compiling import compile_source
from callgate.cli.diffing import diff_sources
from callgate.cli.doctor import doctor
from callgate.cli.exchanges import replay_exchanges
from callgate.cli.history import examine_history
from callgate.cli.inspecting import inspect_source
from callgate.cli.journal import doubts, journal
from callgate.cli.linting import lint_source
from callgate.cli.options import AsJson
from callgate.cli.outcome import print_json, reporting
from callgate.cli.project import write

__all__ = ["app"]

ABOUT = """Call tools on one path: by hand, or by a language model.

The answer goes to standard output, everything else to standard error.

Exit codes: 0 done; 1 the call or run failed, or doctor found a problem; 2 wrong command line or
settings; 3 an extra or a model file is missing; 4 a call waits for a person; 5 diff is undecided;
130 interrupted.
"""

app = typer.Typer(
    no_args_is_help=True,
    # Our errors are one line; a traceback means a defect, and is then shown whole and plain.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(tools.commands, name="tools")
app.add_typer(breakers.commands, name="breakers")
app.add_typer(models.commands, name="model")
app.add_typer(db.commands, name="db")
app.add_typer(sources.commands, name="add")
app.add_typer(evaluation.commands, name="eval")
app.add_typer(journal, name="journal")
app.add_typer(doubts, name="doubts")
app.add_typer(approvals.commands, name="approvals")
app.add_typer(grants.commands, name="grants")
app.add_typer(runs.commands, name="runs")
app.command("run", epilog='Example: callgate run "How many words has: the sky is blue"')(
    run_question
)
app.command("call", epilog="""Example: callgate call count_words '{"text": "two words"}'""")(
    call_tool
)
app.command("compile", epilog="Example: callgate compile --wire openai --strict tools.py:TOOLS")(
    compile_source
)
app.command("diff", epilog="Example: callgate diff git:main:tools.json tools.json")(diff_sources)
app.command("inspect", epilog="Example: callgate inspect tools.json --json")(inspect_source)
app.command("lint", epilog="Example: callgate lint tools.json --fail-on warning")(lint_source)

doctors = typer.Typer(
    invoke_without_command=True, callback=doctor, epilog="Example: callgate doctor --json"
)
doctors.command("exchanges", epilog="Example: callgate doctor exchanges recorded.jsonl.gz")(
    replay_exchanges
)
doctors.command("history", epilog="Example: callgate doctor history run.jsonl --wire gemini")(
    examine_history
)
app.add_typer(doctors, name="doctor")


@app.command("init", epilog="Example: callgate init my-tools")
def init(
    folder: Annotated[Path, typer.Argument(help="Where to write.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a small project that works at once.

    It holds callgate.toml, tools.py and README.md; files that are there are never overwritten.
    """
    with reporting(as_json):
        written = write(folder)
        if as_json:
            print_json([str(path) for path in written])
            return
        for path in written:
            typer.echo(path)
        typer.echo("next: callgate tools list; callgate doctor", err=True)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"callgate {version('callgate')}")
        raise typer.Exit


@app.callback(help=ABOUT)
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""
