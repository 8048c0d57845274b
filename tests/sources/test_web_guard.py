"""Whom a source on the web may reach, and what may stand in a request."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from callgate import Gate
from callgate.errors import SettingsError, ToolFailedError
from callgate.settings.sources import HttpSettings
from callgate.settings.sources.http import EndpointSettings
from callgate.sources.http import http
from callgate.sources.secrets import Secrets
from callgate.sources.web.address import Reach, origin_of
from callgate.sources.web.source import OperationSource
from callgate.types import Status, ToolResult
from tests.loopback import Serve, listening
from tests.sources.contract import no_task_left
from tests.sources.echo import echoing
from tests.sources.webserver import free_port, read_request, write


def source(
    url: str, *, path: str = "/x", hosts: tuple[str, ...] = (), **more: Any
) -> OperationSource:
    parameters = more.pop("parameters", {})
    resolve = more.pop("resolve", None)
    endpoint = EndpointSettings(
        path=path, description="Ask.", parameters=parameters, **more.pop("endpoint", {})
    )
    settings = HttpSettings(url=url, hosts=hosts, tools={"ask": endpoint}, **more)
    return http("web", settings, secrets=Secrets({}), resolve=resolve)


async def asked(made: OperationSource, **arguments: Any) -> ToolResult:
    try:
        return await Gate([made], chance=lambda: 0.0).session().call("ask", arguments)
    finally:
        await made.aclose()


# --- hosts ----------------------------------------------------------------------------------

ODD_URLS = [
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://1.2.3.4.5/",
    "http://256.256.256.256/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://[fe80::1%25eth0]/",
    "http://user@example.com/",
    "http://user:word@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\.evil.example/",
    "http://exa mple.com/",
    "http://example.com\t/",
    "http://example.com\r\nHost: evil/",
    "http://127.0.0.1%00.example.com/",
    "http://example.com:0x50/",
    "http://example.com:99999/",
    "http:///x",
    "http://",
    "//example.com/",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://127.0.0.1/",
    "http://a..b/",
]


@pytest.mark.parametrize("url", ODD_URLS)
def test_a_url_that_two_readers_may_read_differently_is_refused(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        origin_of(url)
    assert "is refused" in caught.value.message
    assert "word" not in caught.value.message


def test_a_plain_url_has_one_origin() -> None:
    assert str(origin_of("https://Example.COM./a?b#c")) == "https://example.com"
    assert str(origin_of("http://example.com:8080")) == "http://example.com:8080"
    assert str(origin_of("http://[::1]:80/")) == "http://[::1]"
    assert str(origin_of("https://b\u00fccher.example")) == "https://xn--bcher-kva.example"


PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "198.18.0.1",
    "192.0.2.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001:0:7f00:1::1",
    "fe80::1%eth0",
    "no address",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_at_an_address_that_is_not_public_is_refused(address: str) -> None:
    reach = Reach(["https://example.com"])
    with pytest.raises(ToolFailedError) as caught:
        reach.judge("example.com", 443, [address])
    assert 'hosts = ["example.com:443"]' in caught.value.message
    with pytest.raises(ToolFailedError):
        reach.judge("example.com", 443, ["93.184.216.34", address])
    assert Reach([], ["example.com"]).judge("example.com", 443, [address]) == address


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_name_at_a_public_address_may_be_reached(address: str) -> None:
    assert Reach([]).judge("example.com", 443, [address]) == address


def test_a_named_host_is_allowed_at_its_own_port_only() -> None:
    reach = Reach([], ["127.0.0.1:8080", "intern.example", "[::1]:9000"])
    assert reach.judge("127.0.0.1", 8080, ["127.0.0.1"]) == "127.0.0.1"
    assert reach.judge("intern.example", 443, ["10.0.0.1"]) == "10.0.0.1"
    assert reach.judge("::1", 9000, ["::1"]) == "::1"
    for host, port in (("127.0.0.1", 8081), ("intern.example", 8080), ("localhost", 8080)):
        with pytest.raises(ToolFailedError):
            reach.judge(host, port, ["127.0.0.1"])


def test_only_the_origins_of_a_source_may_be_reached() -> None:
    reach = Reach(["https://api.example.com/v1"])
    assert str(reach.check("https://api.example.com/other")) == "https://api.example.com"
    for url in (
        "http://api.example.com/",
        "https://api.example.com:444/",
        "https://api.example.com.evil.example/",
        "https://evil.example/https://api.example.com",
        "https://api.example.com@evil.example/",
    ):
        with pytest.raises(ToolFailedError):
            reach.check(url)


async def test_loopback_is_refused_unless_it_is_named() -> None:
    async with echoing() as echo:
        refused = await asked(source(echo.url))
        assert refused.status is Status.ERROR
        assert "stands at an address that is not public" in refused.text()
        assert echo.log == []
        allowed = await asked(source(echo.url, hosts=(echo.url.removeprefix("http://"),)))
        assert allowed.ok


async def test_a_name_whose_address_changes_is_judged_at_every_connection() -> None:
    answers = [["8.8.8.8", "127.0.0.1"], ["127.0.0.1"], ["::ffff:127.0.0.1"], []]

    async def resolve(host: str, port: int) -> list[str]:
        return answers.pop(0)

    port = await free_port()
    for _ in range(4):
        result = await asked(source(f"http://rebind.example:{port}", resolve=resolve))
        assert result.status is Status.ERROR
        assert "rebind.example" in result.text()
    assert answers == []


async def test_the_address_that_was_judged_is_the_one_that_is_connected_to() -> None:
    looked_up: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"]

    async with echoing() as echo:
        port = echo.url.rpartition(":")[2]
        made = source(
            f"http://shop.example:{port}", hosts=(f"shop.example:{port}",), resolve=resolve
        )
        session = Gate([made]).session()
        await session.call("ask", {})
        await session.call("ask", {})
        await made.aclose()
        assert looked_up == ["shop.example"]
        assert [request.headers["host"] for request in echo.log] == [f"shop.example:{port}"] * 2


async def test_a_name_of_two_addresses_is_reached_at_the_one_that_answers() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    async with echoing() as echo:
        port = echo.url.rpartition(":")[2]
        made = source(
            f"http://shop.example:{port}", hosts=(f"shop.example:{port}",), resolve=resolve
        )
        assert (await asked(made)).ok


async def test_a_name_that_cannot_be_looked_up_has_not_acted() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    result = await asked(source("http://gone.example", resolve=resolve))
    assert (result.error and result.error.code, result.attempts) == ("transient", 3)


# --- what stands in a request -----------------------------------------------------------------

PATHS = [
    "..",
    ".",
    "../admin",
    "a/../../admin",
    "..\\admin",
    "%2e%2e",
    "%2e%2e%2fadmin",
    "..%2fadmin",
    "a/..;x=1/admin",
    "",
    "a\r\nHost: evil",
    "a\0b",
    "a\x7fb",
]


@pytest.mark.parametrize("value", PATHS)
async def test_a_value_that_leaves_its_place_in_the_path_is_refused(value: str) -> None:
    async with echoing() as echo:
        host = echo.url.removeprefix("http://")
        made = source(
            echo.url, path="/users/{id}/posts", hosts=(host,), parameters={"id": {"type": "string"}}
        )
        result = await asked(made, id=value)
        assert (result.status, result.error and result.error.code) == (Status.ERROR, "arguments")
        assert echo.log == []


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("a/b", "a%2Fb"),
        ("a?b=c#d", "a%3Fb%3Dc%23d"),
        ("@evil.example", "%40evil.example"),
        ("//evil.example", "%2F%2Fevil.example"),
        ("a b&c;d", "a%20b%26c%3Bd"),
        ("...", "..."),
    ],
)
async def test_a_value_stays_one_segment_of_the_path(value: str, seen: str) -> None:
    async with echoing() as echo:
        host = echo.url.removeprefix("http://")
        made = source(
            echo.url, path="/users/{id}/posts", hosts=(host,), parameters={"id": {"type": "string"}}
        )
        assert (await asked(made, id=value)).ok
        assert echo.log[0].target == f"/users/{seen}/posts"


HEADERS = ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "\u00fc", "a\u2028b", "\x1b[2J"]


@pytest.mark.parametrize("value", HEADERS)
@pytest.mark.parametrize("place", ["header", "cookie"])
async def test_a_value_that_ends_its_header_is_refused(value: str, place: str) -> None:
    async with echoing() as echo:
        host = echo.url.removeprefix("http://")
        made = source(
            echo.url, hosts=(host,), parameters={"v": {"type": "string", "in": place, "wire": "V"}}
        )
        result = await asked(made, v=value)
        assert (result.status, result.error and result.error.code) == (Status.ERROR, "arguments")
        assert echo.log == []


@pytest.mark.parametrize("value", ["a; admin=1", "a, b", 'a"b', "a b", "a\\b"])
async def test_a_value_that_begins_another_cookie_is_refused(value: str) -> None:
    made = source("http://example.com", parameters={"v": {"type": "string", "in": "cookie"}})
    result = await asked(made, v=value)
    assert result.error is not None
    assert result.error.code == "arguments"


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "a b", "x\r\ny"])
def test_a_header_that_frames_a_request_cannot_be_a_parameter(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        source(
            "http://example.com", parameters={"v": {"type": "string", "in": "header", "wire": name}}
        )
    assert "is no header that may be set" in caught.value.message


# --- servers that misbehave -------------------------------------------------------------------


@asynccontextmanager
async def served(answer: Serve) -> AsyncIterator[tuple[str, tuple[str, ...]]]:
    """Serve one hostile answer; give its URL and the opt-in for it."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await answer(reader, writer)

    async with listening(handle) as place:
        yield f"http://{place}", (place,)


