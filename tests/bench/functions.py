"""Functions as users write them: five typed parameters, a docstring that describes each."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias

__all__ = ["ARGUMENTS", "Function", "documented", "read_plainly"]

Function: TypeAlias = Callable[..., Coroutine[Any, Any, dict[str, Any]]]

ARGUMENTS = '{"query": "shoes", "limit": 5, "exact": true, "tags": ["a", "b"], "order": "price"}'
"""Valid arguments of every one of them."""

_TEXT = '''
async def {name}(
    query: str, limit: int = 10, exact: bool = False, tags: list[str] | None = None,
    order: Literal["price", "name"] = "name",
) -> dict[str, Any]:
    """Search part {number} of the catalogue and return what fits best.

    Use it when the user names a product of part {number}; it never changes anything.

    Args:
        query: The words to search for, as the user said them.
        limit: How many products to return at most.
        exact: Whether all words must occur in the product's name.
        tags: Only products that have all of these tags.
        order: What the products are sorted by.
    """
    return {{"query": query, "found": limit}}
'''


def documented(count: int) -> list[Function]:
    """Return that many functions, all different."""
    # Compiled one by one: what the compiler leaves behind is used again for the next one, so that
    # hardly any free memory is left for tools to hide in.
    names: dict[str, Any] = {"Literal": Literal, "Any": Any}
    for number in range(count):
        exec(_TEXT.format(name=f"search_{number}", number=number), names)
    return [names[f"search_{number}"] for number in range(count)]


def read_plainly(function: Function) -> object:
    """Read what Python itself knows of a function: the floor under every preparation."""
    return inspect.signature(function), typing.get_type_hints(function), inspect.getdoc(function)
