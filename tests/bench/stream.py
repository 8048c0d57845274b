"""Arguments read while they arrive: how the time grows, and how much of lost calls is saved.

`python -m tests.bench.stream` prints one JSON object. `growth` is the processor time of a live
partial value in deltas of 4 to 16 characters, beside the same with early-stop checks, beside a
look after every delta, and beside peers that are installed (they read the whole text again at
each delta, so they are measured at 10 kB only). `saved` takes recorded streams of real models,
spoils each call in four ways by a seed, and tells which share of the bytes of the arguments had
not to come; unspoiled calls must never be stopped.
"""

from __future__ import annotations

import gc
import gzip
import importlib
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from callgate.errors import ArgumentsError, UnknownToolError
from callgate.schema.parse import parse
from callgate.schema.stream import JsonStream
from callgate.schema.stream_check import CallStream, Judge
from callgate.types import Limits, Tool

__all__ = ["growth", "recorded_calls", "report", "saved"]

SEED = 20_261_122
SIZES = (10_000, 100_000, 1_000_000)
PEER_SIZE = 10_000
ROOM = Limits(argument_bytes=2_000_000)

Feed = Callable[[str], object]


# --- how the time grows ---------------------------------------------------------------------


def rows(size: int) -> str:
    """Return a list of small objects of about `size` bytes, as JSON text."""
    items: list[dict[str, Any]] = []
    length = 0
    while length < size:
        number = len(items)
        items.append(
            {
                "id": number,
                "name": f"item {number}",
                "price": number * 1.25,
                "sold": number % 3 == 0,
            }
        )
        length += len(json.dumps(items[-1])) + 2
    return json.dumps({"rows": items})


