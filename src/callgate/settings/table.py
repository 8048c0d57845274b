"""One table of the settings file, and how its values are read: a mistake names its place."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields
from decimal import Decimal
from typing import Any, TypeVar, cast

from callgate.errors import SettingsError

__all__ = [
    "RefusedError",
    "Table",
    "flag",
    "json_object",
    "money",
    "names",
    "seconds",
    "seconds_text",
    "secret",
    "table_of",
    "text",
    "texts",
    "url",
    "variable",
    "whole",
    "whole_text",
]

_Value = TypeVar("_Value")

_SECRET = re.compile(r"env:[A-Z_][A-Z0-9_]*|file:[^\s]+|(?!env:|file:)[a-z][a-z0-9-]*:[^\s]+")


class RefusedError(Exception):
    """A value is not allowed; carries what would be, and whether the value may be shown."""

    def __init__(self, allowed: str, *, secret: bool = False) -> None:
        """Keep what is allowed.

        Args:
            allowed: What would be allowed, in words.
            secret: Whether the value must not be shown.
        """
        super().__init__(allowed)
        self.secret = secret


class Table:
    """One table of the file, or the environment, that knows how to name a mistake in it."""

    def __init__(self, place: str, prefix: str, values: Mapping[str, Any]) -> None:
        """Keep the values.

        Args:
            place: What an error names first: the file.
            prefix: The path of this table within it, with a closing dot.
            values: The keys and values.
        """
        self.place = place
        self.prefix = prefix
        self.values = values

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Table:
        """Make a table of the variables `CALLGATE_*`, under lower-case names."""
        start = "CALLGATE_"
        ours = {
            key[len(start) :].lower(): value
            for key, value in environment.items()
            if key.startswith(start)
        }
        return cls("environment", start, ours)

    def error(self, key: str, got: str, allowed: str) -> SettingsError:
        """Describe a mistake at `key`."""
        shown = key.upper() if self.place == "environment" else key
        return SettingsError(
            f"{self.place}: {self.prefix}{shown}: got {got}; allowed is {allowed}",
            details={
                "file": self.place,
                "key": f"{self.prefix}{shown}",
                "got": got,
                "allowed": allowed,
            },
        )

    def without(self, *keys: str) -> Table:
        """Return the table without some of its keys."""
        left = {key: value for key, value in self.values.items() if key not in keys}
        return Table(self.place, self.prefix, left)

    def only(self, names: Iterable[str]) -> None:
        """Refuse keys that are not among `names`."""
        allowed = tuple(names)
        for key in self.values:
            if key not in allowed:
                near = difflib.get_close_matches(key, allowed, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise self.error(key, "an unknown key", f"one of {', '.join(allowed)}{hint}")

    def take(self, key: str, read: Callable[[Any], _Value], default: _Value) -> _Value:
        """Return the value at `key` as `read` makes it, or the default when there is none."""
        if key not in self.values:
            return default
        try:
            return read(self.values[key])
        except RefusedError as exc:
            got = "a value that is not shown" if exc.secret else _shown(self.values[key])
            raise self.error(key, got, str(exc)) from None

    def fill(
        self, kind: type[_Value], readers: Mapping[str, Callable[[Any], Any]], **known: Any
    ) -> _Value:
        """Make a dataclass of this table; what the table leaves out has the class's default.

        Args:
            kind: The dataclass.
            readers: What reads each of its fields, by name.
            **known: Fields that were read before.

        Raises:
            SettingsError: A key is unknown, a value is not allowed, or one that has no default is
                absent.
        """
        self.only(readers)
        values = {key: self.take(key, readers[key], None) for key in self.values}
        for part in fields(cast("Any", kind)):
            bare = part.default is MISSING and part.default_factory is MISSING
            if bare and part.name in readers and part.name not in values:
                raise self.error(part.name, "nothing", f"a value: {self.prefix}{part.name} = ...")
        return kind(**values, **known)

    def table(self, key: str) -> Table:
        """Return the table at `key`; an empty one when there is none."""
        return Table(self.place, f"{self.prefix}{key}.", self.take(key, table_of, {}))

    def tables(self, key: str) -> Iterable[tuple[str, Table]]:
        """Return the tables within the table at `key`, with their names."""
        outer = self.table(key)
        return [(name, outer.table(name)) for name in outer.values]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def table_of(value: object) -> Mapping[str, Any]:
    """Read a table."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    raise RefusedError("a table")


def text(value: object) -> str:
    """Read a text that is not empty."""
    if isinstance(value, str) and value:
        return value
    raise RefusedError("a text that is not empty")


def texts(value: Any) -> tuple[str, ...]:
    """Read a list of texts."""
    if isinstance(value, list):
        return tuple(text(item) for item in cast("list[object]", value))
    raise RefusedError('a list of texts, such as ["tools.py:add"]')


def names(value: str) -> tuple[str, ...]:
    """Read names that commas separate."""
    return tuple(name for part in value.split(",") if (name := part.strip()))


def url(value: object) -> str:
    """Read a URL of the web."""
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return value
    raise RefusedError("a URL that starts with http:// or https://")


def variable(value: object) -> str:
    """Read the name of an environment variable."""
    # The commonest mistake is to write the key itself; refuse it without repeating it.
    if isinstance(value, str) and value.isidentifier() and value.upper() == value:
        return value
    raise RefusedError(
        "the NAME of an environment variable in capitals, never the key itself", secret=True
    )


def whole(value: object) -> int:
    """Read a whole number of at least 1."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise RefusedError("a whole number of at least 1")


def whole_text(value: str) -> int:
    """Read the same from text."""
    return whole(int(value) if value.isascii() and value.isdigit() else value)


def seconds(value: object) -> float:
    """Read seconds above 0."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise RefusedError("a number of seconds above 0")


def seconds_text(value: str) -> float:
    """Read the same from text."""
    try:
        return seconds(float(value))
    except ValueError:
        return seconds(None)


def money(value: object) -> Decimal:
    """Read US dollars above 0."""
    try:
        # Through text, so that 0.1 means a tenth and not its nearest binary fraction.
        amount = Decimal("nan") if isinstance(value, bool) else Decimal(str(value))
    except ArithmeticError:
        amount = Decimal("nan")
    if amount.is_finite() and amount > 0:
        return amount
    raise RefusedError("US dollars above 0")


def flag(value: object) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    raise RefusedError("true or false")


def json_object(value: object) -> dict[str, Any]:
    """Read a table of JSON values, such as a JSON Schema."""
    if isinstance(value, dict) and _is_json(cast("dict[str, object]", value)):
        return cast("dict[str, Any]", value)
    raise RefusedError("a table of texts, numbers, true, false, lists and tables")


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_json(inner) for inner in cast("dict[str, object]", value).values())
    if isinstance(value, list):
        return all(_is_json(inner) for inner in cast("list[object]", value))
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, str | int)


def secret(value: object) -> str:
    """Read where a secret is: `env:NAME`, `file:PATH`, or a name of a plug-in's scheme."""
    # The commonest mistake is to write the secret itself; refuse it without repeating it.
    if isinstance(value, str) and _SECRET.fullmatch(value):
        return value
    raise RefusedError(
        'where a secret is, such as "env:SHOP_TOKEN" or "file:secrets/token", never the secret',
        secret=True,
    )
