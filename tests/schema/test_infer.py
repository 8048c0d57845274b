"""Types, defaults and descriptions of functions, as JSON Schema."""

import datetime
import enum
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypedDict,
    TypeVar,
)

import orjson
import pytest
import typing_extensions
from annotated_types import Ge, Interval, Len, MultipleOf, Predicate
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    TypeAdapter,
    ValidationError,
)
from typing_extensions import Doc, TypeAliasType

from callgate.schema.check import Checker
from callgate.schema.infer import Signature, infer
from callgate.schema.plain import translate
from callgate.types import CallContext, Pending


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Stop(TypedDict):
    """A place to stop.

    It has a name.
    """

    city: str
    days: NotRequired[Annotated[int, Field(ge=1)]]


class Loose(TypedDict, total=False):
    at: Required[float]
    note: str


class Free(TypedDict, total=False):
    note: str


class Tree(typing_extensions.TypedDict):
    children: "list[Tree]"


class Dated(typing_extensions.TypedDict):
    day: datetime.date


@dataclass
class Address:
    """Where somebody lives."""

    street: str
    since: datetime.date | None = None
    tags: list[str] = field(default_factory=list)


class Person(BaseModel):
    name: Annotated[str, Field(min_length=1, title="The Name")]
    address: Address
    model_config = ConfigDict(title="A Person")


class Point(typing.NamedTuple):
    x: int
    y: int


CustomerId = NewType("CustomerId", str)
Names = TypeAliasType("Names", list[str])

NULL = {"type": "null"}
INTEGER = {"type": "integer"}
STRING = {"type": "string"}
ADDRESS = {
    "description": "Where somebody lives.",
    "type": "object",
    "properties": {
        "street": STRING,
        "since": {"anyOf": [{"type": "string", "format": "date"}, NULL], "default": None},
        "tags": {"type": "array", "items": STRING},
    },
    "required": ["street"],
}


def _parameter(annotation: Any, *default: Any) -> tuple[dict[str, Any], Signature]:
    """Infer a function with one parameter of this type."""

    def function(value): ...

    function.__annotations__ = {"value": annotation}
    function.__defaults__ = default
    signature = infer(function)
    return signature.parameters["properties"]["value"], signature


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (str, STRING),
        (int, INTEGER),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (None, NULL),
        (Any, {}),
        (object, {}),
        (JsonValue, {}),
        (list, {"type": "array"}),
        (dict, {"type": "object"}),
        (list[Any], {"type": "array"}),
        (list[int], {"type": "array", "items": INTEGER}),
        (Sequence[list[str]], {"type": "array", "items": {"type": "array", "items": STRING}}),
        (dict[str, Any], {"type": "object"}),
        (Mapping[str, int], {"type": "object", "additionalProperties": INTEGER}),
        ("typing.Optional[int]", {"anyOf": [INTEGER, NULL]}),
        ("typing.Union[int, str]", {"anyOf": [INTEGER, STRING]}),
        (int | str | None, {"anyOf": [INTEGER, STRING, NULL]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Literal[1], {"type": "integer", "enum": [1]}),
        (Literal["a", 1, None], {"enum": ["a", 1, None]}),
        (CustomerId, STRING),
        (Names, {"type": "array", "items": STRING}),
        ("list[int]", {"type": "array", "items": INTEGER}),
        (
            Stop,
            {
                "type": "object",
                "properties": {"city": STRING, "days": {"type": "integer", "minimum": 1}},
                "required": ["city"],
                "additionalProperties": False,
                "description": "A place to stop.\n\nIt has a name.",
            },
        ),
        (
            Loose,
            {
                "type": "object",
                "properties": {"at": {"type": "number"}, "note": STRING},
                "required": ["at"],
                "additionalProperties": False,
            },
        ),
        (
            Free,
            {"type": "object", "properties": {"note": STRING}, "additionalProperties": False},
        ),
    ],
)
def test_plain_types_are_translated_and_passed_on_as_they_are(
    annotation: Any, schema: dict[str, Any]
):
    found, signature = _parameter(annotation)
    assert (found, dict(signature.rich)) == (schema, {})


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (Colour, {"type": "string", "enum": ["red", "blue"]}),
        (Level, {"type": "integer", "enum": [1, 2]}),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (datetime.date, {"type": "string", "format": "date"}),
        (datetime.time, {"type": "string", "format": "time"}),
        (datetime.timedelta, {"type": "string", "format": "duration"}),
        (uuid.UUID, {"type": "string", "format": "uuid"}),
        (bytes, {"type": "string", "format": "base64url"}),
        (set, {"type": "array", "uniqueItems": True}),
        (frozenset[int], {"type": "array", "items": INTEGER, "uniqueItems": True}),
        (tuple, {"type": "array"}),
        (tuple[int, ...], {"type": "array", "items": INTEGER}),
        (tuple[()], {"type": "array", "minItems": 0, "maxItems": 0}),
        (
            tuple[int, str],
            {"type": "array", "prefixItems": [INTEGER, STRING], "minItems": 2, "maxItems": 2},
        ),
        (list[Colour], {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}}),
        (dict[str, set[int]] | None, None),
        (dict[int, str], {"type": "object", "additionalProperties": STRING}),
        (Decimal, {"anyOf": [{"type": "number"}, STRING]}),
        (Annotated[Decimal, Field(gt=0)], None),
        (Annotated[datetime.date, Field(gt=datetime.date(2020, 1, 1))], None),
        (Point, {"$ref": "#/$defs/Point"}),
        (Literal[Colour.RED], {"type": "string", "const": "red"}),
        (Tree, {"$ref": "#/$defs/Tree"}),
        (Dated, {"$ref": "#/$defs/Dated"}),
        (Address, {"$ref": "#/$defs/Address"}),
        (Person, {"$ref": "#/$defs/Person"}),
        (Annotated[int, Field(discriminator=None, json_schema_extra=lambda schema: None)], INTEGER),
    ],
)
def test_other_types_are_translated_and_converted_before_the_call(
    annotation: Any, schema: dict[str, Any] | None
):
    found, signature = _parameter(annotation)
    assert set(signature.rich) == {"value"}
    assert schema is None or found == schema


