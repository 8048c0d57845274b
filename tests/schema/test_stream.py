"""Arguments read piece by piece: equal to what is read whole, live, linear, refused early."""

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callgate.errors import MalformedArgumentsError
from callgate.schema.parse import Parsed, parse
from callgate.schema.stream import JsonStream
from callgate.types import Repair

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 1e22, 5e-324, 2**63]),
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=80) | st.sampled_from(
    ["😀", 'a"b\\c/d\b\f\n\r\t', "\x00\x7f\u2028", "x" * 60, "ü" * 100]
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """JSON text of an object, with or without spaces and escapes."""
    return json.dumps(
        draw(OBJECTS),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, None, 1])),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")])),
    )


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """The same text, cut anywhere."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=30)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def read(text: str, size: int = 1, **options: Any) -> Parsed:
    stream = JsonStream(**options)
    feed(stream, text, size)
    return stream.finish()


def feed(stream: JsonStream, text: str, size: int) -> None:
    for start in range(0, len(text), size):
        stream.feed(text[start : start + size])


def read_all(texts: list[str]) -> Parsed:
    stream = JsonStream()
    for text in texts:
        stream.feed(text)
    return stream.finish()


def is_prefix(part: Any, whole: Any) -> bool:
    """Tell whether a partial value may become a whole one: only its last part is unfinished."""
    match part, whole:
        case str(), str():
            return whole.startswith(part)
        case list(), list():
            return (
                len(part) <= len(whole)
                and part[:-1] == whole[: max(0, len(part) - 1)]
                and all(map(is_prefix, part[-1:], whole[len(part) - 1 :]))
            )
        case dict(), dict():
            return list(part) == list(whole)[: len(part)] and is_prefix(
                list(part.values()), list(whole.values())
            )
        case _:
            return type(part) is type(whole) and part == whole


# --- equal to what is read whole ------------------------------------------------------------


@given(text=documents(), data=st.data())
def test_any_document_cut_anywhere_reads_as_when_read_whole(text: str, data: st.DataObject):
    cuts = data.draw(pieces(text))
    looks = data.draw(st.lists(st.booleans(), min_size=len(cuts), max_size=len(cuts)))
    stream = JsonStream()
    for piece, look in zip(cuts, looks, strict=True):
        stream.feed(piece)
        if look:
            assert stream.value is None or is_prefix(stream.value, orjson.loads(text))
    assert stream.finish() == parse(text, may_close=False)
    assert (stream.value, stream.complete) == (orjson.loads(text), True)
    assert stream.position == len(text)


@given(text=documents())
def test_the_value_after_every_character_is_a_prefix_of_the_final_one(text: str):
    final = orjson.loads(text)
    stream = JsonStream()
    before = 0
    for character in text:
        stream.feed(character)
        if stream.value is not None:
            assert is_prefix(stream.value, final)
            seen = len(json.dumps(stream.value))
            assert seen >= before
            before = seen
    assert stream.value == final


MARKS = st.text('{}[]:,"\\ \n\t0123456789-+.eEtrufalsn\x01ü', max_size=24)


@given(text=st.one_of(MARKS, MARKS.map(lambda text: '{"a":' + text)), may_close=st.booleans())
@example(text='{"a":[1,],}', may_close=False)
@example(text='{"a":[1 ', may_close=True)
@example(text='{"a":01}', may_close=False)
@example(text='{"a":1.e5}', may_close=False)
@example(text='{"a":-}', may_close=False)
@example(text='{"a" "b"}', may_close=False)
def test_text_of_any_marks_is_read_or_refused_as_when_read_whole(text: str, may_close: bool):
    stream = JsonStream()
    try:
        for character in text:
            stream.feed(character)
        got = stream.finish(may_close=may_close)
    except MalformedArgumentsError:
        got = None
    try:
        whole = parse(text, may_close=may_close)
    except MalformedArgumentsError:
        whole = None
    # What is neither an object nor a string that may hold one is refused at its first character.
    assert got == (whole if whole and isinstance(whole.value, dict | str) else None)


@given(text=documents(), data=st.data())
def test_a_refused_text_could_not_have_gone_on(text: str, data: st.DataObject):
    place = data.draw(st.integers(0, len(text)))
    wrong = data.draw(st.sampled_from(list('{}[]:,"\\ 0-.etx\x01')))
    stream = JsonStream()
    stream.feed(text[:place])
    try:
        stream.feed(wrong)
    except MalformedArgumentsError:
        rest = [text[place + 1 :], text[place:], '"}', "}", '":1}', "0}", "n}", "rue}"]
        for end in rest:
            with pytest.raises(MalformedArgumentsError):
                parse(text[:place] + wrong + end, may_close=False)


def test_trailing_commas_are_removed_and_told():
    comma = Repair(path="$", kind="trailing_comma", before=",", after="")
    assert read('{"a":[1,2,],}') == Parsed(value={"a": [1, 2]}, repairs=(comma, comma))


def test_an_object_inside_a_string_is_read_as_the_string_it_is():
    text = json.dumps(json.dumps({"a": "ü\n"}))
    assert read(text).value == '{"a": "\\u00fc\\n"}'


@pytest.mark.parametrize("text", ['{"a":1,}', '"{}"', '{"a":[1,]}'])
def test_strict_refuses_what_would_have_to_be_mended(text: str):
    with pytest.raises(MalformedArgumentsError):
        read(text, strict=True)
    assert read('{"a":[1,{}]}', strict=True).value == {"a": [1, {}]}


def test_closers_are_added_where_allowed_and_nothing_is_guessed():
    closed = JsonStream()
    closed.feed('{"a":[{"b":"c"')
    assert closed.finish(may_close=True) == parse('{"a":[{"b":"c"', may_close=True)
    assert closed.complete

    for text in ('{"cents":500', '{"a":"b', '{"a":tru', '{"a":', '{"a"', "{", '{"a":1,'):
        for allowed in (True, False):
            stream = JsonStream()
            stream.feed(text)
            with pytest.raises(MalformedArgumentsError, match="The arguments end "):
                stream.finish(may_close=allowed)
    strict = JsonStream(strict=True)
    strict.feed('{"a":"b"')
    with pytest.raises(MalformedArgumentsError, match="with 1 bracket still open"):
        strict.finish(may_close=True)


# --- live -----------------------------------------------------------------------------------


def test_the_value_grows_with_the_text():
    stream = JsonStream()
    seen: list[Any] = [stream.value]
    for piece in (
        "{",
        '"ci',
        'ty":',
        '"Ly',
        "on",
        '","tags":["',
        "a\\u00",
        'e9"',
        ',"b',
        '"],"n":5',
        "0,",
    ):
        stream.feed(piece)
        seen.append(orjson.loads(orjson.dumps(stream.value)))
    stream.feed('"x":tr')
    seen.append(orjson.loads(orjson.dumps(stream.value)))
    stream.feed("ue}")
    assert [*seen, stream.value] == [
        None,
        {},
        {},
        {},
        {"city": "Ly"},
        {"city": "Lyon"},
        {"city": "Lyon", "tags": [""]},
        {"city": "Lyon", "tags": ["a"]},
        {"city": "Lyon", "tags": ["aé"]},
        {"city": "Lyon", "tags": ["aé", "b"]},
        {"city": "Lyon", "tags": ["aé", "b"]},
        {"city": "Lyon", "tags": ["aé", "b"], "n": 50},
        {"city": "Lyon", "tags": ["aé", "b"], "n": 50},
        {"city": "Lyon", "tags": ["aé", "b"], "n": 50, "x": True},
    ]


def test_a_string_that_was_kept_does_not_change():
    stream = JsonStream()
    stream.feed('{"a":"one')
    kept = stream.value["a"]
    stream.feed(" two")
    assert (kept, stream.value) == ("one", {"a": "one two"})
    stream.feed('"}')
    assert stream.value == {"a": "one two"}


def test_the_path_tells_where_the_reader_is():
    stream = JsonStream()
    paths = [stream.path]
    for piece in ('{"a":[{"b c":', '"x', '"},', "[1,", "2", "]],", '"d":'):
        stream.feed(piece)
        assert stream.value is not None
        paths.append(stream.path)
    assert paths == [
        (),
        ("a", 0, "b c"),
        ("a", 0, "b c"),
        ("a", 1),
        ("a", 1, 1),
        ("a", 1, 1),
        ("a",),
        ("d",),
    ]


# --- refused early --------------------------------------------------------------------------

EARLY = [
    ("[", "'[' begins no object at character 0"),
    ("{x", "'x' where a key in double quotes must stand at character 1"),
    ("{'", '"\'" where a key in double quotes must stand at character 1'),
    ('{"a"x', "'x' where a colon must stand at character 4"),
    ('{"a":N', "'N' begins no value: JSON writes true, false and null, and has no NaN"),
    ('{"a":T', "JSON writes true, false and null"),
    ('{"a":I', "JSON has finite numbers only"),
    ('{"a":+', "JSON has finite numbers only"),
    ('{"a":\'', "JSON strings take double quotes"),
    ('{"a":}', "'}' begins no value at character 5"),
    ('{"a":tx', "'t' begins no value at character 5"),
    ('{"a":01', "a number that JSON does not have at character 5"),
    ('{"a":1.x', "a number that JSON does not have"),
    ('{"a":-,', "a number that JSON does not have"),
    ('{"a":1 x', "'x' where a comma or '}' must stand at character 7"),
    ('{"a":[1}', "'}' where a comma or ']' must stand at character 7"),
    ('{"a":[,', "',' begins no value at character 6"),
    ('{"a":"\\x', "an escape that JSON does not have, '\\\\x', at character 6"),
    ('{"a":"\\u12g', "an escape that JSON does not have"),
    ('{"a":"\\udc', "an escape that JSON does not have"),
    ('{"a":"\\ud83dx', "an escape that JSON does not have"),
    ('{"a":"\\ud83d\\n', "an escape that JSON does not have"),
    ('{"a":"\\ud83d\\ud8', "an escape that JSON does not have"),
    ('{"a":"\n', "a control character, '\\n', at character 6"),
    ('{"a\t', "a control character"),
    ("{}x", "'x' after the end at character 2"),
    ('{"a":1,"a"', "The key 'a' occurs twice"),
    ('{"a":1,"\\u0061"', "The key 'a' occurs twice"),
    ('{"a":18446744073709551616,', "does not fit into 64 bits"),
    ('{"a":-9223372036854775809}', "does not fit into 64 bits"),
    ('{"a":1e999,', "is too large for a float"),
    ('{"a":' + "[" * 64, "nested more than 64 levels deep (at character 68)"),
]


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("text", "why"), EARLY)
def test_a_text_is_refused_at_the_character_that_spoils_it(text: str, why: str, size: int):
    stream = JsonStream()
    with pytest.raises(MalformedArgumentsError, match=re.escape(why)) as caught:
        feed(stream, text, size)
    assert 0 <= caught.value.details["position"] < len(text)
    if size == 1:
        fine = JsonStream()
        fine.feed(text[:-1])


def test_an_error_is_final_and_the_value_stays():
    stream = JsonStream()
    stream.feed('{"a":"b","c":"d')
    with pytest.raises(MalformedArgumentsError) as first:
        stream.feed("\n")
    with pytest.raises(MalformedArgumentsError) as second:
        stream.feed("}")
    with pytest.raises(MalformedArgumentsError) as third:
        stream.finish()
    assert first.value is second.value is third.value
    assert stream.value == {"a": "b", "c": "d"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "The arguments are empty."),
        (" \n", "The arguments are empty."),
        ('{"a":"b', "end inside a string, after 7 characters. Cut arguments"),
        ('{"a', "end inside a string, after 3 characters"),
        ('{"a":"' + "x" * 60, "end inside a string, after 66 characters"),
        ('{"a":[1', "end with 2 brackets still open, after 7 characters"),
        ('{"a":-', "end with 1 bracket still open"),
    ],
)
def test_a_text_that_ends_too_early_is_refused_at_its_end(text: str, why: str):
    stream = JsonStream()
    stream.feed(text)
    with pytest.raises(MalformedArgumentsError, match=why):
        stream.finish()
    with pytest.raises(MalformedArgumentsError, match=why):
        stream.finish()


def test_the_size_is_counted_in_bytes():
    assert read('{"a":"üü"}', limit=12).value == {"a": "üü"}
    for text in ('{"a":"üüü"}', '{"a":"aaaaaaa"}'):
        with pytest.raises(MalformedArgumentsError, match="more than 12 bytes"):
            read(text, limit=12)


def test_halves_of_a_character_in_two_pieces_become_one():
    stream = JsonStream()
    for piece in ('{"a":"x\ud83d', "\ude00y\ud83d", "", '\ude01"', "}"):
        stream.feed(piece)
    assert stream.finish().value == {"a": "x😀y😁"}


@pytest.mark.parametrize(
    ("texts", "position"),
    [
        (['{"a":"\ude00'], 6),
        (['{"a":"\ud83d', "x"], 6),
        (['{"a":"\ud83d', '\ud83d"'], 6),
        (['{"a":"\ud83d\ude00"'], 6),
        (["{}\ud83d"], 2),
    ],
)
def test_half_a_character_alone_is_refused(texts: list[str], position: int):
    with pytest.raises(MalformedArgumentsError, match="half a character") as caught:
        read_all(texts)
    assert caught.value.details == {"position": position}


# --- long tokens ----------------------------------------------------------------------------


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        {"k" * 500: "v" * 500},
        {"a": 'line "one"\n' * 60, "b": [1.5, "é" * 100, "😀" * 40]},
        {"a": [0.1234567890123456] * 3, "b": 12345678901234567890},
    ],
)
def test_tokens_longer_than_many_pieces_are_carried_on(value: Any, look: bool):
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False)):
        stream = JsonStream()
        for start in range(0, len(text), 7):
            stream.feed(text[start : start + 7])
            if look:
                assert is_prefix(stream.value, value)
        assert stream.finish().value == value


def test_a_number_of_any_length_is_read_in_pieces():
    text = '{"a":0.' + "0" * 300 + "1234" * 50 + "e+300}"
    assert read(text, size=5).value == orjson.loads(text)
    with pytest.raises(MalformedArgumentsError, match="64 bits"):
        read('{"a":' + "1" * 500 + "}", size=5)
    with pytest.raises(MalformedArgumentsError, match="a number that JSON does not have"):
        read('{"a":' + "1" * 500 + "-", size=5)
