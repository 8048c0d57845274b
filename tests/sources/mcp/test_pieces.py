"""The smaller pieces: servers and settings, catalogue, tokens, browser, blocking door."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

from callgate import Gate
from callgate.errors import MisuseError, SettingsError
from callgate.settings import load
from callgate.sources import tables
from callgate.sources.mcp import FileTokens, McpServer, McpSource, OAuth, connect, mcp
from callgate.sources.mcp.browser import Browser
from callgate.sources.mcp.catalogue import Catalogue
from callgate.types import Effect, Limits
from canaries import MARK, canary

BENCH = (sys.executable, "-I", str(Path(__file__).parents[2] / "bench/mcp_server.py"), "2")


# ------------------------------------------------------------------ what is known of a server


def test_a_server_is_made_of_a_command_line_or_an_address() -> None:
    assert McpServer.of("npx -y 'a b'").command == ("npx", "-y", "a b")
    assert McpServer.of("https://x.example/mcp", prefix="x__").url == "https://x.example/mcp"
    assert McpServer(url="https://x.example/sse/?a=b").sse
    assert not McpServer(url="https://x.example/mcp").sse
    assert not McpServer(url="https://x.example/sse", transport="http").sse
    secret = McpServer(url="https://x.example", headers={"X-Key": canary("header")})
    assert MARK not in repr(secret)


@pytest.mark.parametrize(
    "options", [{}, {"command": ("a",), "url": "http://b"}, {"url": "http://b", "name": "a b"}]
)
def test_a_server_that_cannot_be_reached_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="MCP server"):
        McpServer(**options)


def test_a_table_of_the_settings_describes_a_server(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(
        """
[sources.clock]
kind = "mcp"
command = ["clock", "--utc"]
environment = { KEY = "env:KEY" }
variables = { ZONE = "UTC" }
folder = "inner"
prefix = "clock__"
only = ["now"]
effects = { now = "read", "*" = "idempotent" }
accept_hints = ["now"]
timeout = 5
era = "2025"
roots = ["file:///srv"]

[sources.shop]
kind = "mcp"
url = "https://shop.example/mcp"
transport = "http"
headers = { Authorization = "env:SHOP" }
accept_hints = true

