"""Cassettes: what is recorded is played again, exactly, and no secret is on them."""

import gzip
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.agents.http import Endpoint, HttpModel, Key
from callgate.agents.model import open_model
from callgate.errors import MisuseError
from callgate.messages import Message, ModelRequest, ResponseDone, Role
from callgate.testing.cassettes import SECRETS, Player, Recorder, Redaction
from callgate.types import Text
from canaries import MARK, canary
from tests.agents.provider import ECHO, Reply, serving, whole
from tests.agents.wires import WIRES

CANARY = canary("/0123456789+abcdef==")
URL = "http://provider.test/v1/chat?beta=1"
ENVIRONMENT = {
    "OPENAI_API_KEY": CANARY,
    "ANTHROPIC_API_KEY": CANARY,
    "AWS_ACCESS_KEY_ID": "AKIA0123456789ABCDEF",
    "AWS_SECRET_ACCESS_KEY": f"secret{CANARY}",
    "AWS_SESSION_TOKEN": f"token{CANARY}",
    "AWS_REGION": "eu-central-1",
}
VARIABLES = {
    "openai": "OPENAI_BASE_URL",
    "anthropic": "ANTHROPIC_BASE_URL",
    "bedrock": "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    "ollama": "OLLAMA_HOST",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tape.jsonl"


def asked(text: str = "hi") -> ModelRequest:
    return ModelRequest(messages=[Message(role=Role.USER, parts=(Text(text=text),))])


def answering(*bodies: bytes, headers: dict[str, str] | None = None) -> httpx2.MockTransport:
    """A provider in this process: answers with the bodies in their order."""
    left = list(bodies)

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=headers, content=left.pop(0))

    return httpx2.MockTransport(answer)


def sent(transport: httpx2.BaseTransport, body: Any, url: str = URL, **headers: str) -> str:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    with httpx2.Client(transport=transport) as client:
        return client.post(url, content=content, headers=headers).text


def recorded(path: Path, *exchanges: tuple[Any, bytes], **more: Any) -> None:
    recorder = Recorder(path, transport=answering(*(answer for _, answer in exchanges)), **more)
    for body, _ in exchanges:
        sent(recorder, body)


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


# ------------------------------------------------------------------ recorded and played


@pytest.mark.parametrize("wire", VARIABLES)
async def test_a_conversation_is_recorded_once_and_played_without_a_network(wire: str, path: Path):
    exchange = WIRES[wire]
    async with serving(exchange.whole, exchange.stream) as provider:
        url = provider.url if wire == "openai" else provider.url.removesuffix("/v1")
        variables = {**ENVIRONMENT, VARIABLES[wire]: url}
        told = await conversation(
            open_model(f"{wire}:m", environment=variables, transport=Recorder(path))
        )
    player = Player(path)
    assert player.unplayed == 2
    # The network is gone, and any key will do.
    elsewhere = {**ENVIRONMENT, "AWS_SECRET_ACCESS_KEY": "x", "OPENAI_API_KEY": "y"}
    model = open_model(f"{wire}:m", environment=elsewhere, transport=player)
    assert await conversation(model) == told == ["hello", "hello"]
    assert player.unplayed == 0
    secrets = (CANARY, CANARY.replace("/", "\\/"), "AKIA", "Signature=")
    assert [secret for secret in secrets if secret in str(lines(path))] == []


async def conversation(model: Any) -> list[str]:
    response = await model.complete(asked())
    *_, done = [event async for event in model.stream(asked("more"))]
    await model.close()
    assert isinstance(done, ResponseDone)
    return [response.message.text, done.response.message.text]


async def test_a_cassette_is_lines_of_json_that_a_person_can_read(path: Path):
    async with serving(WIRES["openai"].stream) as provider:
        endpoint = Endpoint(url=provider.url, model="m", key=Key(CANARY, source="KEY"))
        model = HttpModel("m", endpoint, transport=Recorder(path))
        _ = [event async for event in model.stream(asked())]
        await model.close()
    (line,) = lines(path)
    assert line == {
        "request": {
            "method": "POST",
            "target": "/v1/chat/completions",
            "headers": {"accept": "*/*", "content-type": "application/json"},
            "body": {
                "model": "m",
                "messages": [{"role": "user", "content": "hi"}],
                "stream": True,
                "stream_options": {"include_usage": True},
            },
        },
        "response": {
            "status": 200,
            "headers": {"content-type": "text/event-stream; charset=utf-8"},
            "body": {"text": b"".join(WIRES["openai"].stream.pieces).decode()},
        },
    }


