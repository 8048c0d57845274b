"""`callgate eval cases`: a suite of the runs that the store has kept."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from callgate import app
from callgate.agents.runlog import RunLog
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import print_json, reporting, screen
from callgate.errors import CallgateError, EvaluationDataError, SettingsError
from callgate.evals.files import write
from callgate.evals.suite.disguise import Disguise
from callgate.evals.suite.reading import case_of
from callgate.evals.suite.recorded import case_of_run
from callgate.settings import Settings

if TYPE_CHECKING:
    from callgate.store.stores import Store

__all__ = ["cases_of_runs"]


def cases_of_runs(
    out: Annotated[Path, typer.Option(help="Where cases go, a line each; what was there is lost.")],
    run: Annotated[
        list[str] | None, typer.Option(help="A run; else the latest ones. May be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many runs at most.")] = 100,
    hide: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="What else gets a stand-in. May be repeated."),
    ] = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Make cases of runs that are kept: what was asked, and the calls that answered it.

    Secrets, addresses and numbers of people get stand-ins, the same one for the same thing. Names
    in prose are not recognised: give --hide, and read the file before others do. The calls are
    those that succeeded; whether they were right is for you to say.
    """
    with reporting(as_json):
        patterns = [_pattern(text) for text in hide or ()]
        chosen = app.settings(file)
        with closing(app.store(chosen)) as store:
            store.database.check()
            cases, left, counts = _made(chosen, store, run or _latest(store, limit), patterns)
        write(out, (orjson.dumps(case).decode() + "\n" for case in cases))
        told = {"cases": len(cases), "left_out": left, "stand_ins": dict(sorted(counts.items()))}
        if as_json:
            print_json(told)
            return
        for one in left:
            screen().print(f"{one['run']}: {one['why']}", style="dim", markup=False)
        put = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none"
        typer.echo(f"{len(cases)} cases in {out.name}, {len(left)} runs left out; stand-ins: {put}")


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise SettingsError(f"--hide {text}: not a regular expression: {error}") from error


def _latest(store: Store, limit: int) -> list[str]:
    return [one.run for one in asyncio.run(store.runs.list(limit=limit))]


def _made(
    chosen: Settings, store: Store, runs: list[str], patterns: list[re.Pattern[str]]
) -> tuple[list[dict[str, Any]], list[dict[str, str]], Counter[str]]:
    tools = {tool.name: tool for tool in app.tools(chosen)}
    cases: list[dict[str, Any]] = []
    left: list[dict[str, str]] = []
    counts: Counter[str] = Counter()
    for run in runs:
        # One for each case, so that no two runs can be told to be of one person.
        disguise = Disguise(patterns)
        try:
            lines = asyncio.run(store.runs.lines(run))
            if not lines:
                raise EvaluationDataError("the store has no such run")
            case = case_of_run(RunLog.load(lines), tools, disguise)
            case_of(case)
        except CallgateError as error:
            left.append({"run": run, "why": error.message})
            continue
        cases.append(case)
        counts += disguise.counts
    return cases, left, counts
