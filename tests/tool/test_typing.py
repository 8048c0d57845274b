"""What a type checker knows about a decorated function; pyright reads this file in `make check`.

A comment `pyright: ignore` here is an expectation: pyright reports it if nothing is wrong there.
"""

from typing import assert_type

import pytest

from callgate.errors import DefinitionError
from callgate.tool import FunctionTool, tool


@tool
def add(a: int, b: int = 1) -> int:
    return a + b


@tool(effect="read", timeout=5)
async def fetch(url: str) -> list[str]:
    return [url]


class Shop:
    def price(self, item: str) -> float:
        return float(len(item))


def test_a_sync_tool_keeps_its_signature():
    assert assert_type(add(1, b=2), int) == 3


async def test_an_async_tool_keeps_its_signature():
    assert assert_type(await fetch("a"), list[str]) == ["a"]


def test_a_bound_method_loses_its_object_and_nothing_else():
    price = tool(Shop().price, effect="read")
    assert assert_type(price("abc"), float) == 3.0
    assert isinstance(price, FunctionTool)


def test_wrong_arguments_are_a_type_error():
    with pytest.raises(TypeError):
        add("1", c=2)  # pyright: ignore[reportCallIssue]


def test_a_wrong_option_is_a_type_error():
    with pytest.raises(DefinitionError):
        tool(efect="read")(Shop().price)  # pyright: ignore[reportCallIssue]
    with pytest.raises(DefinitionError):
        tool(effect="write")(Shop().price)  # pyright: ignore[reportArgumentType]
