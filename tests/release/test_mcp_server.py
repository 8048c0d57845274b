"""A live server is asked in bounded time and memory, and no process of it is left."""

import asyncio
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.errors import DefinitionError, MissingDependencyError, MisuseError
from callgate.release import mcp_server
from callgate.release.read import read

GOOD = '''
import sys
from mcp.server import MCPServer

print("a line that is no message", flush=True)
server = MCPServer("tools")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


if len(sys.argv) > 1:
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
else:
    server.run("stdio")
'''
MARK = "open('{pid}', 'w').write(str(__import__('os').getpid()))\n"
HANGS = MARK + "__import__('time').sleep(600)"
DIES = "import sys; sys.stderr.write('no token is set'); sys.exit(3)"
ONE_LINE = MARK + "import sys\nwhile True: sys.stdout.write('x' * 65536)"
LINES = MARK + "import sys\nwhile True: sys.stdout.write('hello\\n' * 10000)"
ENDLESS = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    if asked["method"] == "initialize":
        told = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
                "serverInfo": {"name": "x", "version": "1"}}
        answer = {"result": told}
    elif asked["method"] == "tools/list":
        answer = {"result": {"tools": [], "nextCursor": "again"}}
    else:
        answer = {"error": {"code": -32601, "message": "unknown"}}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer}), flush=True)
"""


def server(folder: Path, text: str) -> str:
    file, pid = folder / "server.py", folder / "pid"
    file.write_text(text.replace("{pid}", str(pid)), encoding="utf-8")
    return f"{sys.executable} {file}"


def is_alive(folder: Path) -> bool:
    """Tell whether the server goes on; the system may take a moment to end what was killed."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.kill(int((folder / "pid").read_text()), 0)
        except ProcessLookupError:
            return False
        time.sleep(0.01)
    return True


def test_tools_come_from_standard_input_and_output(tmp_path: Path):
    for prefix in ("", "mcp:"):
        listing = read(prefix + server(tmp_path, GOOD), tmp_path)
        assert (listing.forms, [tool.name for tool in listing.tools]) == (("mcp",), ["add"])
        assert listing.tools[0].parameters["required"] == ["a", "b"]


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server of Streamable HTTP on a free port of the loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*server(tmp_path, GOOD).split(), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not _answers(port) and time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
    yield f"http://127.0.0.1:{port}/mcp"
    process.terminate()
    process.wait(10)


def test_tools_come_from_a_url(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert [tool.name for tool in read(url, tmp_path).tools] == ["add"]
    monkeypatch.setattr(mcp_server._CountingTransport, "left", 100)
    with pytest.raises(DefinitionError, match="sends more than 16 MiB"):
        read(url, tmp_path)


@pytest.mark.parametrize(
    ("text", "told", "timeout"),
    [
        (HANGS, "did not list its tools within 3 s", 3.0),
        (DIES, "does not answer as an MCP server does: .*ends with: no token is set", 30.0),
        (ONE_LINE, "sends more than 1 MiB", 30.0),
        (LINES, "sends more than 1 MiB", 30.0),
        (ENDLESS, "its list does not end", 30.0),
    ],
)
def test_a_server_that_misbehaves_is_told_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str, timeout: float
):
    monkeypatch.setattr(mcp_server, "MAX_BYTES", 2**20)
    with pytest.raises(DefinitionError, match=told):
        read(server(tmp_path, text), tmp_path, timeout=timeout)
    assert not (tmp_path / "pid").exists() or not is_alive(tmp_path)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("no-such-program --at-all", "cannot be started: No such file"),
        ("mcp:", "names no server"),
        ("http://127.0.0.1:9/mcp", "does not answer"),
        ("mcp:'unclosed", "is no command line"),
    ],
)
def test_a_server_that_is_not_there_is_told(tmp_path: Path, source: str, told: str):
    with pytest.raises(DefinitionError, match=told):
        read(source, tmp_path, timeout=20)


def test_it_says_so_inside_a_running_loop(tmp_path: Path):
    async def inside() -> None:
        with pytest.raises(MisuseError):
            read("mcp:true", tmp_path)

    asyncio.run(inside())


def test_the_extra_is_named_when_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "callgate.release.mcp_server", None)
    with pytest.raises(MissingDependencyError, match=r"callgate\[mcp\]"):
        read("mcp:true", tmp_path)
