"""Stands something else in place of what names a person, the same thing wherever it occurs.

What was said in production is not for a repository. Secrets go; addresses of mail and of
machines, telephone and card numbers, and whatever a pattern of one's own matches get stand-ins, so
that a question and the arguments that answer it still fit. Names in prose are not recognised.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, cast

from callgate.contract.secrets import SECRETS
from callgate.schema.values import is_array

__all__ = ["Disguise"]

_StandIn: TypeAlias = Callable[[str, int], str]
_Kind: TypeAlias = tuple[str, re.Pattern[str], Callable[[str], str | None], _StandIn]


class Disguise:
    """One for all that belongs together: what is the same stays the same.

    Attributes:
        counts: How many different things of each kind got a stand-in.
    """

    def __init__(self, hide: Iterable[re.Pattern[str]] = ()) -> None:
        """Start without any stand-in.

        Args:
            hide: Further patterns; what they match becomes `hidden-1`, `hidden-2` and so on.
        """
        hidden = [("hidden", pattern, _same, _word) for pattern in hide]
        self._kinds: tuple[_Kind, ...] = (*hidden, *_KINDS)
        self._known: dict[tuple[str, str], int] = {}
        self.counts: Counter[str] = Counter()

    def value(self, value: Any) -> Any:
        """Return a JSON value with stand-ins in its texts, names and whole numbers."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            told = self.text(str(value))
            return int(told) if told.isdecimal() else value if told == str(value) else told
        if isinstance(value, dict):
            known = cast("dict[str, Any]", value)
            return {self.text(name): self.value(inner) for name, inner in known.items()}
        return [self.value(inner) for inner in value] if is_array(value) else value

    def text(self, text: str) -> str:
        """Return a text with stand-ins."""
        for kind, pattern, meaning, stand_in in self._kinds:
            text = pattern.sub(self._replacing(kind, meaning, stand_in), text)
        return text

    def _replacing(
        self, kind: str, meaning: Callable[[str], str | None], stand_in: _StandIn
    ) -> Callable[[re.Match[str]], str]:
        def replaced(found: re.Match[str]) -> str:
            meant = meaning(found[0])
            # What stands in for something is not replaced again.
            if meant is None or _ours(found[0]):
                return found[0]
            number = self._known.get((kind, meant))
            if number is None:
                self.counts[kind] += 1
                number = self._known[kind, meant] = self.counts[kind]
            return stand_in(found[0], number)

        return replaced


# --- what is recognised ---------------------------------------------------------------------


def _same(text: str) -> str | None:
    return text


def _lower(text: str) -> str | None:
    return text.lower()


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def _telephone(text: str) -> str | None:
    # By its last digits, so that a number is the same with and without its country.
    digits = _digits(text)
    return digits[-7:] if 8 <= len(digits) <= 15 else None


def _card(text: str) -> str | None:
    digits = _digits(text)
    return digits if 13 <= len(digits) <= 19 and _luhn(digits) == 0 else None


def _luhn(digits: str) -> int:
    """Return the sum that is 0 for numbers of cards (ISO/IEC 7812-1, annex B)."""
    odd = sum(map(int, digits[-1::-2]))
    even = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (odd + even) % 10


def _word(_: str, number: int) -> str:
    return f"hidden-{number}"


def _gone(_: str, number: int) -> str:
    return f"[secret {number}]"


def _mail(_: str, number: int) -> str:
    return f"person{number}@example.com"


def _machine(_: str, number: int) -> str:
    # These are kept for documents (RFC 5737).
    return f"{_BLOCKS[number // 250 % len(_BLOCKS)]}.{1 + number % 250}"


def _filled(text: str, digits: str) -> str:
    """Return a text with its last digits replaced by these, all else as it was."""
    taken = list(digits)
    turned = [taken.pop() if sign.isdigit() and taken else sign for sign in reversed(text)]
    return "".join(reversed(turned))


def _called(text: str, number: int) -> str:
    return _filled(text, f"555{number % 10_000:04}")


def _paid(text: str, number: int) -> str:
    body = f"4{number:0{len(_digits(text)) - 2}}"
    return _filled(text, body + str((10 - _luhn(body + "0")) % 10))


def _ours(text: str) -> bool:
    return _OURS.fullmatch(text) is not None


_BLOCKS = ("192.0.2", "198.51.100", "203.0.113")
_OURS = re.compile(r"hidden-\d+|\[secret \d+\]|person\d+@example\.com")
_KINDS: tuple[_Kind, ...] = (
    *(("secret", pattern, _same, _gone) for pattern in SECRETS),
    ("mail", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), _lower, _mail),
    ("machine", re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])"), _same, _machine),
    ("card", re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])"), _card, _paid),
    (
        "telephone",
        # With a sign of one: a plus, an area in brackets, or the North American grouping.
        re.compile(
            r"(?<![\w.-])(?:\+\d[\d ()./-]{6,18}\d|\(\d{2,5}\)[\d ./-]{5,14}\d|"
            r"\d{3}[-.]\d{3}[-.]\d{4})(?![\w-])"
        ),
        _telephone,
        _called,
    ),
)
