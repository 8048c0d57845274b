"""The tables of sources: what each kind takes, and how a mistake in one is told."""

import re
from pathlib import Path
from typing import Any

import pytest

from callgate.errors import SettingsError
from callgate.settings import load
from callgate.settings.sources import (
    HttpSettings,
    McpSettings,
    OpenApiSettings,
    PythonSettings,
    SourceSettings,
    SqlSettings,
)
from callgate.settings.sources.http import EndpointSettings
from callgate.settings.sources.openapi import OverlaySettings
from callgate.settings.sources.web import AuthSettings, PageSettings
from tests.conftest import ROOT

DOCS = ROOT / "docs"
FULL = """
[sources.py]
kind = "python"
tools = ["tools.py:TOOLS"]

[sources.files]
kind = "mcp"
command = ["server", "."]
environment = { TOKEN = "env:TOKEN" }

[sources.db]
kind = "sql"
statements = ["*.sql"]
sqlite = "shop.db"
rows = 10

[sources.web]
kind = "http"
url = "https://x.example"
auth = { kind = "api_key", secret = "vault:x/y", name = "k", place = "query" }

[sources.web.tools.ask]
path = "/ask"
description = "Ask."
effect = "idempotent"
parameters.a = { type = "integer", minimum = 1 }
pages = { next = "link", most = 2 }

[sources.api]
kind = "openapi"
document = "api.json"
hosts = ["127.0.0.1:80"]
auth.key = "env:KEY"
auth.login = { client_id = "file:id", scopes = ["a"] }

[sources.api.tools.one]
hide = true
select = ["a.b"]
"""


def table(folder: Path, text: str) -> dict[str, SourceSettings]:
    path = folder / "callgate.toml"
    path.write_text(text, encoding="utf-8")
    return dict(load({}, file=path).sources)


def test_every_kind_of_source_is_read(tmp_path: Path) -> None:
    assert table(tmp_path, FULL) == {
        "py": PythonSettings(tools=("tools.py:TOOLS",)),
        "files": McpSettings(command=("server", "."), environment={"TOKEN": "env:TOKEN"}),
        "db": SqlSettings(statements=("*.sql",), sqlite="shop.db", rows=10),
        "web": HttpSettings(
            url="https://x.example",
            auth=AuthSettings(kind="api_key", secret="vault:x/y", name="k", place="query"),
            tools={
                "ask": EndpointSettings(
                    path="/ask",
                    description="Ask.",
                    effect="idempotent",
                    parameters={"a": {"type": "integer", "minimum": 1}},
                    pages=PageSettings(next="link", most=2),
                )
            },
        ),
        "api": OpenApiSettings(
            document="api.json",
            hosts=("127.0.0.1:80",),
            auth={
                "key": AuthSettings(secret="env:KEY"),
                "login": AuthSettings(client_id="file:id", scopes=("a",)),
            },
            tools={"one": OverlaySettings(hide=True, select=("a.b",))},
        ),
    }


HTTP = 'kind = "http"\nurl = "http://a"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1", "sources.x.kind: got nothing; allowed is one of http, mcp, openapi, python, sql"),
        ('kind = "grpc"', "sources.x.kind: got 'grpc'; allowed is one of http, mcp"),
        ('kind = "python"', "sources.x.tools: got nothing; allowed is a value: sources.x.tools ="),
        (
            'kind = "python"\ntool = []',
            "sources.x.tool: got an unknown key; allowed is one of tools",
        ),
        (
            'kind = "sql"\nstatements = []',
            "sources.x.sqlite: got both or neither; allowed is either",
        ),
        ('kind = "mcp"', "sources.x.command: got both or neither; allowed is either a command"),
        ('kind = "openapi"', "sources.x.document: got nothing"),
        ('kind = "http"\nurl = "x"', "sources.x.url: got 'x'; allowed is a URL"),
        (
            'kind = "sql"\nstatements = []\nsqlite = "a"\nwrite = 1',
            "sources.x.write: got 1; allowed is true or false",
        ),
        (
            f"{HTTP}auth = {{ kind = 'magic' }}",
            "sources.x.auth.kind: got 'magic'; allowed is one of api_key, basic, bearer, oauth2",
        ),
        (
            f"{HTTP}tools.t = {{ path = '/', description = 'd', effect = 'x' }}",
            "sources.x.tools.t.effect: got 'x'; allowed is one of read, idempotent",
        ),
        (
            f"{HTTP}[sources.x.tools.t]\npath = '/'\ndescription = 'd'\nparameters.a.default = inf",
            "sources.x.tools.t.parameters: got",
        ),
    ],
)
def test_a_mistake_in_a_table_names_its_place(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        table(tmp_path, f"[sources.x]\n{text}")
    assert told in caught.value.message


SECRETS = [
    "sk-proj-1234567890",
    "Bearer abc",
    "hunter2",
    "env:sk-secret",
    "env:lower_case",
    "file: hunter2",
    "https",
    "AKIA:SECRET:KEY",
]


@pytest.mark.parametrize("written", SECRETS)
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(
    tmp_path: Path, written: str
) -> None:
    text = f'[sources.x]\nkind = "openapi"\ndocument = "d"\nauth.key = "{written}"'
    with pytest.raises(SettingsError) as caught:
        table(tmp_path, text)
    assert "never the secret" in caught.value.message
    assert written not in caught.value.message.replace("env:SHOP_TOKEN", "")


def _tables(page: Path) -> list[str]:
    fences: list[Any] = re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL)
    return [text for text in fences if text.startswith("[sources.") and "kind" in text]


@pytest.mark.parametrize("page", ["sources-openapi.md", "sources-http-sql.md"])
def test_the_tables_that_a_page_shows_are_read(tmp_path: Path, page: str) -> None:
    shown = _tables(DOCS / page)
    assert shown
    for text in shown:
        assert table(tmp_path, text)
