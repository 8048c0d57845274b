"""From what a model wrote to the canonical arguments, or to an error it can act on."""

import dataclasses
import json
from enum import Enum
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import ArgumentsError, MalformedArgumentsError
from callgate.schema.arguments import Prepared, prepare
from callgate.schema.canonical import canonical
from callgate.schema.check import Checker
from callgate.schema.complete import complete
from callgate.schema.parse import MAX_DEPTH
from callgate.types import Repair
from tests.schema.strategies import Shape, arguments

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "minimum": 1, "default": 3},
        "unit": {"enum": ["celsius", "fahrenheit"], "default": "celsius"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["city"],
    "additionalProperties": False,
}
ANY = {"type": "object"}


def _read(raw: Any, schema: dict[str, Any] = WEATHER, **more: Any) -> Prepared:
    return prepare(Checker(schema), raw, **{"effect": False, **more})


def _refusal(raw: Any, schema: dict[str, Any] = WEATHER, **more: Any) -> ArgumentsError:
    with pytest.raises(ArgumentsError) as caught:
        _read(raw, schema, **more)
    return caught.value


# ------------------------------------------------------------------ what is accepted


@pytest.mark.parametrize(
    "raw",
    [
        '{"unit":"celsius","days":2,"city":"Oslo"}',
        ' { "unit" : "celsius",\n "days" : 2, "city" : "Oslo" } ',
        '{"city":"\\u004fslo","days":2,"unit":"celsius"}',
        b'{"unit":"celsius","days":2,"city":"Oslo"}',
        {"unit": "celsius", "days": 2, "city": "Oslo"},
    ],
)
def test_valid_arguments_become_one_canonical_text(raw: Any) -> None:
    assert _read(raw, strict=True) == Prepared(
        value={"city": "Oslo", "days": 2, "unit": "celsius"},
        body=b'{"city":"Oslo","days":2,"unit":"celsius"}',
        repairs=(),
    )


def test_defaults_are_part_of_the_canonical_form_and_no_repair() -> None:
    assert _read('{"city":"Oslo"}', strict=True) == Prepared(
        value={"city": "Oslo", "days": 3, "unit": "celsius"},
        body=b'{"city":"Oslo","days":3,"unit":"celsius"}',
        repairs=(),
    )


def test_deep_defaults_go_in_too() -> None:
    schema = ANY | {"properties": {"a": {"properties": {"b": {"default": 1}}}}}

    assert _read('{"a":{}}', schema).body == b'{"a":{"b":1}}'


def test_every_repair_is_listed() -> None:
    assert _read('{"city":"Oslo","days":"2","unit":"Celsius","tags":"a",}') == Prepared(
        value={"city": "Oslo", "days": 2, "tags": ["a"], "unit": "celsius"},
        body=b'{"city":"Oslo","days":2,"tags":["a"],"unit":"celsius"}',
        repairs=(
            Repair(path="$", kind="trailing_comma", before=",", after=""),
            Repair(path="$.days", kind="parsed_string", before='"2"', after="2"),
            Repair(path="$.tags", kind="wrapped_in_array", before='"a"', after='["a"]'),
            Repair(path="$.unit", kind="enum_case", before='"Celsius"', after='"celsius"'),
        ),
    )


def test_an_integral_float_becomes_an_integer() -> None:
    prepared = _read('{"city":"Oslo","days":2.0}')

    assert prepared.body == b'{"city":"Oslo","days":2,"unit":"celsius"}'
    assert [item.kind for item in prepared.repairs] == ["integral_float"]


def test_fractions_stay_as_they_are_at_any_depth() -> None:
    raw = '{"a":[1.5,["x."],[]],"b":{"c":2.5e-7},"d":"e"}'

    assert _read(raw, ANY, strict=True).body == raw.encode()


def test_the_callers_own_object_is_copied_and_not_changed() -> None:
    raw = {"city": "Oslo", "tags": ["a"]}

    prepared = _read(raw)
    prepared.value["tags"].append("b")

    assert raw == {"city": "Oslo", "tags": ["a"]}


