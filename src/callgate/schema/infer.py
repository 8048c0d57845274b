"""Read the contract of a tool from a Python function: its signature, types and docstring."""

from __future__ import annotations

import functools
import inspect
import math
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from callgate.errors import DefinitionError
from callgate.schema.bind import encode
from callgate.schema.check import Checker
from callgate.schema.docstrings import Docstring, parse_docstring
from callgate.schema.plain import as_field, description_in, translate
from callgate.types import CallContext, JsonSchema, Pending

__all__ = ["Signature", "infer"]

_PLAIN_ONLY: Mapping[str, Any] = types.MappingProxyType({})
_MISSING = inspect.Parameter.empty
_REFUSED_KINDS: Mapping[Any, str] = {
    inspect.Parameter.VAR_POSITIONAL: "a model cannot pass it; take a list instead of *{name}",
    inspect.Parameter.VAR_KEYWORD: "a model must know the names; take a dict instead of **{name}",
    inspect.Parameter.POSITIONAL_ONLY: "arguments are passed by name; remove the `/`",
}

_TYPES_OF: Mapping[type, tuple[str, ...]] = {
    str: ("string",),
    bool: ("boolean",),
    int: ("integer", "number"),
    float: ("number",),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signature:
    """What a function says about itself as a tool.

    Attributes:
        name: The function's name.
        description: Summary and body of its docstring; empty if it has none.
        parameters: JSON Schema of the arguments object; treat it as frozen.
        returns: JSON Schema of the result; None if the function does not say, or says `Any`.
        context_parameter: The parameter that gets the `CallContext`, which is not in the schema.
        is_async: Whether calling it gives an awaitable.
        rich: Types of those parameters whose JSON value must be converted, by name.
    """

    name: str
    description: str
    parameters: JsonSchema
    returns: JsonSchema | None
    context_parameter: str | None
    is_async: bool
    rich: Mapping[str, Any]


def infer(function: Callable[..., object]) -> Signature:
    """Read the contract of a tool from a function.

    Args:
        function: A function, sync or async, or a bound method. Every parameter needs a type.

    Returns:
        Its schemas and descriptions. Plain types cost microseconds; a type that only pydantic
        understands loads pydantic.

    Raises:
        DefinitionError: The function cannot be a tool as it stands; says which parameter and what
            to write instead.
    """
    name = _name(function)
    hints = _hints(function, name)
    reader = _Reader(name, parse_docstring(function.__doc__))
    for parameter in inspect.signature(function).parameters.values():
        reader.add(parameter, hints.get(parameter.name, _MISSING))
    return Signature(
        name=name,
        description=reader.doc.description,
        parameters=reader.parameters(),
        returns=_returns(name, hints.get("return", Any), reader.doc.returns),
        context_parameter=reader.context,
        is_async=inspect.iscoroutinefunction(function),
        rich=reader.rich or _PLAIN_ONLY,
    )


def _name(function: Callable[..., object]) -> str:
    if not isinstance(function, types.FunctionType | types.MethodType):
        raise DefinitionError(
            f"{function!r} is not a function; write a function around it, or pass a bound method"
        )
    name = function.__name__
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise DefinitionError(f"{name} yields; a tool gives one result, so return a list instead")
    return name


def _hints(function: Callable[..., object], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as exc:
        raise DefinitionError(
            f"{name}: {_unresolved(function)} cannot be understood ({exc}). Names in annotations"
            " must exist at run time at the top of their module: not inside a function and not"
            " under `if TYPE_CHECKING:`"
        ) from exc


def _unresolved(function: Callable[..., object]) -> str:
    """Find the annotation that does not resolve, to name it."""
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    broken = (name for name, hint in function.__annotations__.items() if not _resolves(hint, scope))
    name = next(broken, "")
    return "the result type" if name == "return" else f"the type of parameter {name!r}"


def _resolves(annotation: object, scope: dict[str, Any]) -> bool:
    probe = types.SimpleNamespace(__annotations__={"probe": annotation})
    try:
        typing.get_type_hints(probe, scope)
    except (NameError, AttributeError, SyntaxError, TypeError):
        return False
    return True


class _Reader:
    """Collects the parameters of one function."""

    __slots__ = (
        "_defaults",
        "_foreign",
        "_name",
        "_properties",
        "_required",
        "context",
        "doc",
        "rich",
    )

    def __init__(self, name: str, doc: Docstring) -> None:
        self._name = name
        self.doc = doc
        self.context: str | None = None
        self.rich: dict[str, Any] = {}
        self._properties: dict[str, JsonSchema] = {}
        self._required: list[str] = []
        self._defaults: dict[str, object] = {}
        self._foreign: dict[str, Any] = {}

    def add(self, parameter: inspect.Parameter, annotation: Any) -> None:
        """Read one parameter."""
        name, default = parameter.name, parameter.default
        if (reason := _REFUSED_KINDS.get(parameter.kind)) is not None:
            raise self._error(name, reason.format(name=name))
        if annotation is _MISSING:
            raise self._error(name, self._untyped(name))
        if _is_context(annotation):
            self._take_context(name)
            return
        if as_field(default) is not None:
            annotation, default = typing.Annotated[annotation, default], _MISSING
        default = self._default_in_field(name, annotation, default)
        if default is _MISSING:
            self._required.append(name)
        else:
            self._defaults[name] = default
        try:
            plain = translate(annotation, closed=True)
        except DefinitionError as exc:
            raise self._error(name, exc.message) from exc
        if plain is None:
            self._foreign[name] = annotation
        if plain is None or plain.rich:
            self.rich[name] = annotation
        # Foreign ones keep their place among the others until pydantic has been asked.
        self._properties[name] = {} if plain is None else plain.schema
        self._describe(name, annotation)

    def parameters(self) -> JsonSchema:
        """Return the schema of the arguments object."""
        schema: JsonSchema = {"type": "object", "properties": self._properties}
        if self._required:
            schema["required"] = self._required
        schema["additionalProperties"] = False
        if self._foreign:
            self._ask_pydantic(schema)
        for name, default in self._defaults.items():
            self._insert_default(schema, name, default)
        return schema

    def _ask_pydantic(self, schema: JsonSchema) -> None:
        from callgate.schema import rich  # loads pydantic

        try:
            found, definitions = rich.schemas(self._foreign, mode="validation")
        except DefinitionError as exc:
            raise DefinitionError(f"{self._name}: parameter {exc.message}") from exc
        for name, inner in found.items():
            self._properties[name] = inner
            self._describe(name, self._foreign[name])
        if definitions:
            schema["$defs"] = definitions

    def _describe(self, name: str, annotation: Any) -> None:
        text = description_in(getattr(annotation, "__metadata__", ()))
        if text := text or self.doc.parameters.get(name):
            self._properties[name]["description"] = text

    def _take_context(self, name: str) -> None:
        if self.context is not None:
            raise self._error(name, f"{self.context!r} already gets the CallContext; keep one")
        self.context = name

    def _default_in_field(self, name: str, annotation: Any, default: object) -> object:
        """Return the default, which may stand in a `Field(...)` beside the type."""
        for item in getattr(annotation, "__metadata__", ()):
            if (field := as_field(item)) is None:
                continue
            if field.alias or field.validation_alias:
                raise self._error(
                    name, "an alias would give it a second name; rename the parameter instead"
                )
            if field.default_factory is not None:
                raise self._error(
                    name,
                    "a default_factory is no part of a contract; make the default None and build"
                    " the value in the function",
                )
            if not field.is_required() and default is _MISSING:
                default = field.default
        return default

    def _insert_default(self, schema: JsonSchema, name: str, default: object) -> None:
        inner = self._properties[name]
        value = self._json_default(name, default)
        if not _surely_allows(inner, value) and not _allows(inner, schema, value):
            hint = "; write `... | None`" if value is None else ""
            raise self._error(name, f"its default {default!r} is not of its type{hint}")
        inner["default"] = value

    def _json_default(self, name: str, default: object) -> Any:
        if isinstance(default, float) and not math.isfinite(default):
            raise self._error(name, f"its default {default!r} is no JSON number; make it None")
        try:
            return orjson.loads(encode(default))
        except TypeError as exc:
            raise self._error(
                name,
                f"its default {default!r} has no form in JSON ({exc}); make it None and choose the"
                " value in the function",
            ) from exc

    def _untyped(self, name: str) -> str:
        if name in ("self", "cls"):
            return "is not bound; declare the method of an object: tool(object.method)"
        return f"has no type; write for example `{name}: str`"

    def _error(self, name: str, reason: str) -> DefinitionError:
        return DefinitionError(f"{self._name}: parameter {name!r}: {reason}")


def _surely_allows(schema: JsonSchema, value: object) -> bool:
    """Tell the commonest valid defaults, because compiling a validator costs 30 microseconds."""
    if value is None:
        return {"type": "null"} in schema.get("anyOf", ())
    if type(value) is str and value in schema.get("enum", ()):
        return True
    if not schema.keys() <= {"type", "description"}:
        return False
    return schema.get("type") in _TYPES_OF.get(type(value), ())


def _allows(schema: JsonSchema, whole: JsonSchema, value: object) -> bool:
    return Checker({**schema, "$defs": whole.get("$defs", {})}).is_valid(value)


def _is_context(annotation: Any) -> bool:
    """Tell `CallContext`, `CallContext | None` and `Annotated` forms of them."""
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return annotation is CallContext or CallContext in _members(annotation)


def _members(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a union; nothing for any other type."""
    is_union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if is_union else ()


def _returns(name: str, annotation: Any, description: str) -> JsonSchema | None:
    try:
        annotation = _without_pending(annotation)
        plain = translate(annotation, closed=False)
        schema = _foreign_result(annotation) if plain is None else plain.schema
    except DefinitionError as exc:
        raise DefinitionError(
            f"{name}: the result: {exc.message}; return JSON values, a dataclass or a model, or"
            " annotate `Any` to promise nothing"
        ) from exc
    if not schema:
        return None
    if description and annotation is not None:
        schema["description"] = description
    return schema


def _without_pending(annotation: Any) -> Any:
    """Take `Pending` out of a union: to wait is no result."""
    members = _members(annotation)
    if Pending not in members:
        return annotation
    results = [member for member in members if member is not Pending]
    return functools.reduce(lambda left, right: left | right, results)


def _foreign_result(annotation: Any) -> JsonSchema:
    from callgate.schema import rich  # loads pydantic

    found, definitions = rich.schemas({"return": annotation}, mode="serialization")
    schema = found["return"]
    if definitions:
        schema["$defs"] = definitions
    return schema
