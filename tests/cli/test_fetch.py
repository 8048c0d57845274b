"""`callgate eval fetch`: names, homes, and what a fetch says of itself."""

from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Command

QUERY = {"id": "dev-0", "query": "Find Ana.", "calling": [{"api": "find", "parameters": {}}]}


@pytest.fixture
def clone(project: Path) -> str:
    """A clone of Seal-Tools with one query."""
    folder = project / "clone/Seal-Tools_Dataset"
    folder.mkdir(parents=True)
    for name in ("tool", "test_in_domain", "test_out_domain"):
        (folder / f"{name}.jsonl").write_bytes(b"")
    (folder / "dev.jsonl").write_bytes(orjson.dumps(QUERY))
    return "clone"


def test_data_sets_are_listed_with_their_homes_and_licences(callgate: Command) -> None:
    (first, *rest) = callgate("eval", "fetch", "--list", "--json").json
    assert first == {
        "name": "bfcl-v4",
        "about": "BFCL v4: 3,641 single-turn and 600 multi-turn items, and their environments",
        "home": "bfcl-eval 2026.3.23 on PyPI",
        "licence": "Apache-2.0",
        "megabytes": 1.9,
        "hash": "pinned",
        "here": False,
        "sources": ["bfcl-eval==2026.3.23"],
    }
    assert {one["hash"] for one in rest} == {"pinned", "first fetch"}
    shown = callgate("eval", "fetch", "--list").out
    assert [line.split()[0] for line in shown.splitlines()[1:]] == [
        "bfcl-v4",
        *(one["name"] for one in rest),
    ]
    assert "https://github.com/fairyshine/Seal-Tools" in shown


def test_what_was_fetched_can_be_scored_at_once(
    project: Path, clone: str, callgate: Command
) -> None:
    fetched = callgate("eval", "fetch", "seal-tools", "--from", clone)
    folder = project / "home/evals/seal-tools"
    queries = folder / "sealtools_queries.jsonl.gz"
    assert (fetched.code, str(queries) in fetched.out) == (0, True)
    assert "dev.jsonl: no hash was known; from now on it must be the same" in fetched.err
    use = f"callgate eval score seal-tools --queries {queries}"
    assert f"next: {use}" in fetched.err
    assert callgate(*use.split()[1:], "--json").json["items"] == 1
    told = callgate("eval", "fetch", "seal-tools", "--json").json
    assert (told["present"], told["first"], told["use"]) == (True, [], use)
    assert told["folder"] == str(folder)
    listed = callgate("eval", "fetch", "--list", "--json").json
    assert [one["name"] for one in listed if one["here"]] == ["seal-tools"]


def test_a_changed_file_is_refused_by_the_lock(
    project: Path, clone: str, callgate: Command
) -> None:
    options = ("--from", clone, "--lock", "evals.lock.json")
    assert callgate("eval", "fetch", "seal-tools", *options, "--to", "one").code == 0
    assert "seal-tools-ce753ecd60ed-dev.jsonl" in (project / "evals.lock.json").read_text()
    (project / "clone/Seal-Tools_Dataset/dev.jsonl").write_bytes(b"")
    refused = callgate("eval", "fetch", "seal-tools", *options, "--to", "two", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "evaluation_data")
    assert "evals.lock.json says" in refused.json["error"]["message"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("nothing",), 1, "No data set is called 'nothing'; there are bfcl-v4, complexfuncbench"),
        ((), 2, "name a data set, or say --list"),
        (("bfcl-v4", "--list"), 2, "name a data set, or say --list"),
        (("bfcl-v4", "--from", "nowhere"), 1, "nowhere is not there"),
        (("bfcl-v4", "--to", "callgate.toml"), 1, "callgate.toml/downloads cannot be"),
    ],
)
def test_a_wrong_command_is_one_line(
    callgate: Command, words: tuple[str, ...], code: int, told: str
) -> None:
    done = callgate("eval", "fetch", *words)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