def test_values_that_json_has_a_text_for_are_taken_from_a_caller() -> None:
    class Unit(Enum):
        CELSIUS = "celsius"

    assert _read({"city": "Oslo", "unit": Unit.CELSIUS, "tags": ("a",)}).value == {
        "city": "Oslo",
        "days": 3,
        "unit": "celsius",
        "tags": ["a"],
    }


def test_colons_in_names_and_values_are_no_sign_of_a_second_key() -> None:
    raw = '{"at:":"12:30","b":{"c":"::"},"d":"\\u003a"}'

    assert _read(raw, ANY).body == b'{"at:":"12:30","b":{"c":"::"},"d":":"}'


@pytest.mark.parametrize("raw", ["", "  ", b""])
def test_no_text_is_no_arguments_where_nothing_could_have_been_said(raw: Any) -> None:
    nothing = ANY | {"properties": {}, "additionalProperties": False}
    optional = ANY | {"properties": {"a": {}}}
    sent_nothing = (Repair(path="$", kind="empty_text", before="", after="{}"),)

    assert _read(raw, nothing, effect=True) == Prepared({}, b"{}", sent_nothing)
    assert _read(raw, optional) == Prepared({}, b"{}", sent_nothing)
    assert _refusal(raw, optional, effect=True).message == "The arguments are empty."


# ------------------------------------------------------------------ closing


def test_closers_are_added_for_reads_only_and_never_after_a_length_stop() -> None:
    raw = '{"city":"Oslo"'

    assert _read(raw).value["city"] == "Oslo"
    cut: list[dict[str, Any]] = [{"effect": True}, {"truncated": True}]
    for more in cut:
        assert isinstance(_refusal(raw, **more), MalformedArgumentsError)


def test_a_number_at_the_end_may_have_been_longer() -> None:
    payment = ANY | {"properties": {"cents": {"type": "integer"}}}

    assert isinstance(_refusal('{"cents":500', payment), MalformedArgumentsError)


def test_whole_arguments_are_taken_even_from_a_model_that_was_stopped() -> None:
    assert _read('{"city":"Oslo"}', truncated=True, effect=True).value["city"] == "Oslo"


# ------------------------------------------------------------------ what is refused


def test_problems_are_told_to_the_model_and_kept_for_programs() -> None:
    error = _refusal('{"citty":"Oslo","days":0}')

    assert error.code == "arguments"
    assert error.tell() == (
        "The arguments are not valid:\n"
        '- $.citty is "Oslo"; allowed is no property of this name (known: "city", "unit", "tags"). '
        'Did you mean "city"?\n'
        "- $.city is missing; it takes a string.\n"
        "- $.days is 0; allowed is a number of at least 1. Did you mean 1? "
        "Correct the arguments and call the tool again."
    )
    assert error.details["problems"][2] == {
        "path": "$.days",
        "got": "0",
        "allowed": "a number of at least 1",
        "nearest": 1,
    }


def test_what_a_repair_cannot_save_is_told_as_it_came() -> None:
    error = _refusal('{"city":"Oslo","days":"0"}')

    assert error.message == ('The arguments are not valid. $.days is "0"; allowed is an integer.')


def test_strict_names_the_repairs_that_would_have_been_made() -> None:
    error = _refusal('{"city":"Oslo","days":"2"', strict=True)

    assert error.message == (
        "Repairs are switched off here, and the arguments need 2: $ came as nothing and would have "
        'become } (missing_closers); $.days came as "2" and would have become 2 (parsed_string).'
    )
    assert error.details == {
        "problems": [
            {"path": "$", "got": "", "allowed": "}", "nearest": None},
            {"path": "$.days", "got": '"2"', "allowed": "2", "nearest": None},
        ]
    }


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@dataclasses.dataclass
class Place:
    lat: float


