import asyncio
import logging
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from callgate.agents.http import Endpoint, HttpModel, Key, Retries, TimeOuts
from callgate.codecs import wire_name
from callgate.errors import (
    ModelError,
    ModelRequestError,
    ModelStreamError,
    ModelUnavailableError,
    RateLimitedError,
    SettingsError,
)
from callgate.messages import (
    CallDelta,
    CallPart,
    Message,
    ModelEvent,
    ModelRequest,
    ResponseDone,
    Role,
    StopReason,
    TextDelta,
)
from callgate.types import Text, Tool
from canaries import canary
from tests.agents.provider import Provider, Reply, events, serving, whole

CANARY = f"sk-{canary('0123456789abcdef')}"
USER = Message(role=Role.USER, parts=(Text(text="hi"),))
ASKED = ModelRequest(messages=[USER])
HEAD = {"id": "r1", "created": 7, "model": "m-2026"}
ANSWER = {**HEAD, "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}]}
SLOW_DOWN = whole({"error": {"message": "slow down"}}, 429)


def piece(text: str, finish: str | None = None) -> dict[str, Any]:
    return {**HEAD, "choices": [{"delta": {"content": text}, "finish_reason": finish}]}


STREAM = (piece("hel"), piece("lo", "stop"), b"[DONE]")


@dataclass
class Pauses:
    """Waits for nothing and remembers how long it was asked to."""

    seconds: list[float] = field(default_factory=list[float])

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@dataclass
class Set:
    provider: Provider
    model: HttpModel
    pauses: Pauses


@asynccontextmanager
async def setting(
    *replies: Reply, key: str | None = None, retries: Retries | None = None, read: float = 5.0
) -> AsyncIterator[Set]:
    pauses = Pauses()
    async with serving(*replies) as provider:
        model = HttpModel(
            f"m@{provider.url}",
            Endpoint(url=provider.url, model="m", key=Key(key, source="THE_KEY") if key else None),
            timeouts=TimeOuts(read=read),
            retries=retries,
            sleep=pauses,
            draw=lambda: 0.5,
        )
        try:
            yield Set(provider, model, pauses)
        finally:
            await model.close()


async def collect(model: HttpModel, request: ModelRequest = ASKED) -> list[ModelEvent]:
    return [event async for event in model.stream(request)]


def texts(got: list[ModelEvent]) -> list[str]:
    return [event.text for event in got if isinstance(event, TextDelta)]


# ------------------------------------------------------------------ when all goes well


async def test_a_request_is_answered_at_once():
    async with setting(whole(ANSWER)) as at:
        response = await at.model.complete(ASKED)
        assert response.message.text == "hello"
        assert (response.stop, response.model) == (StopReason.END, "m-2026")
        (request,) = at.provider.requests
        assert request.path == "/v1/chat/completions"
        assert request.body == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        assert request.headers["content-type"] == "application/json"
        assert "authorization" not in request.headers


async def test_a_request_is_answered_piece_by_piece():
    async with setting(events(*STREAM)) as at:
        got = await collect(at.model)
        assert texts(got) == ["hel", "lo"]
        assert isinstance(got[-1], ResponseDone)
        assert got[-1].response.message.text == "hello"
        assert at.provider.requests[0].body["stream"] is True


async def test_one_connection_serves_the_requests_that_follow_each_other():
    async with setting(events(*STREAM), events(*STREAM), whole(ANSWER)) as at:
        for _ in range(2):
            # As a loop does: it looks no further once the answer is there.
            async with aclosing(at.model.stream(ASKED)) as stream:
                async for event in stream:
                    if isinstance(event, ResponseDone):
                        break
        await at.model.complete(ASKED)
        assert len(at.provider.requests) == 3
        assert at.provider.connections == 1


async def test_an_answer_whose_connection_stays_open_is_not_waited_for():
    async with setting(events(*STREAM, hang=True)) as at:
        assert texts(await asyncio.wait_for(collect(at.model), 2)) == ["hel", "lo"]
        assert at.pauses.seconds == []


async def test_an_answer_may_end_without_its_mark_and_may_go_on_after_it():
    async with setting(events(*STREAM[:2]), events(*STREAM, piece("more"))) as at:
        for _ in range(2):
            got = await collect(at.model)
            assert texts(got) == ["hel", "lo"]
            assert isinstance(got[-1], ResponseDone)


async def test_a_server_that_does_not_stream_is_understood():
    calls = [
        {"id": "c1", "function": {"name": "add", "arguments": "{}"}},
        {"id": "c2", "function": {"name": "add", "arguments": {"a": 1}}},
    ]
    message = {"content": "hello", "tool_calls": calls}
    async with setting(whole({**HEAD, "choices": [{"message": message}]})) as at:
        *pieces, done = await collect(at.model)
        assert pieces == [
            TextDelta(text="hello"),
            CallDelta(index=0, id="c1", name="add", arguments="{}"),
            CallDelta(index=1, id="c2", name="add"),
        ]
        assert isinstance(done, ResponseDone)
        assert done.response.message.calls[1].arguments == {"a": 1}


async def test_a_server_that_answers_whole_with_calls_only_gives_no_text():
    message = {"tool_calls": [{"id": "c1", "function": {"name": "add", "arguments": "{}"}}]}
    async with setting(whole({**HEAD, "choices": [{"message": message}]})) as at:
        assert texts(await collect(at.model)) == []


async def test_tools_go_out_under_safe_names_and_come_back_under_ours():
    tool = Tool(name="files.read", description="", parameters={"type": "object"})
    call = {"id": "c1", "function": {"name": wire_name("files.read"), "arguments": "{}"}}
    answer = {**HEAD, "choices": [{"message": {"tool_calls": [call]}}]}
    request = ModelRequest(messages=[USER], tools=(tool,))
    async with setting(whole(answer), events(piece(""), b"[DONE]")) as at:
        response = await at.model.complete(request)
        await collect(at.model, request)
        assert response.message.calls == (CallPart(id="c1", name="files.read", arguments="{}"),)
        assert [one.body["tools"][0]["function"]["name"] for one in at.provider.requests] == [
            wire_name("files.read")
        ] * 2


async def test_after_close_and_in_another_loop_new_connections_are_opened():
    async with setting(whole(ANSWER), whole(ANSWER)) as at:
        await at.model.complete(ASKED)
        await at.model.close()
        await at.model.close()
        await at.model.complete(ASKED)
        assert at.provider.connections == 2


def test_a_model_serves_one_event_loop_after_another():
    def ask(model: HttpModel, port: int) -> str:
        async def asked() -> str:
            async with serving(whole(ANSWER, connection="close"), port=port):
                return (await model.complete(ASKED)).message.text

        return asyncio.run(asked())

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    model = HttpModel("m", Endpoint(url=f"http://127.0.0.1:{port}/v1", model="m"))
    assert [ask(model, port), ask(model, port)] == ["hello", "hello"]


# ------------------------------------------------------------------ another try


@pytest.mark.parametrize("stream", [False, True])
async def test_what_may_pass_is_tried_again_after_a_growing_pause(*, stream: bool):
    broken = whole({"error": "overloaded"}, 503)
    last = events(*STREAM) if stream else whole(ANSWER)
    retries = Retries(attempts=5, first=1.0, most=3.0)
    async with setting(broken, broken, broken, broken, last, retries=retries) as at:
        await (collect(at.model) if stream else at.model.complete(ASKED))
        assert at.pauses.seconds == [0.5, 1.0, 1.5, 1.5]
        assert len({str(one.body) for one in at.provider.requests}) == 1


async def test_the_last_failure_is_told_with_the_number_of_attempts():
    async with setting(SLOW_DOWN, SLOW_DOWN, SLOW_DOWN) as at:
        with pytest.raises(RateLimitedError, match="slow down") as error:
            await at.model.complete(ASKED)
        assert error.value.details == {"status": 429, "attempts": 3}
        assert len(at.pauses.seconds) == 2


@pytest.mark.parametrize(
    ("after", "pause"), [("7", 7.0), ("0.1", 0.25), ("Sun, 22 Nov 2026 10:00:09 GMT", 9.0)]
)
async def test_the_pause_is_at_least_what_the_provider_asks_for(after: str, pause: float):
    busy = whole(
        {"error": {"message": "x"}}, 429, retry_after=after, date="Sun, 22 Nov 2026 10:00:00 GMT"
    )
    async with setting(busy, whole(ANSWER)) as at:
        await at.model.complete(ASKED)
        assert at.pauses.seconds == [pause]


async def test_a_provider_that_asks_for_too_long_a_pause_is_not_waited_for():
    async with setting(whole({"error": {"message": "x"}}, 429, retry_after="3600")) as at:
        with pytest.raises(RateLimitedError) as error:
            await at.model.complete(ASKED)
        assert error.value.retry_after == 3600.0
        assert at.pauses.seconds == []


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (whole({"error": {"message": "bad"}}, 400), ModelRequestError),
        (whole({"error": {"message": "bad"}}, 401), ModelRequestError),
        (whole({"error": {"message": "bad"}}, 503, x_should_retry="false"), ModelUnavailableError),
        (Reply(status=302, headers={"location": "http://127.0.0.1:1/"}), ModelRequestError),
    ],
)
async def test_what_will_not_pass_is_not_tried_again(reply: Reply, kind: type[ModelError]):
    async with setting(reply) as at:
        with pytest.raises(kind):
            await at.model.complete(ASKED)
        assert len(at.provider.requests) == 1


