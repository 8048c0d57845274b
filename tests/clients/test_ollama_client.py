"""The official ollama client: the whole tool loop against a local server."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

pytest.importorskip("ollama")

from ollama import AsyncClient, Client

from tests.agents.provider import whole
from tests.clients import shop

MODEL = "qwen-test"
ASKED = {"role": "user", "content": shop.QUESTION}
# The client leaves out what it does not know of a schema; arguments are judged by ours.
OFFERED = [
    {
        "type": "function",
        "function": {
            "name": "price",
            "description": shop.DESCRIPTION,
            "parameters": {
                name: value
                for name, value in shop.PARAMETERS.items()
                if name != "additionalProperties"
            },
        },
    }
]
CALLS = [
    {"function": {"name": "price", "arguments": shop.TEA}},
    {"function": {"name": "price", "arguments": shop.GOLD}},
]
RESULTS = [
    {"role": "tool", "tool_name": "price", "content": shop.PRICED},
    {"role": "tool", "tool_name": "price", "content": shop.REFUSED},
]
_HEAD = {"model": MODEL, "created_at": "2026-11-22T12:00:00Z"}
_END = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 9}


def _line(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "", **message}
    return {**_HEAD, "message": said, "done": False, **more}


WHOLE = (
    whole(_line({"tool_calls": CALLS}, **_END)),
    whole(_line({"content": shop.ANSWER}, **_END)),
)
STREAM = (
    shop.lines(*(_line({"tool_calls": [call]}) for call in CALLS), _line({}, **_END)),
    shop.lines(*(_line({"content": half}) for half in shop.HALVES), _line({}, **_END)),
)


def ask(url: str, messages: list[Any], tools: list[Any]) -> Any:
    with Client(url) as client:
        return client.chat(MODEL, messages, tools=tools)


async def ask_async(url: str, messages: list[Any], tools: list[Any]) -> Any:
    async with AsyncClient(url) as client:
        return await client.chat(MODEL, messages, tools=tools)


def ask_dict(url: str, messages: list[Any], tools: list[Any]) -> Any:
    return ask(url, messages, tools).model_dump(mode="json")


def pieces(url: str, messages: list[Any], tools: list[Any]) -> Iterator[Any]:
    with Client(url) as client:
        yield from client.chat(MODEL, messages, tools=tools, stream=True)


async def pieces_async(url: str, messages: list[Any], tools: list[Any]) -> AsyncIterator[Any]:
    async with AsyncClient(url) as client:
        async for chunk in await client.chat(MODEL, messages, tools=tools, stream=True):
            yield chunk


def own(response: Any) -> list[Any]:
    return [response.message]


# Empty content is left out by the client.
SAID = {"role": "assistant", "tool_calls": CALLS}
ENDED = ({"role": "assistant", "content": shop.ANSWER},)
way = partial(shop.Way, asked=[ASKED], wire="ollama")


@pytest.mark.parametrize("ask", [ask, ask_async])
async def test_the_clients_message_goes_back_with_the_results(ask: Any) -> None:
    played = await shop.played(way(ask=ask, own=own), *WHOLE)
    first, second = played.bodies
    assert first["messages"] == [ASKED]
    assert first["tools"] == OFFERED
    assert second == first | {"messages": [ASKED, SAID, *RESULTS]}
    assert played.said == ENDED


@pytest.mark.parametrize("ask", [ask, ask_async, ask_dict])
async def test_what_the_answer_says_goes_back_as_well(ask: Any) -> None:
    played = await shop.played(way(ask=ask), *WHOLE)
    assert played.bodies[1]["messages"] == [ASKED, SAID, *RESULTS]
    assert played.said == ENDED


@pytest.mark.parametrize("ask", [pieces, pieces_async])
async def test_a_stream_is_answered_from_its_pieces(ask: Any) -> None:
    played = await shop.played(way(ask=ask, pieces=True), *STREAM)
    assert played.bodies[1]["messages"] == [ASKED, SAID, *RESULTS]
    assert (played.said, played.shown) == (ENDED, shop.ANSWER)
