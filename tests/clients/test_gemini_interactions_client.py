"""The official google-genai client, Interactions: the whole tool loop against a local server."""

from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, cast

import pytest

pytest.importorskip("google.genai")

from google import genai
from google.genai import types

from tests.agents.provider import Reply, whole
from tests.clients import shop

MODEL = "gemini-test"
ASKED = {"type": "user_input", "content": [{"type": "text", "text": shop.QUESTION}]}
OFFERED = [
    {
        "type": "function",
        "name": "price",
        "description": shop.DESCRIPTION,
        "parameters": shop.PARAMETERS,
    }
]
THOUGHT = {"type": "thought", "signature": "c2lnbmVk"}
CALLS = [
    {"type": "function_call", "id": "call_1", "name": "price", "arguments": shop.TEA},
    {"type": "function_call", "id": "call_2", "name": "price", "arguments": shop.GOLD},
]
WORDS = {"type": "model_output", "content": [{"type": "text", "text": shop.ANSWER}]}
RESULTS = [
    {
        "type": "function_result",
        "call_id": "call_1",
        "name": "price",
        "result": shop.PRICED,
    },
    {
        "type": "function_result",
        "call_id": "call_2",
        "name": "price",
        "result": shop.REFUSED,
        "is_error": True,
    },
]


def _interaction(status: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "r-1",
        "object": "interaction",
        "status": status,
        "model": MODEL,
        "created": "2026-11-22T12:00:00Z",
        "updated": "2026-11-22T12:00:00Z",
        "steps": list(steps),
    }


WHOLE = (
    whole(_interaction("requires_action", THOUGHT, *CALLS)),
    whole(_interaction("completed", WORDS)),
)


def _step(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"event_type": "step.start", "index": index, "step": start},
        *({"event_type": "step.delta", "index": index, "delta": delta} for delta in deltas),
        {"event_type": "step.stop", "index": index},
    ]


def _called(index: int, call: dict[str, Any], text: str) -> list[dict[str, Any]]:
    halves = ({"type": "arguments_delta", "arguments": half} for half in (text[:5], text[5:]))
    return _step(index, call | {"arguments": {}}, *halves)


def _streamed(status: str, *events: dict[str, Any]) -> Reply:
    begun = {"event_type": "interaction.created", "interaction": _interaction("in_progress")}
    ended = {"event_type": "interaction.completed", "interaction": _interaction(status)}
    return shop.named_events(begun, *events, ended, key="event_type")


STREAM = (
    _streamed(
        "requires_action",
        *_step(0, {"type": "thought"}, {"type": "thought_signature", "signature": "c2lnbmVk"}),
        *_called(1, CALLS[0], shop.TEA_TEXT),
        *_called(2, CALLS[1], shop.GOLD_TEXT),
    ),
    _streamed(
        "completed",
        *_step(
            0,
            {"type": "model_output", "content": []},
            *({"type": "text", "text": half} for half in shop.HALVES),
        ),
    ),
)


def _open(url: str) -> genai.Client:
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url))


def ask(url: str, steps: list[Any], tools: list[Any]) -> Any:
    with _open(url) as client:
        return client.interactions.create(model=MODEL, input=steps, tools=tools, store=False)


async def ask_async(url: str, steps: list[Any], tools: list[Any]) -> Any:
    async with _open(url).aio as client:
        return await client.interactions.create(model=MODEL, input=steps, tools=tools, store=False)


def ask_dict(url: str, steps: list[Any], tools: list[Any]) -> Any:
    return ask(url, steps, tools).model_dump(mode="json")


def pieces(url: str, steps: list[Any], tools: list[Any]) -> Iterator[Any]:
    with _open(url) as client:
        yield from client.interactions.create(
            model=MODEL, input=steps, tools=tools, store=False, stream=True
        )


async def pieces_async(url: str, steps: list[Any], tools: list[Any]) -> AsyncIterator[Any]:
    async with _open(url).aio as client:
        asked = client.interactions.create(
            model=MODEL, input=steps, tools=tools, store=False, stream=True
        )
        # The client's types do not tell a stream from a whole answer here.
        async for event in cast("AsyncIterator[Any]", await asked):
            yield event


def own(response: Any) -> list[Any]:
    return response.steps


SAID = [THOUGHT, *CALLS]
way = partial(shop.Way, asked=[ASKED], wire="gemini_interactions")


@pytest.mark.parametrize("ask", [ask, ask_async])
async def test_the_clients_steps_go_back_with_the_results(ask: Any) -> None:
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
