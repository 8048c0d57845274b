from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.cli.conftest import Command

SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Book a room.",
    "properties": {"city": {"type": "string", "minLength": 1}, "nights": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}


def stored(file: Path, value: Any) -> str:
    file.write_bytes(orjson.dumps(value))
    return file.name


def test_tools_are_named_as_in_the_settings(callgate: Command, project: Path) -> None:
    done = callgate("compile", "--wire", "openai", "tools.py:TOOLS", "--json")
    assert done.code == 0
    assert (done.json["wire"], done.json["strict"]) == ("openai", False)
    assert [tool["name"] for tool in done.json["tools"]] == ["add", "fail", "wait"]
    module = callgate("compile", "--wire", "openai", "tools:add", "--json")
    assert [tool["name"] for tool in module.json["tools"]] == ["add"]


def test_a_bare_schema_is_a_tool_with_the_name_of_its_file(
    callgate: Command, project: Path
) -> None:
    file = stored(project / "book room.json", SCHEMA)
    told = callgate("compile", "--wire", "openai", "--strict", file, "--json").json
    (tool,) = told["tools"]
    assert (tool["name"], tool["description"], tool["strict"]) == (
        "book_room",
        "Book a room.",
        True,
    )
    assert tool["schema"]["required"] == ["city", "nights"]
    assert [loss["keyword"] for loss in tool["losses"]] == ["minLength", "required"]
    assert told["downgraded"] == []


OURS = {"name": "book", "description": "Book.", "parameters": SCHEMA, "effect": "read"}
MCP = {"name": "book", "inputSchema": SCHEMA}


@pytest.mark.parametrize(
    "value",
    [
        {"tools": [OURS]},
        [OURS],
        {"tools": [MCP]},
        {"jsonrpc": "2.0", "id": 1, "result": {"tools": [MCP]}},
    ],
)
def test_tools_may_come_from_json_of_ours_or_of_mcp(
    callgate: Command, project: Path, value: Any
) -> None:
    told = callgate("compile", "-w", "anthropic", stored(project / "a.json", value), "--json").json
    assert [(tool["name"], tool["schema"]["required"]) for tool in told["tools"]] == [
        ("book", ["city"])
    ]


def test_the_tools_that_can_do_the_most_harm_stay_strict(callgate: Command, project: Path) -> None:
    hints = [{"readOnlyHint": True}] * 8 + [{"idempotentHint": True}] * 8 + [{}] * 9
    tools = [
        MCP | {"name": f"book_{number}", "annotations": hint} for number, hint in enumerate(hints)
    ]
    file = stored(project / "a.json", {"tools": tools})
    done = callgate("compile", "--wire", "anthropic", "--strict", file, "--json")
    assert [item["tool"] for item in done.json["downgraded"]] == [f"book_{n}" for n in range(3, 8)]


def test_the_screen_shows_definitions_losses_and_downgrades(
    callgate: Command, project: Path
) -> None:
    loop = {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}
    more = SCHEMA | {"properties": {"city": {"not": {"const": "x"}, "type": "string"}}}
    tools = [OURS | {"name": name, "parameters": s} for name, s in (("a", SCHEMA), ("b", loop))]
    file = stored(project / "a.json", [*tools, OURS | {"name": "c", "parameters": more}])
    done = callgate("compile", "--wire", "anthropic", "--strict", file)
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0] == "a  strict"
    assert "moved_to_description  #/properties/city minLength: at least 1 characters" in lines
    assert lines[-1].startswith("b is not strict: In strict mode: ")
    narrowed = callgate(
        "compile", "--wire", "openai", "--strict", stored(project / "b.json", {"type": "object"})
    )
    assert any(line.startswith("narrows  ") for line in narrowed.out.splitlines())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "definition: a.json is not JSON: "),
        ("7", "definition: a.json holds neither tools nor a schema."),
        ('{"tools": 7}', "definition: a.json holds neither tools nor a schema."),
        (
            "[7]",
            "definition: a.json: a tool is an object with name and parameters (or inputSchema)",
        ),
        ('[{"name": "x"}]', "definition: a.json: a tool is an object with name and parameters (or"),
        ('{"type": "string"}', "definition: The parameters of the tool a "),
    ],
)
def test_a_file_of_another_form_is_one_line(
    callgate: Command, project: Path, text: str, told: str
) -> None:
    (project / "a.json").write_text(text, encoding="utf-8")
    done = callgate("compile", "--wire", "openai", "a.json")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(told)
    assert done.err.count("\n") == 1


def test_a_file_that_is_not_there_is_one_line(callgate: Command) -> None:
    done = callgate("compile", "--wire", "openai", "gone.json")
    told = "definition: gone.json cannot be read: No such file or directory.\n"
    assert (done.code, done.err) == (1, told)


def test_an_unknown_wire_or_attribute_is_a_wrong_command_line(callgate: Command) -> None:
    assert callgate("compile", "--wire", "telex", "tools.py:TOOLS").code == 2
    assert callgate("compile", "--wire", "openai", "tools.py:gone").code == 2
