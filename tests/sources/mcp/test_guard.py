"""Whom a server on the network may lead us to, and names whose addresses change."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpcore2
import httpx2
import pytest

from callgate.errors import ToolFailedError, TransientError
from callgate.sources.mcp import McpServer, McpSource, OAuth
from callgate.sources.mcp.guard import Guard
from callgate.sources.secrets import EnvironmentVault, Secrets
from canaries import canary
from tests.loopback import listening
from tests.sources.mcp.over_http import McpService
from tests.sources.webserver import Request, read_request, write

PUBLIC = ("8.8.8.8", "8.8.4.4")
INSIDE = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1"]


class Stream(httpcore2.AsyncNetworkStream):
    """A connection of the loopback that says it goes to another address."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream, address: str) -> None:
        self.inner = inner
        self.address = address

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self.inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self.inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self.inner.aclose()

    def get_extra_info(self, info: str) -> Any:
        return (self.address, 0) if info == "server_addr" else self.inner.get_extra_info(info)


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let public addresses lead to this machine, and return what was connected to."""
    seen: list[str] = []
    backend: Any = httpcore2.AnyIOBackend
    connect = backend.connect_tcp

    async def routed(self: Any, host: str, port: int, *more: Any) -> Any:
        seen.append(host)
        inner = await connect(self, "127.0.0.1" if host in PUBLIC else host, port, *more)
        return Stream(inner, host) if host in PUBLIC else inner

    monkeypatch.setattr(backend, "connect_tcp", routed)
    return seen


class Names:
    """Looks names up: each has its answers in order, the last for good."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self.answers = {name: list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        name = host.removesuffix(".example")
        self.asked.append(name)
        left = self.answers[name]
        return [left.pop(0) if len(left) > 1 else left[0]]


