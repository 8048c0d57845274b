"""`callgate eval run`, `compare`, `report` and `agreement`: suites of one's own cases."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, TypeAlias

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.agents.prices import price_of
from callgate.agents.protocol import Model
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import Exit, ended, print_json, reporting, screen
from callgate.errors import EvaluationDataError, SettingsError
from callgate.evals.files import write
from callgate.evals.reports.junit import junit
from callgate.evals.reports.markdown import markdown, percent
from callgate.evals.reports.page import page
from callgate.evals.suite.answers import Answers
from callgate.evals.suite.comparison import Comparison, compare_runs
from callgate.evals.suite.environment import Environments
from callgate.evals.suite.estimate import Estimate, estimate
from callgate.evals.suite.gate import Gate, figures_of
from callgate.evals.suite.grading import ModelGrader
from callgate.evals.suite.labels import agreement_of, read_labels
from callgate.evals.suite.reading import read_suite
from callgate.evals.suite.results import ItemResult, ResultsFile, read_results
from callgate.evals.suite.runner import Conduct, Spent, run_suite
from callgate.evals.suite.summary import Summary, summarise
from callgate.settings import Settings

__all__ = [
    "agree_with_labels",
    "compare_results",
    "estimate_cases",
    "report_results",
    "run_cases",
]

_GRADER = "grader"
"""The name, among `[models]`, of the one that judges what a rubric asks."""

_BOUNDS: Mapping[str, tuple[str, Callable[[str], Any]]] = MappingProxyType(
    {
        "concurrency": ("concurrency", int),
        "per-minute": ("per_minute", float),
        "cost": ("cost", Decimal),
        "seconds": ("seconds", float),
    }
)

FailIf: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--fail-if",
        help='Exit with 1 if this holds, such as "selection.f1 < 0.95 or regressions > 0".',
    ),
]
Suite: TypeAlias = Annotated[Path, typer.Argument(help="Cases: .jsonl or .yaml.")]
ModelName: TypeAlias = Annotated[
    str | None, typer.Option("--model", "-m", help="A model; else the settings'.")
]
Repetitions: TypeAlias = Annotated[
    int, typer.Option("--repeat", "-k", min=1, help="Runs of every case.")
]
Baseline: TypeAlias = Annotated[
    Path | None, typer.Option(help="Results of an earlier run to compare with, item by item.")
]


def run_cases(
    suite: Suite,
    out: Annotated[Path, typer.Option(help="Where results go; an unfinished run goes on there.")],
    model: ModelName = None,
    repetitions: Repetitions = 1,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="concurrency (4), per-minute, cost in US dollars, seconds; may be repeated.",
        ),
    ] = None,
    fail_if: FailIf = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Run cases and write one line of results for each.

    A run that was killed goes on where it was: what a model has answered is kept beside the
    results and never asked for again.
    """
    with reporting(as_json):
        gate = None if fail_if is None else Gate(fail_if)
        chosen = app.settings(file)
        asked = app.model_settings(chosen, model).name
        conduct = replace(
            _bounded(limit or []),
            repetitions=repetitions,
            price=price_of(asked),
            # What can be made repeatable is; the newest hosted models refuse a temperature.
            temperature=0.0 if asked.startswith("local:") else None,
            item=app.budget(chosen),
        )
        ahead = _ahead(suite, asked, repetitions)
        if not as_json:
            screen().print(_told(ahead, asked), style="dim")
        grader = _grader(suite, chosen)
        if grader is not None:
            price = price_of(app.model_settings(chosen, _GRADER).name)
            kept = Answers(out.with_suffix(".answers"))
            conduct = replace(conduct, grader=ModelGrader(grader, kept, price=price))
        opened = app.model(chosen, model)
        spent = _run(
            suite, out, opened, grader, conduct, ahead, app.environments(chosen), quiet=as_json
        )
        runs = _summaries([out])
        figures = runs[_name(out)].to_json() | {"not_run": ahead.items - spent.items}
        if not as_json:
            _show(runs, None)
            if spent.stopped:
                screen().print(f"stopped: the bound of {spent.stopped} is reached", style="yellow")
        _end(figures, gate, as_json=as_json)


