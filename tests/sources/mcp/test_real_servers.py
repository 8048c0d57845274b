"""Servers that others have written, with every tool they offer called."""

import asyncio
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from callgate import CallPart, Gate
from callgate.session import Session
from callgate.sources.mcp import McpServer, McpSource, connect
from callgate.testing import Captured
from callgate.types import Effect, FilePart, ImagePart, Progressed, Status, ToolResult
from tests.loopback import listening
from tests.sources.mcp.real import from_npm, from_pypi

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Talk:
    """A session over one server that notes which tools were called."""

    def __init__(self, source: McpSource, session: Session, seen: Captured) -> None:
        self.source = source
        self.session = session
        self.seen = seen
        self.called: set[str] = set()

    async def call(self, name: str, /, **arguments: Any) -> ToolResult:
        """Make one call."""
        self.called.add(name)
        return await self.session.call(name, arguments)

    async def text(self, name: str, /, **arguments: Any) -> str:
        """Make one call that succeeds, and return what the model reads."""
        result = await self.call(name, **arguments)
        assert result.status is Status.OK, result.text()
        return result.text()


@asynccontextmanager
async def talking(server: McpServer) -> AsyncIterator[Talk]:
    """Connect; at the end every tool must have been called."""
    (source,) = await connect(server)
    seen = Captured()
    gate = Gate([source], listeners=[seen])
    talk = Talk(source, gate.session(), seen)
    try:
        yield talk
        assert talk.called == {tool.name for tool in source.list()}
        assert source.skipped == {}
    finally:
        await gate.close()


async def test_the_filesystem_server(tmp_path: Path) -> None:
    (tmp_path / "pixel.png").write_bytes(b64decode(PIXEL))
    file, folder = str(tmp_path / "a.txt"), str(tmp_path)
    async with talking(from_npm("filesystem", folder, accept_hints=True)) as talk:
        tools = {tool.name: tool for tool in talk.source.list()}
        assert tools["read_text_file"].effect is Effect.READ
        assert tools["write_file"].effect is not Effect.READ
        await talk.text("write_file", path=file, content="one\ntwo\n")
        assert await talk.text("read_text_file", path=file) == '{"content":"one\\ntwo\\n"}'
        assert await talk.text("read_file", path=file, head=1) == '{"content":"one"}'
        assert "one" in await talk.text("read_multiple_files", paths=[file])
        edits = [{"oldText": "two", "newText": "three"}]
        assert "+three" in await talk.text("edit_file", path=file, edits=edits)
        media = await talk.call("read_media_file", path=str(tmp_path / "pixel.png"))
        assert [part.media_type for part in media.content if isinstance(part, ImagePart)] == [
            "image/png"
        ]
        await talk.text("create_directory", path=str(tmp_path / "inner"))
        assert "[DIR] inner" in await talk.text("list_directory", path=folder)
        assert "pixel.png" in await talk.text("list_directory_with_sizes", path=folder)
        assert "inner" in await talk.text("directory_tree", path=folder)
        await talk.text("move_file", source=file, destination=str(tmp_path / "inner/b.txt"))
        assert "b.txt" in await talk.text("search_files", path=folder, pattern="**/b.txt")
        assert "isFile: true" in await talk.text(
            "get_file_info", path=str(tmp_path / "inner/b.txt")
        )
        assert folder in await talk.text("list_allowed_directories")
        refused = await talk.call("read_file", path="/etc/passwd")
        assert refused.error is not None
        assert refused.error.code == "tool_failed"
        assert "outside allowed directories" in refused.text()
    assert (tmp_path / "inner/b.txt").read_text() == "one\nthree\n"


async def test_the_memory_server(tmp_path: Path) -> None:
    environment = {"MEMORY_FILE_PATH": str(tmp_path / "memory.jsonl")}
    async with talking(from_npm("memory", environment=environment)) as talk:
        entity = {"name": "Ana", "entityType": "person", "observations": ["likes tea"]}
        other = {"name": "Bo", "entityType": "person", "observations": []}
        relation = {"from": "Ana", "to": "Bo", "relationType": "knows"}
        await talk.text("create_entities", entities=[entity, other])
        await talk.text("create_relations", relations=[relation])
        added = [{"entityName": "Ana", "contents": ["rides a bike"]}]
        assert "rides a bike" in await talk.text("add_observations", observations=added)
        graph = (await talk.call("read_graph")).unwrap()
        assert [one["name"] for one in graph["entities"]] == ["Ana", "Bo"]
        assert graph["relations"] == [relation]
        assert "bike" in await talk.text("search_nodes", query="bike")
        assert "Bo" in await talk.text("open_nodes", names=["Bo"])
        deleted = [{"entityName": "Ana", "observations": ["likes tea"]}]
        await talk.text("delete_observations", deletions=deleted)
        await talk.text("delete_relations", relations=[relation])
        await talk.text("delete_entities", entityNames=["Bo"])
        left = (await talk.call("read_graph")).unwrap()
        assert [one["observations"] for one in left["entities"]] == [["rides a bike"]]
        assert left["relations"] == []


async def test_the_sequential_thinking_server() -> None:
    async with talking(from_npm("sequential-thinking")) as talk:
        result = await talk.call(
            "sequentialthinking",
            thought="First.",
            nextThoughtNeeded=False,
            thoughtNumber=1,
            totalThoughts=1,
        )
        assert result.unwrap()["thoughtHistoryLength"] == 1


async def _asked(talk: Talk, name: str, reply: Any, **arguments: Any) -> ToolResult:
    """Make one call that asks a person, and answer."""
    talk.called.add(name)
    answer = await talk.session.turn([CallPart(id="1", name=name, arguments=arguments)])
    (waiting,) = answer.waiting
    assert waiting.result.pending is not None
    assert waiting.result.pending.prompt
    return (await talk.session.resume(answer, {"1": reply})).answered[0].result


