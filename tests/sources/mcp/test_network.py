"""Servers on the network: both eras over streamable HTTP, and the old events."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

from callgate import CallPart, Gate, Principal
from callgate.codecs.stored import answer_from_json, answer_to_json
from callgate.errors import CallError, TransientError
from callgate.session import Session
from callgate.sources.mcp import McpServer, McpSource
from callgate.sources.secrets import EnvironmentVault, Secrets
from callgate.testing import Captured, FakeClock
from callgate.types import Effect, Limits, Progressed, Status
from canaries import canary
from tests.loopback import listening
from tests.sources.mcp.network import Shop, serving
from tests.sources.mcp.over_http import McpService
from tests.sources.webserver import Service, read_request, write
from tests.sources.webserver import serving as web_serving

Era = Literal["2025", "2026"]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def address(shop: Shop) -> Iterator[str]:
    with serving(shop.application(sse=False)) as address:
        yield f"{address}/mcp"


def source_over(url: str, **options: Any) -> McpSource:
    return McpSource(
        McpServer(name="shop", url=url, effects={"*": Effect.READ}, **options),
        secrets=Secrets(
            {"env": EnvironmentVault({"KEY_ana": canary("of-ana"), "KEY_bo": canary("of-bo")})}
        ),
    )


@asynccontextmanager
async def talking(source: McpSource, *listeners: Any) -> AsyncIterator[Session]:
    await source.connect()
    gate = Gate([source], listeners=listeners)
    yield gate.session()
    await gate.close()


@pytest.mark.parametrize("era", ["auto", "2025", "2026"])
async def test_calls_are_answered_in_both_eras(
    era: Literal["auto", "2025", "2026"], address: str, shop: Shop
) -> None:
    seen = Captured()
    async with talking(source_over(address, era=era), seen) as session:
        results = await asyncio.gather(
            *(session.call("add", {"a": number, "b": 1}) for number in range(5))
        )
        assert [result.unwrap() for result in results] == [{"result": n + 1} for n in range(5)]
        assert (await session.call("steps", {})).unwrap() == {"result": "there"}
    told = [event for event in seen.events if isinstance(event, Progressed)]
    assert [(one.done, one.total, one.message) for one in told] == [(1, 2, "half way"), (2, 2, "")]
    versions = {headers.get("mcp-protocol-version") for headers in shop.seen} - {None}
    assert versions == ({"2025-11-25"} if era == "2025" else {"2026-07-28"})


async def test_the_old_events_carry_calls(shop: Shop) -> None:
    with serving(shop.application(sse=True)) as address:
        async with talking(source_over(f"{address}/sse", era="2025")) as session:
            assert (await session.call("add", {"a": 1, "b": 2})).unwrap() == {"result": 3}


@pytest.mark.parametrize("era", ["2025", "2026"])
async def test_a_question_makes_the_call_wait_and_an_answer_completes_it(
    era: Era, address: str
) -> None:
    async with talking(source_over(address, era=era)) as session:
        part = CallPart(id="1", name="greet", arguments={})
        answer = await session.turn([part])
        pending = answer.waiting[0].result.pending
        assert pending is not None
        assert (pending.kind, pending.prompt) == ("elicitation", "What is your name?")
        form, words = pending.schema["anyOf"]
        assert set(form["properties"]) == {"name", "polite"}
        assert words == {"enum": ["decline", "cancel"]}
        # What is no answer is asked for again, with the reason.
        wrong = await session.resume(answer, {"1": {"name": 7}})
        again = wrong.waiting[0].result.pending
        assert again is not None
        assert "is no answer" in again.prompt
        done = await session.resume(wrong, {"1": {"name": "Ana"}})
        assert done.answered[0].result.unwrap() == {"result": "Dear Ana"}
        declined = await session.resume(await session.turn([part]), {"1": "decline"})
        assert declined.answered[0].result.unwrap() == {"result": "no name: decline"}


async def test_in_the_stateless_era_another_process_may_bring_the_answer(address: str) -> None:
    async with talking(source_over(address, era="2026")) as session:
        answer = await session.turn([CallPart(id="1", name="greet", arguments={})])
        state = session.state
    other = source_over(address, era="2026")
    await other.connect()
    gate = Gate([other])
    restored = gate.restore(state)
    kept = answer_from_json(answer_to_json(answer))
    done = await restored.resume(kept, {"1": {"name": "Bo", "polite": False}})
    assert done.answered[0].result.unwrap() == {"result": "Bo"}
    await gate.close()


async def test_an_old_server_that_no_longer_waits_is_not_answered(address: str) -> None:
    async with talking(source_over(address, era="2025", hold=0.0)) as session:
        answer = await session.turn([CallPart(id="1", name="greet", arguments={})])
        await asyncio.sleep(0)
        done = await session.resume(answer, {"1": {"name": "Ana"}})
        result = done.answered[0].result
        assert result.error is not None
        assert result.error.code == "tool_failed"
        assert "no longer waits" in result.text()


async def test_a_question_that_may_be_of_two_calls_is_put_to_nobody(address: str) -> None:
    async with talking(source_over(address, era="2025")) as session:
        waiting = asyncio.ensure_future(session.call("wait", {}, timeout=10))
        result = await session.call("greet", {})
        while result.status is Status.PENDING:  # the other one had not begun
            result = await session.call("greet", {})
        assert result.unwrap() == {"result": "no name: cancel"}
        waiting.cancel()
        await asyncio.wait({waiting})


@pytest.mark.parametrize("era", ["2025", "2026"])
async def test_a_call_that_is_given_up_ends_at_the_server(
    era: Era, address: str, shop: Shop
) -> None:
    async with talking(source_over(address, era=era)) as session:
        result = await session.call("wait", {}, timeout=2)
        assert result.error is not None
        assert result.error.code == "deadline"
        assert await asyncio.to_thread(shop.stopped.wait, 10)
        assert (await session.call("add", {"a": 1, "b": 1})).ok


async def test_every_principal_has_credentials_and_a_connection_of_their_own(
    address: str, shop: Shop
) -> None:
    source = source_over(address, secret_headers={"X-Key": "env:KEY_{principal}"})
    ana, bo, eve = (Principal(id=name) for name in ("ana", "bo", "eve"))
    await source.connect(ana)
    gate = Gate([source])
    for who in (ana, bo, ana):
        assert (await gate.session(who).call("add", {"a": 1, "b": 1})).ok
    assert source.health.connections == 2
    assert {headers.get("x-key") for headers in shop.seen} == {canary("of-ana"), canary("of-bo")}
    refused = await gate.session(eve).call("add", {"a": 1, "b": 1})
    assert not refused.ok
    assert "env:KEY_{principal}" in refused.text()
    await gate.close()


@pytest.mark.parametrize(
    ("status", "head", "code"),
    [
        (401, b"", "tool_failed"),
        (403, b"", "tool_failed"),
        (500, b"", "transient"),
        (503, b"Retry-After: 7\r\n", "transient"),
    ],
)
async def test_a_server_that_answers_with_an_error_does_not_start(
    status: int, head: bytes, code: str
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d No\r\n%bContent-Length: 0\r\n" % (status, head))
        writer.write(b"Connection: close\r\n\r\n")

    async with listening(refuse) as place:
        source = source_over(f"http://{place}/mcp")
        with pytest.raises(CallError) as caught:
            await source.connect()
        assert caught.value.code == code
        await source.aclose()


async def test_an_answer_without_end_is_cut_off() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        writer.write(b"Connection: close\r\n\r\n{")
        while True:
            writer.write(b" " * 65_536)
            await writer.drain()

    async with listening(pour) as place:
        source = source_over(f"http://{place}/mcp", message_bytes=1_000_000)
        with pytest.raises(CallError, match="more than 1000000 bytes"):
            await source.connect()
        await source.aclose()


@asynccontextmanager
async def answering(status: int, head: str, body: bytes = b"{}") -> AsyncIterator[Service]:
    """Serve tools over HTTP; calls are answered with an error."""

    class Refusing(McpService):
        async def _acted(
            self, role: str, text: str, number: Any, reader: Any, writer: asyncio.StreamWriter
        ) -> bool:
            write(writer, status, body, head)
            await writer.drain()
            return True

    async with web_serving(Refusing()) as service:
        yield service


SOON = "retry-after: 7\r\n"
PROTOCOL_ERROR = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"I am full"}}'


@pytest.mark.parametrize(
    ("status", "head", "body", "told"),
    [
        (429, SOON, b"{}", ("transient", 7.0, False)),
        (429, SOON, PROTOCOL_ERROR, ("transient", 7.0, False)),
        (429, "", b"{}", ("transient", None, False)),
        (429, "retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n", b"{}", ("transient", 0.0, False)),
        (408, "", b"{}", ("transient", None, False)),
        (503, SOON, b"{}", ("transient", 7.0, False)),
        # Without a time, a gateway may speak that has passed the call on.
        (503, "", b"{}", ("transient", None, True)),
        (502, SOON, b"{}", ("transient", 7.0, True)),
        (500, "", b"{}", ("transient", None, True)),
        (500, "", PROTOCOL_ERROR, ("tool_raised", None, False)),
        (418, SOON, b"{}", ("tool_failed", None, False)),
    ],
)
@pytest.mark.parametrize("era", ["2025", "2026"])
async def test_an_http_error_means_what_it_means_of_a_service_on_the_web(
    era: Era, status: int, head: str, body: bytes, told: tuple[str, float | None, bool]
) -> None:
    async with answering(status, head, body) as service:
        source = source_over(f"{service.url}/mcp", era=era, limits=Limits(attempts=1))
        async with talking(source) as session:
            error = (await session.call("send", {"text": "x"})).error
            assert error is not None
            acted = isinstance(error, TransientError) and error.acted
            assert (error.code, error.retry_after, acted) == told
            if error.code != "tool_raised":
                assert f"HTTP status {status}" in error.message
                assert error.details == {"status": status}


async def test_an_effect_that_was_turned_away_is_tried_again_and_one_that_was_not_is_in_doubt() -> (
    None
):
    for head, status, tries in ((SOON, Status.ERROR, 3), ("", Status.IN_DOUBT, 1)):
        async with answering(503, head) as service:
            source = McpSource(McpServer(name="shop", url=f"{service.url}/mcp"))
            await source.connect()
            clock = FakeClock(instant=True)
            result = await Gate([source], clock=clock).session().call("send", {"text": "x"})
            await source.aclose()
            assert (result.status, len(service.arrivals)) == (status, tries)
            assert clock.slept == [7.0] * (tries - 1)


async def test_of_calls_at_once_only_the_one_that_was_turned_away_says_so() -> None:
    class Choosy(McpService):
        async def _acted(
            self, role: str, text: str, number: Any, reader: Any, writer: asyncio.StreamWriter
        ) -> bool:
            async with self.changed:  # all are answered together
                await self.changed.wait_for(lambda: len(self.arrivals) >= 4)
            write(writer, int(text), b"{}", SOON)
            await writer.drain()
            return True

    async with web_serving(Choosy()) as service:
        source = source_over(f"{service.url}/mcp", limits=Limits(attempts=1))
        async with talking(source) as session:
            texts = ["418", "429", "404", "502"]
            results = await asyncio.gather(
                *(session.call("echo", {"text": text}) for text in texts)
            )
        said = [result.error and result.error.code for result in results]
        assert said == ["tool_failed", "transient", "tool_failed", "transient"]
        assert [result.error and result.error.retry_after for result in results] == [
            None,
            7.0,
            None,
            7.0,
        ]


async def test_the_old_events_tell_when_a_message_was_turned_away(shop: Shop) -> None:
    inner, posts = shop.application(sse=True), 0

    async def turning_away(scope: Any, receive: Any, send: Any) -> None:
        nonlocal posts
        if scope["type"] != "http" or scope["method"] != "POST":
            await inner(scope, receive, send)
            return
        posts += 1
        if posts != 4:  # initialize, initialized, tools/list, and then the call
            await inner(scope, receive, send)
            return
        await send(
            {"type": "http.response.start", "status": 429, "headers": [(b"retry-after", b"7")]}
        )
        await send({"type": "http.response.body", "body": b""})

    with serving(turning_away) as address:
        source = source_over(f"{address}/sse", era="2025")
        await source.connect()
        clock = FakeClock(instant=True)
        result = await Gate([source], clock=clock).session().call("add", {"a": 1, "b": 2})
        assert (result.unwrap(), result.attempts) == ({"result": 3}, 2)
        assert clock.slept == [7.0]
        await source.aclose()


@pytest.mark.parametrize("era", ["auto", "2025", "2026"])
async def test_a_server_that_asks_for_time_is_not_started_again_before(
    era: Literal["auto", "2025", "2026"],
) -> None:
    asked = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        await read_request(reader)
        asked += 1
        write(writer, 429, b"", SOON)

    clock = FakeClock()
    async with listening(refuse) as place:
        source = McpSource(McpServer(name="shop", url=f"http://{place}/mcp", era=era), clock=clock)
        with pytest.raises(TransientError, match="answered with HTTP status 429") as caught:
            await source.connect()
        assert (caught.value.retry_after, caught.value.acted) == (7.0, False)
        clock.advance(6.0)
        with pytest.raises(TransientError, match="is not started again yet") as caught:
            await source.connect()
        assert caught.value.retry_after == 1.0
        assert asked == 1
        clock.advance(1.0)
        with pytest.raises(TransientError):
            await source.connect()
        assert asked == 2
        await source.aclose()
