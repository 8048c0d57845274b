"""`callgate diff`: what is printed, and the exit codes."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command

PLAIN: dict[str, Any] = {"type": "integer"}
NARROW: dict[str, Any] = {"type": "integer", "minimum": 3}
HARD = [{"type": "string", "pattern": f"^\\b{word}[xy]{{9}}$"} for word in ("qq", "(qq)")]
SEARCH: dict[str, Any] = {
    "name": "search",
    "description": "Search.",
    "parameters": {
        "type": "object",
        "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}},
        "required": ["query"],
        "additionalProperties": False,
    },
}
MOVED = SEARCH | {
    "parameters": SEARCH["parameters"]
    | {"properties": {"q": {"type": "string"}, "limit": {"type": "integer"}}, "required": ["q"]}
}


def stored(folder: Path, **values: Any) -> None:
    for name, value in values.items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_bare_schemas_are_compared_as_json(callgate: Command, project: Path) -> None:
    stored(project, a=PLAIN, b=NARROW)
    done = callgate("diff", "a.json", "b.json", "--json")
    assert done.code == 1
    assert done.json == {
        "old": "a.json",
        "new": "b.json",
        "name": "b",
        "verdict": "breaking",
        "witness": 0,
        "semver": "major",
        "broken": [
            {
                "part": "parameters",
                "witness": 0,
                "problems": [{"path": "$", "got": "0", "allowed": "a number of at least 3"}],
            }
        ],
        "undecided": {},
        "migration": None,
        "changes": [
            {
                "kind": "minimum_added",
                "path": "parameters#/minimum",
                "words": "minimum is 3 now",
                "semver": None,
                "before": None,
                "after": 3,
            }
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "code", "verdict", "semver"),
    [
        (("b.json", "a.json"), 0, "compatible", "minor"),
        (("a.json", "a.json"), 0, "compatible", "none"),
        (("b.json", "a.json", "--as", "returns"), 1, "breaking", "major"),
        (("c.json", "d.json"), 5, "undecided", "major"),
    ],
)
def test_the_exit_code_tells_the_verdict(
    callgate: Command,
    project: Path,
    arguments: tuple[str, ...],
    code: int,
    verdict: str,
    semver: str,
) -> None:
    stored(project, a=PLAIN, b=NARROW, c=HARD[0], d=HARD[1])
    done = callgate("diff", *arguments, "--json")
    assert (done.code, done.json["verdict"], done.json["semver"]) == (code, verdict, semver)
    assert callgate("diff", *arguments).code == code


def test_the_screen_shows_the_call_that_breaks(callgate: Command, project: Path) -> None:
    stored(project, a={"tools": [SEARCH]}, b={"tools": [MOVED]})
    done = callgate("diff", "a.json", "b.json")
    assert done.code == 1
    assert done.out.splitlines() == [
        "search  breaking  major",
        '  {"query":""}  was a valid call and is none now',
        '    $.query: got ""; allowed: no property of this name (known: "q", "limit")',
        "    $.q: got nothing; allowed: a string",
        "  parameters#/properties/query  property 'query' is gone",
        "  parameters#/properties/q  property 'q' is new",
        "  parameters#/required  'query' need not be there any more",
        "  parameters#/required  'q' has to be there now",
        '  old calls: rename {"query":"q"}',
        "all tools  breaking  major",
        (
            "a prompt cache keeps 0 of 1 tools; 41 tokens of definitions behind them are read anew "
            "once"
        ),
        "tokens: 41, now 41 (+0; o200k_base)",
    ]


def test_the_screen_tells_what_came_what_went_and_what_is_too_hard(
    callgate: Command, project: Path
) -> None:
    hard = [
        {"name": "hard", "parameters": {"type": "object", "properties": {"x": inner}}}
        for inner in HARD
    ]
    many = SEARCH | {"parameters": {"properties": {f"p{number}": {} for number in range(30)}}}
    stored(project, a=[SEARCH, hard[0]], b=[hard[1], {**SEARCH, "name": "other"}])
    stored(project, c=[hard[0]], d=[hard[1], SEARCH], e=[many])
    lines = callgate("diff", "a.json", "b.json").out.splitlines()
    assert "  the parameters are too hard to decide: pattern" in lines
    assert "  the tool 'search' seems to be 'other' now" in lines
    assert lines[-3] == "all tools  breaking  major"
    lines = callgate("diff", "c.json", "d.json").out.splitlines()
    assert "the tool 'search' is new" in lines
    assert lines[-3] == "all tools  undecided  major"
    stored(project, f=[{**SEARCH, "parameters": {}}])
    lines = callgate("diff", "f.json", "e.json").out.splitlines()
    assert "  and 10 changes more" in lines


def test_what_is_the_same_is_one_line(callgate: Command, project: Path) -> None:
    stored(project, a=[SEARCH])
    told = callgate("diff", "a.json", "a.json").out.splitlines()
    assert told[0] == "all tools  compatible  none"
    assert told[1].startswith("tokens: ")


def test_python_tools_are_compared_with_files(callgate: Command, project: Path) -> None:
    told = callgate("diff", "tools.py:add", "tools.py:TOOLS", "--json").json
    assert (told["verdict"], told["semver"]) == ("compatible", "minor")
    assert [one["after"] for one in told["changes"]] == ["fail", "wait"]
    assert told["tokens"]["after"] > told["tokens"]["before"]
    assert told["tokens"]["encoding"] in ("o200k_base", "estimate")


def test_a_file_is_compared_with_a_revision(callgate: Command, project: Path) -> None:
    stored(project, a=[SEARCH])
    git(project, "init", "--quiet")
    git(project, "add", "a.json")
    git(project, "commit", "--quiet", "-m", "Add a tool")
    stored(project, a=[MOVED])
    told = callgate("diff", "git:HEAD:a.json", "a.json", "--json").json
    assert (told["old"], told["witness"]) == ("git:HEAD:a.json", {"query": ""})
    assert callgate("diff", "a.json", "--rev", "HEAD", "--json").json == told
    assert callgate("diff", "a.json", "git:HEAD:a.json", "--json").json["witness"] == {"q": ""}


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("git:HEAD:gone.json", "git:HEAD:gone.json cannot be read: fatal: "),
        ("git:nowhere:a.json", "git:nowhere:a.json cannot be read: fatal: "),
        ("git:HEAD", "git:HEAD names no file; write git:REVISION:PATH."),
        ("git:--help:a", "git:--help:a names no file; write git:REVISION:PATH."),
        ("gone.json", "gone.json cannot be read: No such file or directory."),
        ("broken.json", "broken.json is not JSON: "),
        ("seven.json", "seven.json holds neither tools nor a schema."),
        ("wrong.json", "This is not a JSON Schema: "),
        ("remote.json", "The schema refers to 'https://example.com/a.json', which is not in it."),
        ("circle.json", "The schema refers to itself without descending into the value: "),
        ("regex.json", "This is not a JSON Schema: "),
        ("large.json", "large.json holds more than 32 MiB"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_no_verdict(
    callgate: Command, project: Path, source: str, told: str
) -> None:
    git(project, "init", "--quiet")
    stored(project, a=PLAIN, seven=7, wrong={"type": "strin"}, regex={"pattern": "("})
    stored(project, remote={"$ref": "https://example.com/a.json"}, circle={"$ref": "#"})
    (project / "broken.json").write_text("{", encoding="utf-8")
    if source == "large.json":
        (project / source).write_bytes(b'{"enum": ["' + b"x" * 50_000_000 + b'"]}')
    for pair in ((source, "a.json"), ("a.json", source)):
        done = callgate("diff", *pair)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"definition: {told}")
        assert done.err.count("\n") == 1
    error = callgate("diff", source, "a.json", "--json")
    assert (error.code, error.json["error"]["code"]) == (2, "definition")


@pytest.mark.parametrize("arguments", [("a.json",), ("a.json", "b.json", "--rev", "HEAD")])
def test_two_sources_or_a_revision_are_needed(
    callgate: Command, arguments: tuple[str, ...]
) -> None:
    done = callgate("diff", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("settings: Name what it was and what it is now")


def test_a_revision_that_holds_too_much_is_not_read_to_the_end(
    callgate: Command, project: Path
) -> None:
    git(project, "init", "--quiet")
    (project / "large.json").write_bytes(b" " * (33 << 20))
    git(project, "add", "large.json")
    git(project, "commit", "--quiet", "-m", "Add a large file")
    done = callgate("diff", "large.json", "--rev", "HEAD")
    told = "definition: git:HEAD:large.json holds more than 32 MiB.\n"
    assert (done.code, done.err) == (2, told)


def test_without_git_a_revision_cannot_be_read(
    callgate: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(project))
    done = callgate("diff", "a.json", "--rev", "HEAD")
    assert (done.code, done.err) == (
        2,
        "definition: git:HEAD:a.json cannot be read: git cannot be run.\n",
    )