def raw(data: bytes, *, then_wait: bool = False) -> Serve:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then_wait:
            await reader.read(1)

    return answer


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
MISBEHAVING = {
    "hangs before the head": (raw(b"", then_wait=True), "deadline"),
    "hangs within the head": (raw(HEAD, then_wait=True), "deadline"),
    "hangs within the body": (
        raw(HEAD + b"content-length: 9\r\n\r\n{", then_wait=True),
        "deadline",
    ),
    "dies before the head": (raw(b""), "transient"),
    "dies within the head": (raw(HEAD), "transient"),
    "dies within the body": (raw(HEAD + b"content-length: 9\r\n\r\n{"), "transient"),
    "is no HTTP": (raw(b"SSH-2.0-OpenSSH_9.9\r\n\r\n"), "transient"),
    "has two lengths": (
        raw(HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}"),
        "transient",
    ),
    "has a head without end": (raw(HEAD + b"x: y\r\n" * 100_000, then_wait=True), "transient"),
    "has broken chunks": (raw(HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n"), "transient"),
    "has broken JSON": (raw(HEAD + b"content-length: 2\r\n\r\n{]"), "result"),
    "has broken UTF-8": (raw(HEAD + b'content-length: 3\r\n\r\n"\xff"'), "result"),
    "has a broken coding": (
        raw(HEAD + b"content-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope"),
        "result",
    ),
    "has a coding nobody asked for": (
        raw(HEAD + b"content-encoding: br\r\ncontent-length: 1\r\n\r\nx"),
        "result",
    ),
    "has codings in each other": (
        raw(HEAD + b"content-encoding: gzip, gzip\r\ncontent-length: 1\r\n\r\nx"),
        "result",
    ),
    "has a deep body": (
        raw(HEAD + b"content-length: 4000\r\n\r\n" + b"[" * 4000),
        "result",
    ),
}


@pytest.mark.parametrize("kind", MISBEHAVING)
async def test_a_server_that_misbehaves_is_a_clear_error_and_leaves_no_task(kind: str) -> None:
    answer, code = MISBEHAVING[kind]
    with no_task_left() as settled:
        async with served(answer) as (url, hosts):
            made = source(url, hosts=hosts, endpoint={"timeout": 0.5})
            result = await asked(made)
            assert (result.status, result.error and result.error.code) == (Status.ERROR, code)
            assert "ask" in result.text()
        await settled()


async def test_a_flood_is_cut_at_the_bound_and_told() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with served(flood) as (url, hosts):
        result = await asked(source(url, hosts=hosts, response_bytes=100_000))
        assert result.text() == "ask got an answer of more than 100000 bytes. Ask for less."


async def test_a_flood_after_an_effect_says_that_it_was_executed() -> None:
    async with served(raw(HEAD + b"content-length: 99\r\n\r\n" + b"x" * 99)) as (url, hosts):
        made = source(url, hosts=hosts, response_bytes=10, endpoint={"method": "POST"})
        result = await asked(made)
        assert result.status is Status.OK
        assert "ask was executed; do not repeat it" in result.text()


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
async def test_a_bomb_is_unpacked_no_further_than_the_bound(pack: Callable[[bytes], bytes]) -> None:
    bomb = pack(b"0" * 50_000_000)
    coding = b"gzip" if pack is gzip.compress else b"deflate"
    head = HEAD + b"content-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (coding, len(bomb))
    async with served(raw(head + bomb)) as (url, hosts):
        result = await asked(source(url, hosts=hosts, response_bytes=100_000))
        assert result.text() == "ask got an answer of more than 100000 bytes. Ask for less."


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_private_address_is_not_followed(status: int) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write(writer, status, b"", "location: http://169.254.169.254/latest\r\n")

    async with served(redirect) as (url, hosts):
        result = await asked(source(url, hosts=hosts))
        assert "Redirects are not followed" in result.text()
        assert "169.254" not in result.text()


async def test_an_explanation_without_end_or_with_hidden_characters_is_made_short_and_plain() -> (
    None
):
    said = b'{"message": "No\\u202e \\u200border\\u0007 ' + b"x" * 100_000 + b'"}'

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        write(writer, 400, said[:60_000] + b'"}')

    async with served(refuse) as (url, hosts):
        result = await asked(source(url, hosts=hosts))
        assert result.text().startswith("ask: the service answered 400 Bad Request: No order xxx")
        assert len(result.text()) < 1_200
