"""`callgate call` and `callgate run`: one call, and a model that makes calls."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from callgate import app
from callgate.agents.budget import Budget
from callgate.agents.loop import Options, Run, resume, run
from callgate.agents.model import Model
from callgate.agents.runlog import RunLog, RunStatus
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import Exit, ended, print_json, reporting, screen
from callgate.cli.screen import CallList, CallScreen
from callgate.errors import RunError, SettingsError
from callgate.gate import Gate
from callgate.settings import Settings
from callgate.types import Status, ToolResult

if TYPE_CHECKING:
    from callgate.store.stores import Store

__all__ = ["call_tool", "run_question"]


def call_tool(
    name: Annotated[str, typer.Argument(metavar="TOOL", help="The tool's name.")],
    arguments: Annotated[
        str, typer.Argument(metavar="JSON", help="Its arguments; - reads standard input.")
    ] = "{}",
    key: Annotated[
        str | None, typer.Option(help="Your own name of the intent, for tools that take the key.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Refuse arguments that need a repair.")] = False,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Make one call and print its result.

    It travels the same path as a model's call and is shown on standard error.
    """
    with reporting(as_json):
        text = typer.get_text_stream("stdin").read() if arguments == "-" else arguments
        calls = CallList()
        chosen = app.settings(file)
        watching = (calls,) if as_json else (calls, CallScreen(screen()))

        # One key is one intent, also for who has approved it, so it is always one session.
        session = None if key is None else f"call {key}"

        async def once(gate: Gate) -> ToolResult:
            try:
                return await gate.session(id=session, strict=strict).call(name, text, key=key)
            finally:
                await gate.close()

        with app.stored(chosen) as store:
            # Outside the loop: servers are asked for their tools here.
            result = asyncio.run(once(app.gate(chosen, watching, store)))
        if as_json:
            print_json(calls.calls[-1])
        elif result.ok:
            typer.echo(result.text())
        ended(_exit(result))


def run_question(
    question: Annotated[
        str | None, typer.Argument(help="What the model is asked.", show_default=False)
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A model, or a name of [models]; else the settings'."),
    ] = None,
    resumed: Annotated[
        str | None,
        typer.Option("--resume", metavar="RUN", help="Go on with a run that the store has."),
    ] = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a model answer by calling the tools.

    Calls are shown on standard error while they travel; the answer goes to standard output. With
    [store] in the settings the run is kept step by step: one that was killed, waits or was stopped
    goes on with --resume.
    """
    with reporting(as_json):
        if (question is None) == (resumed is None):
            raise SettingsError("say either what the model is asked, or --resume RUN")
        calls, console = CallList(), screen()
        chosen = app.settings(file)
        watching = (calls,) if as_json else (calls, CallScreen(console))
        with app.stored(chosen) as store:
            log = None if resumed is None else _log_of(resumed, chosen, store)
            # Outside the loop: servers are asked for their tools here.
            gate = app.gate(chosen, watching, store)
            asked = app.model(chosen, model)
            options = replace(app.options(asked), id=os.urandom(8).hex())
            if store is not None and log is None:
                console.print(f"run {options.id}; if it ends early: --resume {options.id}")
            leg = _Leg(gate, asked, app.budget(chosen), options, console)
            done = asyncio.run(leg.go(question if log is None else log))
        if as_json:
            print_json(_summary(done, calls))
        else:
            if done.answer:
                typer.echo(done.answer)
            _tell(done)
        ended(_exit_of_run(done))


def _log_of(run: str, chosen: Settings, store: Store | None) -> RunLog:
    """Return what the store has of a run.

    Raises:
        RunError: It has nothing.
        SettingsError: There is no store.
    """
    if store is None:
        store = app.store(chosen)  # says how to name one
    store.database.check()
    lines = asyncio.run(store.runs.lines(run))
    if not lines:
        raise RunError(f"{store.database.name} has no run {run}.")
    return RunLog.load(lines)


@dataclass(frozen=True, slots=True)
class _Leg:
    """A leg of a run, with all that it needs and gives up at its end."""

    gate: Gate
    model: Model
    budget: Budget
    options: Options
    console: Console

    async def go(self, beginning: str | RunLog | None) -> Run:
        """Begin a run with a question, or go on with one from its log."""
        try:
            # The spinner only shows on a terminal; calls are printed above it.
            with self.console.status(Text(f"{self.model.name} is at work")):
                if isinstance(beginning, RunLog):
                    return await self._resume(beginning)
                return await run(
                    self.gate.session(),
                    beginning or "",
                    model=self.model,
                    budget=self.budget,
                    options=self.options,
                )
        finally:
            await self.model.close()
            await self.gate.close()

    async def _resume(self, log: RunLog) -> Run:
        state = log.state().session
        if state is None:
            raise RunError(f"The log of run {log.run} does not say how it started.")
        return await resume(
            self.gate.restore(state),
            log,
            model=self.model,
            budget=self.budget,
            options=self.options,
        )


def _exit(result: ToolResult) -> Exit:
    if result.ok:
        return Exit.OK
    return Exit.WAITING if result.status is Status.PENDING else Exit.FAILED


def _exit_of_run(done: Run) -> Exit:
    codes = {RunStatus.DONE: Exit.OK, RunStatus.WAITING: Exit.WAITING}
    return codes.get(done.status, Exit.FAILED)


def _tell(done: Run) -> None:
    """Say how the run ended and what it took, in one line beside the answer."""
    usage = done.usage
    took = f"{usage.requests} requests, {usage.input:,} tokens read, {usage.output:,} written"
    cost = f", ${done.cost:.4f}" if done.cost else ""
    style = "dim" if done.status is RunStatus.DONE else "bold red"
    ending = f"{done.status.value}: {done.detail or done.reason.value}"
    screen().print(Text(f"{ending} ({took}{cost})", style=style))


def _summary(done: Run, calls: CallList) -> dict[str, Any]:
    return {
        "run": done.log.run,
        "status": done.status.value,
        "reason": done.reason.value,
        "answer": done.answer,
        "detail": done.detail,
        "calls": calls.calls,
        "usage": asdict(done.usage),
        "cost": None if done.cost is None else str(done.cost),
    }
