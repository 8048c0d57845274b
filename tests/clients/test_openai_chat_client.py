"""The official openai client, Chat Completions: the whole tool loop against a local server."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

pytest.importorskip("openai")

from openai import AsyncOpenAI, OpenAI

from tests.agents.provider import events, whole
from tests.clients import shop

MODEL = "gpt-test"
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


CALLS = [_call("call_1", shop.TEA_TEXT), _call("call_2", shop.GOLD_TEXT)]
RESULTS = [
    {"role": "tool", "tool_call_id": "call_1", "content": shop.PRICED},
    {"role": "tool", "tool_call_id": "call_2", "content": shop.REFUSED},
]
_HEAD = {"id": "chatcmpl-1", "created": 1, "model": MODEL}
_USAGE = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}


def _whole(message: dict[str, Any], finish: str) -> Any:
    said = {"role": "assistant", "content": None, "refusal": None, "annotations": [], **message}
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": finish}
    body = {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    return whole(body)


WHOLE = (_whole({"tool_calls": CALLS}, "tool_calls"), _whole({"content": shop.ANSWER}, "stop"))


def _chunks(*deltas: dict[str, Any], finish: str) -> Any:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**_HEAD, "object": "chat.completion.chunk", "choices": [choice], "usage": None}

    last = {**_HEAD, "object": "chat.completion.chunk", "choices": [], "usage": _USAGE}
    return events(*map(chunk, deltas), chunk({}, finish), last, b"[DONE]")


def _begun(index: int, call: dict[str, Any]) -> dict[str, Any]:
    function = {**call["function"], "arguments": ""}
    return {"tool_calls": [{**call, "index": index, "function": function}]}


def _piece(index: int, text: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


STREAM = (
    _chunks(
        {"role": "assistant", "content": None, "refusal": None},
        _begun(0, CALLS[0]),
        _piece(0, shop.TEA_TEXT[:4]),
        _piece(0, shop.TEA_TEXT[4:]),
        _begun(1, CALLS[1]),
        _piece(1, shop.GOLD_TEXT),
        finish="tool_calls",
    ),
    _chunks(
        {"role": "assistant", "content": ""},
        *({"content": half} for half in shop.HALVES),
        finish="stop",
    ),
)


def _open(url: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def _open_async(url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def ask(url: str, messages: list[Any], tools: list[Any]) -> Any:
    with _open(url) as client:
        return client.chat.completions.create(model=MODEL, messages=messages, tools=tools)


async def ask_async(url: str, messages: list[Any], tools: list[Any]) -> Any:
    async with _open_async(url) as client:
        return await client.chat.completions.create(model=MODEL, messages=messages, tools=tools)


def ask_dict(url: str, messages: list[Any], tools: list[Any]) -> Any:
    return ask(url, messages, tools).model_dump(mode="json")


def pieces(url: str, messages: list[Any], tools: list[Any]) -> Iterator[Any]:
    with _open(url) as client:
        yield from client.chat.completions.create(
            model=MODEL, messages=messages, tools=tools, stream=True
        )


async def pieces_async(url: str, messages: list[Any], tools: list[Any]) -> AsyncIterator[Any]:
    async with _open_async(url) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=messages, tools=tools, stream=True
        )
        async for chunk in stream:
            yield chunk


def gathered(url: str, messages: list[Any], tools: list[Any]) -> Any:
    with (
        _open(url) as client,
        client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as stream,
    ):
        return stream.get_final_completion()


def gathered_strict(url: str, messages: list[Any], tools: list[Any]) -> Any:
    """Let the client parse the arguments of strict tools: it puts them into its objects."""
    strict = [one | {"function": one["function"] | {"strict": True}} for one in tools]
    return gathered(url, messages, strict)


async def gathered_async(url: str, messages: list[Any], tools: list[Any]) -> Any:
    async with (
        _open_async(url) as client,
        client.chat.completions.stream(model=MODEL, messages=messages, tools=tools) as stream,
    ):
        return await stream.get_final_completion()


def own(response: Any) -> list[Any]:
    return [response.choices[0].message]


SAID = {"role": "assistant", "content": None, "tool_calls": CALLS}
ENDED = ({"role": "assistant", "content": shop.ANSWER},)
way = partial(shop.Way, asked=[ASKED], wire="openai")


@pytest.mark.parametrize("ask", [ask, ask_async])
async def test_the_clients_message_goes_back_with_the_results(ask: Any) -> None:
    played = await shop.played(way(ask=ask, own=own), *WHOLE)
    first, second = played.bodies
    assert first == {"model": MODEL, "messages": [ASKED], "tools": OFFERED}
    its_own = SAID | {"refusal": None, "annotations": []}
    assert second == first | {"messages": [ASKED, its_own, *RESULTS]}
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


@pytest.mark.parametrize("ask", [gathered, gathered_strict, gathered_async])
async def test_a_stream_that_the_client_put_together_is_answered(ask: Any) -> None:
    played = await shop.played(way(ask=ask), *STREAM)
    assert played.bodies[1]["messages"] == [ASKED, SAID, *RESULTS]
    assert played.said == ENDED
