"""The official client of AWS (boto3), Bedrock Converse: the whole tool loop on a local server."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

import pytest

pytest.importorskip("boto3")

import boto3
from botocore.config import Config

from tests.agents.provider import whole
from tests.clients import shop

MODEL = "anthropic.claude-test-v1:0"
ASKED = {"role": "user", "content": [{"text": shop.QUESTION}]}
OFFERED = [
    {
        "toolSpec": {
            "name": "price",
            "description": shop.DESCRIPTION,
            "inputSchema": {"json": shop.PARAMETERS},
        }
    }
]
HIDDEN = {"reasoningContent": {"redactedContent": "//79c2VjcmV0"}}
CALLS = [
    {"toolUse": {"toolUseId": "tooluse_1", "name": "price", "input": shop.TEA}},
    {"toolUse": {"toolUseId": "tooluse_2", "name": "price", "input": shop.GOLD}},
]
WORDS = {"role": "assistant", "content": [{"text": shop.ANSWER}]}
RESULTS = {
    "role": "user",
    "content": [
        {
            "toolResult": {
                "toolUseId": "tooluse_1",
                "content": [{"text": shop.PRICED}],
                "status": "success",
            }
        },
        {
            "toolResult": {
                "toolUseId": "tooluse_2",
                "content": [{"text": shop.REFUSED}],
                "status": "error",
            }
        },
    ],
}
SAID = {"role": "assistant", "content": [HIDDEN, *CALLS]}
USED = {"usage": {"inputTokens": 9, "outputTokens": 9, "totalTokens": 18}}


def _response(message: dict[str, Any], stop: str) -> dict[str, Any]:
    return {"output": {"message": message}, "stopReason": stop, **USED, "metrics": {"latencyMs": 1}}


WHOLE = (whole(_response(SAID, "tool_use")), whole(_response(WORDS, "end_turn")))


def _called(index: int, call: dict[str, Any], text: str) -> list[tuple[str, dict[str, Any]]]:
    at = {"contentBlockIndex": index}
    use = {name: call["toolUse"][name] for name in ("toolUseId", "name")}
    halves = (text[:6], text[6:])
    return [
        ("contentBlockStart", {**at, "start": {"toolUse": use}}),
        *(("contentBlockDelta", {**at, "delta": {"toolUse": {"input": half}}}) for half in halves),
        ("contentBlockStop", at),
    ]


def _told(index: int, *deltas: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    at = {"contentBlockIndex": index}
    return [
        *(("contentBlockDelta", {**at, "delta": delta}) for delta in deltas),
        ("contentBlockStop", at),
    ]


def _streamed(*named: tuple[str, dict[str, Any]], stop: str) -> Any:
    return shop.binary_events(
        ("messageStart", {"role": "assistant"}),
        *named,
        ("messageStop", {"stopReason": stop}),
        ("metadata", {**USED, "metrics": {"latencyMs": 1}}),
    )


STREAM = (
    _streamed(
        *_told(0, HIDDEN),
        *_called(1, CALLS[0], shop.TEA_TEXT),
        *_called(2, CALLS[1], shop.GOLD_TEXT),
        stop="tool_use",
    ),
    _streamed(*_told(0, *({"text": half} for half in shop.HALVES)), stop="end_turn"),
)


def _open(url: str) -> Any:
    return boto3.client(
        "bedrock-runtime",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=Config(retries={"max_attempts": 0}),
    )


def ask(url: str, messages: list[Any], tools: list[Any]) -> Any:
    with closing(_open(url)) as client:
        return client.converse(modelId=MODEL, messages=messages, toolConfig={"tools": tools})


def pieces(url: str, messages: list[Any], tools: list[Any]) -> Iterator[Any]:
    with closing(_open(url)) as client:
        response = client.converse_stream(
            modelId=MODEL, messages=messages, toolConfig={"tools": tools}
        )
        with closing(response["stream"]) as stream:
            yield from stream


def own(response: Any) -> list[Any]:
    return [response["output"]["message"]]


way = partial(shop.Way, asked=[ASKED], wire="bedrock")


async def test_the_clients_message_goes_back_with_the_results() -> None:
    played = await shop.played(way(ask=ask, own=own), *WHOLE)
    first, second = played.bodies
    assert first == {"messages": [ASKED], "toolConfig": {"tools": OFFERED}}
    assert second == first | {"messages": [ASKED, SAID, RESULTS]}
    assert played.requests[1].path == "/model/anthropic.claude-test-v1%3A0/converse"
    assert played.said == (WORDS,)


async def test_what_the_answer_says_goes_back_as_well() -> None:
    played = await shop.played(way(ask=ask), *WHOLE)
    assert played.bodies[1]["messages"] == [ASKED, SAID, RESULTS]
    assert played.said == (WORDS,)


@pytest.mark.parametrize("awaits", [False, True], ids=["blocking", "awaiting"])
async def test_the_binary_stream_is_answered_from_its_pieces(awaits: bool) -> None:
    played = await shop.played(way(ask=pieces, pieces=True, awaits=awaits), *STREAM)
    assert played.bodies[1]["messages"] == [ASKED, SAID, RESULTS]
    assert (played.said, played.shown) == ((WORDS,), shop.ANSWER)


async def test_an_image_arrives_as_the_bytes_it_is() -> None:
    played = await shop.played(way(ask=ask), *WHOLE, source=shop.gallery())
    first, _ = played.bodies[1]["messages"][2]["content"]
    image = {"format": "png", "source": {"bytes": b64encode(shop.PIXEL).decode()}}
    assert first["toolResult"]["content"] == [{"text": '"see"'}, {"image": image}]
