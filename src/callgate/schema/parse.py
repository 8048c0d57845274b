"""JSON text from a model, read exactly: nothing is rounded, overwritten or guessed."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson

from callgate.errors import MalformedArgumentsError
from callgate.schema.values import is_array, is_object
from callgate.types import Repair

__all__ = ["ATOMIC", "MAX_BYTES", "MAX_DEPTH", "Parsed", "parse", "refuse_deep"]

MAX_BYTES = 1_048_576
"""Bytes that arguments may have unless a caller says otherwise: 1 MiB."""

MAX_DEPTH = 64
"""Arrays and objects that may stand inside each other."""

_NEAR = 24
"""Characters quoted around a mistake."""

ATOMIC = "+" if sys.version_info >= (3, 11, 5) else ""
"""Keeps a repeated group from being tried again, which here saves memory alone.

CPython before 3.11.5 matches possessive groups wrongly (gh-106052), those of one character not.
"""

_TOKEN = re.compile(
    r'[ \t\r\n]++|"[^"\\]*+(?:\\.[^"\\]*+)*' + ATOMIC + r'"|[{}\[\],:]|[^ \t\r\n{}\[\],:"]++|"',
    re.DOTALL,
)
_CLOSER = {"{": "}", "[": "]"}
_CONSTANTS = {"true", "false", "null"}
_NOT_NUMBERS = {"NaN", "Infinity", "-Infinity", "+Infinity", "nan", "inf", "-inf"}
_PYTHON_WORDS = {"True", "False", "None"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a JSON text says.

    Attributes:
        value: The JSON value.
        repairs: What was changed in the text to make it JSON; empty for JSON.
    """

    value: Any
    repairs: tuple[Repair, ...] = ()


def parse(text: str | bytes, *, may_close: bool, limit: int = MAX_BYTES) -> Parsed:
    """Read a JSON text, removing trailing commas and perhaps closing what is still open.

    Closers are added only where the text ends after a complete token. A number at the very end is
    not complete: `{"cents":500` may have been `{"cents":50000}`.

    Args:
        text: JSON text; bytes are UTF-8.
        may_close: Whether missing closers may be added. Pass False for a tool with an effect,
            and for text of a model that was stopped by its length limit.
        limit: Bytes the text may have; 1 MiB by default.

    Raises:
        MalformedArgumentsError: Not JSON that can be read without guessing: bad syntax or
            encoding, NaN or an infinity, an integer beyond 64 bits, a key that occurs twice,
            more than 64 levels, or too many bytes.
    """
    decoded = _decode(text, limit)
    repairs: tuple[Repair, ...] = ()
    try:
        orjson.loads(decoded)
    except orjson.JSONDecodeError as error:
        scan = _Scan(decoded)
        mended = scan.mend(may_close=may_close)
        try:
            orjson.loads(mended)
        except orjson.JSONDecodeError as second:
            _refuse_syntax(scan, second if scan.repairs else error, may_close=may_close)
        decoded, repairs = mended, tuple(scan.repairs)
    if decoded.count("{") + decoded.count("[") > MAX_DEPTH:
        _Scan(decoded)
    return Parsed(value=_read_exactly(decoded), repairs=repairs)