async def test_the_everything_server() -> None:
    server = from_npm("everything", "stdio", roots=("file:///srv",), accept_hints=True)
    async with talking(server) as talk:
        assert await talk.text("echo", message="hi") == '"Echo: hi"'
        assert "Error" in await talk.text("get-annotated-message", messageType="error")
        assert "PATH" in await talk.text("get-env")
        links = (await talk.call("get-resource-links", count=2)).unwrap()
        assert [one["resource"]["uri"] for one in links[1:]] == [
            "demo://resource/dynamic/blob/1",
            "demo://resource/dynamic/text/2",
        ]
        text = await talk.text("get-resource-reference", resourceType="Text", resourceId=1)
        assert "plaintext resource" in text
        blob = await talk.call("get-resource-reference", resourceType="Blob", resourceId=1)
        assert [part.name for part in blob.content if isinstance(part, FilePart)] == [
            "demo://resource/dynamic/blob/1"
        ]
        weather = (await talk.call("get-structured-content", location="Chicago")).unwrap()
        assert set(weather) == {"temperature", "conditions", "humidity"}
        assert "5" in await talk.text("get-sum", a=2, b=3)
        image = await talk.call("get-tiny-image")
        assert [type(part) for part in image.content] == [ImagePart]
        packed = await talk.call("gzip-file-as-resource", data="data:,hello", outputType="resource")
        assert [type(part) for part in packed.content] == [FilePart]
        await talk.text("toggle-simulated-logging")
        await talk.text("toggle-subscriber-updates")
        await talk.text("trigger-long-running-operation", duration=0.2, steps=2)
        told = [event for event in talk.seen.events if isinstance(event, Progressed)]
        assert [(event.done, event.total) for event in told] == [(1, 2), (2, 2)]
        assert "file:///srv" in await talk.text("get-roots-list")
        asked = await _asked(talk, "trigger-elicitation-request", {"name": "Ana"})
        assert "Ana" in asked.text()
        declined = await _asked(talk, "trigger-elicitation-request", "decline")
        assert "declined" in declined.text()
        url = "https://example.com/agree"
        opened = await _asked(talk, "trigger-url-elicitation", "accept", url=url)
        assert opened.ok, opened.text()
        # It works by the old experimental tasks only, and says so.
        task = await talk.call("simulate-research-query", topic="tools")
        assert task.error is not None, task.text()


async def test_the_time_server() -> None:
    async with talking(from_pypi("mcp-server-time", accept_hints=True)) as talk:
        now = (await talk.call("get_current_time", timezone="Asia/Tokyo")).unwrap()
        assert now["timezone"] == "Asia/Tokyo"
        converted = await talk.call(
            "convert_time",
            source_timezone="Etc/UTC",
            time="12:00",
            target_timezone="Asia/Tokyo",
        )
        assert converted.unwrap()["time_difference"] == "+9.0h"


async def test_the_git_server(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    git("init", "-b", "main")
    git("config", "user.email", "ana@example.com")
    git("config", "user.name", "Ana")
    (tmp_path / "a.txt").write_text("one\n")
    repo = {"repo_path": str(tmp_path)}
    async with talking(from_pypi("mcp-server-git")) as talk:
        assert "a.txt" in await talk.text("git_status", **repo)
        await talk.text("git_add", **repo, files=["a.txt"])
        assert "+one" in await talk.text("git_diff_staged", **repo)
        await talk.text("git_commit", **repo, message="Begin")
        assert "Begin" in await talk.text("git_log", **repo)
        assert "+one" in await talk.text("git_show", **repo, revision="HEAD")
        await talk.text("git_create_branch", **repo, branch_name="side")
        await talk.text("git_checkout", **repo, branch_name="side")
        (tmp_path / "a.txt").write_text("two\n")
        assert "+two" in await talk.text("git_diff_unstaged", **repo)
        assert "+two" in await talk.text("git_diff", **repo, target="main")
        git("add", "a.txt")
        await talk.text("git_reset", **repo)
        assert "side" in await talk.text("git_branch", **repo, branch_type="local")


async def test_the_fetch_server() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wanted = await reader.readuntil(b"\r\n\r\n")
        found = b"robots" not in wanted
        body = b"<html><body><article><h1>Tea</h1><p>It is green.</p></article></body></html>"
        status = b"200 OK" if found else b"404 Not Found"
        head = b"HTTP/1.1 %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\n" % (
            status,
            len(body),
        )
        writer.write(head + b"Connection: close\r\n\r\n" + body)
        await writer.drain()

    fetching = talking(from_pypi("mcp-server-fetch", "--allow-private-ips"))
    async with listening(page) as place, fetching as talk:
        assert "It is green." in await talk.text("fetch", url=f"http://{place}/tea")


async def test_many_servers_at_once_are_one_gate(tmp_path: Path) -> None:
    servers = [
        from_npm("memory", prefix="notes__", environment={"MEMORY_FILE_PATH": f"{tmp_path}/m"}),
        from_npm("filesystem", str(tmp_path), prefix="files__"),
        from_pypi("mcp-server-time", prefix="clock__"),
    ]
    sources = await connect(*servers)
    gate = Gate(sources)
    assert [source.health.state for source in sources] == ["ready"] * 3
    results = await asyncio.gather(
        gate.session().call("notes__read_graph", {}),
        gate.session().call("files__list_allowed_directories", {}),
        gate.session().call("clock__get_current_time", {"timezone": "Etc/UTC"}),
    )
    assert [result.status for result in results] == [Status.OK] * 3
    await gate.close()
    assert [source.health.state for source in sources] == ["idle"] * 3
