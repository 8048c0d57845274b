"""Vertex `partialArgs` become the JSON text that other wires send."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import MalformedArgumentsError
from callgate.schema.stream import JsonStream
from callgate.schema.stream_parts import PartialArgs

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8"), max_size=20),
)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=4) | st.sampled_from(
    ["a", "b_1"]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(NAMES, inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def leaves_of(value: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            quoted = name.replace("\\", "\\\\").replace("'", "\\'")
            step = f".{name}" if name.isalnum() else f"['{quoted}']"
            yield from leaves_of(inner, path + step)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves_of(inner, f"{path}[{index}]")
    else:
        yield path, value


def parts_of(path: str, value: Any, cuts: list[int]) -> Iterator[dict[str, Any]]:
    """The parts that stream one value, a string in pieces."""
    match value:
        case None:
            yield {"jsonPath": path, "nullValue": "NULL_VALUE"}
        case bool():
            yield {"jsonPath": path, "boolValue": value}
        case int() | float():
            yield {"jsonPath": path, "numberValue": value}
        case _:
            places = sorted(cut % (len(value) + 1) for cut in cuts)
            for start, end in zip([0, *places], [*places, len(value)], strict=True):
                yield {"jsonPath": path, "stringValue": value[start:end], "willContinue": True}
            yield {"jsonPath": path, "stringValue": ""}


def read(parts: list[dict[str, Any]]) -> Any:
    args, stream = PartialArgs(), JsonStream(strict=True)
    for part in parts:
        stream.feed(args.feed(part))
    stream.feed(args.finish())
    assert args.finish() == ""
    return stream.finish().value


@given(
    value=st.dictionaries(NAMES, TREES, max_size=3), cuts=st.lists(st.integers(0, 20), max_size=3)
)
def test_any_arguments_in_parts_are_the_arguments(value: dict[str, Any], cuts: list[int]):
    parts = [part for path, leaf in leaves_of(value) for part in parts_of(path, leaf, cuts)]
    assert read(parts) == value


def test_the_text_of_each_part_shows_what_it_says():
    args = PartialArgs()
    texts = [
        args.feed(part)
        for part in (
            {"jsonPath": "$.items[0].name", "willContinue": True},
            {"jsonPath": "$.items[0].name", "stringValue": "ap", "willContinue": True},
            {"jsonPath": "$.items[0].name", "stringValue": 'p"le', "willContinue": True},
            {"jsonPath": "$.items[0].name"},
            {"jsonPath": "$.items[0].price", "numberValue": 0.5},
            {"jsonPath": "$.items[1]['a.b']", "boolValue": False},
            {"jsonPath": '$["x y"]', "nullValue": "NULL_VALUE"},
            {"jsonPath": "$.note", "stringValue": "no", "willContinue": True},
        )
    ]
    assert [*texts, args.finish()] == [
        "",
        '{"items":[{"name":"ap',
        'p\\"le',
        '"',
        ',"price":0.5',
        '},{"a.b":false',
        '}],"x y":null',
        ',"note":"no',
        '"}',
    ]


def test_no_part_at_all_is_an_empty_object():
    assert PartialArgs().finish() == "{}"


def test_a_character_cut_in_two_parts_is_whole():
    parts = [
        {"jsonPath": "$.a", "stringValue": "x\ud83d", "willContinue": True},
        {"jsonPath": "$.a", "stringValue": "\ude00"},
    ]
    assert read(parts) == {"a": "x😀"}


TEXT = {"jsonPath": "$.a", "stringValue": "x"}
OPEN = {**TEXT, "willContinue": True}

WRONG = [
    ([{"stringValue": "x"}], "names no argument"),
    ([{"jsonPath": "$", "stringValue": "x"}], "names no argument"),
    ([{"jsonPath": "a.b", "stringValue": "x"}], "names no argument"),
    ([{"jsonPath": "$[0]", "stringValue": "x"}], "names no argument"),
    ([{"jsonPath": "$.a[*]", "stringValue": "x"}], "names no argument"),
    ([{"jsonPath": "$..a", "stringValue": "x"}], "names no argument"),
    ([{"jsonPath": "$.a"}], "it has no value"),
    ([{"jsonPath": "$.a", "numberValue": float("nan")}], "it has no value"),
    ([{"jsonPath": "$.a", "numberValue": True}], "it has no value"),
    ([OPEN, {"jsonPath": "$.a", "numberValue": 1}], "a string goes on as something else"),
    ([TEXT, TEXT], "another value stands there already"),
    ([TEXT, {"jsonPath": "$.a.b", "numberValue": 1}], "another value stands there already"),
    ([{"jsonPath": "$.a.b", "numberValue": 1}, TEXT], "another value stands there already"),
    ([{"jsonPath": "$.a[1]", "numberValue": 1}], "an earlier item is missing"),
    (
        [{"jsonPath": "$.a[0]", "numberValue": 1}, {"jsonPath": "$.a[2]", "numberValue": 1}],
        "the item after 0 must be next",
    ),
    (
        [{"jsonPath": "$.a[0]", "numberValue": 1}, {"jsonPath": "$.a.b", "numberValue": 1}],
        "an object cannot be an array too",
    ),
    ([TEXT, {"jsonPath": "$.b", "numberValue": 1}, TEXT], "The key 'a' occurs twice"),
]


@pytest.mark.parametrize(("parts", "why"), WRONG)
def test_parts_that_make_no_document_are_refused(parts: list[dict[str, Any]], why: str):
    with pytest.raises(MalformedArgumentsError, match=why):
        read(parts)


def test_nothing_follows_the_end():
    args = PartialArgs()
    args.finish()
    with pytest.raises(MalformedArgumentsError, match="the arguments have ended"):
        args.feed(TEXT)


# --- what Vertex sent -----------------------------------------------------------------------


def _calls(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(call := value.get("functionCall"), dict):
            yield call
        else:
            for inner in value.values():
                yield from _calls(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _calls(inner)


def test_recorded_parts_are_read_without_loss(data_dir: Path):
    read_calls = 0
    with gzip.open(data_dir / "exchanges/fixtures_vercel_ai.jsonl.gz") as lines:
        streams = [json.loads(line)["chunks"] for line in lines if b'"partialArgs"' in line]
    for chunks in streams:
        parts: list[dict[str, Any]] = []
        for call in [*_calls(chunks), {"name": "end"}]:
            if "name" in call and parts:
                value = read(parts)
                leaves: dict[str, Any] = {}
                for part in parts:
                    known = next(part[key] for key in part if key.endswith("Value"))
                    path = part["jsonPath"]
                    leaves[path] = leaves[path] + known if path in leaves else known
                assert dict(leaves_of(value)) == leaves
                read_calls += 1
                parts = []
            parts += call.get("partialArgs", [])
    assert read_calls >= 7
