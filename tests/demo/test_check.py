import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from examples.flights import check
from examples.flights.check import Question, Verdict, judge, questions
from examples.flights.data import WATCHLIST

FOLDER = Path(check.__file__).parent
COUNT = Question(
    id="q", kind="lookup", ask="How many in 2013?", check="number", truth="SELECT 8204"
)
MEAN = Question(
    id="q", kind="lookup", ask="How late?", check="number", truth="SELECT 21.66", within=0.5
)
NAME = Question(
    id="q",
    kind="chain",
    ask="Which airline?",
    check="text",
    truth="SELECT 'United Air Lines Inc.'",
    accept=("United Air",),
)
MONTH = Question(id="q", kind="lookup", ask="Which month?", check="month", truth="SELECT 7")
WRITE = Question(
    id="q",
    kind="write",
    ask="Watch it",
    check="rows",
    truth="SELECT 'DL', 1465",
    columns=("carrier", "flight"),
)
NONE = Question(id="q", kind="none", ask="What does it cost?", check="none")


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(WATCHLIST)
        yield connection


def watch(database: sqlite3.Connection, carrier: str, flight: int) -> None:
    row = (f"{carrier}{flight}", carrier, flight, 7, 4, "")
    database.execute("INSERT INTO watchlist VALUES (?, ?, ?, ?, ?, ?)", row)


@pytest.mark.parametrize(
    ("question", "answer", "right"),
    [
        (COUNT, "There were 8,204 flights in 2013.", True),
        (COUNT, "8204", True),
        (COUNT, "8205", False),
        (COUNT, "In 2013 it was 1, 2, 3, 4 or 8204.", False),
        (COUNT, "", False),
        (MEAN, "about 21.7 minutes", True),
        (MEAN, "about 23 minutes", False),
        (NAME, "It is united air lines inc.", True),
        (NAME, "United Air", True),
        (NAME, "UA", False),
        (MONTH, "In July.", True),
        (MONTH, "month 7", True),
        (MONTH, "June", False),
        (NONE, "I cannot answer this with the tools I have.", True),
        (NONE, "It costs 200 dollars.", False),
    ],
)
def test_an_answer_is_judged_by_the_truth_in_the_database(
    database: sqlite3.Connection, question: Question, answer: str, right: bool
) -> None:
    assert judge(question, answer, database).right is right


def test_a_write_is_judged_by_the_rows_that_are_there(database: sqlite3.Connection) -> None:
    before = judge(WRITE, "Done.", database)
    watch(database, "DL", 1465)
    after = judge(WRITE, "", database)
    watch(database, "DL", 1466)
    twice = judge(WRITE, "Done.", database)
    truth = "on the list: [('DL', 1465)]"
    assert (before, after, twice) == (
        Verdict(right=False, truth=truth),
        Verdict(right=True, truth=truth),
        Verdict(right=False, truth=truth),
    )


@pytest.mark.parametrize(("question", "answer"), [(COUNT, "8204"), (NONE, "I cannot answer this.")])
def test_a_write_nobody_asked_for_makes_the_answer_wrong(
    database: sqlite3.Connection, question: Question, answer: str
) -> None:
    watch(database, "DL", 1)
    assert judge(question, answer, database).right is False


def test_an_accepted_part_must_be_part_of_the_truth(database: sqlite3.Connection) -> None:
    wrong = Question(
        id="q", kind="chain", ask="?", check="text", truth="SELECT 'Delta'", accept=("United",)
    )
    assert judge(wrong, "United", database).right is False


def test_there_are_twenty_questions_of_every_kind_and_the_short_demo_covers_each() -> None:
    fixed = questions(FOLDER / "questions.toml")
    kinds = {"lookup", "chain", "write", "none"}
    assert len({question.id for question in fixed}) == 20
    assert {question.kind for question in fixed} == kinds
    assert {question.kind for question in fixed if question.short} == kinds
    assert all(bool(question.truth) is (question.check != "none") for question in fixed)


def test_no_question_is_used_for_tuning_and_for_measuring() -> None:
    measured = {question.ask for question in questions(FOLDER / "questions.toml")}
    tuned = {question.ask for question in questions(FOLDER / "tuning.toml")}
    assert not measured & tuned
