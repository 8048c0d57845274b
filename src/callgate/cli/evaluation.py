"""`callgate eval`: recorded outputs, scored by the rules of public benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate.cli.options import AsJson
from callgate.cli.outcome import Exit, ended, print_json, reporting, screen
from callgate.cli.suites import compare_results, estimate_cases, report_results, run_cases
from callgate.errors import SettingsError
from callgate.evals.benchmarks.bfcl import score as bfcl

__all__ = ["commands"]

commands = typer.Typer(
    no_args_is_help=True, help="Run suites of cases, compare runs, score recorded outputs."
)
commands.command(
    "run", epilog="Example: callgate eval run suite.yaml --out run.jsonl --limit cost=2"
)(run_cases)
commands.command("estimate", epilog="Example: callgate eval estimate suite.yaml -k 3")(
    estimate_cases
)
commands.command(
    "compare",
    epilog='Example: callgate eval compare old.jsonl new.jsonl --fail-if "regressions > 0"',
)(compare_results)
commands.command("report", epilog="Example: callgate eval report run.jsonl --html run.html")(
    report_results
)
scores = typer.Typer(
    no_args_is_help=True, help="Score by the official rules of a benchmark; nothing is executed."
)
commands.add_typer(scores, name="score")

Questions: TypeAlias = Annotated[Path, typer.Option(help="The items with accepted answers.")]
Outputs: TypeAlias = Annotated[Path, typer.Option(help="What models answered, JSON lines.")]
Models: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        help="The official settings per model; bfcl_v1_scores.json beside the outputs by default."
    ),
]
Decoders: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--decoder", metavar="[MODEL=]NAME", help="How recorded text is read, for all or one model."
    ),
]
Strict: TypeAlias = Annotated[
    bool, typer.Option(help="Exit with 1 if a verdict is not the official one.")
]


@scores.command(
    "bfcl", epilog="Example: callgate eval score bfcl --questions q.jsonl.gz --outputs o.jsonl.gz"
)
def score_bfcl(
    questions: Questions,
    outputs: Outputs,
    models: Models = None,
    verdicts: Annotated[
        Path | None, typer.Option(help="Official verdicts that do not stand in the outputs.")
    ] = None,
    decoder: Decoders = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Score single-turn items of BFCL v1 or v4.

    Outputs are decoded calls with verdicts, or recorded text and native structures.
    """
    with reporting(as_json):
        found = bfcl.score(
            questions, outputs, models=models, verdicts=verdicts, decoders=_decoders(decoder)
        )
        _tell(found.to_json(), as_json=as_json)
        ended(Exit.FAILED if strict and found.tally.differences else Exit.OK)


def _decoders(options: list[str] | None) -> dict[str, str]:
    pairs = [option.rpartition("=") for option in options or ()]
    if any(separator and not model for model, separator, _ in pairs):
        raise SettingsError("--decoder takes NAME or MODEL=NAME, such as my-model=native.")
    return {model or "*": name for model, _, name in pairs}


def _tell(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    _print_accuracy(told["accuracy"])
    typer.echo(f"{told['items']} items, {told['compared']} compared: {told['differences']} differ")
    console = screen()
    for one in told["different"]:
        line = f"{one['model']} {one['id']}: {one['ours']}, officially {one['official']}"
        console.print(Text(line, style="red"))


def _print_accuracy(accuracy: dict[str, Any]) -> None:
    table = Table("model", "category", "right", "of", "accuracy", "95 %", box=None, pad_edge=False)
    for model, shares in accuracy.items():
        for category, share in shares.items():
            low, high = share["interval"]
            cells = (
                model,
                category,
                str(share["right"]),
                str(share["total"]),
                f"{share['accuracy']:.3f}",
                f"{low:.3f} - {high:.3f}",
            )
            table.add_row(*map(Text, cells))
    Console(soft_wrap=True).print(table)
