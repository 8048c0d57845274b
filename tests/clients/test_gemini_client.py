"""The official google-genai client: the whole tool loop against a local server."""

from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any

import pytest

pytest.importorskip("google.genai")

from google import genai
from google.genai import types

from tests.agents.provider import Reply, events, whole
from tests.clients import shop

MODEL = "gemini-test"
ASKED = {"role": "user", "parts": [{"text": shop.QUESTION}]}
# Arguments and results are ours; the client writes the names of its own fields in two spellings.
OFFERED = [
    {
        "functionDeclarations": [
            {
                "name": "price",
                "description": shop.DESCRIPTION,
                "parameters_json_schema": shop.PARAMETERS,
            }
        ]
    }
]
# What is not ASCII text shows that bytes and base64 are not mixed up.
SIGNATURE, SIGNATURE_SENT = "//79c2lnbmVk", "__79c2lnbmVk"
SAID = {
    "role": "model",
    "parts": [
        {
            "functionCall": {"name": "price", "args": shop.TEA},
            "thoughtSignature": SIGNATURE,
        },
        {"functionCall": {"name": "price", "args": shop.GOLD}},
    ],
}
SENT = {
    "role": "model",
    "parts": [SAID["parts"][0] | {"thoughtSignature": SIGNATURE_SENT}, SAID["parts"][1]],
}
WORDS = {"role": "model", "parts": [{"text": shop.ANSWER}]}
RESULTS = {
    "role": "user",
    "parts": [
        {"functionResponse": {"name": "price", "response": {"output": shop.PRICED}}},
        {"functionResponse": {"name": "price", "response": {"error": shop.REFUSED}}},
    ],
}


def _response(*parts: dict[str, Any], finish: str | None = "STOP", **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    return {
        "candidates": [candidate | ({"finishReason": finish} if finish else {})],
        "modelVersion": MODEL,
        "responseId": "r-1",
        **more,
    }


USED = {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18}
WHOLE = (
    whole(_response(*SAID["parts"], usageMetadata=USED)),
    whole(_response(*WORDS["parts"], usageMetadata=USED)),
)


def _streamed(*pieces: dict[str, Any]) -> Reply:
    between = (_response(piece, finish=None) for piece in pieces[:-1])
    return events(*between, _response(pieces[-1], usageMetadata=USED))


STREAM = (_streamed(*SAID["parts"]), _streamed(*({"text": half} for half in shop.HALVES)))


def _open(url: str) -> genai.Client:
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url))


def ask(url: str, contents: list[Any], tools: list[Any]) -> Any:
    with _open(url) as client:
        return client.models.generate_content(
            model=MODEL, contents=contents, config={"tools": tools}
        )


async def ask_async(url: str, contents: list[Any], tools: list[Any]) -> Any:
    async with _open(url).aio as client:
        return await client.models.generate_content(
            model=MODEL, contents=contents, config={"tools": tools}
        )


def ask_dict(url: str, contents: list[Any], tools: list[Any]) -> Any:
    return ask(url, contents, tools).model_dump(mode="json")


def pieces(url: str, contents: list[Any], tools: list[Any]) -> Iterator[Any]:
    with _open(url) as client:
        yield from client.models.generate_content_stream(
            model=MODEL, contents=contents, config={"tools": tools}
        )


async def pieces_async(url: str, contents: list[Any], tools: list[Any]) -> AsyncIterator[Any]:
    async with _open(url).aio as client:
        stream = await client.models.generate_content_stream(
            model=MODEL, contents=contents, config={"tools": tools}
        )
        async for chunk in stream:
            yield chunk


def own(response: Any) -> list[Any]:
    return [response.candidates[0].content]


way = partial(shop.Way, asked=[ASKED], wire="gemini")


@pytest.mark.parametrize("ask", [ask, ask_async])
async def test_the_clients_content_goes_back_with_the_results(ask: Any) -> None:
    played = await shop.played(way(ask=ask, own=own), *WHOLE)
    first, second = played.bodies
    assert first["tools"] == OFFERED
    assert first["contents"] == [ASKED]
    assert second == first | {"contents": [ASKED, SENT, RESULTS]}
    assert played.said == (WORDS,)


@pytest.mark.parametrize("ask", [ask, ask_async, ask_dict])
async def test_what_the_answer_says_goes_back_as_well(ask: Any) -> None:
    played = await shop.played(way(ask=ask), *WHOLE)
    assert played.bodies[1]["contents"] == [ASKED, SENT, RESULTS]
    assert played.said == (WORDS,)


@pytest.mark.parametrize("ask", [pieces, pieces_async])
async def test_a_stream_is_answered_from_its_pieces(ask: Any) -> None:
    played = await shop.played(way(ask=ask, pieces=True), *STREAM)
    assert played.bodies[1]["contents"] == [ASKED, SENT, RESULTS]
    assert (played.said, played.shown) == ((WORDS,), shop.ANSWER)


async def test_an_image_arrives_as_the_bytes_it_is() -> None:
    played = await shop.played(way(ask=ask), *WHOLE, source=shop.gallery())
    *_, label, image, _, _ = played.bodies[1]["contents"][3]["parts"]
    assert label == {"text": "Content of the result of price:"}
    assert urlsafe_b64decode(image["inlineData"]["data"]) == shop.PIXEL
