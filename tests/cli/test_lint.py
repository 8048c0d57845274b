from pathlib import Path
from typing import Any

import orjson

from callgate.contract.lint import RULES
from tests.cli.conftest import Command

BAD: dict[str, Any] = {
    "name": "books.find",
    "description": "Find books\u200b of a library by title; not by author.\n",
    "inputSchema": {
        "type": "object",
        "properties": {
            "title": {"type": "string", "title": "Title", "description": "Whole or in part."}
        },
    },
    "outputSchema": {"type": "object"},
    "annotations": {"readOnlyHint": True},
}


def stored(project: Path, value: object, name: str = "a.json") -> str:
    (project / name).write_bytes(orjson.dumps(value, option=orjson.OPT_INDENT_2))
    return name


UNTIDY = ("--enable", "description-untidy")


def rules(done: Any) -> list[str]:
    return [finding["rule"] for finding in done.json["findings"]]


ALL = ["invisible-characters", "name-not-portable", "description-untidy", "title-redundant"]


def test_findings_are_printed_with_reason_and_fix(callgate: Command, project: Path) -> None:
    done = callgate("lint", stored(project, {"tools": [BAD]}), *UNTIDY)
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == (
        "error books.find/description: 1 characters are invisible to people and read by models. "
        "[invisible-characters]"
    )
    assert lines[1] == "    Remove the characters."
    assert lines[-1].startswith("1 tools, ")
    assert lines[-1].endswith("1 error, 1 warning, 2 info, 3 with a safe fix (--fix)")


def test_the_exit_code_is_what_is_asked_for(callgate: Command, project: Path) -> None:
    file = stored(project, {"tools": [BAD]})
    codes = {
        level: callgate("lint", file, "--ignore", "invisible-*", "--fail-on", level).code
        for level in ("error", "warning", "info", "never")
    }
    assert codes == {"error": 0, "warning": 1, "info": 1, "never": 0}


def test_json_holds_the_findings_and_the_tokens(callgate: Command, project: Path) -> None:
    done = callgate("lint", stored(project, {"tools": [BAD]}), *UNTIDY, "--json")
    assert rules(done) == ALL
    assert done.json["counts"] == {"error": 1, "warning": 1, "info": 2}
    assert done.json["tokens"]["encoding"] == "o200k_base"
    assert "an estimate" in done.json["tokens"]["others"]
    first = done.json["findings"][0]
    assert (first["place"], first["evidence"], first["fixable"]) == ("#/tools/0", "U+200B", True)


def test_sarif_points_at_the_line_of_the_tool(callgate: Command, project: Path) -> None:
    done = callgate("lint", stored(project, {"tools": [BAD]}), "--format", "sarif")
    assert done.code == 1
    (run,) = done.json["runs"]
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 4}
    few = ("--enable", "description-no-when", "--format", "sarif")
    python = callgate("lint", "tools.py:TOOLS", *few).json["runs"][0]["results"]
    places = {
        result["locations"][0]["physicalLocation"]["region"]["startLine"]
        for result in python
        if "Fail, always" in str(result) or result["message"]["text"].startswith("fail")
    }
    assert places == {21}
    (project / "b.json").write_bytes(orjson.dumps({"type": "object", "properties": {"a": {}}}))
    (found, *_) = callgate("lint", "b.json", "--format", "sarif").json["runs"][0]["results"]
    assert found["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}


def test_settings_and_options_choose_the_rules(callgate: Command, project: Path) -> None:
    (project / "callgate.toml").write_text(
        'tools = ["tools.py:TOOLS"]\n'
        "[lint]\n"
        'enable = ["optional-ambiguous", "description-untidy"]\n'
        'disable = ["title-redundant"]\n'
        'ignore = ["description-untidy:books.*"]\n'
        'severity = { "name-not-portable" = "error" }\n'
    )
    file = stored(project, {"tools": [BAD]})
    done = callgate("lint", file, "--json", "--ignore", "invisible-characters")
    assert rules(done) == ["name-not-portable", "optional-ambiguous"]
    assert done.json["suppressed"] == 2
    assert done.json["findings"][0]["severity"] == "error"
    assert "2 suppressed" in callgate("lint", file, "--ignore", "invisible-characters").out
    own = callgate("lint", "--json", "--enable", "all")
    assert own.json["tools"] == 3
    wrong = callgate("lint", file, "--enable", "gone")
    assert (wrong.code, wrong.err.startswith("settings: lint: there is no rule 'gone'")) == (
        2,
        True,
    )


def test_without_a_source_and_tools_it_says_so(callgate: Command, project: Path) -> None:
    (project / "callgate.toml").write_text("")
    done = callgate("lint")
    assert (done.code, done.err) == (
        2,
        "settings: Say which tools to lint: callgate lint SOURCE.\n",
    )


def test_safe_fixes_are_written(callgate: Command, project: Path) -> None:
    file = stored(project, {"tools": [BAD], "more": 1})
    done = callgate("lint", file, *UNTIDY, "--fix", "--json")
    assert "3 fixes written" in done.err
    assert rules(done) == ["name-not-portable"]
    mended = orjson.loads((project / file).read_bytes())
    fixed = mended["tools"][0]
    assert fixed["description"] == "Find books of a library by title; not by author."
    assert fixed["inputSchema"]["properties"]["title"] == {
        "type": "string",
        "description": "Whole or in part.",
    }
    assert {**fixed, "description": 0, "inputSchema": 0} == {
        **BAD,
        "description": 0,
        "inputSchema": 0,
    }
    assert "0 fixes written" in callgate("lint", file, *UNTIDY, "--fix").err


def test_a_document_keeps_its_shape(callgate: Command, project: Path) -> None:
    line = orjson.dumps(BAD)
    other = orjson.dumps({**BAD, "name": "books_find"})
    for text in (line, line + b"\n", line + b"\n" + other + b"\n"):
        (project / "a.jsonl").write_bytes(text)
        callgate("lint", "a.jsonl", "--fix")
        written = (project / "a.jsonl").read_bytes()
        assert written.count(b"\n") == text.count(b"\n")
        assert b"\\u200b" not in written


def test_fixes_go_into_json_only(callgate: Command) -> None:
    done = callgate("lint", "tools.py:TOOLS", "--fix")
    assert (done.code, done.out) == (2, "")
    assert "Fixes are written into JSON files only" in done.err


def test_the_rules_are_listed(callgate: Command) -> None:
    told = callgate("lint", "--format", "rules", "--json").json
    assert [rule["id"] for rule in told] == [rule.id for rule in RULES]
    lines = callgate("lint", "--format", "rules").out.splitlines()
    assert len(lines) == len(RULES)
    assert any(line.startswith("info optional-ambiguous (off): ") for line in lines)
