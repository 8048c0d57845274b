"""The official anthropic client: the whole tool loop against a local server."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

pytest.importorskip("anthropic")

from anthropic import Anthropic, AsyncAnthropic

from tests.agents.provider import Reply, whole
from tests.clients import shop

MODEL = "claude-test"
ASKED = {"role": "user", "content": shop.QUESTION}
OFFERED = [
    {"name": "price", "description": shop.DESCRIPTION, "input_schema": shop.PARAMETERS},
]
THOUGHT = {"type": "thinking", "thinking": "Two prices.", "signature": "c2lnbmVk"}
CALLS = [
    {"type": "tool_use", "id": "toolu_1", "name": "price", "input": shop.TEA},
    {"type": "tool_use", "id": "toolu_2", "name": "price", "input": shop.GOLD},
]
WORDS = {"type": "text", "text": shop.ANSWER}
RESULTS = {
    "role": "user",
    "content": [
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": shop.PRICED},
        {
            "type": "tool_result",
            "tool_use_id": "toolu_2",
            "content": shop.REFUSED,
            "is_error": True,
        },
    ],
}


def _message(*content: dict[str, Any], stop: str | None) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 9},
    }


WHOLE = (
    whole(_message(THOUGHT, *CALLS, stop="tool_use")),
    whole(_message(WORDS, stop="end_turn")),
)


def _block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _called(index: int, call: dict[str, Any], text: str) -> list[dict[str, Any]]:
    halves = ({"type": "input_json_delta", "partial_json": half} for half in (text[:3], text[3:]))
    return _block(index, call | {"input": {}}, *halves)


def _streamed(*events: dict[str, Any], stop: str) -> Reply:
    delta = {"stop_reason": stop, "stop_sequence": None}
    return shop.named_events(
        {"type": "message_start", "message": _message(stop=None)},
        {"type": "ping"},
        *events,
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}},
        {"type": "message_stop"},
    )


STREAM = (
    _streamed(
        *_block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Two "},
            {"type": "thinking_delta", "thinking": "prices."},
            {"type": "signature_delta", "signature": "c2lnbmVk"},
        ),
        *_called(1, CALLS[0], shop.TEA_TEXT),
        *_called(2, CALLS[1], shop.GOLD_TEXT),
        stop="tool_use",
    ),
    _streamed(
        *_block(
            0,
            {"type": "text", "text": ""},
            *({"type": "text_delta", "text": half} for half in shop.HALVES),
        ),
        stop="end_turn",
    ),
)


def _open(url: str) -> Anthropic:
    return Anthropic(base_url=url, api_key="k", max_retries=0)


def _open_async(url: str) -> AsyncAnthropic:
    return AsyncAnthropic(base_url=url, api_key="k", max_retries=0)


def ask(url: str, messages: list[Any], tools: list[Any]) -> Any:
    with _open(url) as client:
        return client.messages.create(model=MODEL, max_tokens=24, messages=messages, tools=tools)


async def ask_async(url: str, messages: list[Any], tools: list[Any]) -> Any:
    async with _open_async(url) as client:
        return await client.messages.create(
            model=MODEL, max_tokens=24, messages=messages, tools=tools
        )


def ask_dict(url: str, messages: list[Any], tools: list[Any]) -> Any:
    return ask(url, messages, tools).model_dump(mode="json")


def pieces(url: str, messages: list[Any], tools: list[Any]) -> Iterator[Any]:
    with _open(url) as client:
        yield from client.messages.create(
            model=MODEL, max_tokens=24, messages=messages, tools=tools, stream=True
        )


async def pieces_async(url: str, messages: list[Any], tools: list[Any]) -> AsyncIterator[Any]:
    async with _open_async(url) as client:
        stream = await client.messages.create(
            model=MODEL, max_tokens=24, messages=messages, tools=tools, stream=True
        )
        async for event in stream:
            yield event


def helped(url: str, messages: list[Any], tools: list[Any]) -> Iterator[Any]:
    """Return the pieces of the client's helper, which puts events of its own between them."""
    with (
        _open(url) as client,
        client.messages.stream(
            model=MODEL, max_tokens=24, messages=messages, tools=tools
        ) as stream,
    ):
        yield from stream


def gathered(url: str, messages: list[Any], tools: list[Any]) -> Any:
    with (
        _open(url) as client,
        client.messages.stream(
            model=MODEL, max_tokens=24, messages=messages, tools=tools
        ) as stream,
    ):
        return stream.get_final_message()


async def gathered_async(url: str, messages: list[Any], tools: list[Any]) -> Any:
    async with (
        _open_async(url) as client,
        client.messages.stream(
            model=MODEL, max_tokens=24, messages=messages, tools=tools
        ) as stream,
    ):
        return await stream.get_final_message()


def own(response: Any) -> list[Any]:
    return [{"role": "assistant", "content": response.content}]


SAID = {"role": "assistant", "content": [THOUGHT, *CALLS]}
ENDED = ({"role": "assistant", "content": [WORDS]},)
way = partial(shop.Way, asked=[ASKED], wire="anthropic")


@pytest.mark.parametrize("ask", [ask, ask_async])
async def test_the_clients_content_goes_back_with_the_results(ask: Any) -> None:
    played = await shop.played(way(ask=ask, own=own), *WHOLE)
    first, second = played.bodies
    assert first == {"model": MODEL, "max_tokens": 24, "messages": [ASKED], "tools": OFFERED}
    assert second == first | {"messages": [ASKED, SAID, RESULTS]}
    assert played.said == ENDED


@pytest.mark.parametrize("ask", [ask, ask_async, ask_dict])
async def test_what_the_answer_says_goes_back_as_well(ask: Any) -> None:
    played = await shop.played(way(ask=ask), *WHOLE)
    assert played.bodies[1]["messages"] == [ASKED, SAID, RESULTS]
    assert played.said == ENDED


@pytest.mark.parametrize("ask", [pieces, pieces_async, helped])
async def test_a_stream_is_answered_from_its_pieces(ask: Any) -> None:
    played = await shop.played(way(ask=ask, pieces=True), *STREAM)
    assert played.bodies[1]["messages"] == [ASKED, SAID, RESULTS]
    assert (played.said, played.shown) == (ENDED, shop.ANSWER)


@pytest.mark.parametrize("ask", [gathered, gathered_async])
async def test_a_stream_that_the_client_put_together_is_answered(ask: Any) -> None:
    played = await shop.played(way(ask=ask, own=own), *STREAM)
    assert played.bodies[1]["messages"] == [ASKED, SAID, RESULTS]
    assert played.said == ENDED
