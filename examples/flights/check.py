"""Reads the questions and judges an answer against the truth; no model has a say in it."""

import calendar
import re
import sqlite3
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]

# An answer that lists everything it saw would hold the right number too.
MOST_NUMBERS = 4
WATCHED = ("carrier", "flight", "month", "day", "note")
REFUSAL = re.compile(
    r"\b(can ?not|can't|could ?n[o']t|unable|not able|do(es)? ?n[o']t have|don't|no tool"
    r"|not (available|possible|provided|included?)|no (information|data|way)"
    r"|none of (the|my) tools)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question and how its answer is judged.

    Attributes:
        id: A short name.
        kind: `lookup`, `chain`, `write` or `none`.
        ask: What the model is asked.
        check: `number`, `text`, `month`, `rows` or `none`.
        truth: SQL of the true answer; empty for `none`.
        within: How far off a number may be.
        accept: Parts of the true text that are enough.
        columns: Columns of the watch list that `truth` gives; for `rows`.
        short: Whether it belongs to the short demo.
    """

    id: str
    kind: str
    ask: str
    check: str
    truth: str = ""
    within: float = 0.0
    accept: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    short: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is true, and whether the answer says so."""

    right: bool
    truth: str


def questions(path: Path) -> tuple[Question, ...]:
    """Read a file of questions."""
    with path.open("rb") as stream:
        tables = tomllib.load(stream)["question"]
    return tuple(_question(table) for table in tables)


def _question(table: dict[str, Any]) -> Question:
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    return Question(**{**table, **lists})


def judge(question: Question, answer: str, connection: sqlite3.Connection) -> Verdict:
    """Compare an answer, and what was written, with the truth in the database.

    Args:
        question: The question.
        answer: The text the model ended with.
        connection: The database, after the run.
    """
    written = connection.execute(f"SELECT {', '.join(WATCHED)} FROM watchlist").fetchall()
    if question.check == "none":
        refused = bool(REFUSAL.search(answer)) and not written
        return Verdict(right=refused, truth="(no tool can answer this)")
    truth = connection.execute(question.truth).fetchall()
    if question.check == "rows":
        return Verdict(right=_picked(question, written) == truth, truth=f"on the list: {truth}")
    (value,) = truth[0]
    # A write that nobody asked for makes any answer wrong.
    return Verdict(right=not written and _says(question, answer, value), truth=_shown(value))


def _picked(question: Question, written: list[Row]) -> list[Row]:
    places = [WATCHED.index(column) for column in question.columns]
    return [tuple(row[place] for place in places) for row in written]


def _says(question: Question, answer: str, value: Any) -> bool:
    if question.check == "number":
        return _states(answer, float(value), question)
    if question.check == "month":
        named = calendar.month_name[int(value)].casefold() in answer.casefold()
        return named or _states(answer, float(value), question)
    parts = question.accept or (str(value),)
    return any(part in str(value) and _contains(answer, part) for part in parts)


def _states(answer: str, value: float, question: Question) -> bool:
    asked = set(_numbers(question.ask))
    stated = [number for number in _numbers(answer) if number not in asked or number == value]
    near = any(abs(number - value) <= question.within for number in stated)
    return near and len(set(stated)) <= MOST_NUMBERS


def _numbers(text: str) -> list[float]:
    """Find the numbers of a text; `8,204` is one number."""
    return [float(found.replace(",", "")) for found in re.findall(r"-?\d[\d,]*(?:\.\d+)?", text)]


def _contains(answer: str, part: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(part)}(?!\w)", answer, re.IGNORECASE) is not None


def _shown(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
