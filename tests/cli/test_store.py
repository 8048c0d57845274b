"""`callgate db`, `journal` and `doubts`: the store from the command line."""

import sqlite3
import time
from pathlib import Path

import pytest

from callgate.settings import load
from tests.cli.conftest import Command

MORE = '''

@tool(effect="irreversible")
async def pay(cents: int) -> int:
    """Pay."""
    if cents == 13:
        raise ValueError("cut off")
    return cents

TOOLS.append(pay)
'''
KEY = "/anyone//order-77"


@pytest.fixture
def shop(project: Path) -> Path:
    """The project, with a tool that pays and a store."""
    with (project / "tools.py").open("a") as file:
        file.write(MORE)
    with (project / "callgate.toml").open("a") as file:
        file.write('[store]\nurl = "sqlite:///calls.db"\n')
    return project


def test_a_call_with_a_key_is_made_once(shop: Path, callgate: Command) -> None:
    first = callgate("call", "pay", '{"cents": 5}', "--key", "order-77")
    again = callgate("call", "pay", '{"cents": 5}', "--key", "order-77")
    other = callgate("call", "pay", '{"cents": 6}', "--key", "order-77", "--json")
    assert (first.code, first.out, again.code, again.out) == (0, "5\n", 0, "5\n")
    assert "recalled by recall" in again.err
    assert (other.code, other.json["error"]["code"]) == (1, "key_conflict")
    shown = callgate("journal", "show", KEY, "--json").json
    assert (shown["state"], shown["tool"], shown["value"], shown["tries"]) == ("done", "pay", 5, 1)
    assert shown["arguments"] == {"cents": 5}
    assert "state      done" in callgate("journal", "show", KEY).out
    with sqlite3.connect(shop / "calls.db") as connection:
        assert connection.execute("SELECT count(*) FROM records").fetchone() == (3,)


def test_what_the_journal_does_not_have_is_told(shop: Path, callgate: Command) -> None:
    shown = callgate("journal", "show", "nothing")
    assert (shown.code, shown.out, shown.err) == (1, "", "The journal has no call nothing\n")
    assert callgate("journal", "show", "nothing", "--json").out == "null\n"


def test_a_doubt_is_listed_decided_and_ends(shop: Path, callgate: Command) -> None:
    assert callgate("doubts", "list").out == "nothing is in doubt\n"
    doubt = callgate("call", "pay", '{"cents": 13}', "--key", "order-77", "--json")
    assert (doubt.code, doubt.json["status"]) == (1, "in_doubt")
    assert KEY in callgate("doubts", "list").out
    (listed,) = callgate("doubts", "list", "--json").json
    assert (listed["key"], listed["state"]) == (KEY, "in_doubt")
    assert callgate("doubts", "list", "--tenant", "other", "--json").json == []
    undecided = callgate("doubts", "resolve", KEY)
    assert (undecided.code, "say --happened or --not-happened" in undecided.err) == (2, True)
    wrong = callgate("doubts", "resolve", KEY, "--happened", "--value", "{")
    assert (wrong.code, "--value is not JSON" in wrong.err) == (2, True)
    done = callgate(
        "doubts", "resolve", KEY, "--happened", "--value", "13", "--note", "bank says so"
    )
    assert (done.code, done.out) == (0, f"{KEY}: done\n")
    shown = callgate("journal", "show", KEY, "--json").json
    assert shown["note"].endswith(": bank says so")
    again = callgate("call", "pay", '{"cents": 13}', "--key", "order-77")
    assert (again.code, again.out) == (0, "13\n")
    twice = callgate("doubts", "resolve", KEY, "--not-happened", "--json")
    assert (twice.code, twice.out) == (1, "null\n")
    assert callgate("doubts", "resolve", KEY, "--not-happened").err == f"{KEY} is not in doubt\n"


def test_a_doubt_that_did_not_happen_may_be_tried_again(shop: Path, callgate: Command) -> None:
    callgate("call", "pay", '{"cents": 13}', "--key", "order-77")
    decided = callgate("doubts", "resolve", KEY, "--not-happened", "--json")
    assert decided.json["state"] == "not_happened"
    callgate("call", "pay", '{"cents": 13}', "--key", "order-77")
    assert callgate("journal", "show", KEY, "--json").json["tries"] == 2


def test_the_audit_is_verified(shop: Path, callgate: Command) -> None:
    callgate("call", "pay", '{"cents": 5}')
    verified = callgate("journal", "verify", "--json")
    assert (verified.code, verified.json["entries"], verified.json["breaks"]) == (0, 2, [])
    with sqlite3.connect(shop / "calls.db") as connection:
        connection.execute("UPDATE audit SET principal = 'mallory' WHERE sequence = 1")
    broken = callgate("journal", "verify")
    assert broken.code == 1
    assert "1: the entry was changed" in broken.out
    assert "2 entries, 1 breaks" in broken.out