CIRCULAR: dict[str, Any] = {}
CIRCULAR["a"] = CIRCULAR
MALFORMED: dict[str, Any] = {
    "a name twice": '{"a":1,"a":1}',
    "a name twice, inside": '{"a":{"b":1,"b":":"}}',
    "a name twice, hidden by an escaped colon": '{"a":1,"a":1,"x":"\\u003a"}',
    "the same, inside, in upper case": '{"a":{"b":1,"b":2},"c":"\\u003A"}',
    "an integer above 64 bits": '{"a":18446744073709551616}',
    "an integer below 64 bits": '{"a":-9223372036854775809}',
    "an integer with a short float": '{"a":10000000000000000000000}',
    "a long integer, inside": '{"a":[{"b":123456789012345678901234567890}]}',
    "NaN": '{"a":NaN}',
    "minus infinity": '{"a":-Infinity}',
    "a float beyond its range": '{"a":1e999}',
    "half a character, escaped": '{"a":"\\ud800"}',
    "half a character": '{"a":"\ud800"}',
    "a byte that is not UTF-8": b'{"a":"\xff"}',
    "bytes of another encoding": b"\xff\xfe",
    "an array": "[1]",
    "a string": '"text"',
    "a number": "5",
    "no JSON": "nonsense",
    "65 levels": json.dumps(_nested(MAX_DEPTH + 1)),
    "200 levels": json.dumps(_nested(200)),
    "10,000 levels": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "10 MB": '{"a":"' + "x" * 10_000_000 + '"}',
    "10 MB of bytes": b'{"a":"' + b"x" * 10_000_000 + b'"}',
    "NaN in an object": {"a": float("nan")},
    "infinity in an object, inside": {"a": [{"b": float("inf")}, None]},
    "infinity in a tuple": {"a": (float("-inf"),)},
    "a long integer in an object": {"a": 2**64},
    "half a character in an object": {"a": "\ud800"},
    "a set": {"a": {1}},
    "a name that is a number": {1: "a"},
    "a dataclass": {"a": Place(lat=1.0)},
    "10 MB in an object": {"a": "x" * 10_000_000},
    "an object of 65 levels": _nested(MAX_DEPTH + 1),
    "an object of 500 levels": _nested(500),
    "an object that holds itself": CIRCULAR,
    "nothing": None,
    "an integer": 5,
    "a list": ["a"],
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=MALFORMED)
def test_what_cannot_be_read_without_guessing_is_refused_and_told_briefly(raw: Any) -> None:
    error = _refusal(raw, {})

    assert error.code == "malformed_arguments"
    assert 20 < len(error.tell()) < 400
    assert error.tell().endswith("Send the arguments again as one complete JSON object.")


def test_the_deepest_arguments_that_are_taken_are_taken_in_every_form() -> None:
    value = _nested(MAX_DEPTH)

    for raw in (value, json.dumps(value), json.dumps(value).encode()):
        assert _read(raw, {}).value == value


def test_the_limit_is_for_the_bytes_that_came() -> None:
    schema = ANY | {"properties": {"b": {"default": "x" * 100}}}

    assert len(_read('{"a":1}', schema, limit=7).body) == 114
    for raw in ('{"a":1 }', b'{"a":1 }', {"a": 12}, '{"é":1}'):
        assert _refusal(raw, schema, limit=7).message == (
            "The arguments have 8 bytes; at most 7 are accepted."
        )


# ------------------------------------------------------------------ what holds for every value


@given(arguments(), st.booleans(), st.sampled_from([None, 1]))
def test_valid_arguments_are_kept_but_for_defaults_in_every_form(
    shape: Shape, strict: bool, indent: int | None
) -> None:
    checker = Checker(shape.schema)
    expected = orjson.loads(canonical(shape.value))
    listed = complete(checker, expected)
    text = json.dumps(shape.value, indent=indent)

    for raw in (text, text.encode(), shape.value):
        if strict and listed:
            continue
        prepared = prepare(checker, raw, effect=True, strict=strict)
        assert prepared == Prepared(expected, canonical(expected), listed)
        assert prepare(checker, prepared.body, effect=True, strict=True) == Prepared(
            expected, prepared.body, ()
        )


@given(st.text(max_size=30) | st.binary(max_size=30), arguments())
def test_any_text_is_either_refused_or_valid(raw: str | bytes, shape: Shape) -> None:
    checker = Checker(shape.schema)

    try:
        prepared = prepare(checker, raw, effect=False)
    except ArgumentsError:
        return
    assert checker.is_valid(prepared.value)
    assert prepared.body == canonical(prepared.value)
