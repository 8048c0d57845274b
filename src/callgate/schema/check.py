"""Checks JSON values against a schema: one fast yes or no, and the reasons for a no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import orjson

from callgate.errors import DefinitionError
from callgate.schema.definition import Definition, bare
from callgate.schema.patterns import LINEAR, STEPWISE, bound_patterns
from callgate.schema.problems import describe, place_of
from callgate.types import JsonSchema, Problem

__all__ = ["Checker"]

_MANY_VALUES = 20_000
"""Values in an array or object from which on only the first error is looked for: a listing
costs some 7 µs per error, and a model needs no second one."""


class Checker:
    """A schema that values are checked against.

    Construction looks at the references only; the schema is compiled by the first check (about
    20 µs and 8 kB for five parameters). `format` is an annotation, as the standard has it.

    Attributes:
        schema: The JSON Schema; treat it as frozen.
        definition: The same, with its references resolved.
        has_defaults: Whether a default stands anywhere in it.
        is_valid: Whether a JSON value satisfies the schema; about 0.2 µs for a small object.
            Its first call raises DefinitionError if the schema is not one.

    Args:
        schema: A JSON Schema object, not copied. Its draft is 2020-12 unless `$schema` names an
            older one.

    Raises:
        DefinitionError: A `$ref` leaves the document, leads nowhere or in circles, or the schema
            is nested too deep.
    """

    __slots__ = ("_validator", "definition", "has_defaults", "is_valid", "schema")

    # An attribute, not a method: after the first check it is the compiled validator's own, so
    # the hot path has no frame of ours in between.
    is_valid: Callable[[Any], bool]

    def __init__(self, schema: JsonSchema) -> None:
        self.schema = schema
        self.definition = Definition(schema)
        self.has_defaults = bool(self.definition.defaults) or self.definition.deep_defaults
        self._validator: jsonschema_rs.Validator | None = None
        self.is_valid = self._check_first

    def compile(self) -> None:
        """Compile the schema now rather than at the first check.

        Raises:
            DefinitionError: It is not a JSON Schema, or a regular expression in
                it cannot be checked in bounded time.
        """
        self._compiled()

    def errors(self, value: Any) -> list[jsonschema_rs.ValidationError]:
        """Return why `value` is not valid, by place; only one reason if the value is very large."""
        validator = self._compiled()
        if orjson.dumps(value).count(b",") <= _MANY_VALUES:
            return sorted(validator.iter_errors(value), key=place_of)
        try:
            validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []

    def problems(self, value: Any) -> tuple[Problem, ...]:
        """Return why `value` is not valid, in the order of its paths; empty if it is valid.

        Args:
            value: A JSON value.
        """
        return describe(self.errors(value), self.schema, value)

    def _check_first(self, value: Any) -> bool:
        return self._compiled().is_valid(value)

    def _compiled(self) -> jsonschema_rs.Validator:
        if self._validator is None:
            self._validator = _compile(self.schema)
            self.is_valid = self._validator.is_valid
        return self._validator


def _compile(schema: JsonSchema) -> jsonschema_rs.Validator:
    try:
        # Descriptions and the like would take a third of the memory that a tool needs.
        return _build(bare(schema), LINEAR)
    except (ValueError, jsonschema_rs.ReferencingError):
        # Perhaps only a pattern that the linear engine does not know.
        bounded = bound_patterns(schema)
    try:
        return _build(bounded, STEPWISE)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        steps = error.instance_path if isinstance(error, jsonschema_rs.ValidationError) else []
        where = "/".join(str(step) for step in steps)
        what = str(error).partition("\n")[0][:200]
        raise DefinitionError(f"This is not a JSON Schema: {what} (at #/{where}).") from error


def _build(
    schema: JsonSchema, patterns: jsonschema_rs.RegexOptions | jsonschema_rs.FancyRegexOptions
) -> jsonschema_rs.Validator:
    # A dialect of somebody's own is read as 2020-12.
    kind = jsonschema_rs.Draft202012Validator
    kind = jsonschema_rs.validator_cls_for(schema) if "$schema" in schema else kind
    return kind(schema, validate_formats=False, pattern_options=patterns, offline=True)
