"""JSON arguments while they arrive: a live value, linear in the text, refused at the first mistake.

`JsonStream` reads the text in pieces cut anywhere. Each character is looked at once: most tokens
that lie whole in one piece are taken by one match, a token that is cut is carried on by a step of
its own. `callgate.schema.stream_check` watches it to stop a
call early; `callgate.schema.stream_parts` turns Vertex's `partialArgs` into such pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn, Protocol, TypeAlias

import orjson

from callgate.errors import ArgumentsError, MalformedArgumentsError
from callgate.schema.parse import MAX_BYTES, MAX_DEPTH, Parsed
from callgate.schema.stream_text import Meter
from callgate.schema.stream_tokens import (
    CHARACTERS,
    CLOSER,
    CUT_ESCAPE,
    CUT_NAME,
    CUT_NUMBER,
    CUT_TEXT,
    FLOAT,
    INTEGER,
    MEMBER,
    MEMBER_VALUE,
    NAME,
    NEXT_ITEM,
    NEXT_MEMBER,
    NUMBER_RUN,
    OPENER,
    SPACES,
    TEXT,
    VALUE,
    WHOLE_NUMBER,
    WORD,
    begins_number,
    exact_number,
    hint,
    shortened,
)
from callgate.schema.values import is_object
from callgate.types import Repair

__all__ = ["JsonStream", "Watch"]

_Step: TypeAlias = Callable[["JsonStream", str, int], int]

_WORDS = {"true": True, "false": False, "null": None}
_CUTS = frozenset({CUT_TEXT, CUT_NUMBER, CUT_NAME})
_NEAR = 24
"""Characters quoted around a mistake."""

_SHORT = 48
"""Characters of a token that are read again with each piece until it is whole."""

_loads = orjson.loads


class Watch(Protocol):
    """Who is told of each token as soon as it is seen, and raises to refuse the rest.

    Attributes:
        curious: Whether it wants the characters of the string or key that is open.
    """

    curious: bool

    def names(self, head: str) -> None:
        """Take the beginning of a key whose end is not seen yet, perhaps again."""
        ...

    def key(self, name: str) -> None:
        """Take a whole key."""
        ...

    def begins(self, mark: str, head: str) -> None:
        """Take the beginning of a scalar whose end is not seen yet, perhaps again.

        Args:
            mark: Its first character, 0 for any number.
            head: The characters of a string so far.
        """
        ...

    def text(self, piece: str) -> None:
        """Take more characters of an open string or key."""
        ...

    def scalar(self, value: Any) -> None:
        """Take a whole string, number, boolean or null."""
        ...

    def opens(self, mark: str) -> None:
        """Take the opener of an object or array."""
        ...

    def closes(self, holder: Any) -> None:
        """Take an object or array that is whole."""
        ...


class JsonStream:
    """Reads the JSON object of a call's arguments piece by piece.

    It is as strict as `callgate.schema.parse` and raises as soon as no further text could make
    the whole readable. After an error every further call raises the same error again, and
    `value` stays what was seen until then.

    Args:
        strict: Whether to refuse what `parse` mends or `repair` unpacks: a trailing comma, and
            an object that comes inside a JSON string. Defaults to False.
        limit: Bytes of UTF-8 the text may have; 1 MiB by default.
        watch: Who is told of every token; by default nobody.
    """

    __slots__ = (
        "_base",
        "_error",
        "_held",
        "_holder",
        "_is_key",
        "_key",
        "_meter",
        "_named",
        "_pieces",
        "_repairs",
        "_root",
        "_shape",
        "_shown",
        "_stack",
        "_step",
        "_strict",
        "_watch",
    )

    def __init__(
        self, *, strict: bool = False, limit: int = MAX_BYTES, watch: Watch | None = None
    ) -> None:
        self._strict = strict
        self._meter = Meter(limit)
        self._watch = watch
        self._step: _Step = JsonStream._at_begin
        self._error: ArgumentsError | None = None
        # The value so far. The root stands in an array, so that everything has a holder.
        self._root: list[Any] = []
        self._stack: list[Any] = []
        self._holder: Any = self._root
        self._named = False
        self._key = ""
        # The string, number or word that is cut.
        self._pieces: list[str] = []
        self._is_key = False
        self._shape = ""
        self._shown = False
        self._held = ""
        # The text so far.
        self._base = 0
        self._repairs: list[Repair] = []

    def feed(self, delta: str) -> None:
        """Read the next piece of the text.

        Args:
            delta: Any number of characters, cut anywhere.

        Raises:
            MalformedArgumentsError: Whatever follows, the whole can no longer be one JSON object;
                `details["position"]` is the character.
            ArgumentsError: What `watch` raises.
        """
        if self._error is not None:
            raise self._error
        place = 0
        try:
            text = self._held + self._meter.admit(delta)
            self._held = ""
            end = len(text)
            while place < end:
                place = self._step(self, text, place)
            self._base += end - len(self._held)
        except ArgumentsError as error:
            self._base += place
            self._error = error
            raise

    @property
    def value(self) -> Any:
        """The best value so far: everything seen, with open strings, arrays and objects.

        Numbers and words appear when they are whole, because `50` may become `5000`; so does a
        key with its value. None as long as nothing was seen. The value is the live one, not a
        copy: read it and let it go. Looking after every piece stays linear as long as nobody
        keeps a string that is still open; a string that was kept is copied once.
        """
        if self._held[:1] == '"' and self._step is JsonStream._at_value:
            self._pieces = [self._held[1:]]
            self._base += len(self._held)
            self._held = ""
            self._step = JsonStream._at_string
        if self._step is JsonStream._at_string and not self._is_key:
            self._show()
        return self._root[0] if self._root else None

    @property
    def complete(self) -> bool:
        """Whether the object is whole; only white space may follow."""
        return self._step is JsonStream._at_end

    @property
    def position(self) -> int:
        """Characters read so far."""
        return self._base + len(self._held)

    @property
    def path(self) -> tuple[str | int, ...]:
        """Where the value stands that is read or was read last: names and indices."""
        if not self._stack:
            return ()
        steps = [
            next(reversed(holder)) if is_object(holder) else len(holder) - 1
            for holder in self._stack[1:]
        ]
        return (*steps, self._key if self._named else len(self._holder) - self._shown)

    def finish(self, *, may_close: bool = False) -> Parsed:
        """Take note that the text has ended.

        Args:
            may_close: Whether missing closers may be added, as for `parse`; defaults to False.

        Returns:
            What `parse` returns for the whole text.

        Raises:
            MalformedArgumentsError: The text is empty or ends too early.
            ArgumentsError: What `watch` raises about what is closed.
        """
        if self._error is not None:
            raise self._error
        try:
            self._meter.end()
            if not self.complete:
                self._close(may_close=may_close and not self._strict)
        except ArgumentsError as error:
            self._error = error
            raise
        return Parsed(value=self._root[0], repairs=tuple(self._repairs))

    def _refuse(self, text: str, place: int, what: str) -> NoReturn:
        """Raise that `what` is wrong at a place of the current piece."""
        position = self._base + place
        near = text[max(0, place - _NEAR) : place + _NEAR]
        raise MalformedArgumentsError(
            f"The arguments are not JSON: {what} at character {position}, near {near!r}.",
            details={"position": position},
        )

    # --- the tree -------------------------------------------------------------------------------

    def _put(self, value: Any) -> None:
        """Put a whole value into its place, over what of it was shown before."""
        if self._named:
            self._holder[self._key] = value
        elif self._shown:
            self._holder[-1] = value
        else:
            self._holder.append(value)
        self._shown = False
        self._step = JsonStream._at_after if self._stack else JsonStream._at_end

    def _show(self) -> None:
        """Put what is seen of an open string into the tree.

        The characters are added to the string that was shown before. While the tree holds its
        only reference, CPython lengthens it in place, which keeps looking linear.
        """
        holder = self._holder
        place: Any = self._key if self._named else -1
        more = "".join(self._pieces)
        if self._shown:
            text = holder[place]
            holder[place] = None
            text += more
            holder[place] = text
        elif self._named:
            holder[place] = more
        else:
            holder.append(more)
        self._shown = True
        self._pieces = []

    def _open(self, mark: str, text: str, place: int) -> None:
        if len(self._stack) == MAX_DEPTH:
            position = self._base + place
            raise MalformedArgumentsError(
                f"The arguments are nested more than {MAX_DEPTH} levels deep "
                f"(at character {position}).",
                details={"position": position},
            )
        if self._watch is not None:
            self._watch.opens(mark)
        inner: Any = {} if mark == "{" else []
        self._put(inner)
        self._stack.append(self._holder)
        self._holder = inner
        self._named = mark == "{"
        self._step = JsonStream._at_key if self._named else JsonStream._at_value

    def _leave(self, text: str, place: int, *, comma: bool) -> None:
        """Close the innermost array or object at its closer; a comma may stand before it."""
        if comma:
            if self._strict:
                self._refuse(text, place, "a comma with nothing after it")
            self._note("trailing_comma", ",", "")
        if self._watch is not None:
            self._watch.closes(self._holder)
        self._holder = self._stack.pop()
        self._named = type(self._holder) is dict
        if self._named:
            self._key = next(reversed(self._holder))
        self._step = JsonStream._at_after if self._stack else JsonStream._at_end

    def _name(self, name: str, place: int) -> None:
        """Take a whole key; the next step is its value or its colon."""
        if name in self._holder:
            raise MalformedArgumentsError(
                f"The key {name[:80]!r} occurs twice in one object; it is not clear which value "
                "is meant.",
                details={"position": self._base + place},
            )
        self._key = name
        if self._watch is not None:
            self._watch.key(name)

    def _scalar(self, value: Any) -> None:
        if self._watch is not None:
            self._watch.scalar(value)
        self._put(value)

    def _note(self, kind: str, before: str, after: str) -> None:
        self._repairs.append(Repair(path="$", kind=kind, before=before, after=after))

    # --- the end --------------------------------------------------------------------------------

    def _close(self, *, may_close: bool) -> None:
        details = {"position": self.position}
        if self._step is JsonStream._at_begin:
            raise MalformedArgumentsError("The arguments are empty.", details=details)
        depth = len(self._stack)
        if self._step is JsonStream._at_after and may_close:
            holders = [self._holder, *self._stack[:0:-1]]
            closers = "".join("}" if is_object(holder) else "]" for holder in holders)
            for place in range(depth):
                self._leave(closers, place, comma=False)
            self._note("missing_closers", "", closers)
            return
        torn = self._step is JsonStream._at_string or self._held[:1] == '"'
        brackets = "1 bracket" if depth == 1 else f"{depth} brackets"
        where = "inside a string" if torn else f"with {brackets} still open"
        why = "" if may_close else " Cut arguments of this call are not completed for you."
        raise MalformedArgumentsError(
            f"The arguments end {where}, after {self.position} characters.{why}", details=details
        )

    # --- steps: each reads from `place` and returns how far it came ------------------------------

    def _at_begin(self, text: str, place: int) -> int:
        place = SPACES(text, place).end()
        if place == len(text):
            return place
        mark = text[place]
        if mark == "{":
            self._open(mark, text, place)
        elif mark == '"' and not self._strict:
            self._start(JsonStream._at_string, mark)
        else:
            self._refuse(text, place, f"{mark!r} begins no object")
        return place + 1

    def _at_end(self, text: str, place: int) -> int:
        place = SPACES(text, place).end()
        if place < len(text):
            self._refuse(text, place, f"{text[place]!r} after the end")
        return place

    def _at_key(self, text: str, place: int) -> int:
        match = MEMBER(text, place)
        if match is not None:
            if match.lastindex != CUT_NAME:
                self._name(match[NAME], place)
            return self._take(text, match)
        place = SPACES(text, place).end()
        if place == len(text):
            return place
        mark = text[place]
        if mark == '"':
            self._start(JsonStream._at_string, mark, is_key=True)
        elif mark == "}":
            self._leave(text, place, comma=bool(self._holder))
        else:
            self._refuse(text, place, f"{mark!r} where a key in double quotes must stand")
        return place + 1

    def _at_colon(self, text: str, place: int) -> int:
        match = MEMBER_VALUE(text, place)
        if match is not None:
            return self._take(text, match)
        place = SPACES(text, place).end()
        if place < len(text):
            self._refuse(text, place, f"{text[place]!r} where a colon must stand")
        return place

    def _at_value(self, text: str, place: int) -> int:
        match = VALUE(text, place)
        if match is None:
            return self._at_cut_value(text, place)
        return self._take(text, match)

    def _at_after(self, text: str, place: int) -> int:
        if self._named:
            match = NEXT_MEMBER(text, place)
            if match is not None and (match.lastindex or CLOSER) < CUT_NAME:
                self._name(match[NAME], match.start(NAME))
        else:
            match = NEXT_ITEM(text, place)
        if match is not None:
            return self._take(text, match)
        place = SPACES(text, place).end()
        if place < len(text):
            closer = "}" if self._named else "]"
            self._refuse(text, place, f"{text[place]!r} where a comma or {closer!r} must stand")
        return place

    def _take(self, text: str, match: re.Match[str]) -> int:
        """Take what a match ends with: a value, an opener, a closer, a colon or a comma."""
        kind = match.lastindex
        if kind == TEXT:
            value: Any = match[TEXT]
        elif kind == INTEGER:
            value = int(match[INTEGER])
        elif kind == WORD:
            value = _WORDS[match[WORD]]
        elif kind == FLOAT:
            value = exact_number(match[FLOAT], self._base + match.start(FLOAT))
        else:
            return self._turn(text, match)
        if self._watch is not None:
            self._watch.scalar(value)
        if self._named:
            self._holder[self._key] = value
        else:
            self._holder.append(value)
        self._step = JsonStream._at_after
        return match.end()

    def _turn(self, text: str, match: re.Match[str]) -> int:
        kind, end = match.lastindex or 0, match.end()
        if kind in _CUTS:
            return self._cut(text, match.start(kind), kind)
        if kind == OPENER:
            self._open(match[OPENER], text, end - 1)
        elif kind == CLOSER:
            self._leave(text, end - 1, comma=False)
        else:
            self._step = JsonStream._at_value if kind == NAME else JsonStream._at_key
        return end

    def _cut(self, text: str, place: int, kind: int) -> int:
        """Keep the beginning of a plain string, key or number until more of it comes.

        A short one is matched again with the next piece, which is quicker than to carry it on.
        """
        rest = text[place:]
        if kind == CUT_NUMBER:
            if not begins_number(rest):
                self._refuse(text, place, "a number that JSON does not have")
            step, again = JsonStream._at_number, JsonStream._at_value
        else:
            step = JsonStream._at_string
            again = JsonStream._at_key if kind == CUT_NAME else JsonStream._at_value
        if self._watch is not None:
            if kind == CUT_NAME:
                self._watch.names(rest)
            elif kind == CUT_TEXT:
                self._watch.begins('"', rest)
            else:
                self._watch.begins("0", "")
        if len(rest) < _SHORT:
            self._held = text[place - (kind != CUT_NUMBER) :]
            self._step = again
        else:
            self._pieces = [rest]
            self._shape = shortened(rest) if kind == CUT_NUMBER else ""
            self._is_key = kind == CUT_NAME
            self._step = step
        return len(text)

    def _at_cut_value(self, text: str, place: int) -> int:
        """Begin a value that does not end in this piece, or refuse what is none."""
        place = SPACES(text, place).end()
        if place == len(text):
            return place
        mark = text[place]
        if mark == '"':
            self._start(JsonStream._at_string, mark)
            return place + 1
        if mark in "-0123456789":
            self._start(JsonStream._at_number, "0")
        elif any(word.startswith(text[place:]) for word in _WORDS):
            if self._watch is not None:
                self._watch.begins(mark, "")
            self._held = text[place:]
            return len(text)
        elif mark == "]" and not self._named:
            self._leave(text, place, comma=bool(self._holder))
            return place + 1
        else:
            self._refuse(text, place, f"{mark!r} begins no value{hint(mark)}")
        return place

    # --- steps for what is cut ------------------------------------------------------------------

    def _start(self, step: _Step, mark: str, *, is_key: bool = False) -> None:
        self._step = step
        self._is_key = is_key
        if self._watch is not None:
            if is_key:
                self._watch.names("")
            else:
                self._watch.begins(mark, "")

    def _at_string(self, text: str, place: int) -> int:
        end = CHARACTERS(text, place).end()
        if end > place:
            piece = text[place:end]
            if "\\" in piece:
                piece = _loads(f'"{piece}"')
            self._pieces.append(piece)
            if self._watch is not None and self._watch.curious:
                self._watch.text(piece)
        if end == len(text):
            return end
        if text[end] != '"':
            return self._hold(text, end)
        self._end_string(text, end)
        return end + 1

    def _hold(self, text: str, place: int) -> int:
        """Keep the beginning of an escape until the next piece."""
        if CUT_ESCAPE(text, place) is None:
            what = (
                "an escape that JSON does not have"
                if text[place] == "\\"
                else "a control character"
            )
            self._refuse(text, place, f"{what}, {text[place : place + 2]!r},")
        self._held = text[place:]
        return len(text)

    def _end_string(self, text: str, place: int) -> None:
        if self._is_key:
            whole = "".join(self._pieces)
            self._pieces = []
            self._is_key = False
            self._name(whole, place)
            self._step = JsonStream._at_colon
            return
        if self._shown:
            self._show()
            whole = self._holder[self._key if self._named else -1]
        else:
            whole = "".join(self._pieces)
        self._pieces = []
        self._scalar(whole)

    def _at_number(self, text: str, place: int) -> int:
        end = NUMBER_RUN(text, place).end()
        run = text[place:end]
        self._pieces.append(run)
        # Of a run of digits the first one is enough to tell what may follow, so what is matched
        # again with each piece stays short.
        shape = self._shape + run
        if end == len(text):
            if not begins_number(shape):
                self._refuse(text, place, "a number that JSON does not have")
            self._shape = shortened(shape)
            return end
        if WHOLE_NUMBER(shape) is None:
            self._refuse(text, place, "a number that JSON does not have")
        whole = "".join(self._pieces)
        self._pieces = []
        self._shape = ""
        self._scalar(exact_number(whole, self._base + end - len(whole)))
        return end
