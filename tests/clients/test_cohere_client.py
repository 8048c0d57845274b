"""The official cohere client, chat version 2: the whole tool loop against a local server."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

pytest.importorskip("cohere")

from cohere import AsyncClientV2, ClientV2

from tests.agents.provider import whole
from tests.clients import shop

MODEL = "command-test"
PLAN = "I will look up two prices."
ASKED = {"role": "user", "content": shop.QUESTION}
OFFERED = [
    {
        "type": "function",
        "function": {
            "name": "price",
            "description": shop.DESCRIPTION,
            "parameters": shop.PARAMETERS,
        },
    }
]


def _call(id: str, text: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "price", "arguments": text}}


CALLS = [_call("price_1", shop.TEA_TEXT), _call("price_2", shop.GOLD_TEXT)]
RESULTS = [
    {"role": "tool", "tool_call_id": "price_1", "content": shop.PRICED},
    {"role": "tool", "tool_call_id": "price_2", "content": shop.REFUSED},
]
TEXT = {"type": "text", "text": shop.ANSWER}
USED = {"tokens": {"input_tokens": 9.0, "output_tokens": 9.0}}


def _response(message: dict[str, Any], finish: str) -> Any:
    said = {"role": "assistant", **message}
    return whole({"id": "r-1", "finish_reason": finish, "message": said, "usage": USED})


WHOLE = (
    _response({"tool_plan": PLAN, "tool_calls": CALLS}, "TOOL_CALL"),
    _response({"content": [TEXT]}, "COMPLETE"),
)


def _event(kind: str, message: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": kind, **more, "delta": {"message": message}}


def _called(index: int, call: dict[str, Any]) -> list[dict[str, Any]]:
    text = call["function"]["arguments"]
    begun = call | {"function": {"name": "price", "arguments": ""}}
    return [
        _event("tool-call-start", {"tool_calls": begun}, index=index),
        *(
            _event(
                "tool-call-delta", {"tool_calls": {"function": {"arguments": half}}}, index=index
            )
            for half in (text[:7], text[7:])
        ),
        {"type": "tool-call-end", "index": index},
    ]


def _streamed(*events: dict[str, Any], finish: str) -> Any:
    return shop.named_events(
        _event("message-start", {"role": "assistant"}, id="r-1"),
        *events,
        {"type": "message-end", "delta": {"finish_reason": finish, "usage": USED}},
    )


STREAM = (
    _streamed(
        _event("tool-plan-delta", {"tool_plan": PLAN[:9]}),
        _event("tool-plan-delta", {"tool_plan": PLAN[9:]}),
        *_called(0, CALLS[0]),
        *_called(1, CALLS[1]),
        finish="TOOL_CALL",
    ),
    _streamed(
        _event("content-start", {"content": {"type": "text", "text": ""}}, index=0),
        *(_event("content-delta", {"content": {"text": half}}, index=0) for half in shop.HALVES),
        {"type": "content-end", "index": 0},
        finish="COMPLETE",
    ),
)


def ask(url: str, messages: list[Any], tools: list[Any]) -> Any:
    with ClientV2(api_key="k", base_url=url) as client:
        return client.chat(model=MODEL, messages=messages, tools=tools)


async def ask_async(url: str, messages: list[Any], tools: list[Any]) -> Any:
    async with AsyncClientV2(api_key="k", base_url=url) as client:
        return await client.chat(model=MODEL, messages=messages, tools=tools)


def ask_dict(url: str, messages: list[Any], tools: list[Any]) -> Any:
    return ask(url, messages, tools).model_dump(mode="json")


def pieces(url: str, messages: list[Any], tools: list[Any]) -> Iterator[Any]:
    with ClientV2(api_key="k", base_url=url) as client:
        yield from client.chat_stream(model=MODEL, messages=messages, tools=tools)


async def pieces_async(url: str, messages: list[Any], tools: list[Any]) -> AsyncIterator[Any]:
    async with AsyncClientV2(api_key="k", base_url=url) as client:
        async for event in client.chat_stream(model=MODEL, messages=messages, tools=tools):
            yield event


def own(response: Any) -> list[Any]:
    return [response.message]


SAID = {"role": "assistant", "tool_plan": PLAN, "tool_calls": CALLS}
ENDED = ({"role": "assistant", "content": shop.ANSWER},)
way = partial(shop.Way, asked=[ASKED], wire="cohere")


@pytest.mark.parametrize("ask", [ask, ask_async])
async def test_the_clients_message_goes_back_with_the_results(ask: Any) -> None:
    played = await shop.played(way(ask=ask, own=own), *WHOLE)
    first, second = played.bodies
    assert first == {"model": MODEL, "messages": [ASKED], "tools": OFFERED, "stream": False}
    assert second == first | {"messages": [ASKED, SAID, *RESULTS]}
    assert played.said == ENDED


@pytest.mark.parametrize("ask", [ask, ask_async, ask_dict])
async def test_what_the_answer_says_goes_back_as_well(ask: Any) -> None:
    played = await shop.played(way(ask=ask), *WHOLE)
    assert played.bodies[1]["messages"] == [ASKED, SAID | {"content": None}, *RESULTS]
    assert played.said == ENDED


@pytest.mark.parametrize("ask", [pieces, pieces_async])
async def test_a_stream_is_answered_from_its_pieces(ask: Any) -> None:
    played = await shop.played(way(ask=ask, pieces=True), *STREAM)
    assert played.bodies[1]["messages"] == [ASKED, SAID | {"content": None}, *RESULTS]
    assert (played.said, played.shown) == (ENDED, shop.ANSWER)
