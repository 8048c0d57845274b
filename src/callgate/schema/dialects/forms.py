"""The way back: from arguments in a wire's form to the form of the original schema.

A form exists only where both differ. `restore` leaves alone what is not in the wire's form, so
that the original schema judges it as it came; a model that ignores the wire's form loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from callgate.errors import MalformedArgumentsError
from callgate.schema.canonical import canonical
from callgate.schema.check import Checker
from callgate.schema.parse import parse
from callgate.schema.values import is_array, is_object
from callgate.types import JsonSchema

__all__ = [
    "NOTHING",
    "ArrayForm",
    "ChoiceForm",
    "Form",
    "ObjectForm",
    "PairsForm",
    "Part",
    "ReferenceForm",
    "TextForm",
    "UnionForm",
    "express",
    "restore",
]

NOTHING = object()
"""No default, which is something else than a default of null."""


class Form(Protocol):
    """How one place of a schema is written on a wire."""

    def restore(self, value: Any) -> Any:
        """Return a value of the wire in the original's form; the value is not changed."""
        ...

    def express(self, value: Any) -> Any:
        """Return a value of the original's form in the wire's; the value is not changed."""
        ...


def restore(form: Form | None, value: Any) -> Any:
    """Restore a value where there is anything to restore."""
    return value if form is None else form.restore(value)


