"""What only pydantic can say about types: models, dataclasses, validators, dates, decimals.

Importing pydantic takes 150 ms. So this is the one module of the core that does, and it is
imported when a tool needs it first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Literal, cast

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import to_jsonable_python
from typing_extensions import TypedDict

from callgate.errors import ArgumentsError, DefinitionError
from callgate.types import JsonSchema, Problem

__all__ = ["converter", "jsonable", "schemas"]

# Bytes are base64 both ways, since text cannot hold all of them. Models keep their own settings.
_CONFIG = ConfigDict(val_json_bytes="base64", ser_json_bytes="base64")
_NOISE = ("title", "discriminator")
_MAPS = frozenset(("properties", "$defs", "patternProperties", "dependentSchemas"))
_VALUES = frozenset(("const", "default", "enum", "examples", "required"))
_SHOWN = 80  # characters of a value that a problem repeats


def schemas(
    annotations: Mapping[str, Any], *, mode: Literal["validation", "serialization"]
) -> tuple[dict[str, JsonSchema], dict[str, JsonSchema]]:
    """Translate types to JSON Schema.

    Args:
        annotations: Types by the name of the value.
        mode: `validation` for what comes in, which refuses unknown keys of objects unless their
            type says otherwise; `serialization` for what goes out.

    Returns:
        The schema of each value, and the definitions (`$defs`) they refer to.

    Raises:
        DefinitionError: One of the types has no form in JSON; named by its value.
    """
    try:
        schema = _adapter(annotations).json_schema(mode=mode)
    except (PydanticUserError, NameError, TypeError) as exc:
        for name, annotation in annotations.items() if len(annotations) > 1 else ():
            schemas({name: annotation}, mode=mode)
        reason = str(exc).partition("\n")[0]
        raise DefinitionError(f"{', '.join(annotations)}: {reason}") from exc
    tidy = _tidy(schema, closed=mode == "validation")
    return tidy["properties"], tidy.get("$defs", {})


def converter(annotations: Mapping[str, Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Build what turns JSON values into Python values.

    Args:
        annotations: Types by the name of the argument.

    Returns:
        A function from JSON arguments to Python arguments; it leaves those alone that have no
        type here. It raises `ArgumentsError` for a value that the type refuses though the schema
        does not, such as by a validator of a model.
    """
    # JSON mode and not `validate_python`: a strict model takes text for a date only from JSON.
    validate = _adapter(annotations).validator.validate_json
    names = tuple(annotations)

    def convert(arguments: dict[str, Any]) -> dict[str, Any]:
        given = {name: arguments[name] for name in names if name in arguments}
        try:
            return {**arguments, **validate(orjson.dumps(given))}
        except ValidationError as exc:
            raise _refusal(exc) from exc

    return convert


def jsonable(value: object) -> Any:
    """Turn a value that pydantic knows into JSON values.

    Raises:
        TypeError: It is nothing that has a form in JSON.
    """
    try:
        return to_jsonable_python(value, bytes_mode="base64", inf_nan_mode="null")
    except ValueError as exc:
        raise TypeError(str(exc)) from exc


def _adapter(annotations: Mapping[str, Any]) -> TypeAdapter[dict[str, Any]]:
    """Build one adapter for all values, so that definitions are shared and names are unique."""
    make = cast("Callable[..., Any]", TypedDict)  # the names are known only now
    together = make("Arguments", dict(annotations), total=False)
    together.__pydantic_config__ = _CONFIG
    return TypeAdapter(together)


def _tidy(schema: Any, *, closed: bool) -> Any:
    """Take out what tells a model nothing, and close the objects whose keys are known."""
    if isinstance(schema, list):
        return [_tidy(inner, closed=closed) for inner in cast("list[Any]", schema)]
    if not isinstance(schema, dict):
        return schema
    tidy: JsonSchema = {}
    for keyword, inner in cast("JsonSchema", schema).items():
        if keyword in _MAPS:
            parts = cast("JsonSchema", inner).items()
            tidy[keyword] = {name: _tidy(part, closed=closed) for name, part in parts}
        elif keyword not in _NOISE:
            tidy[keyword] = inner if keyword in _VALUES else _tidy(inner, closed=closed)
    if closed and "properties" in tidy:
        tidy.setdefault("additionalProperties", False)
    return tidy


def _refusal(error: ValidationError) -> ArgumentsError:
    problems = [
        Problem(
            path="$" + "".join(_step(part) for part in found["loc"]),
            got=_brief(found["input"]),
            allowed=found["msg"],
        )
        for found in error.errors(include_url=False, include_context=False)
    ]
    text = "; ".join(f"{found.path}: {found.allowed} (got {found.got})" for found in problems)
    return ArgumentsError(text, details={"problems": [asdict(found) for found in problems]})


def _brief(value: object) -> str:
    return orjson.dumps(value, repr).decode()[:_SHOWN]


def _step(part: str | int) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{part}"
