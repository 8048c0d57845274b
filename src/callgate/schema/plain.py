"""Translate Python types to JSON Schema without pydantic, as far as their meaning is plain.

Most parameters of most tools are strings, numbers, lists, literals and unions of these. A table
translates them in a microsecond; pydantic needs some hundreds of them, and 150 ms to be
imported. What this module does not know it leaves to pydantic (`rich.py`), so that it never has
to guess.
"""

from __future__ import annotations

import collections.abc as abc
import datetime
import enum
import sys
import types
import typing
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, cast

from callgate.errors import DefinitionError
from callgate.types import JsonSchema

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

__all__ = ["Translated", "as_field", "description_in", "translate"]


_PLAIN: Mapping[object, JsonSchema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    None: {"type": "null"},
    type(None): {"type": "null"},
    Any: {},
    object: {},
    list: {"type": "array"},
    dict: {"type": "object"},
}
_RICH: Mapping[object, JsonSchema] = {
    datetime.datetime: {"type": "string", "format": "date-time"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.time: {"type": "string", "format": "time"},
    datetime.timedelta: {"type": "string", "format": "duration"},
    uuid.UUID: {"type": "string", "format": "uuid"},
    bytes: {"type": "string", "format": "base64url"},
    tuple: {"type": "array"},
    set: {"type": "array", "uniqueItems": True},
    frozenset: {"type": "array", "uniqueItems": True},
}
_ARRAYS: frozenset[object] = frozenset(
    (list, abc.Sequence, abc.MutableSequence, abc.Iterable, abc.Collection)
)
_SETS: frozenset[object] = frozenset((set, frozenset, abc.Set, abc.MutableSet))
_OBJECTS: frozenset[object] = frozenset((dict, abc.Mapping, abc.MutableMapping))
_NAME_OF: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
}

# Constraints of annotated-types and pydantic, by class name: attribute, then keyword by type of
# value. They are told by name so that nobody pays for importing packages that no tool uses.
_NUMBERS = ("integer", "number")
_BOUNDS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "Gt": ("gt", dict.fromkeys(_NUMBERS, "exclusiveMinimum")),
    "Ge": ("ge", dict.fromkeys(_NUMBERS, "minimum")),
    "Lt": ("lt", dict.fromkeys(_NUMBERS, "exclusiveMaximum")),
    "Le": ("le", dict.fromkeys(_NUMBERS, "maximum")),
    "MultipleOf": ("multiple_of", dict.fromkeys(_NUMBERS, "multipleOf")),
    "MinLen": (
        "min_length",
        {"string": "minLength", "array": "minItems", "object": "minProperties"},
    ),
    "MaxLen": (
        "max_length",
        {"string": "maxLength", "array": "maxItems", "object": "maxProperties"},
    ),
}
_GROUPS = frozenset(("Interval", "Len"))
# JSON has no infinities, and validation is strict about JSON types anyway.
_NEEDLESS = frozenset(("Strict", "AllowInfNan"))


@dataclass(frozen=True, slots=True)
class Translated:
    """A Python type as JSON Schema.

    Attributes:
        schema: A JSON Schema that belongs to the caller.
        rich: Whether a JSON value must be converted before Python code gets it, as text to a
            `datetime`; False if it can be passed as it is.
    """

    schema: JsonSchema
    rich: bool = False


def translate(annotation: object, *, closed: bool) -> Translated | None:
    """Translate a Python type.

    Args:
        annotation: The type, with forward references resolved.
        closed: Whether objects with known keys refuse others: so for arguments, where an unknown
            key is a mistake of the model; not for results.

    Returns:
        The schema, or None if pydantic must decide.

    Raises:
        DefinitionError: The type has no form in JSON.
    """
    return _Translator(closed=closed, within=()).translate(annotation)


def as_field(value: object) -> FieldInfo | None:
    """Return a pydantic `Field(...)` as such and anything else as None."""
    # Nobody can hold one before its module is loaded, and to load it takes 150 ms.
    module = sys.modules.get("pydantic.fields")
    if module is not None and isinstance(value, module.FieldInfo):
        return cast("FieldInfo", value)
    return None


