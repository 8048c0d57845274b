"""What a provider's wire costs: a request with many tools, schemas compiled, arguments that arrive.

The clients of OpenAI and Anthropic are measured in the same run where they are installed.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx2
import orjson

from callgate.agents.http import Endpoint, HttpModel
from callgate.codecs import by_name
from callgate.messages import Message, ModelRequest, Role
from callgate.schema.dialects import WIRES, Compiler
from callgate.schema.stream import JsonStream
from callgate.schema.stream_check import Judge
from callgate.types import Effect, Text, Tool
from tests.bench.measure import Batch, Figure, Plan, above, alone, side_by_side
from tests.bench.stream import ROOM, SHAPES, TOOLS, deltas

__all__ = ["figures"]

MS = 1e-3
ATTACHED = 100
FEW = 60
"""Repeats of a plan that has no time for what takes a second."""

URL = "http://127.0.0.1:9/v1"

_ANSWER = orjson.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "some-model",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "None."},
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    }
)
_CLAUDES = orjson.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "some-model",
        "content": [{"type": "text", "text": "None."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 2},
    }
)


async def figures(plan: Plan) -> list[Figure]:
    """Measure all of this module."""
    return [await _request(plan), *await _compiled(plan), *await _arriving(plan)]


def _tools(count: int) -> tuple[Tool, ...]:
    kinds = ("string", "integer", "number", "boolean", "string")
    properties = {
        f"field_{n}": {"type": kind, "description": f"Field number {n} of the item."}
        for n, kind in enumerate(kinds)
    }
    return tuple(
        Tool(
            name=f"find_{n}",
            description=f"Look for an item in the collection number {n}.",
            parameters={
                "type": "object",
                "properties": {**properties, f"own_{n}": {"type": "string", "maxLength": 40}},
                "required": ["field_0"],
            },
            effect=Effect.READ,
        )
        for n in range(count)
    )


# --- one request ----------------------------------------------------------------------------


def _transport(body: bytes) -> httpx2.MockTransport:
    """Answer at once: what is left is the client's own work."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert len(request.content) > ATTACHED
        return httpx2.Response(200, content=body, headers={"content-type": "application/json"})

    return httpx2.MockTransport(answer)


def _client(body: bytes) -> httpx2.AsyncClient:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.AsyncClient(transport=_transport(body), verify=context)


def _sdks(definitions: Mapping[str, list[Any]], times: int) -> dict[str, Batch]:
    """Return one request by each official client that is installed."""
    asked = [{"role": "user", "content": "Which items are there?"}]
    found: dict[str, Batch] = {}
    for name, body in (("openai", _ANSWER), ("anthropic", _CLAUDES)):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        maker = module.AsyncOpenAI if name == "openai" else module.AsyncAnthropic
        client = maker(api_key="k", base_url=URL, http_client=_client(body))
        ask = client.chat.completions.create if name == "openai" else client.messages.create
        more = {} if name == "openai" else {"max_tokens": 64}
        options = {"model": "some-model", "messages": asked, "tools": definitions[name], **more}
        found[name] = _asking(ask, options, times)
    return found


def _asking(ask: Callable[..., Any], options: Mapping[str, Any], times: int) -> Batch:
    async def batch() -> None:
        for _ in range(times):
            await ask(**options)

    return batch


async def _request(plan: Plan) -> Figure:
    tools = _tools(ATTACHED)
    request = ModelRequest(
        messages=(Message(role=Role.USER, parts=(Text(text="Which items are there?"),)),),
        tools=tools,
    )
    codec = by_name("openai")
    endpoint = Endpoint(codec=codec, url=URL, model="some-model")
    model = HttpModel("openai:some-model", endpoint, transport=_transport(_ANSWER))
    body = codec.encoder("some-model").encode(request, stream=False)
    client, times = _client(_ANSWER), 10

    async def floor() -> None:
        headers = {"content-type": "application/json"}
        for _ in range(times):
            answer = await client.post(f"{URL}/chat/completions", content=body, headers=headers)
            orjson.loads(answer.content)

    async def ours() -> None:
        for _ in range(times):
            assert (await model.complete(request)).message.text == "None."

    wires = {name: list(by_name(name).encode_tools(tools)) for name in ("openai", "anthropic")}
    variants = {"floor": floor, "ours": ours} | _sdks(wires, times)
    took = await side_by_side(variants, repeats=plan.repeats, ops=times)
    await model.close()
    await client.aclose()
    bare, own = took.pop("floor"), took.pop("ours")
    peers = {
        name: round((spread.least("cpu") - bare.least("cpu")) / MS, 3)
        for name, spread in took.items()
    }
    return above("wire.request", own, bare, unit=MS, peers=peers)


# --- schemas of a wire ----------------------------------------------------------------------


