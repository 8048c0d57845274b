"""Asks a language model the questions, shows every call on its way, and judges the answers."""

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from callgate import app
from callgate.agents.budget import Budget
from callgate.agents.loop import Options, Run, run
from callgate.agents.model import Model
from callgate.cli.screen import CallList, CallScreen
from callgate.gate import Gate
from examples.flights.check import Question, Verdict, judge
from examples.flights.tools import TOOLS

SYSTEM = (
    "The tools know the flights that left New York City (EWR, JFK, LGA) in 2013. Answer in one "
    "short sentence that states what the tools returned. If no tool can tell, say that you cannot."
)
# A local model is made repeatable; the newest hosted ones refuse these settings.
LOCAL = Options(temperature=0.0, seed=7, max_tokens=400)
HOSTED = Options()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """Seconds.

    Attributes:
        question: For one question.
        begin: After this time no further question is begun.
    """

    question: float
    begin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked: a model with tools behind a gate, and for how many seconds at most."""

    gate: Gate
    calls: CallList
    model: Model
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One question, what the model said, and whether it is right.

    Attributes:
        question: The question.
        run: How the run ended.
        verdict: The truth, and whether the answer agrees.
        calls: What became of every call.
        seconds: Wall time of the run.
    """

    question: Question
    run: Run
    verdict: Verdict
    calls: list[dict[str, Any]]
    seconds: float

    @property
    def marks(self) -> dict[str, int]:
        """How many calls were made, repaired, tried again and refused."""
        return {
            "calls": len(self.calls),
            "repaired": sum(bool(call["repairs"]) for call in self.calls),
            "retried": sum(bool(call["retries"]) for call in self.calls),
            "refused": sum(call["attempts"] == 0 for call in self.calls),
        }


async def ask_all(
    questions: Sequence[Question],
    model: Model,
    database: Path,
    console: Console,
    time_limits: TimeLimits,
) -> tuple[Outcome, ...]:
    """Ask every question in a session of its own, until the time is up.

    Args:
        questions: What to ask, in order.
        model: The model.
        database: The flight database; its watch list is emptied before each question.
        console: Where calls and verdicts are shown.
        time_limits: For one question and for all.
    """
    calls = CallList()
    gate = Gate(TOOLS, listeners=(CallScreen(console), calls))
    outcomes: list[Outcome] = []
    begun = time.perf_counter()
    try:
        for number, question in enumerate(questions, 1):
            if time.perf_counter() - begun > time_limits.begin:
                rest = ", ".join(question.id for question in questions[number - 1 :])
                console.print(Text(f"time is up; not asked: {rest}", style="bold yellow"))
                break
            head = f"\n{number}/{len(questions)} {question.kind}  "
            console.print(Text.assemble((head, "dim"), (question.ask, "bold")))
            calls.calls.clear()
            asked = Asked(gate=gate, calls=calls, model=model, seconds=time_limits.question)
            outcomes.append(await ask(question, asked, database))
            show(outcomes[-1], console)
    finally:
        await gate.close()
    return tuple(outcomes)


async def ask(question: Question, asked: Asked, database: Path) -> Outcome:
    """Ask one question and judge the answer."""
    with closing(sqlite3.connect(database)) as connection:
        with connection:
            connection.execute("DELETE FROM watchlist")
        begun = time.perf_counter()
        done = await run(
            asked.gate.session(id=question.id),
            question.ask,
            model=asked.model,
            system=SYSTEM,
            budget=Budget(turns=8, calls=16, seconds=asked.seconds),
            options=LOCAL if asked.model.name.startswith("local:") else HOSTED,
        )
        seconds = time.perf_counter() - begun
        verdict = judge(question, done.answer, connection)
    return Outcome(
        question=question, run=done, verdict=verdict, calls=list(asked.calls.calls), seconds=seconds
    )


def show(outcome: Outcome, console: Console) -> None:
    """Print the answer beside the truth."""
    answer = outcome.run.answer.strip() or f"({outcome.run.reason.value}: {outcome.run.detail})"
    console.print(Text.assemble("    answer  ", (" ".join(answer.split()), "cyan")))
    console.print(Text.assemble("    truth   ", outcome.verdict.truth))
    verdict = ("right", "bold green") if outcome.verdict.right else ("wrong", "bold red")
    marks = ", ".join(f"{count} {name}" for name, count in outcome.marks.items() if count)
    tail = f"   {outcome.seconds:.1f} s{'; ' if marks else ''}{marks}"
    console.print(Text.assemble("    ", verdict, (tail, "dim")))


def show_table(outcomes: Sequence[Outcome], model: str, console: Console) -> None:
    """Print one line per question and the share right."""
    table = Table(box=None, pad_edge=False)
    for column in ("question", "kind", "verdict", "calls", "repaired", "retried", "refused", "s"):
        numeric = column not in {"question", "kind", "verdict"}
        table.add_column(column, justify="right" if numeric else "left")
    for outcome in outcomes:
        right = outcome.verdict.right
        table.add_row(
            outcome.question.id,
            outcome.question.kind,
            Text("right" if right else "wrong", style="green" if right else "red"),
            *(str(count) for count in outcome.marks.values()),
            f"{outcome.seconds:.1f}",
        )
    console.print()
    console.print(table)
    right = sum(outcome.verdict.right for outcome in outcomes)
    took = sum(outcome.seconds for outcome in outcomes)
    console.print(Text(f"\n{right} of {len(outcomes)} right in {took:.0f} s with {model}", "bold"))


def summary(outcomes: Sequence[Outcome], model: str) -> dict[str, Any]:
    """Return everything as one JSON value."""
    return {
        "model": model,
        "right": sum(outcome.verdict.right for outcome in outcomes),
        "asked": len(outcomes),
        "seconds": round(sum(outcome.seconds for outcome in outcomes), 1),
        "questions": [
            {
                "id": outcome.question.id,
                "kind": outcome.question.kind,
                "question": outcome.question.ask,
                "answer": outcome.run.answer,
                "truth": outcome.verdict.truth,
                "right": outcome.verdict.right,
                "ended": outcome.run.reason.value,
                "seconds": round(outcome.seconds, 1),
                "usage": asdict(outcome.run.usage),
                **outcome.marks,
                "path": outcome.calls,
            }
            for outcome in outcomes
        ],
    }


def chosen_model(asked: str | None) -> str:
    """Choose the model: the one asked for, OpenAI's when a key is set, else the local one."""
    if asked:
        return asked
    if os.environ.get("OPENAI_API_KEY"):
        return "openai:" + os.environ.get("OPENAI_MODEL", "gpt-6-luna")
    return app.settings().model
