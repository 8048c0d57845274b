"""Recorded streams of Chat Completions, damaged: refused or read rightly, never a wrong call.

This wire numbers no pieces, so pieces of arguments that come twice or in another order leave text
behind; it is no valid JSON any more, or the check of arguments refuses it.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from callgate.codecs import by_name
from callgate.errors import ModelError
from callgate.messages import ModelResponse
from tests.codecs.recorded import Exchange, answered, events, response_of

CODEC = by_name("openai")
SEED = 20_261_125

Lines = list[str]
Damage = Callable[[random.Random, Lines], Lines]


def streams(folder: Path) -> list[Exchange]:
    return [item for item in answered(folder) if "response_sse" in item]


def read(data: bytes) -> ModelResponse | None:
    """What a damaged stream is read as; None if it is refused."""
    try:
        return response_of(events(CODEC.decoder(), iter([data])))
    except ModelError:
        return None


def called(response: ModelResponse) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in response.message.calls]


def expected(item: Exchange) -> list[tuple[str, str]]:
    whole = read(item["response_sse"].encode())
    assert whole is not None, item["id"]
    return called(whole)


def is_whole_or_torn(call: tuple[str, str], known: list[tuple[str, str]]) -> bool:
    """Whether a call is a recorded one, or has lost a line, which leaves no JSON."""
    return call in known or not is_json(call[1])


def is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def test_a_stream_cut_anywhere_or_with_a_foreign_byte_is_refused_or_read_rightly(data_dir: Path):
    chance = random.Random(SEED)
    refused = read_rightly = 0
    for item in streams(data_dir):
        data = item["response_sse"].encode()
        known = expected(item)
        for _ in range(8):
            place = chance.randrange(len(data))
            for damaged in (data[:place], data[:place] + b"\xff" + data[place:]):
                response = read(damaged)
                if response is None:
                    refused += 1
                else:
                    assert all(is_whole_or_torn(call, known) for call in called(response)), place
                    read_rightly += 1
    assert refused > read_rightly > 0


def twice(chance: random.Random, lines: Lines) -> Lines:
    place = chance.randrange(len(lines))
    return [*lines[: place + 1], *lines[place:]]


def moved(chance: random.Random, lines: Lines) -> Lines:
    rest = list(lines)
    line = rest.pop(chance.randrange(len(rest)))
    rest.insert(chance.randrange(len(rest) + 1), line)
    return rest


def shuffled(chance: random.Random, lines: Lines) -> Lines:
    return chance.sample(lines, len(lines))


def damaged(
    folder: Path, damage: Damage
) -> Iterator[tuple[Exchange, list[tuple[str, str]], ModelResponse]]:
    """Each stream damaged some times, with its true calls, where it was not refused."""
    chance = random.Random(SEED)
    for item in streams(folder):
        parts = [part for part in item["response_sse"].split("\n\n") if part.strip()]
        # What comes behind the end is not read, so the end stays where it is.
        lines = [part for part in parts if "[DONE]" not in part]
        for _ in range(5):
            ended = [*damage(chance, lines), "data: [DONE]"]
            data = "".join(f"{part}\n\n" for part in ended).encode()
            if (response := read(data)) is not None:
                yield item, expected(item), response


def with_strangers(chance: random.Random, lines: Lines) -> Lines:
    strange = ['data: {"object":"future.chunk","novel":{"a":[1]}}', ": ping", "event: novel"]
    mixed = list(lines)
    for line in strange:
        mixed.insert(chance.randrange(len(mixed)), line)
    return mixed


def test_a_chunk_that_comes_twice_stays_in_its_call(data_dir: Path):
    for item, known, response in damaged(data_dir, twice):
        calls = called(response)
        assert [name for name, _ in calls] == [name for name, _ in known], item["id"]
        changed = [pair for pair in zip(calls, known, strict=True) if pair[0] != pair[1]]
        assert len(changed) <= 1, item["id"]


@pytest.mark.parametrize("damage", [moved, shuffled])
def test_chunks_in_another_order_are_refused_or_lose_and_mix_no_piece(
    data_dir: Path, damage: Damage
):
    for item, known, response in damaged(data_dir, damage):
        pieces = sorted((name, sorted(arguments)) for name, arguments in called(response))
        assert pieces == sorted((name, sorted(arguments)) for name, arguments in known), item["id"]


def test_chunks_of_an_unknown_kind_change_no_call(data_dir: Path):
    chance = random.Random(SEED)
    checked = 0
    for item in streams(data_dir):
        lines = [part for part in item["response_sse"].split("\n\n") if part.strip()]
        response = read("".join(f"{part}\n\n" for part in with_strangers(chance, lines)).encode())
        assert response is not None
        assert called(response) == expected(item), item["id"]
        checked += 1
    assert checked == len(streams(data_dir)) > 0