async def test_a_provider_may_ask_for_another_try_of_what_usually_fails():
    refused = whole({"error": {"message": "x"}}, 400, x_should_retry="true")
    async with setting(refused, whole(ANSWER)) as at:
        assert (await at.model.complete(ASKED)).message.text == "hello"


async def test_a_long_refusal_or_one_that_is_cut_is_still_told():
    long = Reply(status=400, pieces=(b"no, " * 20_000, b"never" * 20_000))
    cut = Reply(status=400, pieces=(b"half an expl",), cut=True)
    async with setting(long, cut) as at:
        for words in ("no, no, no", "half an expl"):
            with pytest.raises(ModelRequestError, match=words):
                await at.model.complete(ASKED)


async def test_a_server_that_is_not_there_is_unavailable():
    async with setting() as at:
        pass
    pauses = at.pauses.seconds
    with pytest.raises(ModelUnavailableError, match=r"cannot be reached at http://127\.0\.0\.1"):
        await at.model.complete(ASKED)
    assert len(pauses) == 2


# ------------------------------------------------------------------ answers that break


async def test_a_stream_that_is_cut_keeps_what_came_and_is_not_made_again():
    async with setting(events(*STREAM[:1], cut=True)) as at:
        stream = at.model.stream(ASKED)
        assert await anext(stream) == TextDelta(text="hel")
        with pytest.raises(ModelStreamError, match="was cut") as error:
            await anext(stream)
        assert error.value.details == {"received": {"text": "hel", "calls": []}}


