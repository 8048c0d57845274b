"""Fixtures of the command line: an empty folder to work in, and the commands run in it."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from callgate.cli.commands import app
from canaries import look

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
        look(done.stdout, "output of a command")
        look(done.stderr, "errors of a command")
        return Ended(code=done.exit_code, out=done.stdout, err=done.stderr)

    return command


# ------------------------------------------------------------------ a provider on the loopback


class Provider(ThreadingHTTPServer):
    """Answers each request with the next message of a list."""

    def __init__(self, messages: list[dict[str, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.messages = messages
        self.asked: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        provider = self.server
        assert isinstance(provider, Provider)
        provider.asked.append(orjson.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        message = provider.messages.pop(0) if provider.messages else None
        self.send_response(200 if message else 400)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(orjson.dumps(_body(message)))

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


def _body(message: dict[str, Any] | None) -> dict[str, Any]:
    if message is None:
        return {"error": {"message": "no more answers", "type": "invalid_request_error"}}
    reason = "tool_calls" if "tool_calls" in message else "stop"
    return {
        "id": "r",
        "object": "chat.completion",
        "model": "small",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020},
    }


def called(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": orjson.dumps(arguments).decode()}
    made = {"id": "c1", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [made]}


def said(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def with_store(project: Path, more: str) -> Path:
    """Give a project with a provider more tools, a store, and five turns."""
    with (project / "tools.py").open("a") as file:
        file.write(more)
    settings = project / "callgate.toml"
    settings.write_text(settings.read_text().replace("turns = 2", "turns = 5"))
    with settings.open("a") as file:
        file.write('[store]\nurl = "sqlite:///calls.db"\n')
    return project


@pytest.fixture
def provider(project: Path) -> Iterator[Provider]:
    """A provider that has nothing to say yet, reachable under the name `small`."""
    with Provider([]) as server:
        (project / "callgate.toml").write_text(
            f'tools = ["tools.py:TOOLS"]\nmodel = "small"\n[limits]\nturns = 2\n'
            f'[models.small]\nname = "small"\nurl = "{server.url}"\n',
            encoding="utf-8",
        )
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
