"""Conditions over the arguments of a call, such as `amount < 100 and currency == "EUR"`.

A condition is parsed to data and then to plain functions; nothing is ever evaluated as code. The
grammar:

    condition  = both { "or" both }
    both       = single { "and" single }
    single     = "not" single | "(" condition ")" | "always" | "every" path test
               | "any" path test | value [ test ]
    test       = ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "not" "in" | "contains"
               | "starts_with" | "ends_with" ) value
    value      = path | "len" "(" path ")" | number | string | "true" | "false" | "null"
               | "[" value { "," value } "]"
    path       = ( "$" | "@" name | name ) { "." name | "[" number "]" | "[" string "]" | "[*]" }

A name stands for the argument of that name, `$` for all arguments, `@id`, `@roles`, `@tenant`,
`@labels` and `@attributes` for the principal and what the session has seen. The words `every` and
`any` ask about each element of the lists that `[*]` walks through.

An answer is yes, no or unknown. A value that is not there, or of another type than it is compared
with, makes it unknown, and so does everything that depends on it. Whoever asks decides what
unknown means: it never approves, and it always asks a person.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from callgate.errors import DefinitionError
from callgate.schema.canonical import canonical
from callgate.types import ToolCall

__all__ = ["Condition", "Test", "parse"]

Test: TypeAlias = Callable[[ToolCall], bool | None]
"""Answers for a call with canonical arguments: yes, no, or None for unknown."""

_Get: TypeAlias = Callable[[ToolCall], Any]

_LONGEST = 2000  # characters of a condition
_DEEPEST = 32  # parentheses and `not` within each other

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<name>@?[A-Za-z_$][A-Za-z0-9_-]*)
    | (?P<sign>\[\*\]|==|!=|<=|>=|[<>()\[\],.])
    )""",
    re.VERBOSE,
)
_TESTS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in", "contains", "starts_with", "ends_with"})
_WORDS = frozenset({"or", "and", "not", "always", "every", "any", "len", "true", "false", "null"})
_ABOUT: Mapping[str, _Get] = {
    "@id": lambda call: call.scope.principal.id,
    "@roles": lambda call: sorted(call.scope.principal.roles),
    "@tenant": lambda call: call.scope.principal.tenant,
    "@labels": lambda call: sorted(call.scope.labels),
    "@attributes": lambda call: call.scope.principal.attributes,
    "$": lambda call: call.arguments,
}


class _Missing:
    """Stands for a value that is not there."""