def express(form: Form | None, value: Any) -> Any:
    """Express a value where there is anything to express."""
    return value if form is None else form.express(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A property whose name, form or absence is written differently.

    Attributes:
        name: Its own name.
        wire: Its name on the wire.
        form: The form of its value.
        null_is_absent: Whether null stands for leaving it out.
        default: What to write for leaving it out, where null means null.
    """

    name: str
    wire: str
    form: Form | None = None
    null_is_absent: bool = False
    default: Any = NOTHING

    @property
    def plain(self) -> bool:
        """Whether it is written as it is."""
        return (
            self.name == self.wire
            and self.form is None
            and not self.null_is_absent
            and self.default is NOTHING
        )


class ObjectForm:
    """An object whose properties are renamed, null for absent, or partly written as pairs.

    Args:
        parts: Its properties.
        rest: The property that holds all others as pairs, if any.
        others: The form of all others where they stand beside the known ones.
    """

    __slots__ = ("_others", "_parts", "_rest", "_wires")

    def __init__(
        self,
        parts: Iterable[Part],
        *,
        rest: tuple[str, PairsForm] | None = None,
        others: Form | None = None,
    ) -> None:
        self._parts = {part.name: part for part in parts}
        self._wires = {part.wire: part for part in self._parts.values()}
        self._rest = rest
        self._others = others

    def reading(self) -> dict[str, tuple[str, bool]] | None:
        """Return its name and whether null is absence for every name on the wire.

        None if its values have forms of their own.
        """
        parts = self._wires.values()
        if self._rest or self._others or any(part.form for part in parts):
            return None
        return {part.wire: (part.name, part.null_is_absent) for part in parts}

    def restore(self, value: Any) -> Any:
        """Return the object under its own names, without what stands for absence.

        Raises:
            MalformedArgumentsError: A property is given twice.
        """
        if not is_object(value):
            return value
        pairs: list[tuple[str, Any]] = []
        for wire, inner in value.items():
            part = self._wires.get(wire)
            if part is not None:
                if inner is not None or not part.null_is_absent:
                    pairs.append((part.name, restore(part.form, inner)))
            elif self._rest is not None and wire == self._rest[0]:
                held = self._rest[1].restore(inner)
                pairs += held.items() if is_object(held) else [(wire, inner)]
            else:
                pairs.append((wire, restore(self._others, inner)))
        return _once(pairs)

    def express(self, value: Any) -> Any:
        """Return the object as the wire has it."""
        if not is_object(value):
            return value
        written: dict[str, Any] = {}
        for name, part in self._parts.items():
            if name in value:
                written[part.wire] = express(part.form, value[name])
            elif part.null_is_absent:
                written[part.wire] = None
            elif part.default is not NOTHING:
                written[part.wire] = express(part.form, part.default)
        others = {name: inner for name, inner in value.items() if name not in self._parts}
        if self._rest is not None:
            written[self._rest[0]] = self._rest[1].express(others)
            return written
        return written | {name: express(self._others, inner) for name, inner in others.items()}


class PairsForm:
    """A map of free names, written as an array of objects with `key` and `value`."""

    __slots__ = ("_value",)

    def __init__(self, value: Form | None) -> None:
        self._value = value

    def restore(self, value: Any) -> Any:
        """Return the map.

        Raises:
            MalformedArgumentsError: A key is given twice.
        """
        if not is_array(value):
            return value
        pairs: list[tuple[str, Any]] = []
        for item in value:
            if not is_object(item) or item.keys() != {"key", "value"}:
                return value
            if not isinstance(item["key"], str):
                return value
            pairs.append((item["key"], restore(self._value, item["value"])))
        return _once(pairs)

    def express(self, value: Any) -> Any:
        """Return the pairs."""
        if not is_object(value):
            return value
        return [
            {"key": name, "value": express(self._value, inner)} for name, inner in value.items()
        ]


class TextForm:
    """A value of any form, written as a string that holds its JSON text."""

    __slots__ = ()

    def restore(self, value: Any) -> Any:
        """Return what the text says; the text itself if it is not JSON."""
        if not isinstance(value, str):
            return value
        try:
            parsed = parse(value, may_close=False)
        except MalformedArgumentsError:
            return value
        return value if parsed.repairs else parsed.value

    def express(self, value: Any) -> Any:
        """Return the JSON text of a value."""
        return orjson.dumps(value).decode()


class ChoiceForm:
    """One of some fixed values that are not strings, each written as a string.

    Args:
        values: The values by what is written for them.
    """

    __slots__ = ("_texts", "_values")

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._texts = {canonical(value): text for text, value in values.items()}

    def restore(self, value: Any) -> Any:
        """Return the value that is meant."""
        return self._values.get(value, value) if isinstance(value, str) else value

    def express(self, value: Any) -> Any:
        """Return what is written for a value."""
        return self._texts.get(canonical(value), value)


class ArrayForm:
    """An array some of whose items have a form.

    Args:
        first: The forms of the first items.
        rest: The form of the items behind them.
    """

    __slots__ = ("_first", "_rest")

    def __init__(self, first: Sequence[Form | None], rest: Form | None) -> None:
        self._first = first
        self._rest = rest

    def restore(self, value: Any) -> Any:
        """Return the array with every item restored."""
        if not is_array(value):
            return value
        return [restore(self._of(index), item) for index, item in enumerate(value)]

    def express(self, value: Any) -> Any:
        """Return the array with every item expressed."""
        if not is_array(value):
            return value
        return [express(self._of(index), item) for index, item in enumerate(value)]

    def _of(self, index: int) -> Form | None:
        return self._first[index] if index < len(self._first) else self._rest


class UnionForm:
    """Alternatives with forms of their own: the first that takes a value tells its form.

    Attributes:
        options: The alternatives with their forms.

    Args:
        options: The alternatives as they stand on the wire, in JSON Schema, with their forms.
        definitions: What they refer to; may be filled until the first value comes.
    """

    __slots__ = ("_checkers", "_definitions", "options")

    def __init__(
        self,
        options: Sequence[tuple[JsonSchema, Form | None]],
        definitions: Mapping[str, JsonSchema],
    ) -> None:
        self.options = options
        self._definitions = definitions
        self._checkers: list[tuple[Checker, Form | None]] = []

    def restore(self, value: Any) -> Any:
        """Return the value restored as the first alternative that takes it does."""
        for checker, form in self._checked():
            if checker.is_valid(value):
                return restore(form, value)
        return value

    def express(self, value: Any) -> Any:
        """Return the value as an alternative writes it that is read back by the same one.

        One that gives back the very same value comes first; another may add a default.
        """
        wanted = canonical(value)
        written = ((checker, express(form, value)) for checker, form in self._checked())
        accepted = [item for checker, item in written if checker.is_valid(item)]
        same = (item for item in accepted if canonical(self.restore(item)) == wanted)
        return next(same, accepted[0] if accepted else value)

    def _checked(self) -> list[tuple[Checker, Form | None]]:
        if not self._checkers:
            self._checkers = [
                (Checker({**schema, "$defs": self._definitions}), form)
                for schema, form in self.options
            ]
        return self._checkers


class ReferenceForm:
    """The form of a definition that is not known yet because it refers to itself.

    Args:
        name: The name of the definition.
        forms: The forms of all definitions; complete before the first value comes.
    """

    __slots__ = ("_forms", "_name")

    def __init__(self, name: str, forms: Mapping[str, Form | None]) -> None:
        self._name = name
        self._forms = forms

    def restore(self, value: Any) -> Any:
        """Return the value restored as the definition does."""
        return restore(self._forms[self._name], value)

    def express(self, value: Any) -> Any:
        """Return the value expressed as the definition does."""
        return express(self._forms[self._name], value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedArgumentsError(f"The property {twice!r} is given twice.")
    return found
