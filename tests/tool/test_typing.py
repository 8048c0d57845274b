"""What a type checker knows about a decorated function: pyright reads the sample below."""

import subprocess
import sys
from pathlib import Path

import orjson

from tests.conftest import ROOT

SAMPLE = """
from typing import assert_type
from callgate.tool import tool

@tool
def add(a: int, b: int = 1) -> int:
    return a + b

@tool(effect="read", timeout=5)
async def fetch(url: str) -> list[str]:
    return [url]

class Shop:
    def price(self, item: str) -> float:
        return float(len(item))

price = tool(Shop().price, effect="read")

async def right() -> None:
    assert_type(add(1, b=2), int)
    assert_type(await fetch(url="a"), list[str])
    assert_type(price("abc"), float)

add("1")
add(1, c=2)
price(Shop(), "abc")
tool(effect="write")(right)
tool(timeout="5")(right)
tool(efect="read")(right)
add.tool.name = "other"
"""
WRONG = {
    'add("1")': "reportArgumentType",
    "add(1, c=2)": "reportCallIssue",
    'price(Shop(), "abc")': "reportCallIssue",
    'tool(effect="write")(right)': "reportArgumentType",
    'tool(timeout="5")(right)': "reportArgumentType",
    'tool(efect="read")(right)': "reportCallIssue",
    'add.tool.name = "other"': "reportAttributeAccessIssue",
}


def test_a_type_checker_sees_the_function_and_refuses_what_is_wrong(tmp_path: Path):
    (tmp_path / "sample.py").write_text(SAMPLE)
    settings = {"include": ["."], "extraPaths": [str(ROOT / "src")], "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_bytes(orjson.dumps(settings))
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    lines = SAMPLE.splitlines()
    found = {
        lines[said["range"]["start"]["line"]]: said["rule"]
        for said in orjson.loads(run.stdout)["generalDiagnostics"]
    }
    assert found == WRONG
