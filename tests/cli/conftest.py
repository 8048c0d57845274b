"""Fixtures of the command line: an empty folder to work in, and the commands run in it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from callgate.cli.commands import app

TOOLS = '''
from callgate import tool
from callgate.errors import ToolFailedError
from callgate.types import Pending


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two numbers.

    The second line is not shown in a list.

    Args:
        a: One number.
        b: The other.
    """
    return a + b


@tool(effect="read", returns=None)
def fail() -> None:
    """Fail, always."""
    raise ToolFailedError("The store is\\nclosed.")


@tool(effect="irreversible", returns=None)
def wait() -> None:
    """Wait for a person."""
    return Pending(kind="approval", prompt="May I?", schema={"type": "boolean"})


def plain() -> None:
    """Not a tool."""


TOOLS = [add, fail, wait]
'''


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


Command = Callable[..., Ended]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three tools and a settings file, made the working folder."""
    for name in [name for name in os.environ if name.startswith(("CALLGATE_", "XDG_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "tools.py").write_text(TOOLS, encoding="utf-8")
    (tmp_path / "callgate.toml").write_text('tools = ["tools.py:TOOLS"]\n', encoding="utf-8")
    monkeypatch.setenv("CALLGATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def callgate(project: Path) -> Command:
    """Run a command in the project's folder."""
    runner = CliRunner()

    def command(*arguments: str, stdin: str = "") -> Ended:
        done = runner.invoke(app, list(arguments), input=stdin, catch_exceptions=False)
        return Ended(code=done.exit_code, out=done.stdout, err=done.stderr)

    return command
