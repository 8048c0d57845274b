from pathlib import Path

import pytest

from tests.cli.conftest import Command


def test_the_list_shows_name_effect_version_and_first_line(callgate: Command) -> None:
    done = callgate("tools", "list")
    assert done.code == 0
    lines = [line.rstrip() for line in done.out.splitlines()]
    assert [line.split(maxsplit=3) for line in lines[1:]] == [
        ["add", "read", "0", "Add two numbers."],
        ["fail", "read", "0", "Fail, always."],
        ["wait", "irreversible", "0", "Wait for a person."],
    ]


def test_the_list_as_json_holds_the_same(callgate: Command) -> None:
    done = callgate("tools", "list", "--json")
    assert done.json[0] == {
        "name": "add",
        "effect": "read",
        "version": "0",
        "description": "Add two numbers.",
    }
    assert [tool["name"] for tool in done.json] == ["add", "fail", "wait"]


def test_show_prints_the_whole_contract(callgate: Command) -> None:
    done = callgate("tools", "show", "add")
    assert done.code == 0
    assert done.out.startswith("add@0  read\nAdd two numbers.\n\nThe second line is not shown")
    assert '"a": {' in done.out
    assert "limits timeout 30.0, attempts 3" in done.out


def test_show_as_json_holds_the_schemas(callgate: Command) -> None:
    told = callgate("tools", "show", "add", "--json").json
    assert told["parameters"]["required"] == ["a", "b"]
    assert told["returns"] == {"type": "integer"}
    assert told["limits"]["attempts"] == 3


def test_a_tool_without_a_promised_result_shows_no_returns(callgate: Command) -> None:
    assert "returns" not in callgate("tools", "show", "fail").out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ad", "unknown_tool: no tool is called ad; did you mean add?\n"),
        ("zzz", "unknown_tool: no tool is called zzz; there are: add, fail, wait\n"),
    ],
)
def test_an_unknown_tool_is_told_in_one_line(callgate: Command, name: str, told: str) -> None:
    done = callgate("tools", "show", name)
    assert (done.code, done.out, done.err) == (1, "", told)


def test_wrong_settings_exit_with_2_and_one_line(callgate: Command, project: Path) -> None:
    (project / "callgate.toml").write_text("toolz = []", encoding="utf-8")
    done = callgate("tools", "list")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"settings: {project}/callgate.toml: toolz: got an unknown key; allowed is one of tools, "
        "model, models, limits, sources, store, approvals, controls, modes, lint, folder; "
        "did you mean 'tools'?\n"
    )


def test_an_error_as_json_goes_to_standard_output(callgate: Command, project: Path) -> None:
    (project / "other.toml").write_text('tools = ["gone.py:x"]', encoding="utf-8")
    done = callgate("tools", "list", "--json", "--file", "other.toml")
    assert (done.code, done.err) == (2, "")
    assert done.json == {
        "error": {
            "code": "settings",
            "message": f"tools: gone.py:x: there is no file {project}/gone.py",
            "details": {"key": "tools", "got": "gone.py:x"},
        }
    }