def test_nested_models_are_definitions_that_refuse_unknown_keys_and_carry_no_titles():
    _, signature = _parameter(Person)
    assert signature.parameters == {
        "type": "object",
        "properties": {"value": {"$ref": "#/$defs/Person"}},
        "required": ["value"],
        "additionalProperties": False,
        "$defs": {
            "Address": {**ADDRESS, "additionalProperties": False},
            "Person": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "minLength": 1},
                    "address": {"$ref": "#/$defs/Address"},
                },
                "required": ["name", "address"],
                "additionalProperties": False,
            },
        },
    }


def test_a_model_that_allows_other_keys_stays_open():
    class Open(BaseModel):
        title: str
        model_config = ConfigDict(extra="allow")

    _, signature = _parameter(Open)
    assert signature.parameters["$defs"]["Open"] == {
        "type": "object",
        "properties": {"title": STRING},
        "required": ["title"],
        "additionalProperties": True,
    }


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (Annotated[int, Field(gt=0, le=9)], {"exclusiveMinimum": 0, "maximum": 9, **INTEGER}),
        (Annotated[float, Field(ge=0, lt=1)], {"minimum": 0, "exclusiveMaximum": 1}),
        (Annotated[int, MultipleOf(5)], {"multipleOf": 5, **INTEGER}),
        (Annotated[int, Interval(gt=1, le=3)], {"exclusiveMinimum": 1, "maximum": 3, **INTEGER}),
        (Annotated[str, Field(min_length=1, max_length=3)], {"minLength": 1, "maxLength": 3}),
        (Annotated[list[int], Len(1, 2)], {"minItems": 1, "maxItems": 2}),
        (Annotated[dict[str, int], Field(min_length=1)], {"minProperties": 1}),
        (Annotated[str, Field(pattern="^a")], {"pattern": "^a", **STRING}),
        (Annotated[str, Field(strict=True, deprecated=True)], {"deprecated": True, **STRING}),
        (Annotated[str, Field(examples=["a"])], {"examples": ["a"], **STRING}),
        (Annotated[str, Field(json_schema_extra={"x-unit": "km"})], {"x-unit": "km", **STRING}),
        (Annotated[str, "The city."], {"description": "The city.", **STRING}),
        (Annotated[str, Doc("The city.")], {"description": "The city.", **STRING}),
        (Annotated[str, Field(description="The city.")], {"description": "The city."}),
        (
            Annotated[int | None, Field(ge=3)],
            {"anyOf": [{"minimum": 3, **INTEGER}, NULL]},
        ),
        (list[Annotated[int, Ge(1)]], {"items": {"minimum": 1, **INTEGER}}),
    ],
)
def test_constraints_and_descriptions_beside_a_plain_type_are_kept(
    annotation: Any, schema: dict[str, Any]
):
    found, signature = _parameter(annotation)
    assert ({**found, **schema}, dict(signature.rich)) == (found, {})


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[Any, Field(gt=3)],
        Annotated[int, Field(gt=Decimal(3))],
        Annotated[int, Field(max_digits=3)],
        Annotated[str, Field(pattern="a", coerce_numbers_to_str=True)],
        Annotated[str, AfterValidator(str.strip)],
        Annotated[str, 7],
        Annotated[Decimal, "A price."],
        list[Decimal],
        tuple[Decimal, ...],
        tuple[Decimal, int],
        dict[str, Decimal],
        Decimal | None,
        list[TypeVar("T")],
        Annotated[str, Predicate(str.isupper)],
        Callable[[int], int],
        [int],
    ],
)
def test_what_is_not_plain_is_left_to_pydantic(annotation: Any):
    assert translate(annotation, closed=True) is None