_MISSING = _Missing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition that was read.

    Attributes:
        text: As it was written.
        names: The arguments it looks at.
        test: Answers for a call.
    """

    text: str
    names: frozenset[str]
    test: Test


def parse(text: str) -> Condition:
    """Read a condition.

    Args:
        text: The condition, in the grammar above; at most 2000 characters.

    Raises:
        DefinitionError: It is not one; tells where and what was expected.
    """
    if len(text) > _LONGEST:
        raise DefinitionError(f"a condition has at most {_LONGEST} characters, not {len(text)}")
    reader = _Reader(text)
    test = reader.condition(0)
    if reader.kind != "end":
        raise reader.error("the end, `and` or `or`")
    return Condition(text=text, names=frozenset(reader.names), test=test)


class _Reader:
    """Reads a condition from left to right, one token ahead."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self.names: set[str] = set()
        self.kind = self.token = ""
        self._next()

    # --- tokens -----------------------------------------------------------------------------

    def _next(self) -> str:
        """Step on and return the token that was current."""
        before = self.token
        match = _TOKEN.match(self._text, self._place)
        if match is None:
            rest = self._text[self._place :].strip()
            self.kind, self.token = ("strange", rest[:20]) if rest else ("end", "")
            return before
        self._place = match.end()
        self.kind, self.token = str(match.lastgroup), match[str(match.lastgroup)]
        return before

    def error(self, expected: str) -> DefinitionError:
        came = f"`{self.token}` stands" if self.token else "it ends"
        return DefinitionError(
            f"the condition `{self._text}` cannot be read: {came} where {expected} was expected"
        )

    def _take(self, token: str) -> bool:
        if self.token == token and self.kind in ("sign", "name"):
            self._next()
            return True
        return False

    def _need(self, token: str) -> None:
        if not self._take(token):
            raise self.error(f"`{token}`")

    # --- conditions -------------------------------------------------------------------------

    def condition(self, depth: int) -> Test:
        if depth > _DEEPEST:
            raise DefinitionError(f"a condition nests at most {_DEEPEST} deep")
        tests = [self._both(depth)]
        while self._take("or"):
            tests.append(self._both(depth))
        return tests[0] if len(tests) == 1 else _some(tests)

    def _both(self, depth: int) -> Test:
        tests = [self._single(depth)]
        while self._take("and"):
            tests.append(self._single(depth))
        return tests[0] if len(tests) == 1 else _all(tests)

    def _single(self, depth: int) -> Test:
        if self._take("not"):
            if depth > _DEEPEST:
                raise DefinitionError(f"a condition nests at most {_DEEPEST} deep")
            return _negated(self._single(depth + 1))
        if self._take("("):
            inside = self.condition(depth + 1)
            self._need(")")
            return inside
        if self._take("always"):
            return _always
        if self.token in ("every", "any") and self.kind == "name":
            every = self._next() == "every"
            each = self._each()
            return _quantified(each, self._test(), every=every)
        value = self._value()
        return self._compared(value)

    def _compared(self, value: _Get) -> Test:
        if self.token in _TESTS or self.token == "not":
            check = self._test()
            return lambda call: check(value(call), call)
        return lambda call: _truth(value(call))

    def _test(self) -> Callable[[Any, ToolCall], bool | None]:
        negated = self.kind == "name" and self._take("not")
        word = self.token
        if word not in _TESTS or (negated and word != "in"):
            raise self.error("a comparison such as `<`, `==` or `in`")
        self._next()
        right = self._value()
        compare = _COMPARE[word]
        if negated:
            return lambda left, call: _inverse(compare(left, right(call)))
        return lambda left, call: compare(left, right(call))

    # --- values -----------------------------------------------------------------------------

    def _value(self) -> _Get:
        if self.kind in ("number", "string"):
            return _constant(self._literal())
        if self.kind == "sign" and self._take("["):
            return self._list()
        if self.kind != "name":
            raise self.error("an argument, a number, a string or a list")
        if self.token in ("true", "false", "null"):
            return _constant(json.loads(self._next()))
        if self._take("len"):
            self._need("(")
            inside = self._path()
            self._need(")")
            return lambda call: _length(inside(call))
        return self._path()

    def _list(self) -> _Get:
        values = [self._value()]
        while self._take(","):
            values.append(self._value())
        self._need("]")
        return lambda call: [value(call) for value in values]

    def _path(self) -> _Get:
        first, steps = self._steps()
        if "[*]" in steps:
            raise DefinitionError(
                f"the condition `{self._text}` cannot be read: say `every` or `any` before a path"
                " with `[*]`"
            )
        start = _ABOUT.get(first)
        if start is None and not steps:
            return lambda call: call.arguments.get(first, _MISSING)
        return lambda call: _walk(_start(call, first, start), steps)

    def _each(self) -> Callable[[ToolCall], list[Any]]:
        first, steps = self._steps()
        if "[*]" not in steps:
            raise self.error("a path with `[*]`")
        start = _ABOUT.get(first)
        return lambda call: list(_spread(_start(call, first, start), steps))

    def _steps(self) -> tuple[str, tuple[str | int, ...]]:
        if self.kind != "name" or self.token in (_WORDS | _TESTS):
            raise self.error("the name of an argument")
        first = self._next()
        if first.startswith("@") and first not in _ABOUT:
            known = ", ".join(name for name in _ABOUT if name != "$")
            raise DefinitionError(f"the condition `{self._text}` asks for {first}; say {known}")
        steps: list[str | int] = []
        while True:
            if self._take("[*]"):
                steps.append("[*]")
            elif self._take("."):
                if self.kind != "name":
                    raise self.error("a name")
                steps.append(self._next())
            elif self._take("["):
                steps.append(self._subscript())
                self._need("]")
            else:
                break
        if first == "$":
            self.names.update(step for step in steps[:1] if isinstance(step, str))
        elif first not in _ABOUT:
            self.names.add(first)
        return first, tuple(steps)

    def _subscript(self) -> str | int:
        if self.kind == "string" or (self.kind == "number" and self.token.isdigit()):
            return self._literal()
        raise self.error("a whole number or a string")

    def _literal(self) -> Any:
        try:
            value = json.loads(self.token)
        except ValueError:
            raise self.error("a string as JSON writes it") from None
        self._next()
        return value