def refuse_deep(value: Any) -> None:
    """Refuse a JSON value in which more than 64 arrays and objects stand inside each other.

    Raises:
        MalformedArgumentsError: It is nested deeper.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [child for holder in level for child in _held(holder)]
        if not level:
            return
    raise MalformedArgumentsError(f"The arguments are nested more than {MAX_DEPTH} levels deep.")


def _held(value: Any) -> Iterable[Any]:
    """Return what a value holds; for an empty array or object, something that holds nothing."""
    if is_object(value):
        return value.values() or (None,)
    if is_array(value):
        return value or (None,)
    return ()


def _decode(text: str | bytes, limit: int) -> str:
    if len(text) > limit:
        raise MalformedArgumentsError(
            f"The arguments have {len(text)} bytes; at most {limit} are accepted."
        )
    try:
        if isinstance(text, str):
            size = len(text.encode())
        else:
            size, text = len(text), text.decode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise MalformedArgumentsError(
            f"The arguments hold half a character (lone surrogate U+{code:04X}) at position "
            f"{error.start}; they must be UTF-8 text."
        ) from error
    except UnicodeDecodeError as error:
        raise MalformedArgumentsError(
            f"The arguments are not UTF-8: byte 0x{error.object[error.start]:02x} at position "
            f"{error.start} is {error.reason}."
        ) from error
    if size > limit:
        raise MalformedArgumentsError(
            f"The arguments have {size} bytes; at most {limit} are accepted."
        )
    return text


@dataclass(slots=True)
class _Scan:
    """One pass over the tokens of a text: how deep it is and how it ends.

    Attributes:
        text: The text.
        open: Brackets that are open at its end, outermost first.
        commas: Where commas stand that have a value before and a closer after them.
        end: The last token that is not white space.
        settled: Whether white space follows that token.
        torn: Whether it ends inside a string.
        crossed: Where a closer does not fit its opener; -1 if nowhere.
    """

    text: str
    open: list[str] = field(default_factory=list[str])
    commas: list[int] = field(default_factory=list[int])
    repairs: list[Repair] = field(default_factory=list[Repair])
    end: str = ""
    settled: bool = False
    torn: bool = False
    crossed: int = -1

    def __post_init__(self) -> None:
        before, comma = "", -1
        for match in _TOKEN.finditer(self.text):
            token, start = match.group(), match.start()
            if token.isspace():
                self.settled = True
                continue
            self.settled = False
            if token in "}]" and self.end == "," and before not in ("", "{", "[", ","):
                self.commas.append(comma)
            if not self._enter(token, start):
                return
            before, self.end = self.end, token
            comma = start

    def _enter(self, token: str, start: int) -> bool:
        """Take one token into account; return whether the rest can be read."""
        if token in _CLOSER:
            self.open.append(token)
            if len(self.open) > MAX_DEPTH:
                raise MalformedArgumentsError(
                    f"The arguments are nested more than {MAX_DEPTH} levels deep "
                    f"(at character {start})."
                )
        elif token in ("}", "]"):
            if not self.open or _CLOSER[self.open[-1]] != token:
                self.crossed = start
                return False
            self.open.pop()
        elif token == '"':
            self.torn = True
            return False
        elif token in _NOT_NUMBERS:
            raise MalformedArgumentsError(
                f"{token} at character {start} is not JSON. Send a finite number, or leave the "
                "value out."
            )
        elif token in _PYTHON_WORDS:
            raise MalformedArgumentsError(
                f"{token} at character {start} is not JSON; JSON writes true, false and null."
            )
        return True

    @property
    def complete(self) -> bool:
        """Whether the text ends after a token that cannot have been longer."""
        last = self.end[:1]
        if self.torn or self.crossed >= 0 or last in ("", ",", ":", "{", "["):
            return False
        return last in '"}]' or self.end in _CONSTANTS or self.settled

    def mend(self, *, may_close: bool) -> str:
        """Return the text without trailing commas and, if allowed, with its closers."""
        pieces: list[str] = []
        start = 0
        for comma in self.commas:
            pieces.append(self.text[start:comma])
            start = comma + 1
            self._note("trailing_comma", ",", "")
        pieces.append(self.text[start:])
        if may_close and self.open and self.complete:
            closers = "".join(_CLOSER[opener] for opener in reversed(self.open))
            pieces.append(closers)
            self._note("missing_closers", "", closers)
        return "".join(pieces)

    def _note(self, kind: str, before: str, after: str) -> None:
        self.repairs.append(Repair(path="$", kind=kind, before=before, after=after))


def _refuse_syntax(scan: _Scan, error: orjson.JSONDecodeError, *, may_close: bool) -> NoReturn:
    if not scan.text.strip():
        raise MalformedArgumentsError("The arguments are empty.") from error
    if scan.crossed < 0 and (scan.torn or scan.open):
        brackets = "1 bracket" if len(scan.open) == 1 else f"{len(scan.open)} brackets"
        where = "inside a string" if scan.torn else f"with {brackets} still open"
        why = "" if may_close else " Cut arguments of this call are not completed for you."
        raise MalformedArgumentsError(
            f"The arguments end {where}, after {len(scan.text)} characters.{why}"
        ) from error
    near = error.doc[max(0, error.pos - _NEAR) : error.pos + _NEAR]
    quotes = (
        " JSON strings take double quotes." if error.doc[error.pos : error.pos + 1] == "'" else ""
    )
    raise MalformedArgumentsError(
        f"The arguments are not JSON: {error.msg} at character {error.pos}, near {near!r}.{quotes}"
    ) from error


def _read_exactly(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object, parse_int=_integer)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) == len(pairs):
        return made
    key = Counter(key for key, _ in pairs).most_common(1)[0][0]
    raise MalformedArgumentsError(
        f"The key {key[:80]!r} occurs twice in one object; it is not clear which value is meant."
    )


def _integer(text: str) -> int:
    if len(text) <= 20 and -(2**63) <= (value := int(text)) < 2**64:
        return value
    raise MalformedArgumentsError(
        f"The integer {text[:40]} does not fit into 64 bits, and rounding it would change it. "
        "Only a parameter that takes a string can hold it."
    )
