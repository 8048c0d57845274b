import sqlite3
from pathlib import Path
from typing import Any

import orjson

from canaries import canary
from tests.cli.conftest import Command

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://shop.example"}],
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
    "paths": {
        "/orders/{id}": {
            "get": {
                "operationId": "get_order",
                "summary": "One order.",
                "tags": ["orders"],
                "parameters": [
                    {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
                ],
                "responses": {},
            }
        },
        "/broken": {"get": {"requestBody": {"$ref": "#/gone"}, "responses": {}}},
        "/pets": {"post": {"operationId": "add_pet", "summary": "Add.", "responses": {}}},
    },
}
COMMENTED = """\
# What this project is about.
tools = ["tools.py:TOOLS"]  # ours

[limits]
turns = 8  # enough
"""


def shop(project: Path) -> None:
    (project / "shop.json").write_bytes(orjson.dumps(DOCUMENT))


def enable(project: Path, *rules: str) -> None:
    settings = project / "callgate.toml"
    settings.write_text(settings.read_text() + f"[lint]\nenable = {list(rules)}\n")


def test_an_openapi_document_is_written_into_the_settings_and_its_tools_are_shown(
    callgate: Command, project: Path
) -> None:
    shop(project)
    (project / "callgate.toml").write_text(COMMENTED)
    ended = callgate("add", "openapi", "shop", "shop.json", "--auth", "key=env:SHOP_KEY", "--json")
    assert ended.code == 0, ended.out
    told = ended.json
    lint = told.pop("lint")
    assert told == {
        "source": "shop",
        "file": str(project / "callgate.toml"),
        "tools": [
            {"name": "get_order", "effect": "read", "tokens": 36},
            {"name": "add_pet", "effect": "irreversible", "tokens": 25},
        ],
        "notes": ["GET /broken is not offered: #/gone leads nowhere"],
        "tokens": {
            "total": 61,
            "encoding": "o200k_base",
            "exact": True,
            "others": "about 61, an estimate: Anthropic and Gemini publish no encoding",
        },
    }
    assert lint["counts"] == {"error": 0, "warning": 1, "info": 0}
    assert [(one["tool"], one["rule"]) for one in lint["findings"]] == [
        ("add_pet", "description-repeats-name"),
    ]
    assert (project / "callgate.toml").read_text() == COMMENTED + (
        '\n[sources.shop]\nkind = "openapi"\ndocument = "shop.json"\n\n'
        '[sources.shop.auth]\nkey = "env:SHOP_KEY"\n'
    )
    listed = callgate("tools", "list", "--json").json
    assert [tool["name"] for tool in listed] == ["add", "fail", "wait", "get_order", "add_pet"]


def test_the_tools_are_shown_with_what_they_cost_and_what_is_wrong_with_them(
    callgate: Command, project: Path
) -> None:
    shop(project)
    enable(project, "parameter-undescribed", "returns-missing")
    ended = callgate("add", "openapi", "shop", "shop.json", "--tag", "orders")
    assert ended.code == 0
    assert "get_order  read    36      One order." in ended.out
    assert "warning get_order/parameters/id: The parameter has no description." in ended.out
    assert "lint: 0 error, 1 warning, 1 info" in ended.out
    assert "1 tools, 36 tokens of o200k_base in every request" in ended.err


def test_of_many_findings_the_worst_are_shown_and_the_rest_is_counted(
    callgate: Command, project: Path
) -> None:
    bare: dict[str, Any] = {"responses": {}}
    broken = {"requestBody": {"$ref": "#/gone"}, "responses": {}}
    paths = {f"/pets/{n}": {"get": bare, "post": broken} for n in range(30)}
    (project / "pets.json").write_bytes(orjson.dumps({**DOCUMENT, "paths": paths}))
    ended = callgate("add", "openapi", "pets", "pets.json")
    assert ended.code == 0, ended.err
    assert ended.out.count("note: POST /pets/") == 20
    assert "note: 10 more are not offered" in ended.out
    assert ended.out.count("warning get_pets_") == 20
    assert "more are shown by: callgate lint" in ended.out