def test_equal_requests_get_their_answers_in_the_recorded_order(path: Path):
    recorded(path, ({"a": 1}, b"one"), ({"b": 1}, b"other"), ({"a": 1}, b"two"))
    player = Player(path)
    assert [sent(player, body) for body in ({"b": 1}, {"a": 1}, {"a": 1})] == [
        "other",
        "one",
        "two",
    ]


def test_the_order_of_fields_and_the_host_do_not_count(path: Path):
    recorded(path, ({"a": 1, "b": [{"c": None}]}, b"one"))
    body = b'{"b": [{"c": null}], "a": 1}'
    assert sent(Player(path), body, "https://elsewhere.test/v1/chat?beta=1") == "one"


def test_status_and_useful_headers_are_played_and_others_are_not(path: Path):
    headers = {
        "Retry-After": "7",
        "X-RateLimit-Remaining-Tokens": "3",
        "Set-Cookie": "session=1",
        "OpenAI-Organization": "acme",
        "X-Own": "kept",
    }

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(429, headers=headers, content=b"busy")

    redaction = Redaction(headers=frozenset({"x-own"}))
    sent(Recorder(path, transport=httpx2.MockTransport(answer), redaction=redaction), {})
    with httpx2.Client(transport=Player(path)) as client:
        played = client.post(URL, content=b"{}")
    assert (played.status_code, dict(played.headers)) == (
        429,
        {
            "retry-after": "7",
            "x-ratelimit-remaining-tokens": "3",
            "x-own": "kept",
            "content-length": "4",
        },
    )


def test_what_is_no_text_is_kept_byte_for_byte(path: Path):
    recorded(path, (b"\xff\x00", b"\xfe\x01"))
    (line,) = lines(path)
    assert line["request"]["body"] == {"base64": "/wA="}
    assert line["response"]["body"] == {"base64": "/gE="}
    with httpx2.Client(transport=Player(path)) as client:
        assert client.post(URL, content=b"\xff\x00").content == b"\xfe\x01"


def test_what_is_text_but_no_json_is_compared_as_text(path: Path):
    recorded(path, (b"a=1", b"one"))
    assert lines(path)[0]["request"]["body"] == {"text": "a=1"}
    assert sent(Player(path), b"a=1") == "one"


def test_a_compressed_answer_is_recorded_without_its_compression(path: Path):
    packed = answering(gzip.compress(b"hello"), headers={"content-encoding": "gzip"})
    assert sent(Recorder(path, transport=packed), {}) == "hello"
    assert lines(path)[0]["response"]["body"] == {"text": "hello"}
    assert sent(Player(path), {}) == "hello"


def test_an_answer_that_is_left_early_is_recorded_as_far_as_it_came(path: Path):
    class Pieces(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"one "
            yield b"two"

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, stream=Pieces())

    recorder = Recorder(path, transport=httpx2.MockTransport(answer))
    with httpx2.Client(transport=recorder) as client, client.stream("GET", URL) as response:
        assert next(response.iter_raw()) == b"one "
    assert lines(path)[0]["response"]["body"] == {"text": "one "}


def test_a_new_recording_begins_an_empty_cassette(path: Path):
    path.write_text("old")
    Recorder(path)
    assert path.read_bytes() == b""
    assert Player(path).unplayed == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=9,
)


@given(exchanges=st.lists(st.tuples(JSON, st.binary(max_size=40)), max_size=4), order=st.randoms())
def test_whatever_was_exchanged_is_played_whole_in_any_order_of_different_requests(
    tmp_path_factory: pytest.TempPathFactory,
    exchanges: list[tuple[Any, bytes]],
    order: random.Random,
):
    path = tmp_path_factory.mktemp("tape") / "tape.jsonl"
    numbered = [([place, body], answer) for place, (body, answer) in enumerate(exchanges)]
    recorded(path, *numbered)
    player = Player(path)
    for body, answer in order.sample(numbered, len(numbered)):
        with httpx2.Client(transport=player) as client:
            assert client.post(URL, content=orjson.dumps(body)).content == answer
    assert player.unplayed == 0


# ------------------------------------------------------------------ the network below