async def _compiled(plan: Plan) -> list[Figure]:
    tools = _tools(plan.scale)
    compiler = Compiler()
    variants: dict[str, Batch] = {}
    for wire in WIRES:
        variants[wire] = _compiling(Compiler, tools, wire)
        compiler.tools(tools, wire=wire)
    variants["again"] = _compiling(lambda: compiler, tools, next(iter(WIRES)))
    took = await side_by_side(variants, repeats=max(2, plan.repeats // 20), ops=1)
    again = took.pop("again")
    slowest = max(took.values(), key=lambda spread: spread.least("cpu"))
    each = {name: round(spread.least("cpu") / MS, 2) for name, spread in took.items()}
    return [
        alone("wire.compile", slowest, unit=MS, peers=each),
        alone("wire.compiled_again", again, unit=MS),
    ]


def _compiling(made: Callable[[], Compiler], tools: Sequence[Tool], wire: str) -> Batch:
    async def batch() -> None:
        assert len(made().tools(tools, wire=wire).tools) == len(tools)

    return batch


# --- arguments that arrive ------------------------------------------------------------------


def _feeding(begin: Callable[[], Callable[[str], object]], pieces: Sequence[str]) -> Batch:
    async def batch() -> None:
        feed = begin()
        for piece in pieces:
            feed(piece)

    return batch


def _openais() -> Callable[[], Callable[[str], object]]:
    lib = importlib.import_module("openai.lib.streaming.chat")
    types = importlib.import_module("openai.types.chat")
    schema = {"type": "object", "properties": {}, "additionalProperties": False, "required": []}
    offered = {"type": "function", "function": {"name": "t", "strict": True, "parameters": schema}}

    def begin() -> Callable[[str], object]:
        state = lib.ChatCompletionStreamState(input_tools=[offered])

        def take(call: dict[str, Any]) -> object:
            delta = {"role": "assistant", "tool_calls": [{"index": 0, **call}]}
            chunk = {
                "id": "c",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
            }
            return list(state.handle_chunk(types.ChatCompletionChunk.model_validate(chunk)))

        take({"id": "c1", "type": "function", "function": {"name": "t", "arguments": ""}})
        return lambda piece: take({"function": {"arguments": piece}})

    return begin


def _anthropics() -> Callable[[], Callable[[str], object]]:
    lib = importlib.import_module("anthropic.lib.streaming._messages")
    types = importlib.import_module("anthropic.types")
    message = orjson.loads(_CLAUDES) | {"content": []}
    block = {"type": "tool_use", "id": "t1", "name": "t", "input": {}}

    def begin() -> Callable[[str], object]:
        buffers: dict[int, bytes] = {}
        start = types.RawMessageStartEvent.model_validate(
            {"type": "message_start", "message": message}
        )
        snapshot = lib.accumulate_event(event=start, current_snapshot=None, json_bufs=buffers)
        opened = types.RawContentBlockStartEvent.model_validate(
            {"type": "content_block_start", "index": 0, "content_block": block}
        )
        lib.accumulate_event(event=opened, current_snapshot=snapshot, json_bufs=buffers)

        def feed(piece: str) -> object:
            event = types.RawContentBlockDeltaEvent.model_validate(
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "input_json_delta", "partial_json": piece},
                }
            )
            return lib.accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)

        return feed

    return begin


def _accumulators() -> dict[str, Callable[[], Callable[[str], object]]]:
    found: dict[str, Callable[[], Callable[[str], object]]] = {}
    for name, made in (("openai", _openais), ("anthropic", _anthropics)):
        try:
            found[name] = made()
        except ImportError:
            continue
    return found


async def _arriving(plan: Plan) -> list[Figure]:
    judge = Judge(TOOLS)
    repeats = max(2, plan.repeats // 20)
    found: list[Figure] = []
    sizes = {"100kB": 100_000, "1MB": 1_000_000}
    if plan.repeats < FEW:
        del sizes["1MB"]
    for shape, make in SHAPES.items():
        for name, size in sizes.items():
            whole = make(size)
            pieces = deltas(whole)
            took = await side_by_side(
                {
                    "floor": _feeding(lambda: list[str]().append, pieces),
                    "live": _feeding(lambda: JsonStream(limit=ROOM.argument_bytes).feed, pieces),
                    "checked": _feeding(lambda shape=shape: judge.call(shape).feed, pieces),
                },
                repeats=repeats,
                ops=1,
            )
            live, checked = took["live"], took["checked"]
            found.append(alone(f"stream.{shape}.{name}", live, took["floor"], unit=MS))
            ratio = checked.least("cpu") / live.least("cpu")
            found.append(Figure(name=f"stream.{shape}.{name}.checked", value=ratio, median=ratio))
    return [*found, await _beside()]


async def _beside() -> Figure:
    """Ten kilobytes of rows by us and by the clients: they read all of it again at each piece."""
    pieces = deltas(SHAPES["rows"](10_000))
    variants = {"ours": _feeding(lambda: JsonStream().feed, pieces)}
    variants |= {name: _feeding(begin, pieces) for name, begin in _accumulators().items()}
    took = await side_by_side(variants, repeats=2, ops=1)
    ours = took.pop("ours")
    peers = {name: round(spread.least("cpu") / MS, 2) for name, spread in took.items()}
    return alone("stream.rows.10kB", ours, unit=MS, peers=peers)
