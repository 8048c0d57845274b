"""What cannot be a tool, and what the developer is told to write instead."""

import enum
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field

from callgate.errors import DefinitionError
from callgate.schema.infer import infer
from callgate.types import CallContext

if TYPE_CHECKING:
    from fractions import Fraction


class Odd(enum.Enum):
    PAIR = (1, 2)


class Opaque:
    """A class that JSON knows nothing of."""


class Model(BaseModel):
    name: str


# Defaults that a type checker would refuse where they stand.
NOTHING: Any = None
EMPTY: Any = {}
MADE: Any = Field(default_factory=list)
SENTINEL = object()


def untyped(a: int, b): ...


def variadic(*names: str): ...


def keywords(**names: str): ...


def positional(a: int, /): ...


def hidden(a: int, b: "Fraction"): ...


def hidden_result() -> "Fraction": ...


def broken(a): ...


broken.__annotations__["a"] = "int ]"


def aliased(a: Annotated[int, Field(alias="b")]): ...


def validated(a: int = Field(validation_alias="b")): ...


def made(a: list[int] = MADE): ...


def two(a: CallContext, b: CallContext): ...


def odd(a: Odd): ...


def opaque(a: int, b: Opaque, c: Model): ...


def opaque_result() -> Opaque: ...


def odd_result() -> Odd: ...


def misfit(a: Annotated[bool, Field(discriminator="x")]): ...


def implicit(a: str = NOTHING): ...


def wrong(a: Annotated[int, Field(gt=3)] = 3): ...


def flag(a: int = True): ...


def sentinel(a: Any = SENTINEL): ...


def endless(a: float = float("inf")): ...


def huge(a: int = 2**70): ...


def incomplete(a: Model = EMPTY): ...


def counting() -> Iterator[int]:
    yield 1


async def streaming() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (untyped, "untyped: parameter 'b': has no type; write for example `b: str`"),
        (
            variadic,
            "variadic: parameter 'names': a model cannot pass it; take a list instead of *names",
        ),
        (
            keywords,
            (
                "keywords: parameter 'names': a model must know the names; take a dict instead of"
                " **names"
            ),
        ),
        (
            positional,
            "positional: parameter 'a': arguments are passed by name; remove the `/`",
        ),
        (
            hidden,
            (
                "hidden: the type of parameter 'b' cannot be understood (name 'Fraction' is not"
                " defined). Names in annotations must exist at run time at the top of their module:"
                " not inside a function and not under `if TYPE_CHECKING:`"
            ),
        ),
        (
            hidden_result,
            (
                "hidden_result: the result type cannot be understood (name 'Fraction' is not"
                " defined). Names in annotations must exist at run time at the top of their module:"
                " not inside a function and not under `if TYPE_CHECKING:`"
            ),
        ),
        (
            aliased,
            (
                "aliased: parameter 'a': an alias would give it a second name; rename the parameter"
                " instead"
            ),
        ),
        (
            validated,
            (
                "validated: parameter 'a': an alias would give it a second name; rename the"
                " parameter instead"
            ),
        ),
        (
            made,
            (
                "made: parameter 'a': a default_factory is no part of a contract; make the default"
                " None and build the value in the function"
            ),
        ),
        (two, "two: parameter 'b': 'a' already gets the CallContext; keep one"),
        (
            odd,
            (
                "odd: parameter 'a': the values of Odd are not all text, numbers or booleans, so a"
                " model cannot name them; give its members such values"
            ),
        ),
        (
            odd_result,
            (
                "odd_result: the result: the values of Odd are not all text, numbers or booleans,"
                " so a model cannot name them; give its members such values; return JSON values, a"
                " dataclass or a model, or annotate `Any` to promise nothing"
            ),
        ),
        (
            implicit,
            "implicit: parameter 'a': its default None is not of its type; write `... | None`",
        ),
        (wrong, "wrong: parameter 'a': its default 3 is not of its type"),
        (flag, "flag: parameter 'a': its default True is not of its type"),
        (endless, "endless: parameter 'a': its default inf is no JSON number; make it None"),
        (incomplete, "incomplete: parameter 'a': its default {} is not of its type"),
        (counting, "counting yields; a tool gives one result, so return a list instead"),
        (streaming, "streaming yields; a tool gives one result, so return a list instead"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_function_that_cannot_be_a_tool_is_refused_with_the_fix(
    function: Callable[..., Any], message: str
):
    with pytest.raises(DefinitionError) as caught:
        infer(function)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (broken, "broken: the type of parameter 'a' cannot be understood ("),
        (opaque, "opaque: parameter b: Unable to generate pydantic-core schema for <class"),
        (opaque_result, "opaque_result: the result: return: Unable to generate pydantic-core"),
        (misfit, "misfit: parameter a: The core schema type 'bool' is not a valid"),
        (sentinel, "sentinel: parameter 'a': its default <object object at 0x"),
        (huge, "huge: parameter 'a': its default 1180591620717411303424 has no form in JSON ("),
        (len, "<built-in function len> is not a function; write a function around it"),
        (functools.partial(untyped, 1), "functools.partial(<function untyped at"),
        (Opaque, "<class 'tests.schema.test_infer_errors.Opaque'> is not a function;"),
    ],
)
def test_a_refusal_repeats_what_the_type_itself_says(function: Callable[..., Any], start: str):
    with pytest.raises(DefinitionError) as caught:
        infer(function)
    assert caught.value.message[: len(start)] == start


def test_a_local_name_in_a_text_annotation_is_refused():
    class Local(BaseModel):
        name: str

    def function(a: "Local"): ...

    with pytest.raises(DefinitionError, match="the type of parameter 'a' cannot be understood"):
        infer(function)


def test_an_unbound_method_is_refused():
    class Shop:
        def buy(self, item: str): ...

    with pytest.raises(DefinitionError) as caught:
        infer(Shop.buy)
    assert caught.value.message == (
        "buy: parameter 'self': is not bound; declare the method of an object: tool(object.method)"
    )