def test_a_description_beside_a_rich_type_is_kept():
    found, _ = _parameter(Annotated[Address, "Where to."])
    assert found == {"$ref": "#/$defs/Address", "description": "Where to."}


# ---------------------------------------------------------------- whole functions


NOWHERE: list[Stop] = []
HOME = Address(street="Main")


async def book(
    city: str,
    call: CallContext,
    days: Annotated[int, Field(ge=1, description="At least one.")] = 3,
    level: Level = Level.LOW,
    until: datetime.date = datetime.date(2030, 1, 2),
    stops: list[Stop] = NOWHERE,
    *,
    note: str | None = None,
    home: Address = HOME,
) -> Stop:
    """Book a journey.

    Ask first.

    Args:
        city: Where to.
        days: Not used, because the field says more.
        note: For the guide.

    Returns:
        What was booked.
    """
    return {"city": city}


def test_a_function_is_read_as_a_whole():
    found = infer(book)
    assert orjson.loads(orjson.dumps(found.parameters)) == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where to."},
            "days": {"type": "integer", "minimum": 1, "description": "At least one.", "default": 3},
            "level": {"type": "integer", "enum": [1, 2], "default": 1},
            "until": {"type": "string", "format": "date", "default": "2030-01-02"},
            "stops": {
                "type": "array",
                "items": _parameter(Stop)[0],
                "default": [],
            },
            "note": {
                "anyOf": [STRING, NULL],
                "description": "For the guide.",
                "default": None,
            },
            "home": {
                "$ref": "#/$defs/Address",
                "default": {"street": "Main", "since": None, "tags": []},
            },
        },
        "required": ["city"],
        "additionalProperties": False,
        "$defs": {"Address": {**ADDRESS, "additionalProperties": False}},
    }
    assert found.returns == {
        "type": "object",
        "properties": {"city": STRING, "days": {"type": "integer", "minimum": 1}},
        "required": ["city"],
        "description": "What was booked.",
    }
    assert (found.name, found.description) == ("book", "Book a journey.\n\nAsk first.")
    assert (found.context_parameter, found.is_async) == ("call", True)
    assert set(found.rich) == {"level", "until", "home"}


def test_a_function_without_parameters_takes_an_empty_object():
    def now() -> float:
        return 0.0

    found = infer(now)
    assert found.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert (found.is_async, found.context_parameter, found.description) == (False, None, "")