def description_in(metadata: Iterable[object]) -> str | None:
    """Return the last description in the metadata of an `Annotated`: text, `Doc` or `Field`."""
    found = [text for item in metadata if (text := _words(item)) is not None]
    return found[-1] if found else None


def _words(item: object) -> str | None:
    if isinstance(item, str):
        return item
    if (field := as_field(item)) is not None:
        return field.description
    # `Doc` of PEP 727 lives in typing_extensions and in annotated_doc.
    words = getattr(item, "documentation", None) if type(item).__name__ == "Doc" else None
    return words if isinstance(words, str) else None


class _Translator:
    """Translates the types inside one type; None stands for what pydantic must decide."""

    __slots__ = ("closed", "within")

    def __init__(self, *, closed: bool, within: tuple[object, ...]) -> None:
        self.closed = closed
        self.within = within

    def translate(self, annotation: object) -> Translated | None:
        origin = typing.get_origin(annotation)
        if origin is None:
            return self._bare(annotation)
        arguments = typing.get_args(annotation)
        if origin is typing.Annotated:
            inner = self.translate(arguments[0])
            return inner and _annotate(inner, arguments[1:])
        if origin is typing.Literal:
            return _choice(arguments, rich=False)
        if origin is typing.Union or origin is types.UnionType:
            return self._union(arguments)
        if origin is tuple:
            return self._tuple(arguments)
        return self._container(origin, arguments)

    def _bare(self, annotation: object) -> Translated | None:
        if not isinstance(annotation, abc.Hashable):
            return None
        if (schema := _PLAIN.get(annotation)) is not None:
            return Translated({**schema})
        if (schema := _RICH.get(annotation)) is not None:
            return Translated({**schema}, rich=True)
        if isinstance(annotation, enum.EnumType):
            return _enum(cast("type[enum.Enum]", annotation))
        if isinstance(annotation, typing.NewType):
            return self.translate(annotation.__supertype__)
        if annotation in self.within:
            return None
        inside = _Translator(closed=self.closed, within=(*self.within, annotation))
        if hasattr(annotation, "__required_keys__"):
            return inside.typed_dict(cast("type[Any]", annotation))
        if type(annotation).__name__ == "TypeAliasType":
            return inside.alias(annotation)
        return None

    def alias(self, annotation: Any) -> Translated | None:
        """Translate `type Name = ...`."""
        if (annotation.__module__, annotation.__name__) == ("pydantic.types", "JsonValue"):
            return Translated({})
        return self.translate(annotation.__value__)

    def typed_dict(self, annotation: type[Any]) -> Translated | None:
        """Translate a TypedDict whose values are plain; it stays the dict that JSON makes."""
        properties: JsonSchema = {}
        required: list[str] = []
        for key, hint in typing.get_type_hints(annotation, include_extras=True).items():
            inner, present = _presence(hint, default=key in annotation.__required_keys__)
            value = self.translate(inner)
            if value is None or value.rich:
                return None
            properties[key] = value.schema
            if present:
                required.append(key)
        schema: JsonSchema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        if self.closed:
            schema["additionalProperties"] = False
        if text := vars(annotation).get("__doc__"):
            schema["description"] = cleandoc(text)
        return Translated(schema)

    def _all(self, annotations: Iterable[object]) -> list[Translated] | None:
        found: list[Translated] = []
        for annotation in annotations:
            if (inner := self.translate(annotation)) is None:
                return None
            found.append(inner)
        return found

    def _union(self, members: tuple[object, ...]) -> Translated | None:
        if (inner := self._all(members)) is None:
            return None
        schema: JsonSchema = {"anyOf": [member.schema for member in inner]}
        return Translated(schema, rich=any(member.rich for member in inner))

    def _tuple(self, members: tuple[object, ...]) -> Translated | None:
        schema: JsonSchema = {"type": "array"}
        if len(members) == 2 and members[1] is Ellipsis:
            if (item := self.translate(members[0])) is None:
                return None
            return Translated(_with(schema, "items", item.schema), rich=True)
        if (inner := self._all(members)) is None:
            return None
        if inner:
            schema["prefixItems"] = [member.schema for member in inner]
        schema |= {"minItems": len(inner), "maxItems": len(inner)}
        return Translated(schema, rich=True)

    def _container(self, origin: object, arguments: tuple[object, ...]) -> Translated | None:
        if origin in _OBJECTS:
            if arguments[0] is not str or (value := self.translate(arguments[1])) is None:
                return None
            schema = _with({"type": "object"}, "additionalProperties", value.schema)
            return Translated(schema, rich=value.rich)
        if (origin not in _ARRAYS and origin not in _SETS) or len(arguments) != 1:
            return None
        if (item := self.translate(arguments[0])) is None:
            return None
        schema = _with({"type": "array"}, "items", item.schema)
        if origin in _SETS:
            schema["uniqueItems"] = True
        return Translated(schema, rich=item.rich or origin in _SETS)


