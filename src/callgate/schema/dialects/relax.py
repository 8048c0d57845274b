"""Schemas for wires that take all of JSON Schema below the root."""

from __future__ import annotations

from typing import Any, NamedTuple

from callgate.schema.definition import Definition
from callgate.schema.dialects.forms import Form, ObjectForm, Part
from callgate.schema.dialects.loss import Change, Loss, told
from callgate.schema.dialects.names import step, wire_names
from callgate.schema.dialects.root import flatten, plain_root, rehomed
from callgate.schema.dialects.wires import Dialect
from callgate.types import JsonSchema

__all__ = ["Relaxed", "relax"]

# Keywords that speak about properties by their names.
_NAMING = (
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "patternProperties",
    "propertyNames",
    "then",
)


class Relaxed(NamedTuple):
    """A schema as a wire without strict mode takes it.

    Attributes:
        schema: The very same object where nothing has to change.
        form: How arguments differ, if they do.
        losses: What the schema no longer says.
        notes: What its root no longer says, in words.
    """

    schema: JsonSchema
    form: Form | None = None
    losses: tuple[Loss, ...] = ()
    notes: tuple[str, ...] = ()


def relax(schema: JsonSchema, dialect: Dialect) -> Relaxed:
    """Compile the parameters of a tool for a wire that refuses only unions and names at the root.

    Args:
        schema: The parameters.
        dialect: What the wire accepts.

    Raises:
        DefinitionError: They do not describe an object.
    """
    properties: dict[str, Any] = schema.get("properties", {})
    allowed = dialect.names
    if plain_root(schema) and (allowed is None or all(map(allowed.fullmatch, properties))):
        return Relaxed(schema)
    definition = Definition(schema)
    losses: list[Loss] = []
    notes: list[str] = []
    root = flatten(schema, definition, losses.append, notes)
    names = wire_names(root.get("properties", ()), allowed)
    form: Form | None = None
    if any(name != wire for name, wire in names.items()):
        root = _renamed(root, names, losses, notes)
        form = ObjectForm(Part(name=name, wire=wire) for name, wire in names.items())
    return Relaxed(rehomed(root, definition), form, tuple(losses), tuple(notes))


def _renamed(
    schema: JsonSchema, names: dict[str, str], losses: list[Loss], notes: list[str]
) -> JsonSchema:
    out = dict(schema)
    out["properties"] = {names[name]: inner for name, inner in schema["properties"].items()}
    if "required" in schema:
        out["required"] = [names.get(name, name) for name in schema["required"]]
    if "patternProperties" in schema:
        # Without the patterns, it would refuse what they let pass.
        out.pop("additionalProperties", None)
    for keyword in _NAMING:
        if keyword in out:
            told("#", keyword, out.pop(keyword), losses.append, notes)
    losses += [
        Loss(
            path=f"#/properties/{step(name)}",
            keyword="properties",
            happened=Change.REWRITTEN,
            words=f"Written as {wire}.",
        )
        for name, wire in names.items()
        if name != wire
    ]
    return out