def test_the_rules_of_the_settings_judge_what_is_added(callgate: Command, project: Path) -> None:
    shop(project)
    enable(project, "parameter-undescribed", "returns-missing")
    settings = project / "callgate.toml"
    settings.write_text(settings.read_text() + 'ignore = ["returns-missing"]\n')
    lint = callgate("add", "openapi", "shop", "shop.json", "--json").json["lint"]
    assert {one["rule"] for one in lint["findings"]} == {
        "parameter-undescribed",
        "description-repeats-name",
    }
    assert lint["suppressed"] == 2


def test_lint_without_a_source_judges_the_tools_of_all_sources(
    callgate: Command, project: Path
) -> None:
    shop(project)
    enable(project, "returns-missing")
    assert callgate("add", "openapi", "shop", "shop.json").code == 0
    judged = callgate("lint", "--json")
    assert judged.json["tools"] == 5
    assert judged.json["source"] == "tools.py:TOOLS, sources.shop"
    places = {one["tool"]: one["place"] for one in judged.json["findings"]}
    assert places["get_order"] == "sources.shop"


def test_one_endpoint_is_written_with_the_parameters_of_its_path(
    callgate: Command, project: Path
) -> None:
    ended = callgate(
        *("add", "http", "forecast", "https://weather.example", "/v1/{city}"),
        *("--about", "Tomorrow's weather.", "--bearer", "env:WEATHER", "--json"),
    )
    assert ended.code == 0, ended.out
    assert [tool["name"] for tool in ended.json["tools"]] == ["forecast"]
    text = (project / "callgate.toml").read_text()
    assert '[sources.forecast.tools.forecast.parameters.city]\ntype = "string"' in text
    assert '[sources.forecast.auth]\nkind = "bearer"\nsecret = "env:WEATHER"' in text


def test_statements_are_written_with_their_database(callgate: Command, project: Path) -> None:
    sqlite3.connect(project / "shop.db").close()
    (project / "one.sql").write_text("-- tool: one\n-- description: One.\nSELECT 1;\n")
    ended = callgate("add", "sql", "shop", "*.sql", "--sqlite", "shop.db", "--json")
    assert ended.code == 0, ended.out
    assert [tool["name"] for tool in ended.json["tools"]] == ["one", "tables"]


def test_a_source_that_cannot_be_opened_leaves_the_settings_as_they_were(
    callgate: Command, project: Path
) -> None:
    before = (project / "callgate.toml").read_text()
    ended = callgate("add", "openapi", "shop", "gone.json", "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, "settings")
    assert (project / "callgate.toml").read_text() == before


def test_a_new_settings_file_is_taken_away_again(callgate: Command, project: Path) -> None:
    (project / "callgate.toml").unlink()
    assert callgate("add", "openapi", "shop", "gone.json").code == 2
    assert not (project / "callgate.toml").exists()
    shop(project)
    assert callgate("add", "openapi", "shop", "shop.json").code == 0
    assert (project / "callgate.toml").exists()


def test_a_name_that_is_taken_is_refused(callgate: Command, project: Path) -> None:
    shop(project)
    assert callgate("add", "openapi", "shop", "shop.json").code == 0
    ended = callgate("add", "openapi", "shop", "shop.json")
    assert ended.code == 2
    assert "sources.shop is there already" in ended.err


def test_a_tool_that_another_source_has_is_refused(callgate: Command, project: Path) -> None:
    shop(project)
    assert callgate("add", "openapi", "shop", "shop.json").code == 0
    ended = callgate("add", "openapi", "again", "shop.json")
    assert ended.code == 1
    assert "Two tools are named 'get_order'" in ended.err


def test_a_secret_on_the_command_line_is_refused_and_not_repeated(
    callgate: Command, project: Path
) -> None:
    shop(project)
    secret = canary("on-the-command-line")
    ended = callgate("add", "openapi", "shop", "shop.json", "--auth", f"key={secret}")
    assert ended.code == 2
    assert "never the secret" in ended.err
    assert secret not in ended.err + ended.out + (project / "callgate.toml").read_text()


def test_settings_that_are_not_toml_are_told(callgate: Command, project: Path) -> None:
    shop(project)
    (project / "callgate.toml").write_text("tools = [")
    ended = callgate("add", "openapi", "shop", "shop.json")
    assert ended.code == 2
    assert "not readable as TOML" in ended.err
    assert callgate("add", "openapi", "shop", "shop.json", "--auth", "key").code == 2