def test_tables_are_upgraded_and_pruned(shop: Path, callgate: Command) -> None:
    upgraded = callgate("db", "upgrade", "--json").json
    assert upgraded["versions"] == ["0004_audit_key"]
    assert upgraded["store"] == f"sqlite:///{shop / 'calls.db'}"
    assert "tables are up to date (0004_audit_key)" in callgate("db", "upgrade").out
    callgate("call", "pay", '{"cents": 5}')
    assert callgate("db", "prune", "--records", "1", "--journal", "1").out == (
        "records: 0 deleted\njournal: 0 deleted\ncontrols: 0 deleted\n"
    )
    with sqlite3.connect(shop / "calls.db") as connection:
        connection.execute("UPDATE records SET at = 0")
    assert callgate("db", "prune", "--records", "1", "--json").json == {
        "records": 1,
        "controls": 0,
    }
    assert callgate("db", "prune", "--approvals", "7", "--json").json == {
        "approvals": 0,
        "grants": 0,
        "grant_uses": 0,
        "controls": 0,
    }
    nothing = callgate("db", "prune")
    assert (nothing.code, "name what to delete" in nothing.err) == (2, True)


def test_states_of_limits_go_once_they_matter_no_more(shop: Path, callgate: Command) -> None:
    callgate("db", "upgrade")
    ages = {"rate:r": 29.0, "rate:old": 31.0, "spend:year": 364.0 * 2, "spend:old": 366.0 * 2}

    def prune() -> set[str]:
        with sqlite3.connect(shop / "calls.db") as connection:
            connection.execute("DELETE FROM controls")
            for name, days in ages.items():
                row = (name, time.time() - days * 86_400)
                connection.execute("INSERT INTO controls VALUES (?, '1', ?)", row)
        callgate("db", "prune", "--records", "1")
        with sqlite3.connect(shop / "calls.db") as connection:
            return {name for (name,) in connection.execute("SELECT name FROM controls")}

    assert prune() == {"rate:r"}
    with (shop / "callgate.toml").open("a") as file:
        file.write("[controls]\ntenant_spend = { amount = 1, seconds = 31_536_000 }\n")
    assert prune() == {"rate:r", "rate:old", "spend:year"}


def test_who_was_denied_is_in_the_audit(shop: Path, callgate: Command) -> None:
    callgate("tools", "disable", "pay", "--reason", "it pays twice")
    assert callgate("call", "pay", '{"cents": 5}').code == 1
    with sqlite3.connect(shop / "calls.db") as connection:
        (row,) = connection.execute("SELECT kind, principal, detail FROM audit").fetchall()
    assert row[:2] == ("denied", "anyone")
    assert '"code":"disabled"' in row[2]
    assert callgate("journal", "verify", "--json").json["entries"] == 1


def test_a_stage_that_the_settings_let_observe_only_tells(shop: Path, callgate: Command) -> None:
    with (shop / "callgate.toml").open("a") as file:
        file.write("[[approvals.rules]]\nthen = 'ask'\ntools = ['pay']\n")
    assert callgate("call", "pay", '{"cents": 5}').code == 4
    with (shop / "callgate.toml").open("a") as file:
        file.write("[modes]\napprove = 'observe'\n")
    done = callgate("call", "pay", '{"cents": 5}')
    assert (done.code, done.out) == (0, "5\n")
    assert "would_ask by approve" in done.err


@pytest.mark.parametrize(
    "words",
    [("db", "upgrade"), ("journal", "show", "k"), ("doubts", "list"), ("journal", "verify")],
)
def test_without_a_store_the_command_says_how_to_name_one(
    project: Path, callgate: Command, words: tuple[str, ...]
) -> None:
    ended = callgate(*words)
    assert ended.code == 2
    assert "set url in [store] of callgate.toml" in ended.err


def test_tables_of_a_newer_version_are_refused(shop: Path, callgate: Command) -> None:
    callgate("db", "upgrade")
    with sqlite3.connect(shop / "calls.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    ended = callgate("call", "pay", '{"cents": 5}', "--json")
    assert (ended.code, ended.json["error"]["code"]) == (1, "schema")


def test_a_relative_file_is_relative_to_the_settings(shop: Path) -> None:
    settings = load({}, file=shop / "callgate.toml", start=Path("/"))
    assert settings.store.url == f"sqlite:///{shop / 'calls.db'}"
