"""`callgate call` and `callgate run`: one call, and a model that makes calls."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from callgate import app
from callgate.agents.loop import Run, run
from callgate.agents.runlog import RunStatus
from callgate.cli.options import AsJson, SettingsFile
from callgate.cli.outcome import Exit, ended, print_json, reporting, screen
from callgate.cli.screen import CallList, CallScreen
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

        async def once(store: Store | None) -> ToolResult:
            gate = app.gate(chosen, watching, store)
            try:
                return await gate.session(strict=strict).call(name, text, key=key)
            finally:
                await gate.close()

        with app.stored(chosen) as store:
            result = asyncio.run(once(store))
        if as_json:
            print_json(calls.calls[-1])
        elif result.ok:
            typer.echo(result.text())
        ended(_exit(result))


def run_question(
    question: Annotated[str, typer.Argument(help="What the model is asked.")],
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="A model, or a name of [models]; else the settings'."),
    ] = None,
    file: SettingsFile = None,
    as_json: AsJson = False,
) -> None:
    """Let a model answer by calling the tools.

    Calls are shown on standard error while they travel; the answer goes to standard output.
    """
    with reporting(as_json):
        calls = CallList()
        chosen = app.settings(file)
        with app.stored(chosen) as store:
            done = asyncio.run(_run(question, model, chosen, calls, store, as_json=as_json))
        if as_json:
            print_json(_summary(done, calls))
        else:
            if done.answer:
                typer.echo(done.answer)
            _tell(done)
        ended(_exit_of_run(done))


async def _run(
    question: str,
    model: str | None,
    chosen: Settings,
    calls: CallList,
    store: Store | None,
    *,
    as_json: bool,
) -> Run:
    console = screen()
    gate = app.gate(chosen, (calls,) if as_json else (calls, CallScreen(console)), store)
    asked = app.model(chosen, model)
    try:
        # The spinner only shows on a terminal; calls are printed above it.
        with console.status(Text(f"{asked.name} is at work")):
            return await run(
                gate.session(),
                question,
                model=asked,
                budget=app.budget(chosen),
                options=app.options(asked),
            )
    finally:
        await asked.close()
        await gate.close()


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
        "status": done.status.value,
        "reason": done.reason.value,
        "answer": done.answer,
        "detail": done.detail,
        "calls": calls.calls,
        "usage": asdict(done.usage),
        "cost": None if done.cost is None else str(done.cost),
    }
