from pathlib import Path

from tests.cli.conftest import Command
from tests.testing.invented import chat, record, written


def test_recordings_that_agree_exit_with_0_and_print_the_seed(
    callgate: Command, project: Path
) -> None:
    written(project / "a.jsonl.gz", chat())
    done = callgate("doctor", "exchanges", "a.jsonl.gz", "--seed", "7")
    assert (done.code, done.err) == (0, "")
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[1][:4] == ["openai.chat", "decode", "2", "0"]
    assert rows[3] == ["openai.chat", "history", "1", "0", "no", "later", "request", "1"]
    assert rows[-1] == ["seed", "7"]


def test_the_report_as_json_is_one_object_with_every_wire_and_check(
    callgate: Command, project: Path
) -> None:
    written(project / "a.jsonl", chat())
    done = callgate("doctor", "exchanges", ".", "--json", "--seed", "7")
    assert done.code == 0
    assert done.json["seed"] == 7
    assert done.json["files"] == [{"name": "a.jsonl", "exchanges": 2, "checked": 4}]
    assert done.json["wires"]["openai.chat"]["tools"] == {
        "checked": 1,
        "skipped": {"no tools in the request": 1},
        "mismatches": 0,
        "examples": [],
    }


def test_every_replay_without_a_seed_has_a_new_one(callgate: Command, project: Path) -> None:
    written(project / "a.jsonl", chat())
    seeds = {callgate("doctor", "exchanges", "a.jsonl", "--json").json["seed"] for _ in range(3)}
    assert len(seeds) > 1


def test_a_mismatch_exits_with_1_and_is_told_with_its_difference(
    callgate: Command, project: Path
) -> None:
    first, then = chat()
    first["expected_calls"][0]["name"] = "sub"
    written(project / "a.jsonl", [first, then])
    done = callgate("doctor", "exchanges", "a.jsonl")
    assert done.code == 1
    told = "openai.chat decode first: calls ['add'], expected ['sub']"
    assert done.err.splitlines() == [told]


def test_a_file_in_which_nothing_is_checked_is_an_error_unless_it_is_empty(
    callgate: Command, project: Path
) -> None:
    written(project / "empty.jsonl", [])
    assert callgate("doctor", "exchanges", "empty.jsonl").code == 0
    written(project / "idle.jsonl", [record("later.wire", response={})])
    done = callgate("doctor", "exchanges", "empty.jsonl", "idle.jsonl")
    assert (done.code, done.err) == (1, "recording: idle.jsonl: nothing in it was checked\n")
    told = callgate("doctor", "exchanges", "idle.jsonl", "--json")
    assert told.code == 1
    assert told.json["files"][0]["error"] == "nothing in it was checked"


def test_a_file_that_cannot_be_read_is_one_line(callgate: Command, project: Path) -> None:
    (project / "a.jsonl").write_text("{\n", encoding="utf-8")
    done = callgate("doctor", "exchanges", "a.jsonl")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("recording: a.jsonl:1: not JSON: ")
    assert done.err.count("\n") == 1
    told = callgate("doctor", "exchanges", "gone.jsonl", "--json")
    assert told.code == 1
    assert told.json["error"]["message"] == "gone.jsonl: cannot be read: No such file or directory"