class Authority:
    """A server behind OAuth and its authorization server, on one port; each answer ends the line.

    The first is `mcp.example`, the second `as.example`.
    """

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[tuple[str, str]] = []
        self.mcp = McpService()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await read_request(reader)
        host = request.headers["host"].partition(".")[0]
        self.asked.append((host, request.target))
        status, said, head = self._answer(host, request)
        write(writer, status, json.dumps(said).encode(), f"{head}connection: close\r\n")

    def _answer(self, host: str, request: Request) -> tuple[int, Any, str]:
        issuer = f"http://as.example:{self.port}"
        resource = f"http://mcp.example:{self.port}/mcp"
        match host, request.target:
            case "mcp", "/mcp" if "authorization" in request.headers:
                message = json.loads(request.body)
                answer = {
                    "jsonrpc": "2.0",
                    "id": message.get("id"),
                    "result": self.mcp.said(message),
                }
                return 200, answer, ""
            case "mcp", "/mcp":
                place = f"http://mcp.example:{self.port}/.well-known/oauth-protected-resource"
                return 401, {}, f'www-authenticate: Bearer resource_metadata="{place}"\r\n'
            case "mcp", "/.well-known/oauth-protected-resource":
                return 200, {"resource": resource, "authorization_servers": [issuer]}, ""
            case "as", "/.well-known/oauth-authorization-server":
                metadata: dict[str, Any] = {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "response_types_supported": ["code"],
                    "grant_types_supported": ["client_credentials"],
                    "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                }
                return 200, metadata, ""
            case "as", "/token":
                return 200, {"access_token": canary("token"), "token_type": "Bearer"}, ""
            case _:
                return 404, {}, ""


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    made = Authority()
    async with listening(made.serve) as place:
        made.port = int(place.rpartition(":")[2])
        yield made


def source(authority: Authority, names: Names) -> McpSource:
    oauth = OAuth(
        grant="client_credentials",
        client_id="us",
        client_secret="env:SECRET",
        issuer=f"http://as.example:{authority.port}",
    )
    server = McpServer(
        name="shop", url=f"http://mcp.example:{authority.port}/mcp", era="2026", oauth=oauth
    )
    secrets = Secrets({"env": EnvironmentVault({"SECRET": canary("of-the-client")})})
    return McpSource(server, secrets=secrets, resolve=names)


METADATA = ("as", "/.well-known/oauth-authorization-server")
TOKEN = ("as", "/token")


async def test_authorization_of_a_public_server_at_a_public_address_goes_through(
    authority: Authority, connected: list[str]
) -> None:
    made = source(authority, Names(mcp=["8.8.8.8"], **{"as": ["8.8.4.4"]}))
    await made.connect()
    assert made.list()
    await made.aclose()
    assert {METADATA, TOKEN} <= set(authority.asked)
    assert set(connected) == {"8.8.8.8", "8.8.4.4"}


@pytest.mark.parametrize("inside", INSIDE)
async def test_a_token_is_not_fetched_from_a_name_whose_address_has_changed(
    authority: Authority, connected: list[str], inside: str
) -> None:
    # The metadata come from a public address; then the same name leads inside.
    names = Names(mcp=["8.8.8.8"], **{"as": ["8.8.4.4", inside]})
    made = source(authority, names)
    with pytest.raises(ToolFailedError, match=r"as\.example may not be reached.*not public"):
        await made.connect()
    await made.aclose()
    assert METADATA in authority.asked
    assert TOKEN not in authority.asked
    assert names.asked.count("as") == 2
    assert inside not in connected


async def test_metadata_are_not_fetched_from_a_name_that_leads_inside(
    authority: Authority, connected: list[str]
) -> None:
    made = source(authority, Names(mcp=["8.8.8.8"], **{"as": ["127.0.0.1"]}))
    with pytest.raises(ToolFailedError, match=r"named by mcp\.example"):
        await made.connect()
    await made.aclose()
    assert not [one for one in authority.asked if one[0] == "as"]
    assert set(connected) == {"8.8.8.8"}


async def test_a_public_server_whose_own_name_changes_is_not_followed_inside(
    authority: Authority, connected: list[str]
) -> None:
    made = source(authority, Names(mcp=["8.8.8.8", "127.0.0.1"], **{"as": ["8.8.4.4"]}))
    with pytest.raises(ToolFailedError, match=r"mcp\.example may not be reached: it stood at"):
        await made.connect()
    before = list(authority.asked)
    # Neither is it when it is connected to anew.
    with pytest.raises(ToolFailedError, match="not public"):
        await made.connect()
    await made.aclose()
    assert authority.asked == before == [("mcp", "/mcp")]
    assert connected == ["8.8.8.8"]


async def test_a_server_inside_may_name_others_there(
    authority: Authority, connected: list[str]
) -> None:
    made = source(authority, Names(mcp=["127.0.0.1"], **{"as": ["127.0.0.1"]}))
    await made.connect()
    await made.aclose()
    assert TOKEN in authority.asked


async def test_a_server_that_showed_itself_inside_first_does_not_stay_there() -> None:
    guard = Guard("http://mcp.example/mcp")
    guard.judge("mcp.example", 80, ["127.0.0.1"])
    guard.judge("as.example", 80, ["127.0.0.1"])
    guard.judge("mcp.example", 80, ["8.8.8.8"])
    for host in ("as.example", "mcp.example"):
        with pytest.raises(ToolFailedError, match="not public"):
            guard.judge(host, 80, ["127.0.0.1"])
        with pytest.raises(ToolFailedError, match="has no address"):
            guard.judge(host, 80, [])


def cannot_be_looked_up(error: Exception) -> Callable[..., Any]:
    async def resolve(host: str, port: int) -> Sequence[str]:
        raise error

    return resolve


async def test_a_server_that_is_nowhere_leads_nobody_inside() -> None:
    resolve = cannot_be_looked_up(OSError("no such name"))
    guard = Guard("http://mcp.example/mcp", resolve=resolve)
    await guard.look(httpx2.URL("http://as.example/token"))
    with pytest.raises(ToolFailedError, match="not known to stand in that network"):
        guard.judge("as.example", 80, ["127.0.0.1"])
    made = McpSource(McpServer(url="http://mcp.example/mcp"), resolve=resolve)
    with pytest.raises(TransientError, match="cannot be looked up"):
        await made.connect()
    await made.aclose()


async def test_a_token_that_is_asked_for_first_is_judged_by_where_the_server_stands() -> None:
    for stands, allowed in (("127.0.0.1", True), ("8.8.8.8", False)):
        guard = Guard("http://mcp.example/mcp", resolve=Names(mcp=[stands]))
        await guard.look(httpx2.URL("http://as.example/token"))
        try:
            guard.judge("as.example", 80, ["10.0.0.1"])
        except ToolFailedError:
            assert not allowed
        else:
            assert allowed
