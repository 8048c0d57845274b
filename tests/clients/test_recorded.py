"""Recorded exchanges with real providers, played to the official clients.

The first response holds calls; the gate answers them and the client sends that; the second response
ends the turn. What the server received is compared with the calls as the recording tells them.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from callgate.testing import FakeSource
from tests.agents.provider import Reply, whole
from tests.clients import shop
from tests.codecs.recorded import Exchange, exchanges

MOST = 4
"""Pairs that are played of each kind: a client takes a tenth of a second to open."""

Told = list[tuple[str | None, str]]
"""The id of each result and its text, as a server received them."""


def _chat(body: Any, count: int) -> Told:
    return [(one["tool_call_id"], one["content"]) for one in body["messages"][-count:]]


def _items(body: Any, count: int) -> Told:
    return [(one["call_id"], one["output"]) for one in body["input"][-count:]]


def _blocks(body: Any, count: int) -> Told:
    blocks = body["messages"][-1]["content"]
    return [(one["tool_use_id"], one["content"]) for one in blocks]


def _converse(body: Any, count: int) -> Told:
    results = [one["toolResult"] for one in body["messages"][-1]["content"]]
    return [(one["toolUseId"], one["content"][0]["text"]) for one in results]


def _parts(body: Any, count: int) -> Told:
    results = [one["functionResponse"] for one in body["contents"][-1]["parts"]]
    return [(one.get("id"), *one["response"].values()) for one in results]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Recordings of one wire, and the client that reads them.

    Attributes:
        file: Where the recordings are.
        package: The client's package.
        client: The module of tests that asks with it.
        wire: The name of the wire.
        field: The field of a request with the conversation.
        told: Reads the results in a request.
        stream: Whether the responses are streams.
        own: Whether the client's own message goes back, instead of what the answer says.
    """

    file: str
    package: str
    client: str
    wire: str
    field: str = "messages"
    told: Callable[[Any, int], Told] = _chat
    stream: bool = False
    own: bool = False

    def __str__(self) -> str:
        how = "stream" if self.stream else "own" if self.own else "said"
        return f"{self.file}-{self.client}-{how}"


_OPENAI = {"package": "openai", "client": "openai_chat"}
_RESPONSES = {"package": "openai", "client": "openai_responses", "wire": "openai_responses"}
_ITEMS = {"field": "input", "told": _items}

SOURCES: tuple[dict[str, Any], ...] = (
    {"file": "openai_chat", "wire": "openai", **_OPENAI},
    {"file": "openai_chat", "wire": "openai", "stream": True, **_OPENAI},
    {"file": "openai_compatible_chat", "wire": "openai", **_OPENAI},
    {"file": "mistral_chat", "wire": "mistral", **_OPENAI},
    {"file": "openai_responses", **_RESPONSES, **_ITEMS},
    {"file": "openai_responses", "stream": True, **_RESPONSES, **_ITEMS},
    {"file": "openai_compatible_responses", **_RESPONSES, **_ITEMS},
    {
        "file": "anthropic_messages",
        "package": "anthropic",
        "client": "anthropic",
        "wire": "anthropic",
        "told": _blocks,
    },
    {
        "file": "anthropic_messages",
        "package": "anthropic",
        "client": "anthropic",
        "wire": "anthropic",
        "told": _blocks,
        "stream": True,
    },
    {
        "file": "gemini_generate_content",
        "package": "google.genai",
        "client": "gemini",
        "wire": "gemini",
        "field": "contents",
        "told": _parts,
    },
    {
        "file": "gemini_generate_content",
        "package": "google.genai",
        "client": "gemini",
        "wire": "gemini",
        "field": "contents",
        "told": _parts,
        "stream": True,
    },
    {
        "file": "bedrock_converse",
        "package": "boto3",
        "client": "bedrock",
        "wire": "bedrock",
        "told": _converse,
    },
    {"file": "cohere_chat_v2", "package": "cohere", "client": "cohere", "wire": "cohere"},
)
KINDS = [
    Kind(**source, own=own)
    for source in SOURCES
    for own in (False, True)
    if not (own and source.get("stream"))
]


def _pairs(folder: Path, kind: Kind) -> list[tuple[Exchange, Exchange]]:
    """Return pairs whose second response ends the turn, in a stable order."""
    known = {item["id"]: item for item in exchanges(folder, kind.file)}
    found = (
        (first, known[first["followup_id"]])
        for _, first in sorted(known.items())
        if first.get("followup_id") in known and first["stream"] is kind.stream
    )
    ended = (pair for pair in found if pair[1]["stream"] is kind.stream and not pair[1]["n_calls"])
    return list(islice(ended, MOST))


def _reply(exchange: Exchange) -> Reply:
    if not exchange["stream"]:
        return whole(exchange["response"])
    headers = {"content-type": "text/event-stream"}
    return Reply(headers=headers, pieces=(exchange["response_sse"].encode(),))


def _value(arguments: Any) -> Any:
    return json.loads(arguments) if isinstance(arguments, str) else arguments


def _way(kind: Kind, client: ModuleType, asked: Any) -> shop.Way:
    return shop.Way(
        ask=client.pieces if kind.stream else client.ask,
        asked=[{"role": "user", "content": asked}] if isinstance(asked, str) else asked,
        wire=kind.wire,
        told=kind.wire == "mistral",
        pieces=kind.stream,
        own=client.own if kind.own else None,
    )


@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_a_recorded_turn_is_answered_through_the_official_client(
    data_dir: Path, kind: Kind
) -> None:
    pytest.importorskip(kind.package)
    client = import_module(f"tests.clients.test_{kind.client}_client")
    pairs = _pairs(data_dir, kind)
    assert pairs
    for first, second in pairs:
        expected = first["expected_calls"]
        source = FakeSource({call["name"]: call["name"] for call in expected})
        way = _way(kind, client, first["request"][kind.field])
        played = await shop.played(way, _reply(first), _reply(second), source=source)
        answered = played.answers[0].answered
        assert [(one.call.name, _value(one.call.arguments)) for one in answered] == [
            (call["name"], _value(call["arguments"])) for call in expected
        ]
        told = kind.told(played.bodies[1], len(expected))
        assert [text for _, text in told] == [one.result.text() for one in answered]
        for (identity, _), call in zip(told, expected, strict=True):
            assert identity == call["id"] or None in (identity, call["id"])
