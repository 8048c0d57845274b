"""`@tool` and what it holds a function to."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import Field

from callgate.errors import DefinitionError
from callgate.tool import FunctionTool, tool
from callgate.types import CallContext, Effect, Example, Limits, Tool


def add(a: int, b: int = 1) -> int:
    """Add two numbers.

    Args:
        a: The first.
    """
    return a + b


async def refund(order: str, cents: Annotated[int, Field(gt=0)], call: CallContext) -> str:
    """Refund part of an order."""
    return f"{order} {cents} {call.key}"


async def charge(cents: int) -> None: ...


async def happened(key: str, arguments: dict[str, Any]) -> None: ...


PARAMETERS = {
    "type": "object",
    "properties": {
        "a": {"type": "integer", "description": "The first."},
        "b": {"type": "integer", "default": 1},
    },
    "required": ["a"],
    "additionalProperties": False,
}


def test_the_bare_decorator_makes_an_irreversible_tool_with_the_usual_limits():
    made = tool(add)
    assert made.tool == Tool(
        name="add",
        description="Add two numbers.",
        parameters=PARAMETERS,
        returns={"type": "integer"},
        effect=Effect.IRREVERSIBLE,
        version="0",
        limits=Limits(),
    )
    assert (made.function, made.cheap, made.reconcile) == (add, False, None)
    assert made.signature.is_async is False


def test_every_option_reaches_the_contract():
    made = tool(
        name="plus",
        version="2",
        description="Sum.",
        returns={"type": "number"},
        effect="read",
        timeout=5,
        attempts=1,
        concurrency=2,
        queue=0,
        result_bytes=100,
        argument_bytes=200,
        examples=[{"a": 1}, Example(arguments={"a": 1, "b": 2}, note="both")],
        parallel=True,
        poll=True,
        cheap=True,
        tags=frozenset({"maths"}),
    )(add)
    assert made.tool == Tool(
        name="plus",
        description="Sum.",
        parameters=PARAMETERS,
        returns={"type": "number"},
        effect=Effect.READ,
        version="2",
        limits=Limits(
            timeout=5,
            attempts=1,
            concurrency=2,
            queue=0,
            result_bytes=100,
            argument_bytes=200,
        ),
        examples=(Example(arguments={"a": 1}), Example(arguments={"a": 1, "b": 2}, note="both")),
        parallel=True,
        poll=True,
        tags=frozenset({"maths"}),
    )
    assert made.cheap is True


def test_a_result_type_may_be_promised_by_nobody():
    assert tool(returns=None)(add).tool.returns is None


async def test_a_tool_is_still_the_function_it_was():
    @tool(effect="read")
    async def double(a: int) -> int:
        return 2 * a

    assert tool(add)(2, b=3) == 5
    assert await double(4) == 8
    assert tool(name="plus")(add).__name__ == "plus"


def test_the_method_of_an_object_can_be_a_tool():
    class Shop:
        def __init__(self) -> None:
            self.sold: list[str] = []

        def sell(self, item: str) -> int:
            """Sell it."""
            self.sold.append(item)
            return len(self.sold)

    shop = Shop()
    sell = tool(shop.sell, effect="irreversible")
    assert (sell("a"), sell("b"), shop.sold) == (1, 2, ["a", "b"])
    assert list(sell.tool.parameters["properties"]) == ["item"]


@pytest.mark.parametrize("effect", ["read", Effect.READ])
def test_an_effect_may_be_written_as_text_or_as_a_member(effect: Any):
    assert tool(effect=effect)(add).tool.effect is Effect.READ


def test_an_idempotent_tool_takes_the_key():
    made = tool(effect="idempotent")(refund)
    assert (made.tool.effect, made.signature.context_parameter) == (Effect.IDEMPOTENT, "call")


def test_an_idempotent_tool_may_be_so_by_nature():
    assert tool(effect="idempotent", natural=True)(add).tool.effect is Effect.IDEMPOTENT


def test_a_reconcilable_tool_can_ask_the_world():
    made = tool(effect="reconcilable", reconcile=happened)(charge)
    assert (made.tool.effect, made.reconcile) == (Effect.RECONCILABLE, happened)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"effect": "idempotent"},
            (
                "add: effect='idempotent' says that repeating a call with the same key is harmless,"
                " but the function takes no key. Add a parameter `call: CallContext` and hand"
                " `call.key` to the backend, or say natural=True if repetition is harmless by"
                " nature"
            ),
        ),
        (
            {"effect": "reconcilable"},
            (
                "add: effect='reconcilable' and reconcile=... belong together: a function that asks"
                " the world whether the call with a key happened"
            ),
        ),
        (
            {"reconcile": happened},
            (
                "add: effect='reconcilable' and reconcile=... belong together: a function that asks"
                " the world whether the call with a key happened"
            ),
        ),
        (
            {"effect": "read", "natural": True},
            "add: natural=True belongs to effect='idempotent'",
        ),
        (
            {"effect": "write"},
            "add: 'write' is no effect; say read, idempotent, reconcilable, irreversible",
        ),
        (
            {"name": "a b"},
            (
                "a b: 'a b' is no name for a tool; give it one of up to 64 ASCII letters, digits,"
                " `_` and `-` that begins with a letter or `_`: @tool(name=...)"
            ),
        ),
        ({"timeout": 0}, "add: timeout=0 allows no call; the least is 0.001"),
        ({"timeout": "5"}, "add: timeout='5' allows no call; the least is 0.001"),
        ({"attempts": 0}, "add: attempts=0 allows no call; the least is 1"),
        ({"queue": -1}, "add: queue=-1 allows no call; the least is 0"),
        (
            {"examples": [{"a": "one"}]},
            "add: the example {'a': 'one'} is not valid: $.a is \"one\", but",
        ),
        (
            {"retries": 3},
            "add: there is no option retries; the options are name, version, description,",
        ),
    ],
)
def test_options_that_contradict_the_function_are_refused(options: dict[str, Any], message: str):
    with pytest.raises(DefinitionError) as caught:
        tool(**options)(add)
    assert caught.value.message[: len(message)] == message


def test_a_limit_may_be_none():
    limits = tool(timeout=None, concurrency=None)(add).tool.limits
    assert (limits.timeout, limits.concurrency) == (None, None)


def test_a_lambda_needs_a_name():
    with pytest.raises(DefinitionError, match="'<lambda>' is no name for a tool"):
        tool(lambda: 1)
    assert tool(lambda: 1, name="one").tool.name == "one"


def test_a_tool_is_not_declared_twice():
    made: Callable[..., int] = tool(add)
    with pytest.raises(DefinitionError) as caught:
        tool(made)
    assert caught.value.message == "add is a tool already; use it as it is"


def test_tools_are_equal_only_to_themselves():
    first, second = tool(add), tool(add)
    assert isinstance(first, FunctionTool)
    assert {first, second, first} == {first, second}
    assert first != second