def estimate_cases(
    suite: Suite,
    model: ModelName = None,
    repetitions: Repetitions = 1,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would take: items, requests, tokens, dollars."""
    with reporting(as_json):
        asked = app.model_settings(app.settings(file), model).name
        ahead = _ahead(suite, asked, repetitions)
        if as_json:
            print_json({"model": asked, **asdict(ahead)})
        else:
            typer.echo(_told(ahead, asked))


def compare_results(
    before: Annotated[Path, typer.Argument(help="Results of the first run.")],
    after: Annotated[Path, typer.Argument(help="Results of the second run.")],
    fail_if: FailIf = None,
    as_json: AsJson = False,
) -> None:
    """Compare two runs over the same items, pair by pair."""
    with reporting(as_json):
        gate = None if fail_if is None else Gate(fail_if)
        comparison = compare_runs(read_results(before), read_results(after))
        if not as_json:
            _show(_summaries([before, after]), comparison)
        _end(comparison.to_json(), gate, as_json=as_json)


def agree_with_labels(
    results: Annotated[Path, typer.Argument(help="Results of a run with a grader.")],
    labels: Annotated[
        Path, typer.Option(help='JSON lines: {"case": ..., "right": true}; also "repetition".')
    ],
    as_json: AsJson = False,
) -> None:
    """Say how far the model that grades agrees with people's labels of the same items."""
    with reporting(as_json):
        found = agreement_of(read_results(results), read_labels(labels))
        if as_json:
            print_json(found.to_json())
            return
        beyond = "no figure" if found.kappa is None else f"{found.kappa:.2f}"
        typer.echo(
            f"{percent(found.agreed)} of {found.items} labelled items agree "
            f"({percent(found.interval.low)} to {percent(found.interval.high)}), kappa {beyond}; "
            f"the grader is too kind in {found.too_kind}, too strict in {found.too_strict}, "
            f"undecided in {found.undecided}"
        )


def report_results(
    results: Annotated[list[Path], typer.Argument(help="Results of one or several runs.")],
    html: Annotated[Path | None, typer.Option(help="Write one HTML file.")] = None,
    junit_xml: Annotated[Path | None, typer.Option("--junit", help="Write JUnit XML.")] = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", help="Write Markdown.")
    ] = None,
    baseline: Baseline = None,
    fail_if: FailIf = None,
    as_json: AsJson = False,
) -> None:
    """Report on results: on the screen, as JSON, JUnit, Markdown or one HTML file."""
    with reporting(as_json):
        gate = None if fail_if is None else Gate(fail_if)
        runs = _summaries(results)
        comparison = _comparison(baseline, results[-1])
        if html is not None:
            write(html, page(runs, _named(results), comparison))
        if junit_xml is not None:
            last = results[-1]
            write(junit_xml, junit(_name(last), runs[_name(last)], read_results(last)))
        if markdown_file is not None:
            write(markdown_file, [markdown(runs, comparison)])
        figures = runs[_name(results[-1])].to_json()
        if comparison is not None:
            compared = comparison.to_json()
            figures |= {"comparison": compared, "regressions": compared["regressions"]}
        if len(runs) > 1:
            figures |= {"runs": {name: summary.to_json() for name, summary in runs.items()}}
        if not as_json:
            _show(runs, comparison)
        _end(figures, gate, as_json=as_json)


# --- running --------------------------------------------------------------------------------


def _bounded(limits: Sequence[str]) -> Conduct:
    """Return a conduct with the bounds of `--limit`."""
    bounds: dict[str, Any] = {}
    for text in limits:
        name, _, number = text.partition("=")
        field, read = _BOUNDS.get(name, ("", float))
        try:
            value = read(number)
        except (ValueError, ArithmeticError):
            value = None
        if not field or value is None or not value > 0:
            raise SettingsError(
                f"--limit {text}: expected one of {', '.join(_BOUNDS)} and a number above 0, "
                "such as cost=2.50"
            )
        bounds[field] = value
    return Conduct(**bounds)


def _grader(suite: Path, chosen: Settings) -> Model | None:
    """Open the model that grades, if a case has a rubric."""
    case = next((case for case in read_suite(suite) if case.expect.rubric), None)
    if case is None:
        return None
    if _GRADER not in chosen.models:
        raise SettingsError(
            f"{suite.name}: case {case.id} has a rubric, and no model grades: name one in "
            f'callgate.toml, such as [models.{_GRADER}] with name = "anthropic:claude-sonnet-5".'
        )
    return app.model(chosen, _GRADER)


def _ahead(suite: Path, model: str, repetitions: int) -> Estimate:
    cases = read_suite(suite)
    return estimate(cases, repetitions=repetitions, model=model, price=price_of(model))