def _presence(hint: object, *, default: bool) -> tuple[object, bool]:
    """Take `Required` or `NotRequired` off; `__required_keys__` misses them in text annotations."""
    origin = typing.get_origin(hint)
    if origin is typing.Required or origin is typing.NotRequired:
        return typing.get_args(hint)[0], origin is typing.Required
    return hint, default


def _with(schema: JsonSchema, keyword: str, inner: JsonSchema) -> JsonSchema:
    """Add a schema unless it allows everything, which is what its absence means."""
    if inner:
        schema[keyword] = inner
    return schema


def _choice(values: Iterable[object], *, rich: bool) -> Translated | None:
    values = list(values)
    kinds = {type(value) for value in values}
    if not kinds or not kinds <= _NAME_OF.keys():
        return None
    schema: JsonSchema = {"type": _NAME_OF[kinds.pop()]} if len(kinds) == 1 else {}
    schema["enum"] = values
    return Translated(schema, rich=rich)


def _enum(kind: type[enum.Enum]) -> Translated:
    schema = _choice((member.value for member in kind), rich=True)
    if schema is None:
        raise DefinitionError(
            f"the values of {kind.__name__} are not all text, numbers or booleans, so a model"
            " cannot name them; give its members such values"
        )
    return schema


def _annotate(inner: Translated, metadata: tuple[object, ...]) -> Translated | None:
    """Apply what stands beside the type in an `Annotated`."""
    for item in metadata:
        if (field := as_field(item)) is not None:
            known = _apply_field(inner, field)
        else:
            known = _words(item) is not None or _apply_constraint(inner, item)
        if not known:
            return None
    if (description := description_in(metadata)) is not None:
        inner.schema["description"] = description
    return inner


def _apply_field(inner: Translated, field: FieldInfo) -> bool:
    extra = field.json_schema_extra
    if field.discriminator is not None or callable(extra):
        return False
    if field.examples:
        inner.schema["examples"] = field.examples
    if field.deprecated:
        inner.schema["deprecated"] = True
    inner.schema.update(extra or {})
    return all(_apply_constraint(inner, item) for item in field.metadata)


def _apply_constraint(inner: Translated, item: object) -> bool:
    kind = type(item)
    if kind.__module__.partition(".")[0] not in ("annotated_types", "pydantic"):
        return False
    if kind.__name__ in _NEEDLESS:
        return True
    if inner.rich:
        return False
    if kind.__name__ in _GROUPS:
        parts = cast("Iterable[object]", item)
        return all(_apply_constraint(inner, part) for part in parts)
    if (bound := _BOUNDS.get(kind.__name__)) is not None:
        return _bound(inner.schema, bound[1], getattr(item, bound[0]))
    if kind.__name__ == "_PydanticGeneralMetadata" and vars(item).keys() == {"pattern"}:
        pattern = vars(item)["pattern"]
        return _bound(inner.schema, {"string": "pattern"}, getattr(pattern, "pattern", pattern))
    return False


def _bound(schema: JsonSchema, keywords: Mapping[str, str], value: object) -> bool:
    """Set a keyword on each branch of the schema; say no if it does not fit one of them."""
    if type(value) not in _NAME_OF:
        return False
    for branch in schema.get("anyOf", (schema,)):
        kind = branch.get("type")
        if kind in keywords:
            branch[keywords[kind]] = value
        elif kind != "null":
            return False
    return True