# --- the three answers ----------------------------------------------------------------------


def _always(call: ToolCall) -> bool | None:
    return True


def _inverse(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _negated(test: Test) -> Test:
    return lambda call: _inverse(test(call))


def _all(tests: list[Test]) -> Test:
    def both(call: ToolCall) -> bool | None:
        return _every(test(call) for test in tests)

    return both


def _some(tests: list[Test]) -> Test:
    def either(call: ToolCall) -> bool | None:
        return _inverse(_every(_inverse(test(call)) for test in tests))

    return either


def _every(answers: Iterator[bool | None]) -> bool | None:
    known: bool | None = True
    for answer in answers:
        if answer is False:
            return False
        if answer is None:
            known = None
    return known


def _quantified(
    each: Callable[[ToolCall], list[Any]],
    check: Callable[[Any, ToolCall], bool | None],
    *,
    every: bool,
) -> Test:
    if every:
        return lambda call: _every(check(value, call) for value in each(call))
    return lambda call: _inverse(_every(_inverse(check(value, call)) for value in each(call)))


# --- values ---------------------------------------------------------------------------------


def _constant(value: Any) -> _Get:
    return lambda call: value


def _start(call: ToolCall, first: str, start: _Get | None) -> Any:
    return call.arguments.get(first, _MISSING) if start is None else start(call)


def _step(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return value.get(step, _MISSING) if _is(value, dict) else _MISSING
    return value[step] if _is(value, list) and step < len(value) else _MISSING


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind)


def _walk(value: Any, steps: tuple[str | int, ...]) -> Any:
    for step in steps:
        value = _step(value, step)
    return value


def _spread(value: Any, steps: tuple[str | int, ...]) -> Iterator[Any]:
    """Give every value that the steps lead to; what is no list where one is meant is missing."""
    for place, step in enumerate(steps):
        if step == "[*]":
            if not _is(value, list):
                yield _MISSING
                return
            for item in value:
                yield from _spread(item, steps[place + 1 :])
            return
        value = _step(value, step)
    yield value


def _length(value: Any) -> Any:
    return len(value) if _kind(value) in ("str", "list", "dict") else _MISSING


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _equal(left: Any, right: Any) -> bool | None:
    if left is _MISSING or right is _MISSING:
        return None
    kind = _kind(left)
    if kind != _kind(right):
        return False
    # Python holds true and 1 for equal, within lists and objects too.
    return canonical(left) == canonical(right) if kind in ("list", "dict") else left == right


def _unequal(left: Any, right: Any) -> bool | None:
    return _inverse(_equal(left, right))


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool | None]:
    def ordered(left: Any, right: Any) -> bool | None:
        # The common case first; a bool is an int to Python and no number to JSON.
        if type(left) is int and type(right) is int:
            return compare(left, right)
        kind = _kind(left)
        if kind not in ("number", "str") or kind != _kind(right):
            return None
        return compare(left, right)

    return ordered


def _within(left: Any, right: Any) -> bool | None:
    if left is _MISSING or not _is(right, list):
        return None
    answers = [_equal(left, item) for item in right]
    return True if True in answers else None if None in answers else False


def _contains(left: Any, right: Any) -> bool | None:
    if _is(left, str):
        return right in left if _is(right, str) else None
    return _within(right, left)


def _text_test(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool | None]:
    def test(left: Any, right: Any) -> bool | None:
        known = isinstance(left, str) and isinstance(right, str)
        return compare(left, right) if known else None

    return test


_COMPARE: Mapping[str, Callable[[Any, Any], bool | None]] = {
    "==": _equal,
    "!=": _unequal,
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "in": _within,
    "contains": _contains,
    "starts_with": _text_test(str.startswith),
    "ends_with": _text_test(str.endswith),
}