async def test_a_stream_that_ends_early_but_cleanly_is_broken_too():
    async with setting(events(*STREAM[:1])) as at:
        with pytest.raises(ModelStreamError, match="before the model had finished") as error:
            await collect(at.model)
        assert error.value.details["received"]["text"] == "hel"


async def test_a_stream_that_breaks_before_anything_was_given_out_is_made_again():
    async with setting(events(cut=True), events(), events(*STREAM)) as at:
        assert texts(await collect(at.model)) == ["hel", "lo"]
        assert len(at.provider.requests) == 3


async def test_an_error_inside_a_stream_is_that_error():
    error_event = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    async with setting(events(*STREAM[:1], error_event)) as at:
        with pytest.raises(RateLimitedError, match="slow down") as error:
            await collect(at.model)
        assert error.value.details["received"] == {"text": "hel", "calls": []}
    async with setting(events(error_event), events(*STREAM)) as at:
        assert texts(await collect(at.model)) == ["hel", "lo"]


async def test_an_answer_that_hangs_times_out():
    once = Retries(attempts=1)
    async with setting(events(*STREAM[:1], hang=True), retries=once, read=0.05) as at:
        with pytest.raises(ModelStreamError, match="ReadTimeout") as error:
            await collect(at.model)
        assert error.value.details["received"] == {"text": "hel", "calls": []}
    async with setting(Reply(hang=True), retries=once, read=0.05) as at:
        with pytest.raises(ModelStreamError, match="ReadTimeout"):
            await at.model.complete(ASKED)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(pieces=(b'{"choices": [',), cut=True), "was cut"),
        (Reply(pieces=(b"\xff\xfe",)), "not JSON in UTF-8"),
        (Reply(pieces=(b"<html>",)), "not JSON in UTF-8"),
        (Reply(), "not JSON in UTF-8"),
        (whole({"object": "list"}), "no choices"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_told(reply: Reply, words: str):
    async with setting(reply, retries=Retries(attempts=1)) as at:
        with pytest.raises(ModelStreamError, match=words):
            await at.model.complete(ASKED)


async def test_a_stream_that_is_not_utf_8_is_told_with_what_came_before():
    bad = b'{"choices":[{"delta":{"content":"\xff"}}]}'
    async with setting(events(*STREAM[:1], bad)) as at:
        with pytest.raises(ModelStreamError, match="not JSON in UTF-8") as error:
            await collect(at.model)
        assert error.value.details["received"]["text"] == "hel"


async def test_an_answer_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("callgate.agents.http._ANSWER_BYTES", 1000)
    once = Retries(attempts=1)
    async with setting(events(*([piece("x" * 100)] * 20)), whole("y" * 2000), retries=once) as at:
        with pytest.raises(ModelStreamError, match="more than 1000 bytes") as error:
            await collect(at.model)
        assert set(error.value.details["received"]["text"]) == {"x"}
        with pytest.raises(ModelStreamError, match="more than 1000 bytes"):
            await at.model.complete(ASKED)


async def test_whoever_leaves_a_stream_frees_its_connection():
    async with setting(events(*STREAM[:1], hang=True), whole(ANSWER)) as at:
        async with aclosing(at.model.stream(ASKED)) as stream:
            assert await anext(stream) == TextDelta(text="hel")
        await at.model.complete(ASKED)
        assert at.provider.connections == 2


# ------------------------------------------------------------------ the key


async def test_the_key_is_sent_and_shown_nowhere(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"message": f"Incorrect API key provided: {CANARY}", "param": CANARY}}
    replies = (
        whole(echo, 401),
        events(piece("hel"), echo),
        whole({"note": CANARY}),
        Reply(pieces=(CANARY.encode(),), cut=True),
    )
    shown: list[str] = []
    async with setting(*replies, key=CANARY, retries=Retries(attempts=1)) as at:
        for ask in (at.model.complete(ASKED), collect(at.model), *2 * [None]):
            with pytest.raises(ModelError) as error:
                await (ask or at.model.complete(ASKED))
            shown += told(error.value)
        assert [one.headers["authorization"] for one in at.provider.requests] == [
            f"Bearer {CANARY}"
        ] * 4
        shown += [repr(at.model), repr(at.model._endpoint), str(vars(at.model))]
    with pytest.raises(ModelUnavailableError) as gone:
        await at.model.complete(ASKED)
    shown += told(gone.value)
    assert "THE_KEY" in repr(at.model._endpoint)
    assert [text for text in (*shown, caplog.text) if CANARY in text] == []