async def test_a_recorder_opens_the_network_by_itself_for_either_client(path: Path):
    async with serving(whole({"a": 1})) as provider, client_of(Recorder(path)) as client:
        assert (await client.post(provider.url, content=b"{}")).json() == {"a": 1}
    recorder = Recorder(path)
    with pytest.raises(httpx2.ConnectError):
        sent(recorder, {}, provider.url)
    assert lines(path) == []


def client_of(transport: httpx2.AsyncBaseTransport) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=transport, trust_env=False)


class Blocking(httpx2.BaseTransport):
    """Serves only clients that block."""

    closed = False

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200)

    def close(self) -> None:
        self.closed = True


class Awaited(httpx2.AsyncBaseTransport):
    """Serves only clients that do not block."""

    closed = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200)

    async def aclose(self) -> None:
        self.closed = True


async def test_a_transport_of_the_other_kind_is_refused_and_closed_by_its_own_client(path: Path):
    blocking, awaited = Blocking(), Awaited()
    async with httpx2.AsyncClient(transport=Recorder(path, transport=blocking)) as client:
        with pytest.raises(MisuseError, match="serves only clients that block"):
            await client.get(URL)
    with pytest.raises(MisuseError, match="serves no client that blocks"):
        sent(Recorder(path, transport=awaited), {})
    assert (blocking.closed, awaited.closed) == (False, False)
    sent(Recorder(path, transport=blocking), {})
    async with httpx2.AsyncClient(transport=Recorder(path, transport=awaited)) as client:
        await client.get(URL)
    assert (blocking.closed, awaited.closed) == (True, True)


# ------------------------------------------------------------------ strictness


def test_an_unknown_request_is_refused_with_the_nearest_recorded_one(path: Path):
    long = "x" * 100
    recorded(
        path,
        ({"tools": [], "model": "m"}, b"one"),
        ({"messages": [{"role": "user", "content": "hi"}], "n": 1, "long": "y"}, b"two"),
    )
    with pytest.raises(MisuseError) as error:
        sent(
            Player(path), {"messages": [{"role": "user", "content": "ho"}], "n": True, "long": long}
        )
    assert error.value.message == (
        "tape.jsonl has no answer to POST /v1/chat?beta=1. The nearest is exchange 2 of 2: "
        '$.messages[0].content is "hi" there and "ho" here; $.n is 1 there and true here; '
        f'$.long is "y" there and "{"x" * 79}... here.'
    )
    assert error.value.details["nearest"] == 2


@pytest.mark.parametrize(
    ("url", "body", "difference"),
    [
        (
            "http://provider.test/v2",
            {"a": [1]},
            'address is "/v1/chat?beta=1" there and "/v2" here',
        ),
        (URL, {"a": [1, 2]}, "$.a[1] is absent there and 2 here"),
        (URL, {"a": []}, "$.a[0] is 1 there and absent here"),
        (URL, {}, "$.a is [1] there and absent here"),
        (URL, [1], '$ is {"a":[1]} there and [1] here'),
    ],
)
def test_any_difference_is_named(path: Path, url: str, body: Any, difference: str):
    recorded(path, ({"a": [1]}, b"one"))
    with pytest.raises(MisuseError) as error:
        sent(Player(path), body, url)
    assert error.value.details["differences"] == [difference]


def test_another_method_is_another_request(path: Path):
    recorded(path, (b"", b"one"))
    with httpx2.Client(transport=Player(path)) as client, pytest.raises(MisuseError) as error:
        client.put(URL, content=b"")
    assert error.value.details["differences"] == ['method is "POST" there and "PUT" here']


def test_an_exchange_is_played_once(path: Path):
    recorded(path, ({}, b"one"))
    player = Player(path)
    sent(player, {})
    with pytest.raises(MisuseError, match="exchange 1 of 1 and was played already: the same"):
        sent(player, {})


def test_an_empty_cassette_answers_nothing(path: Path):
    Recorder(path)
    with pytest.raises(MisuseError, match="it holds no exchange"):
        sent(Player(path), {})


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b'{"request": {}}', b'{"request": 1, "response": 2}']
)
def test_a_file_that_is_no_cassette_is_refused_with_its_line(path: Path, line: bytes):
    recorded(path, ({}, b"one"))
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(MisuseError, match=r"Line 2 of tape\.jsonl is no recorded exchange"):
        Player(path)


# ------------------------------------------------------------------ secrets


