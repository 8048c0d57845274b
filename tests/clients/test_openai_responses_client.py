"""The official openai client, Responses: the whole tool loop against a local server."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

pytest.importorskip("openai")

from openai import AsyncOpenAI, OpenAI

from tests.agents.provider import Reply, whole
from tests.clients import shop

MODEL = "gpt-test"
ASKED = {"role": "user", "content": shop.QUESTION}
OFFERED = [
    {
        "type": "function",
        "name": "price",
        "description": shop.DESCRIPTION,
        "parameters": shop.PARAMETERS,
        "strict": False,
    }
]
REASONING = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2VjcmV0"}


def _call(number: int, text: str) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{number}",
        "call_id": f"call_{number}",
        "name": "price",
        "arguments": text,
        "status": "completed",
    }


CALLS = [_call(1, shop.TEA_TEXT), _call(2, shop.GOLD_TEXT)]
WORDS = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": shop.ANSWER, "annotations": []}],
}
RESULTS = [
    {"type": "function_call_output", "call_id": "call_1", "output": shop.PRICED},
    {"type": "function_call_output", "call_id": "call_2", "output": shop.REFUSED},
]


def _response(*output: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": MODEL,
        "output": list(output),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 18,
        },
    }


WHOLE = (whole(_response(REASONING, *CALLS)), whole(_response(WORDS)))


def _called(place: int, call: dict[str, Any]) -> list[dict[str, Any]]:
    begun = call | {"arguments": "", "status": "in_progress"}
    at = {"output_index": place, "item_id": call["id"]}
    text = call["arguments"]
    return [
        {"type": "response.output_item.added", "output_index": place, "item": begun},
        {"type": "response.function_call_arguments.delta", **at, "delta": text[:5]},
        {"type": "response.function_call_arguments.delta", **at, "delta": text[5:]},
        {
            "type": "response.function_call_arguments.done",
            **at,
            "name": "price",
            "arguments": text,
        },
        {"type": "response.output_item.done", "output_index": place, "item": call},
    ]


def _told() -> list[dict[str, Any]]:
    at = {"output_index": 0, "content_index": 0, "item_id": "msg_1", "logprobs": []}
    begun = WORDS | {"status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    deltas = [{"type": "response.output_text.delta", **at, "delta": half} for half in shop.HALVES]
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": begun},
        {"type": "response.content_part.added", **at, "part": part},
        *deltas,
        {"type": "response.output_text.done", **at, "text": shop.ANSWER},
        {"type": "response.content_part.done", **at, "part": WORDS["content"][0]},
        {"type": "response.output_item.done", "output_index": 0, "item": WORDS},
    ]


def _streamed(events: list[dict[str, Any]], *output: dict[str, Any]) -> Reply:
    begun = {"type": "response.created", "response": _response(status="in_progress")}
    ended = {"type": "response.completed", "response": _response(*output)}
    numbered = [one | {"sequence_number": n} for n, one in enumerate([begun, *events, ended])]
    return shop.named_events(*numbered)


_THOUGHT = [
    {"type": "response.output_item.added", "output_index": 0, "item": REASONING},
    {"type": "response.output_item.done", "output_index": 0, "item": REASONING},
]
STREAM = (
    _streamed([*_THOUGHT, *_called(1, CALLS[0]), *_called(2, CALLS[1])], REASONING, *CALLS),
    _streamed(_told(), WORDS),
)


def _open(url: str) -> OpenAI:
    return OpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def _open_async(url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0)


def ask(url: str, items: list[Any], tools: list[Any]) -> Any:
    with _open(url) as client:
        return client.responses.create(model=MODEL, input=items, tools=tools, store=False)


async def ask_async(url: str, items: list[Any], tools: list[Any]) -> Any:
    async with _open_async(url) as client:
        return await client.responses.create(model=MODEL, input=items, tools=tools, store=False)


def ask_dict(url: str, items: list[Any], tools: list[Any]) -> Any:
    return ask(url, items, tools).model_dump(mode="json")


def pieces(url: str, items: list[Any], tools: list[Any]) -> Iterator[Any]:
    with _open(url) as client:
        yield from client.responses.create(
            model=MODEL, input=items, tools=tools, store=False, stream=True
        )


async def pieces_async(url: str, items: list[Any], tools: list[Any]) -> AsyncIterator[Any]:
    async with _open_async(url) as client:
        stream = await client.responses.create(
            model=MODEL, input=items, tools=tools, store=False, stream=True
        )
        async for event in stream:
            yield event


def gathered(url: str, items: list[Any], tools: list[Any]) -> Any:
    with (
        _open(url) as client,
        client.responses.stream(model=MODEL, input=items, tools=tools, store=False) as stream,
    ):
        return stream.get_final_response()


def gathered_strict(url: str, items: list[Any], tools: list[Any]) -> Any:
    """Let the client parse the arguments of strict tools: it puts them into its objects."""
    return gathered(url, items, [one | {"strict": True} for one in tools])


async def gathered_async(url: str, items: list[Any], tools: list[Any]) -> Any:
    async with (
        _open_async(url) as client,
        client.responses.stream(model=MODEL, input=items, tools=tools, store=False) as stream,
    ):
        return await stream.get_final_response()


def own(response: Any) -> list[Any]:
    return response.output


SAID = [REASONING, *CALLS]
way = partial(shop.Way, asked=[ASKED], wire="openai_responses")


@pytest.mark.parametrize("ask", [ask, ask_async])
async def test_the_clients_items_go_back_with_the_results(ask: Any) -> None:
    played = await shop.played(way(ask=ask, own=own), *WHOLE)
    first, second = played.bodies
    assert first == {"model": MODEL, "input": [ASKED], "tools": OFFERED, "store": False}
    assert second == first | {"input": [ASKED, *SAID, *RESULTS]}
    assert played.said == (WORDS,)


@pytest.mark.parametrize("ask", [ask, ask_async, ask_dict])
async def test_what_the_answer_says_goes_back_as_well(ask: Any) -> None:
    played = await shop.played(way(ask=ask), *WHOLE)
    assert played.bodies[1]["input"] == [ASKED, *SAID, *RESULTS]
    assert played.said == (WORDS,)


@pytest.mark.parametrize("ask", [pieces, pieces_async])
async def test_a_stream_is_answered_from_its_pieces(ask: Any) -> None:
    played = await shop.played(way(ask=ask, pieces=True), *STREAM)
    assert played.bodies[1]["input"] == [ASKED, *SAID, *RESULTS]
    assert (played.said, played.shown) == ((WORDS,), shop.ANSWER)


@pytest.mark.parametrize("ask", [gathered, gathered_strict, gathered_async])
async def test_a_stream_that_the_client_put_together_is_answered(ask: Any) -> None:
    played = await shop.played(way(ask=ask), *STREAM)
    assert played.bodies[1]["input"] == [ASKED, *SAID, *RESULTS]
    assert played.said == (WORDS,)