def told(error: ModelError) -> list[str]:
    """All that a log of an error may show, with the variables of every frame of ours."""
    lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    ours = [line for line in lines if "tests/agents" not in line]
    return [str(error), repr(error), str(error.details), *ours]


async def test_a_key_that_is_a_mere_word_breaks_no_answer():
    async with setting(whole(ANSWER), key="hello") as at:
        assert (await at.model.complete(ASKED)).message.text == "hello"


@pytest.mark.parametrize("value", ["", "line\nbreak", "schlüssel"])
def test_what_no_key_can_be_is_refused_without_being_repeated(value: str):
    with pytest.raises(SettingsError) as error:
        Key(value, source="THE_KEY")
    assert error.value.message.startswith("THE_KEY holds no key")
    assert not value or value not in error.value.message


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/v1",
        "http://",
        "example.org/v1",
        "http://user:secret@example.org/v1",
        "http://example.org/v1?key=secret",
        "http://example.org/v1#secret",
        "http://[::1/v1",
    ],
)
def test_a_base_url_is_only_an_address(url: str):
    with pytest.raises(SettingsError) as error:
        Endpoint(url=url, model="m")
    assert "secret" not in error.value.message


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:1/v1", True),
        ("http://127.0.0.9/v1", True),
        ("http://[::1]:8080/v1", True),
        ("http://192.168.0.1/v1", False),
        ("https://api.openai.com/v1", False),
    ],
)
def test_an_endpoint_knows_whether_it_is_on_this_machine(url: str, *, here: bool):
    assert Endpoint(url=url, model="m").is_here is here
    address = Endpoint(url=f"{url}/", model="m").address(stream=False)
    assert str(address) == f"{url}/chat/completions"


async def test_a_server_on_this_machine_is_reached_past_any_proxy(
    monkeypatch: pytest.MonkeyPatch,
):
    async with serving() as proxy, setting(whole(ANSWER)) as at:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        assert (await at.model.complete(ASKED)).message.text == "hello"
        assert proxy.connections == 0


async def test_certificates_are_loaded_for_https_only():
    plain: Any = HttpModel("m", Endpoint(url="http://127.0.0.1:1/v1", model="m"))._opened()
    secure: Any = HttpModel("m", Endpoint(url="https://example.org/v1", model="m"))._opened()
    contexts = [
        vars(vars(vars(client)["_transport"])["_pool"])["_ssl_context"]
        for client in (plain, secure)
    ]
    assert [bool(context.get_ca_certs()) for context in contexts] == [False, True]
    await plain.aclose()
    await secure.aclose()