async def test_a_provider_that_repeats_all_headers_puts_no_secret_on_the_cassette(path: Path):
    replies = (Reply(pieces=(b'{"said": "', ECHO, b'"}')), Reply(pieces=(ECHO,)))
    headers = {
        "Authorization": f"Bearer {CANARY}",
        "X-Api-Key": canary("in-x-api-key"),
        "Cookie": f"a=1; session={canary('in-cookie')}",
        "X-Amz-Security-Token": canary("/in/token"),
    }
    signed = (
        "AWS4-HMAC-SHA256 Credential=AKIA0123456789ABCDEF/2026/x, "
        "SignedHeaders=host;x-amz-date, Signature=0123456789abcdef"
    )
    async with serving(*replies) as provider, client_of(Recorder(path)) as client:
        await client.post(
            provider.url, json={"leaked": f"{CANARY} {canary('in-cookie')}"}, headers=headers
        )
        url = f"{provider.url}?api_key={canary('in-query')}&v=1"
        await client.post(url, json={}, headers={"Authorization": signed})
    secrets = (MARK, "AKIA", "0123456789abcdef")
    assert [one for one in secrets if one in str(lines(path))] == []
    first, second = lines(path)
    assert first["request"]["body"] == {"leaked": "[redacted] [redacted]"}
    assert second["request"]["target"] == "/v1?api_key=[redacted]&v=1"
    assert "SignedHeaders=host;x-amz-date" in second["response"]["body"]["text"]


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-0123456789abcdefABCDEF",
        "gsk_0123456789abcdefABCDEF",
        "AKIA0123456789ABCDEF",
        "AIzaSy0123456789abcdefghijklmnopqrstuv",
        "Bearer 0123456789abcdefABCDEF",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl",
    ],
)
def test_what_looks_like_a_key_is_replaced_everywhere(path: Path, secret: str):
    recorded(path, ({"say": f"my key is {secret}!"}, f"is it {secret}?".encode()))
    (line,) = lines(path)
    assert line["request"]["body"] == {"say": "my key is [redacted]!"}
    assert line["response"]["body"] == {"text": "is it [redacted]?"}
    assert sent(Player(path), {"say": f"my key is {secret}!"}) == "is it [redacted]?"


def test_patterns_of_ones_own_are_replaced_too(path: Path):
    redaction = Redaction(patterns=(*SECRETS, re.compile(r"\bcustomer-\d+")))
    recorded(path, ({"for": "customer-7"}, b"customer-7 pays"), redaction=redaction)
    assert "customer-" not in path.read_text()
    assert sent(Player(path, redaction=redaction), {"for": "customer-8"}) == "[redacted] pays"


def test_a_binary_answer_with_a_secret_is_not_recorded(path: Path):
    with pytest.raises(MisuseError, match="A binary body holds a secret"):
        recorded(path, ({}, b"\xff sk-proj-0123456789abcdefABCDEF"))
    assert lines(path) == []


# ------------------------------------------------------------------ clients of providers

CHAT = {
    "id": "r",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hello"},
            "finish_reason": "stop",
        }
    ],
}


def test_a_blocking_client_of_a_provider_is_recorded_and_played(path: Path):
    def ask(transport: httpx2.BaseTransport) -> str | None:
        client = openai.OpenAI(api_key=CANARY, http_client=httpx2.Client(transport=transport))
        with client:
            said = client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "hi"}]
            )
        return said.choices[0].message.content

    provider = answering(orjson.dumps(CHAT), headers={"content-type": "application/json"})
    assert ask(Recorder(path, transport=provider)) == ask(Player(path)) == "hello"
    assert CANARY not in path.read_text()


async def test_a_stream_of_a_client_of_a_provider_is_recorded_and_played(path: Path):
    async def ask(transport: httpx2.AsyncBaseTransport) -> list[str]:
        client = anthropic.AsyncAnthropic(
            api_key=CANARY, http_client=httpx2.AsyncClient(transport=transport)
        )
        async with (
            client,
            client.messages.stream(
                model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
            ) as stream,
        ):
            return [text async for text in stream.text_stream]

    reply = WIRES["anthropic"].stream
    provider = answering(b"".join(reply.pieces), headers=reply.headers)
    assert await ask(Recorder(path, transport=provider)) == ["hello"]
    assert await ask(Player(path)) == ["hello"]
    assert CANARY not in str(lines(path))


# ------------------------------------------------------------------ the package


def test_the_doubles_are_imported_without_a_client():
    program = "import sys, callgate.testing; print('httpx2' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
