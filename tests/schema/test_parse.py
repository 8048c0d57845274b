"""Reading JSON text exactly: what is mended, what is refused, and in which words."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import MalformedArgumentsError
from callgate.schema.parse import MAX_DEPTH, parse, refuse_deep
from tests.schema.strategies import FINITE, TEXTS, WHOLE

JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | FINITE | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


def _refusal(text: str | bytes, *, may_close: bool = True, limit: int = 1_000_000) -> str:
    with pytest.raises(MalformedArgumentsError) as caught:
        parse(text, may_close=may_close, limit=limit)
    return caught.value.message


def _kinds(text: str, *, may_close: bool = True) -> tuple[Any, list[str]]:
    parsed = parse(text, may_close=may_close)
    return parsed.value, [item.kind for item in parsed.repairs]


@given(JSON, st.booleans(), st.sampled_from([None, 2]))
def test_json_is_read_as_it_is(value: Any, may_close: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=indent)

    for form in (text, text.encode()):
        parsed = parse(form, may_close=may_close)
        assert orjson.dumps(parsed.value) == orjson.dumps(value)
        assert parsed.repairs == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1,}', {"a": 1}),
        ('{"a":[1,2, ]\n,}', {"a": [1, 2]}),
        ('{"a":",}",}', {"a": ",}"}),
        ('{"a":{"b":[],},}', {"a": {"b": []}}),
    ],
)
def test_trailing_commas_are_removed_even_where_nothing_may_be_closed(
    text: str, value: Any
) -> None:
    found, kinds = _kinds(text, may_close=False)

    assert found == value
    assert set(kinds) == {"trailing_comma"}


@pytest.mark.parametrize(
    "text", ['{"a":[,]}', '{"a":[1,,]}', "{,}", '{"a":,}', '{"a":1,"b":[1 2,]}']
)
def test_a_comma_that_no_value_stands_before_is_no_trailing_comma(text: str) -> None:
    assert "not JSON" in _refusal(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":"b"', {"a": "b"}),
        ('{"a":[{"b":true', {"a": [{"b": True}]}),
        ('{"a":[1,2]', {"a": [1, 2]}),
        ('{"a":{"b":"\\"{["', {"a": {"b": '"{['}}),
        ('{"a":null', {"a": None}),
        ('{"a":5 ', {"a": 5}),
        ('{"a":[1,],"b":"c"', {"a": [1], "b": "c"}),
    ],
)
def test_missing_closers_are_added_after_a_complete_token(text: str, value: Any) -> None:
    found, kinds = _kinds(text)

    assert found == value
    assert kinds[-1] == "missing_closers"


@pytest.mark.parametrize(
    "text",
    [
        '{"cents":500',
        '{"a":1.',
        '{"a":"b',
        '{"a":"b\\',
        '{"a":tru',
        '{"a":1,',
        '{"a":',
        '{"a"',
        '{"a',
        "{",
        "[",
        '{"a":[1}',
    ],
)
def test_what_may_have_gone_on_is_not_closed(text: str) -> None:
    assert _refusal(text)


@given(JSON.filter(lambda value: isinstance(value, dict | list)), st.data())
def test_a_cut_text_is_never_read_as_something_that_contradicts_the_whole(
    value: Any, data: st.DataObject
) -> None:
    text = json.dumps(value)
    cut = text[: data.draw(st.integers(0, len(text) - 1))]

    try:
        found = parse(cut, may_close=True)
    except MalformedArgumentsError:
        found = None
    with pytest.raises(MalformedArgumentsError):
        parse(cut, may_close=False)

    assert found is None or _is_part(found.value, value)


def _is_part(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return all(name in whole and _is_part(held, whole[name]) for name, held in part.items())
    if isinstance(part, list):
        return len(part) <= len(whole) and all(map(_is_part, part, whole))
    return part == whole


def test_text_that_is_cut_tells_where_and_that_it_is_not_completed() -> None:
    assert _refusal('{"a":"b', may_close=False) == (
        "The arguments end inside a string, after 7 characters. "
        "Cut arguments of this call are not completed for you."
    )
    assert _refusal('{"a":[5', may_close=True) == (
        "The arguments end with 2 brackets still open, after 7 characters."
    )


REFUSED = {
    "": "The arguments are empty.",
    " \n": "The arguments are empty.",
    '{"a":NaN}': "NaN at character 5 is not JSON. Send a finite number, or leave the value out.",
    "[-Infinity]": (
        "-Infinity at character 1 is not JSON. Send a finite number, or leave the value out."
    ),
    '{"a":True}': "True at character 5 is not JSON; JSON writes true, false and null.",
    '{"b":{"c":1,"c":2}}': (
        "The key 'c' occurs twice in one object; it is not clear which value is meant."
    ),
    '{"a":18446744073709551616}': (
        "The integer 18446744073709551616 does not fit into 64 bits, and rounding it would change "
        "it. Only a parameter that takes a string can hold it."
    ),
    '{"a":"\ud800"}': (
        "The arguments hold half a character (lone surrogate U+D800) at position 6; they must be "
        "UTF-8 text."
    ),
    b'{"a":"\xff"}': (
        "The arguments are not UTF-8: byte 0xff at position 6 is invalid start byte."
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_bad_text_is_refused_in_words_that_tell_what_to_do(text: str | bytes, message: str) -> None:
    assert _refusal(text) == message


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("{'a': 1}", "near \"{'a': 1}\". JSON strings take double quotes."),
        ('{"a":1}}', "near '{\"a\":1}}'."),
        ('{"a":1e400}', "near '{\"a\":1e400}'."),
        ('{"a":"\\ud800"}', 'near \'{"a":"\\\\ud800"}\'.'),
    ],
)
def test_a_mistake_in_the_syntax_is_shown_with_what_stands_around_it(text: str, near: str) -> None:
    message = _refusal(text)

    assert message.startswith("The arguments are not JSON: ")
    assert message.endswith(near)


@pytest.mark.parametrize("text", ["1" * 19, "-9223372036854775808", "18446744073709551615"])
def test_integers_of_64_bits_stay_exact(text: str) -> None:
    assert parse(text, may_close=False).value == int(text)


@pytest.mark.parametrize("text", ["-9223372036854775809", "18446744073709551616", "9" * 21])
def test_integers_beyond_64_bits_are_refused_rather_than_rounded(text: str) -> None:
    assert "does not fit into 64 bits" in _refusal(f"[{text}]")


def test_a_text_beyond_the_limit_is_refused_before_it_is_read() -> None:
    assert _refusal("x" * 11, limit=10) == "The arguments have 11 bytes; at most 10 are accepted."
    assert _refusal('"ääää"', limit=9) == "The arguments have 10 bytes; at most 9 are accepted."
    assert parse('"ääää"', may_close=False, limit=10).value == "ääää"
    assert _refusal(b'"' + b"a" * 10_000_000 + b'"') == (
        "The arguments have 10000002 bytes; at most 1000000 are accepted."
    )


def _nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def test_nesting_has_a_bound() -> None:
    assert parse(_nested(MAX_DEPTH), may_close=False).value
    assert parse("[" + "[]," * 99 + "[]]", may_close=False).value == [[]] * 100
    for levels in (MAX_DEPTH + 1, 500, 10_000):
        assert _refusal(_nested(levels)) == (
            "The arguments are nested more than 64 levels deep (at character 64)."
        )
    assert "nested" in _refusal('{"a":' * 10_000)


def test_a_value_is_held_to_the_same_bound() -> None:
    refuse_deep(orjson.loads(_nested(MAX_DEPTH)))
    refuse_deep({"a": [1, {"b": None}]})
    with pytest.raises(MalformedArgumentsError, match="nested more than 64 levels"):
        refuse_deep(orjson.loads(_nested(MAX_DEPTH + 1)))


@pytest.mark.parametrize("piece", ['"\\"', '"', "[1,", '{"a":', "\\", "1,]", " "])
def test_hostile_text_is_refused_in_linear_time(piece: str) -> None:
    # A quadratic reader would take minutes over this; the suite's time limit is the judge.
    assert _refusal(piece * (500_000 // len(piece)))