[sources.shop.oauth]
grant = "client_credentials"
client_id = "us"
client_secret = "env:SECRET"
tokens = "var/tokens.json"
"""
    )
    settings = load({}, file=file)
    (clock,) = tables.opened("clock", settings.sources["clock"], tmp_path)
    (shop,) = tables.opened("shop", settings.sources["shop"], tmp_path)
    assert isinstance(clock, McpSource)
    assert isinstance(shop, McpSource)
    assert clock.server == McpServer(
        name="clock",
        command=("clock", "--utc"),
        secret_environment={"KEY": "env:KEY"},
        environment={"ZONE": "UTC"},
        folder=tmp_path / "inner",
        prefix="clock__",
        only=("now",),
        effects={"now": Effect.READ, "*": Effect.IDEMPOTENT},
        accept_hints=("now",),
        limits=Limits(timeout=5.0),
        era="2025",
        roots=("file:///srv",),
    )
    oauth = shop.server.oauth
    assert isinstance(oauth, OAuth)
    assert (oauth.grant, oauth.client_id, oauth.client_secret) == (
        "client_credentials",
        "us",
        "env:SECRET",
    )
    assert (shop.server.accept_hints, shop.server.folder) == (True, tmp_path)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "either a command or a url"),
        ('url = "http://x"\ntransport = "pigeon"', "one of http, sse"),
        ('url = "http://x"\naccept_hints = "yes"', "accept_hints"),
        ('url = "http://x"\nheaders = { A = "plain" }', "headers"),
        ('url = "http://x"\noauth = { grant = "magic" }', "one of authorization_code"),
    ],
)
def test_a_table_that_is_wrong_says_where(line: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text(f'[sources.x]\nkind = "mcp"\n{line}\n')
    with pytest.raises(SettingsError, match=told):
        load({}, file=file)


# ------------------------------------------------------------------ starting


def test_the_blocking_door_knows_the_tools_and_the_first_call_starts_the_server() -> None:
    (source,) = mcp(McpServer(name="bench", command=BENCH))
    assert [tool.name for tool in source.list()] == ["add_0", "add_1"]
    assert source.health.state == "idle"
    gate = Gate([source])
    result = gate.session().call_blocking("add_0", {"a": 1, "b": 2})
    assert result.unwrap() == {"result": 3}
    assert source.health.state == "ready"
    gate.close_blocking()
    assert source.health.state == "idle"


async def test_the_blocking_door_is_closed_inside_a_loop() -> None:
    with pytest.raises(MisuseError, match="connect"):
        mcp("some-server")


async def test_a_source_that_knows_its_tools_starts_nothing_before_a_call() -> None:
    server = McpServer(name="bench", command=BENCH, prefix="b__", only=("add_1",))
    with pytest.raises(MisuseError, match="connect"):
        McpSource(server).list()
    (first,) = await connect(server)
    await first.aclose()
    source = McpSource(server, definitions=first.definitions)
    assert [tool.name for tool in source.list()] == ["b__add_1"]
    assert (source.health.state, source.changes, repr(source)) == (
        "idle",
        {},
        "McpSource('bench')",
    )
    gate = Gate([source])
    assert (await gate.session().call("b__add_1", {"a": 1, "b": 1})).unwrap() == {"result": 2}
    await gate.close()


async def test_servers_that_start_together_end_together_when_one_does_not() -> None:
    with pytest.raises(Exception, match="there is no 'callgate-no-such-program'"):
        await connect(
            McpServer(name="bench", command=BENCH),
            McpServer(name="none", command=("callgate-no-such-program",)),
        )


def test_a_source_of_one_loop_serves_another_when_the_first_has_ended() -> None:
    async def once(source: McpSource) -> Any:
        if not source.health.connections:
            await source.connect()
        gate = Gate([source])
        value = (await gate.session().call("add_0", {"a": 1, "b": 1})).unwrap()
        await gate.close()
        return value

    source = McpSource(McpServer(name="bench", command=BENCH))
    assert [asyncio.run(once(source)) for _ in range(2)] == [{"result": 2}] * 2


# ------------------------------------------------------------------ what was accepted


def _definition(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def test_a_catalogue_tells_what_is_new_gone_and_changed() -> None:
    catalogue = Catalogue(McpServer(name="x", command=("x",)))
    assert not catalogue.known
    catalogue.accept([_definition("a"), _definition("b"), _definition("a"), "text"])
    assert [tool.name for tool in catalogue.tools()] == ["a", "b"]
    assert set(catalogue.skipped) == {"", "a"}
    before = catalogue.tools()[0]
    assert catalogue.changes([_definition("a"), _definition("b")]) == {}
    changes = catalogue.changes(
        [_definition("a", annotations={"readOnlyHint": True}), _definition("c"), "text"]
    )
    assert {name: change.told() for name, change in changes.items()} == {
        "a": "changed: annotations",
        "b": "the server no longer offers it",
        "c": "it is new",
    }
    assert set(catalogue.changes([_definition("a", description={1}), _definition("b")])) == {"a"}
    catalogue.accept([_definition("a"), _definition("c")])
    assert catalogue.tools()[0] is before


# ------------------------------------------------------------------ who asks


async def test_tokens_are_kept_in_a_file_that_nobody_else_may_read(tmp_path: Path) -> None:
    file = tmp_path / "var/tokens.json"
    tokens = FileTokens(file)
    assert await tokens.load("a") is None
    await asyncio.gather(tokens.save("a", {"x": 1}), tokens.save("b", {"y": 2}))
    assert (await FileTokens(file).load("a"), await tokens.load("b")) == ({"x": 1}, {"y": 2})
    assert file.stat().st_mode & 0o777 == 0o600


async def test_the_browser_comes_back_with_the_code() -> None:
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1")
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    visits: list[asyncio.Task[bytes]] = []
    loop = asyncio.get_running_loop()

    async def visit(path: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
        said = await reader.read()
        writer.close()
        return said

    async def agree(address: str) -> None:
        assert address == "https://as.example/authorize"
        for path in ("/favicon.ico", "", "/back?code=c&state=s"):
            visits.append(asyncio.ensure_future(visit(path)))
            await asyncio.wait(visits)

    def show(address: str) -> None:
        asyncio.run_coroutine_threadsafe(agree(address), loop).result()

    browser = Browser(f"http://localhost:{port}/back", show=show)
    came = await browser("https://as.example/authorize")
    assert came == f"http://localhost:{port}/back?code=c&state=s"
    assert b"You may close this window" in visits[-1].result()


async def test_a_redirect_that_is_not_of_this_machine_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"oauth\.redirect"):
        await Browser("https://elsewhere.example/back")("https://as.example")