def _told(ahead: Estimate, model: str) -> str:
    price = "no known price" if ahead.cost is None else f"about ${ahead.cost:.2f}"
    return (
        f"{ahead.items:,} items, about {ahead.requests:,} requests, {ahead.input:,} tokens read "
        f"and {ahead.output:,} written by {model}: {price}"
    )


def _run(
    suite: Path,
    out: Path,
    model: Model,
    grader: Model | None,
    conduct: Conduct,
    ahead: Estimate,
    environments: Environments,
    *,
    quiet: bool,
) -> Spent:
    """Run, and close both models."""
    head = {
        "file": suite.name,
        "sha256": hashlib.sha256(suite.read_bytes()).hexdigest(),
        "model": model.name,
        "repetitions": conduct.repetitions,
        "planned": ahead.items,
        **({} if grader is None else {"grader": grader.name}),
    }

    async def work() -> Spent:
        with (
            ResultsFile(out, head) as results,
            Progress(*_columns(), console=screen(), disable=quiet) as bar,
        ):
            task = bar.add_task(model.name, total=ahead.items)

            def show(_: ItemResult, spent: Spent) -> None:
                told = f"{model.name}  {percent(spent.passed / spent.items)} passed"
                bar.update(task, completed=spent.items, description=told)

            try:
                return await run_suite(
                    read_suite(suite),
                    model,
                    results,
                    Answers(out.with_suffix(".answers")),
                    conduct=conduct,
                    environments=environments,
                    on_progress=show,
                )
            finally:
                for one in (model, grader):
                    if one is not None:
                        await one.close()

    return asyncio.run(work())


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )


# --- reporting ------------------------------------------------------------------------------


def _end(figures: dict[str, Any], gate: Gate | None, *, as_json: bool) -> None:
    """Print the figures as JSON, and exit with 1 where the gate says so."""
    failed = gate is not None and gate.holds(figures_of(figures))
    if as_json:
        told = {} if gate is None else {"gate": {"condition": gate.text, "failed": failed}}
        print_json(figures | told)
    elif failed and gate is not None:
        screen().print(Text.assemble(("failed: ", "bold red"), gate.text))
    ended(Exit.FAILED if failed else Exit.OK)


def _show(runs: dict[str, Summary], comparison: Comparison | None) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("run", "items", "passed", "95 %", "F1", "arguments", "unfinished", "cost", "s"):
        table.add_column(name, justify="left" if name == "run" else "right")
    for name, summary in runs.items():
        interval = summary.interval
        right, expected = summary.arguments
        table.add_row(
            name,
            f"{summary.items:,}",
            percent(summary.accuracy),
            f"{percent(interval.low)} to {percent(interval.high)}",
            percent(summary.selection.f1),
            percent(right / expected if expected else None),
            str(summary.unfinished),
            "-" if summary.cost is None else f"${summary.cost:.4f}",
            f"{summary.seconds:,.1f}",
        )
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    for kind, count in chain.from_iterable(one.failures.most_common(8) for one in runs.values()):
        console.print(f"  {kind}: {count}")
    if comparison is not None:
        change = comparison.change
        console.print(
            f"{change.gained} gained, {change.lost} lost over {change.items} items: "
            f"{100 * change.delta:+.1f} points "
            f"({100 * change.interval.low:+.1f} to {100 * change.interval.high:+.1f}), "
            f"p = {change.p:.3g}; so many items show differences of "
            f"{100 * comparison.detectable:.1f} points"
        )
        for result in comparison.regressions[:10]:
            console.print(Text(f"  {result.case}: {result.failure}: {result.difference}"))


def _summaries(results: Sequence[Path]) -> dict[str, Summary]:
    runs: dict[str, Summary] = {}
    for path in results:
        if _name(path) in runs:
            raise SettingsError(f"Two files are named {_name(path)}; give one another name.")
        runs[_name(path)] = summarise(read_results(path))
        if not runs[_name(path)].items:
            raise EvaluationDataError(f"{path.name} holds no result.")
    return runs


def _comparison(baseline: Path | None, last: Path) -> Comparison | None:
    return None if baseline is None else compare_runs(read_results(baseline), read_results(last))


def _named(results: Iterable[Path]) -> Iterator[tuple[str, ItemResult]]:
    for path in results:
        for result in read_results(path):
            yield _name(path), result


def _name(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".jsonl")