def test_a_default_may_stand_in_a_field():
    def search(
        query: str = Field(description="What for."),
        limit: int = Field(10, le=50),
        page: Annotated[int, Field(default=1)] = 2,
        size: Annotated[int, Field(default=7)] = Field(ge=1),
    ) -> None: ...

    assert infer(search).parameters == {
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "What for."},
            "limit": {"type": "integer", "maximum": 50, "default": 10},
            "page": {"type": "integer", "default": 2},
            "size": {"type": "integer", "minimum": 1, "default": 7},
        },
        "required": ["query"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("annotation", "default"),
    [(Literal["a", "b"], "a"), (Literal[1, 2], 2), (float, 1), (bool, True), (int | None, None)],
)
def test_a_default_of_the_type_becomes_part_of_the_contract(annotation: Any, default: Any):
    found, signature = _parameter(annotation, default)
    assert (found["default"], "required" in signature.parameters) == (default, False)


def test_changing_a_mutable_default_does_not_change_the_contract():
    default = {"a": [1]}
    found, _ = _parameter(dict[str, list[int]], default)
    default["a"].append(2)
    assert found["default"] == {"a": [1]}


def test_a_bound_method_is_read_without_its_object():
    class Shop:
        def buy(self, item: str) -> None:
            """Buy it."""

    found = infer(Shop().buy)
    assert (found.name, list(found.parameters["properties"])) == ("buy", ["item"])


def test_a_context_may_be_optional_so_that_the_plain_function_can_be_called_without():
    def pay(cents: int, context: Annotated[CallContext | None, "ours"] = None) -> None: ...

    found = infer(pay)
    assert (found.context_parameter, list(found.parameters["properties"])) == ("context", ["cents"])


def test_two_functions_share_no_part_of_a_schema():
    def one(a: str, b: list[str]) -> str:
        return a

    first, second = infer(one), infer(one)
    first.parameters["properties"]["a"]["type"] = "integer"
    first.parameters["properties"]["b"]["items"]["type"] = "integer"
    assert second.parameters["properties"] == {
        "a": STRING,
        "b": {"type": "array", "items": STRING},
    }


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (None, NULL),
        (Any, None),
        (int, INTEGER),
        (list[Colour], {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}}),
        (Address, {"$ref": "#/$defs/Address", "$defs": {"Address": ADDRESS}}),
        (int | str | Pending, {"anyOf": [INTEGER, STRING]}),
        (Address | Pending, {"$ref": "#/$defs/Address", "$defs": {"Address": ADDRESS}}),
        (dict[int, str], {"type": "object", "additionalProperties": STRING}),
    ],
)
def test_the_result_type_becomes_returns(annotation: Any, schema: dict[str, Any] | None):
    def function(): ...

    function.__annotations__ = {"return": annotation}
    assert infer(function).returns == schema


def test_a_missing_result_type_promises_nothing():
    def function(): ...

    assert infer(function).returns is None


# ---------------------------------------------------------------- against pydantic

_leaves = st.sampled_from(
    [
        str,
        int,
        float,
        bool,
        type(None),
        Literal["a", "b"],
        Literal[1, "c"],
        Annotated[int, Field(gt=1)],
        Annotated[str, Field(min_length=1, max_length=2)],
        Annotated[float, Field(le=0)],
    ]
)
_types = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        inner.map(lambda kind: list[kind]),
        inner.map(lambda kind: dict[str, kind]),
        inner.map(lambda kind: kind | None),
        st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
        inner.map(lambda kind: Annotated[list[kind], Field(min_length=1)]),
    ),
    max_leaves=4,
)
# Whole-numbered floats are left out: JSON Schema takes 1.0 for an integer, pydantic does not.
_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-3, 3),
        st.sampled_from([-1.5, 0.5]),
        st.sampled_from(["", "a", "b", "c", "abc"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(annotation=_types, value=_values)
def test_a_plain_schema_allows_what_pydantic_allows(annotation: Any, value: Any):
    plain = translate(annotation, closed=True)
    assert plain is not None
    try:
        TypeAdapter(annotation).validate_json(orjson.dumps(value), strict=True)
        allowed = True
    except ValidationError:
        allowed = False
    assert Checker(plain.schema).is_valid(value) == allowed
