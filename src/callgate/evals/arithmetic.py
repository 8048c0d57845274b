"""Arithmetic of number literals, read from a syntax tree, within bounds; nothing is evaluated."""

from __future__ import annotations

import ast

__all__ = ["calculate", "calculated"]

_LARGEST = 1e15
"""Numbers beyond it are not calculated with: a power of large numbers never ends."""
_EXPONENT = 64
_BITWISE = (ast.BitXor, ast.BitAnd, ast.BitOr)
_LONGEST = 10_000
"""Characters of an expression."""


def calculate(text: str) -> int | float:
    """Return the value of an expression such as `(2 + 3) * 4.5`.

    Raises:
        ValueError: It is not arithmetic of number literals, fails, or is beyond bounds.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    try:
        return calculated(ast.parse(text, mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"not an expression: {type(error).__name__}") from error


def calculated(node: ast.expr) -> int | float:
    """Return the value of an expression that is parsed already.

    Raises:
        ValueError: As `calculate`.
    """
    match node:
        case ast.Constant(value=int() | float() as value) if abs(value) <= _LARGEST:
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -calculated(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return calculated(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return _applied(op, calculated(left), calculated(right))
        case _:
            raise ValueError(f"no arithmetic of numbers: {type(node).__name__}")


def _applied(op: ast.operator, left: int | float, right: int | float) -> int | float:
    if max(abs(left), abs(right)) > _LARGEST:
        raise ValueError("a number is beyond bounds")
    try:
        if isinstance(left, int) and isinstance(right, int) and isinstance(op, _BITWISE):
            return _bits(op, left, right)
        result = _result(op, left, right)
    except ArithmeticError as error:
        raise ValueError(f"it cannot be calculated: {error}") from error
    match result:
        case complex():
            raise ValueError("it has no real result")
        case _:
            return result


def _bits(op: ast.operator, left: int, right: int) -> int:
    """Combine bits: what is meant as a power is often written with the sign of this."""
    match op:
        case ast.BitXor():
            return left ^ right
        case ast.BitAnd():
            return left & right
        case _:
            return left | right


def _result(op: ast.operator, left: int | float, right: int | float) -> int | float | complex:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.FloorDiv():
            return left // right
        case ast.Mod():
            return left % right
        case ast.Pow() if abs(right) <= _EXPONENT:
            return left**right
        case _:
            raise ValueError(f"no arithmetic of numbers: {type(op).__name__}")
