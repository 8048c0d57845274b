"""Conditions over the figures of a run, such as `selection.f1 < 0.95 or regressions > 0`.

The language is small and read by hand: figures by their dotted names, numbers, six comparisons,
`and`, `or`, `not` and brackets. Nothing is evaluated as code.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from callgate.errors import DefinitionError
from callgate.schema.values import is_object

__all__ = ["Gate", "figures_of"]

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_][\w.-]*)"
    r"|(?P<sign><=|>=|==|!=|<|>|\(|\)))"
)
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = MappingProxyType(
    {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
        "==": operator.eq,
        "!=": operator.ne,
    }
)
_DEEPEST = 32

_Test = Callable[[Mapping[str, float]], bool]


class Gate:
    """A condition that was read once and is asked of figures.

    Attributes:
        text: The condition as it was written.
    """

    def __init__(self, text: str) -> None:
        """Read a condition.

        Args:
            text: Such as `accuracy < 0.9 and items >= 100`.

        Raises:
            DefinitionError: It is none.
        """
        self.text = text
        self._tokens = list(_tokens(text))
        self._place = 0
        self._depth = 0
        self._names: list[str] = []
        self._test = self._either()
        if self._place < len(self._tokens):
            raise self._unexpected()

    def holds(self, figures: Mapping[str, float]) -> bool:
        """Tell whether the condition is true of figures.

        Args:
            figures: Numbers by dotted name, see `figures_of`.

        Raises:
            DefinitionError: A name is no figure, or this run has no value for it.
        """
        for name in self._names:
            if name not in figures:
                near = difflib.get_close_matches(name, figures, n=3)
                hint = f"; did you mean {' or '.join(near)}?" if near else ""
                raise DefinitionError(f"{self.text!r}: this run has no figure {name!r}{hint}")
        return self._test(figures)

    def _either(self) -> _Test:
        return self._joined("or", self._both, any)

    def _both(self) -> _Test:
        return self._joined("and", self._one, all)

    def _joined(
        self, word: str, part: Callable[[], _Test], rule: Callable[[Iterator[bool]], bool]
    ) -> _Test:
        tests = [part()]
        while self._peek() == word:
            self._place += 1
            tests.append(part())
        return tests[0] if len(tests) == 1 else lambda figures: rule(t(figures) for t in tests)

    def _one(self) -> _Test:
        token = self._peek()
        if token in ("not", "("):
            self._place += 1
            self._depth += 1
            if self._depth > _DEEPEST:
                raise DefinitionError(f"A condition has at most {_DEEPEST} levels.")
            if token == "not":
                inner = self._one()
                return lambda figures: not inner(figures)
            inner = self._either()
            if self._peek() != ")":
                raise self._unexpected()
            self._place += 1
            return inner
        left = self._value()
        compare = _COMPARISONS.get(self._peek() or "")
        if compare is None:
            raise self._unexpected()
        self._place += 1
        right = self._value()
        return lambda figures: compare(left(figures), right(figures))

    def _value(self) -> Callable[[Mapping[str, float]], float]:
        token = self._peek()
        if token is None or token in _COMPARISONS or token in ("(", ")", "and", "or", "not"):
            raise self._unexpected()
        self._place += 1
        try:
            number = float(token)
        except ValueError:
            self._names.append(token)
            return lambda figures: figures[token]
        return lambda figures: number

    def _peek(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _unexpected(self) -> DefinitionError:
        came = self._peek()
        what = "it ends too early" if came is None else f"{came!r} does not belong there"
        return DefinitionError(
            f"{self.text!r} is no condition: {what}. Write it like "
            '"selection.f1 < 0.95 or regressions > 0".'
        )


def figures_of(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers in a JSON object by their dotted names; what is null is left out."""
    found: dict[str, float] = {}
    for name, value in report.items():
        if is_object(value):
            found |= {f"{name}.{inner}": number for inner, number in figures_of(value).items()}
        elif isinstance(value, int | float):
            found[name] = float(value)
    return found


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise DefinitionError(f"{text!r} is no condition: cannot read {text[place:][:20]!r}.")
        yield match[0].strip()
        place = match.end()