def text(size: int) -> str:
    """Return one long string of source code of about `size` bytes, as JSON text."""
    line = '    result = compute(value, "name")\n'
    return json.dumps({"path": "a.py", "code": line * (size // len(line))})


def deltas(whole: str, seed: int = SEED) -> list[str]:
    """Cut a text into pieces of 4 to 16 characters."""
    chance = random.Random(seed)
    pieces: list[str] = []
    place = 0
    while place < len(whole):
        size = chance.randint(4, 16)
        pieces.append(whole[place : place + size])
        place += size
    return pieces


def _closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_ROW = _closed(
    id={"type": "integer"},
    name={"type": "string"},
    price={"type": "number", "minimum": 0},
    sold={"type": "boolean"},
)
SHAPES: Mapping[str, Callable[[int], str]] = MappingProxyType({"rows": rows, "string": text})
TOOLS = (
    Tool(
        name="rows",
        description="",
        parameters=_closed(rows={"type": "array", "items": _ROW}),
        limits=ROOM,
    ),
    Tool(
        name="string",
        description="",
        parameters=_closed(path={"type": "string"}, code={"type": "string", "maxLength": 10**7}),
        limits=ROOM,
    ),
)


def _seconds(begin: Callable[[], Feed], pieces: Sequence[str], repeats: int) -> float:
    """Return the least processor time to feed all pieces."""
    taken: list[float] = []
    for _ in range(repeats):
        feed = begin()
        gc.collect()
        start = time.process_time()
        for piece in pieces:
            feed(piece)
        taken.append(time.process_time() - start)
    return min(taken)


def _plain() -> Feed:
    return JsonStream(limit=ROOM.argument_bytes).feed


def _looking() -> Feed:
    stream = JsonStream(limit=ROOM.argument_bytes)

    def feed(piece: str) -> object:
        stream.feed(piece)
        return stream.value

    return feed


def _peers() -> dict[str, Callable[[], Feed]]:
    """Return what installed peers do at each delta: they read the whole text so far again."""
    found: dict[str, Callable[[], Feed]] = {}
    for name, module, function, options in (
        (
            "jiter, as the SDKs of OpenAI and Anthropic",
            "jiter",
            "from_json",
            {"partial_mode": True},
        ),
        ("pydantic_core", "pydantic_core", "from_json", {"allow_partial": True}),
    ):
        try:
            read = getattr(importlib.import_module(module), function)
        except ImportError:
            continue
        found[name] = _again(read, options)
    return found


def _again(read: Callable[..., object], options: dict[str, Any]) -> Callable[[], Feed]:
    def begin() -> Feed:
        buffer = bytearray()

        def feed(piece: str) -> object:
            buffer.extend(piece.encode())
            return read(bytes(buffer), **options)

        return feed

    return begin


def growth(sizes: Sequence[int] = SIZES, repeats: int = 5) -> list[dict[str, Any]]:
    """Measure the partial value of both shapes in all sizes.

    Args:
        sizes: Bytes of the arguments.
        repeats: How often each is measured; the least counts. A third of it for the largest.
    """
    judge = Judge(TOOLS)
    found: list[dict[str, Any]] = []
    for shape, make in SHAPES.items():
        for size in sizes:
            whole = make(size)
            pieces = deltas(whole)
            times = max(1, repeats // 3) if size > 100_000 else repeats
            plain = _seconds(_plain, pieces, times)
            checked = _seconds(lambda name=shape: judge.call(name).feed, pieces, times)
            one: dict[str, Any] = {
                "shape": shape,
                "bytes": len(whole),
                "deltas": len(pieces),
                "live_ms": round(plain * 1e3, 2),
                "checked_ms": round(checked * 1e3, 2),
                "checked_ratio": round(checked / plain, 2),
                "looking_ms": round(_seconds(_looking, pieces, times) * 1e3, 2),
            }
            if size <= PEER_SIZE:
                one["peers_ms"] = {
                    name: round(_seconds(begin, pieces, 1) * 1e3, 2)
                    for name, begin in _peers().items()
                }
            found.append(one)
    return found


# --- what an early stop saves ---------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A call of a recorded stream, with the tools that were offered."""

    id: str
    tools: tuple[Tool, ...]
    name: str
    arguments: str


def _tool(given: Mapping[str, Any]) -> Tool | None:
    """Return a tool as any of the wires defines it; None for what is no function."""
    given = given.get("toolSpec") or given.get("function") or given
    schema = given.get("input_schema") or given.get("parameters") or given.get("inputSchema")
    schema = given.get("parametersJsonSchema") or schema
    if not isinstance(schema, dict) or "name" not in given:
        return None
    schema = schema.get("json", schema)
    return Tool(name=given["name"], description="", parameters=_lowered(schema))


def _lowered(schema: Any) -> Any:
    """Return a schema with Gemini's type names as JSON Schema has them."""
    if isinstance(schema, list):
        return [_lowered(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _lowered(inner) for name, inner in schema.items()}
    if isinstance(made.get("type"), str):
        made["type"] = made["type"].lower()
    return made


def _offered(request: Mapping[str, Any]) -> tuple[Tool, ...]:
    given: list[Any] = list(request.get("tools") or request.get("toolConfig", {}).get("tools", ()))
    for item in list(given):
        given += item.get("functionDeclarations", ()) if isinstance(item, dict) else ()
    return tuple(tool for item in given if (tool := _tool(item)) is not None)


def recorded_calls(folder: Path) -> Iterator[Recorded]:
    """Yield the calls of all recorded streams for which a tool was offered.

    Args:
        folder: The folder of recorded exchanges.
    """
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path) as lines:
            for line in lines:
                item = json.loads(line)
                if not item.get("stream") or item.get("status") != 200:
                    continue
                tools = _offered(item["request"])
                for call in item.get("expected_calls") or ():
                    if any(tool.name == call["name"] for tool in tools):
                        raw = call["arguments"]
                        arguments = raw if isinstance(raw, str) else json.dumps(raw)
                        yield Recorded(
                            id=item["id"], tools=tools, name=call["name"], arguments=arguments
                        )


def _unknown_name(call: Recorded, chance: random.Random) -> tuple[str, str] | None:
    place = chance.randrange(len(call.name))
    return call.name[:place] + "~" + call.name[place:], call.arguments


def _wrong_type(call: Recorded, chance: random.Random) -> tuple[str, str] | None:
    value, properties = _parts(call)
    wrong: dict[str, Any] = {"string": 7, "integer": {}, "number": {}, "boolean": 3, "array": None}
    names = [name for name in value if properties.get(name, {}).get("type") in wrong]
    return _with(call, value, names, chance, lambda name: wrong[properties[name]["type"]])


def _outside_enum(call: Recorded, chance: random.Random) -> tuple[str, str] | None:
    value, properties = _parts(call)
    names = [name for name in value if "enum" in properties.get(name, ())]
    return _with(call, value, names, chance, lambda name: f"{value[name]}~"[::-1])


def _extra_property(call: Recorded, chance: random.Random) -> tuple[str, str] | None:
    value, _ = _parts(call)
    schema = next(tool.parameters for tool in call.tools if tool.name == call.name)
    if schema.get("additionalProperties") is not False:
        return None
    items = list(value.items())
    items.insert(chance.randint(0, len(items)), ("~extra", chance.choice(["", 1, None])))
    return call.name, json.dumps(dict(items))


_Spoil = Callable[[Recorded, random.Random], tuple[str, str] | None]
SPOILERS: Mapping[str, _Spoil] = MappingProxyType(
    {
        "unknown name": _unknown_name,
        "wrong type": _wrong_type,
        "value outside enum": _outside_enum,
        "extra property": _extra_property,
    }
)


def _parts(call: Recorded) -> tuple[dict[str, Any], dict[str, Any]]:
    schema = next(tool.parameters for tool in call.tools if tool.name == call.name)
    return json.loads(call.arguments or "{}"), schema.get("properties", {})


def _with(
    call: Recorded,
    value: dict[str, Any],
    names: Sequence[str],
    chance: random.Random,
    make: Callable[[str], Any],
) -> tuple[str, str] | None:
    if not names:
        return None
    name = chance.choice(names)
    return call.name, json.dumps({**value, name: make(name)})


def _read(call: CallStream, name: str, pieces: Sequence[str]) -> int:
    """Feed a call; return how many characters of the arguments came until it was stopped, or -1."""
    came = 0
    try:
        call.feed_name(name)
        for piece in pieces:
            came += len(piece)
            call.feed(piece)
    except (UnknownToolError, ArgumentsError):
        return came
    return -1


def saved(folder: Path, seed: int = SEED, rounds: int = 5) -> dict[str, Any]:
    """Measure which share of the arguments of spoiled calls an early stop saves.

    Args:
        folder: The folder of recorded exchanges.
        seed: What the spoiling and the cuts depend on.
        rounds: How often each call is spoiled in each way.
    """
    calls = list(recorded_calls(folder))
    judges = {call.id: Judge(call.tools) for call in calls}
    chance = random.Random(seed)
    stopped: list[str] = []
    for call in calls:
        stream = judges[call.id].call()
        if _read(stream, call.name, deltas(call.arguments, chance.randrange(2**32))) >= 0:
            stopped.append(call.id)
        elif call.arguments:
            assert stream.finish() == parse(call.arguments, may_close=False)
    report: dict[str, Any] = {
        "seed": seed,
        "unspoiled": {"n": len(calls), "stopped": len(stopped), "ids": stopped},
    }
    for kind, spoil in SPOILERS.items():
        spoiled = [(call, changed) for call in calls * rounds if (changed := spoil(call, chance))]
        came = [
            _read(judges[call.id].call(), name, deltas(arguments, chance.randrange(2**32)))
            for call, (name, arguments) in spoiled
        ]
        sizes = [len(arguments) for _, (_, arguments) in spoiled]
        kept = sum(size - read for size, read in zip(sizes, came, strict=True) if read >= 0)
        report[kind] = {
            "n": len(spoiled),
            "not_stopped": sum(read < 0 for read in came),
            "argument_characters": sum(sizes),
            "share_saved": round(kept / sum(sizes), 3) if spoiled else None,
        }
    return report


def _folder() -> Path:
    beside = Path(__file__).resolve().parents[3] / "shared/data"
    return Path(os.environ.get("CALLGATE_DATA") or beside) / "exchanges"


def report() -> dict[str, Any]:
    """Return all figures of this module, as JSON values."""
    folder = _folder()
    return {
        "growth": growth(),
        "saved": saved(folder) if folder.is_dir() else None,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(report(), indent=1) + "\n")
