"""Calls written as Python: parsed into a syntax tree, of which only values are read."""

from __future__ import annotations

import ast
import warnings
from typing import Any

from callgate.evals.arithmetic import calculated
from callgate.evals.benchmarks.bfcl.kinds import Edition

__all__ = ["DecodeError", "read_python"]

_LONGEST = 200_000
"""Characters that are parsed; the parser's time and stack grow with them."""


class DecodeError(ValueError):
    """An output holds no calls in the style that is asked for."""


def read_python(text: str, edition: Edition) -> list[Any]:
    """Return the calls of a text such as `[f(a=1), g()]`.

    Raises:
        DecodeError: It is not Python, not a list of calls, or has a value that only running it
            would give.
    """
    body = _parsed(text if edition is Edition.V1 else text.strip().strip("'"))
    if isinstance(body, ast.Call) and edition is Edition.V4:
        return [_call(body, edition)]
    if not isinstance(body, ast.List | ast.Tuple | ast.Set):
        raise DecodeError("not a list of calls")
    return [_element(element, edition) for element in body.elts]


def _parsed(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise DecodeError(f"longer than {_LONGEST} characters")
    try:
        with warnings.catch_warnings():
            # A strange escape in what a model wrote is no warning about our code.
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise DecodeError(f"not Python: {type(error).__name__}") from error


def _element(element: ast.expr, edition: Edition) -> Any:
    if not isinstance(element, ast.Call):
        raise DecodeError("a member of the list is no call")
    # The first edition keeps a call without named arguments as text, which is then no call.
    return _value(element, edition) if edition is Edition.V1 else _call(element, edition)


def _call(call: ast.Call, edition: Edition) -> dict[str, Any]:
    arguments: dict[Any, Any] = {
        keyword.arg: _value(keyword.value, edition) for keyword in call.keywords
    }
    return {_name(call.func): arguments}


def _name(function: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    if isinstance(function, ast.Name):
        parts.append(function.id)
    return ".".join(reversed(parts))


def _value(node: ast.expr | None, edition: Edition) -> Any:
    match node:
        case ast.Constant(value=value):
            return "..." if value is ... else value
        case ast.UnaryOp(operand=ast.Constant(value=bool() | int() | float() as value)):
            # The official rule reads every sign as a minus.
            return -value
        case ast.List(elts=elements):
            return [_value(element, edition) for element in elements]
        case ast.Tuple(elts=elements):
            return tuple(_value(element, edition) for element in elements)
        case ast.Dict():
            return _object(node, edition)
        case ast.Name(id=name):
            return name
        case ast.Call(keywords=keywords):
            return _call(node, edition) if keywords else ast.unparse(node)
        case ast.BinOp():
            return _sum(node)
        case ast.Subscript():
            return f"{ast.unparse(node.value)}[{ast.unparse(node.slice)}]"
        case _:
            raise DecodeError(f"a value is of no literal form: {type(node).__name__}")


def _sum(node: ast.BinOp) -> int | float | str:
    if (text := _concatenated(node)) is not None:
        return text
    try:
        return calculated(node)
    except ValueError as error:
        raise DecodeError(f"a value is {error}") from error


def _concatenated(node: ast.expr) -> str | None:
    """Return the text of text literals with a plus between them."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            first, second = _concatenated(left), _concatenated(right)
            return None if first is None or second is None else first + second
        case _:
            return None


def _object(node: ast.Dict, edition: Edition) -> dict[Any, Any]:
    keys = [_value(key, edition) for key in node.keys]
    values = [_value(value, edition) for value in node.values]
    try:
        return dict(zip(keys, values, strict=True))
    except TypeError as error:
        raise DecodeError("a key of an object cannot be one") from error
