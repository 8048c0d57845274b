"""From JSON arguments to Python arguments, and back."""

import datetime
import enum
import math
import types
import uuid
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from callgate.errors import ArgumentsError
from callgate.schema.bind import binder, dump, encode
from callgate.schema.infer import infer


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True)
class Stay:
    day: datetime.date
    photo: bytes = b""
    _note: str = ""


class Guest(BaseModel):
    model_config = ConfigDict(strict=True)

    id: uuid.UUID
    stays: tuple[Stay, ...] = ()
    age: int = Field(default=1, alias="years")

    @field_validator("age")
    @classmethod
    def _adult(cls, age: int) -> int:
        if age < 18:
            raise ValueError("must be an adult")
        return age


class Point(NamedTuple):
    x: int
    y: int


UUID = "12345678-1234-5678-1234-567812345678"
DAY = datetime.date(2030, 1, 2)


def plain(city: str, days: list[int], size: float = 1.0): ...


def rich(
    name: str,
    colour: Colour,
    guest: Guest,
    price: Decimal,
    tags: set[str],
    photo: bytes,
    stay: Stay,
    until: datetime.datetime | None = None,
): ...


def test_plain_arguments_are_handed_on_untouched():
    arguments = {"city": "Rome", "days": [1], "size": 2}
    assert binder(infer(plain).rich)(arguments) is arguments


def test_rich_arguments_become_python_values_and_plain_ones_stay():
    bind = binder(infer(rich).rich)
    arguments = {
        "name": "x",
        "colour": "red",
        "guest": {"id": UUID, "stays": [{"day": "2030-01-02", "photo": "a"}], "years": 20},
        "price": 1.5,
        "tags": ["a"],
        "photo": "_-8=",
        "stay": {"day": "2030-01-02", "photo": "_-8="},
    }
    before = orjson.dumps(arguments)
    expected = {
        "name": "x",
        "colour": Colour.RED,
        "guest": Guest(id=uuid.UUID(UUID), stays=(Stay(DAY, b"a"),), years=20),
        "price": Decimal("1.5"),
        "tags": {"a"},
        "photo": b"\xff\xef",
        "stay": Stay(DAY, b"\xff\xef"),
    }
    assert bind(arguments) == expected
    assert bind(arguments) == expected
    assert orjson.dumps(arguments) == before


def test_a_value_that_only_its_type_refuses_is_refused_with_its_path():
    def register(guests: list[Guest], day: datetime.date): ...

    bind = binder(infer(register).rich)
    with pytest.raises(ArgumentsError) as caught:
        bind({"guests": [{"id": UUID, "years": 3}], "day": "soon"})
    assert caught.value.details == {
        "problems": [
            {
                "path": "$.guests[0].years",
                "got": "3",
                "allowed": "Value error, must be an adult",
                "nearest": None,
            },
            {
                "path": "$.day",
                "got": '"soon"',
                "allowed": "Input should be a valid date or datetime, input is too short",
                "nearest": None,
            },
        ]
    }
    assert caught.value.message == (
        "$.guests[0].years: Value error, must be an adult (got 3); $.day: Input should be a valid"
        ' date or datetime, input is too short (got "soon")'
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (7, 7),
        ("a", "a"),
        (True, True),
        (1.5, 1.5),
        (math.nan, None),
        (math.inf, None),
        (DAY, "2030-01-02"),
        (datetime.datetime(2030, 1, 2, tzinfo=datetime.UTC), "2030-01-02T00:00:00+00:00"),
        (datetime.timedelta(days=1), "P1D"),
        (uuid.UUID(UUID), UUID),
        (Decimal("1.50"), "1.50"),
        (Colour.RED, "red"),
        (b"\xff\xef", "_-8="),
        (bytearray(b"a"), "YQ=="),
        ((1, 2), [1, 2]),
        (Point(1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a"}), ["a", "b"]),
        ({1, "a", None}, ["a", 1, None]),
        ({1: "a", Colour.RED: "b"}, {"1": "a", "red": "b"}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (
            [Stay(DAY, b"a", "n")],
            [{"day": "2030-01-02", "photo": "YQ==", "_note": "n"}],
        ),
        (
            Guest(id=uuid.UUID(UUID), stays=(Stay(DAY, b"a"),), years=20),
            {
                "id": UUID,
                "stays": [{"day": "2030-01-02", "photo": "a", "_note": ""}],
                "years": 20,
            },
        ),
    ],
)
def test_results_become_json_values(value: Any, expected: Any):
    assert dump(value) == expected
    assert orjson.loads(encode(value)) == expected


def test_a_result_shares_nothing_with_the_data_of_the_tool():
    data = {"rows": [1]}
    result = dump(data)
    data["rows"].append(2)
    assert result == {"rows": [1]}


def _endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [object(), Stay, print, {"a": object()}, {object(): 1}, 2**70, "\ud800", _endless()],
    ids=["object", "class", "function", "inside", "key", "integer", "surrogate", "endless"],
)
def test_what_has_no_form_in_json_is_an_error(value: Any):
    with pytest.raises(TypeError):
        encode(value)


def test_bytes_of_a_model_that_are_no_text_are_an_error():
    class Photo(BaseModel):
        data: bytes

    with pytest.raises(TypeError):
        dump(Photo(data=b"\xff"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_json_values_stay_as_they_are(value: Any):
    assert dump(value) == value
