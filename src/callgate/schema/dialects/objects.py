"""Objects as a wire takes them: closed, with every property required, with maps as pairs."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from callgate.schema.dialects.forms import NOTHING, Form, ObjectForm, PairsForm, Part
from callgate.schema.dialects.loss import Change, Loss, told
from callgate.schema.dialects.merge import ANNOTATIONS, BOOKKEEPING, types_of
from callgate.schema.dialects.names import free, step, wire_names
from callgate.schema.dialects.wires import Dialect
from callgate.schema.values import is_object
from callgate.types import JsonSchema

__all__ = ["Compiles", "Node", "compile_object"]

_REST = "additional_properties"

# With other keywords, such as `maxProperties`, a default that is inserted may do harm.
_SETTLED = (
    ANNOTATIONS
    | BOOKKEEPING
    | {
        "additionalProperties",
        "patternProperties",
        "properties",
        "required",
        "type",
        "unevaluatedProperties",
    }
)


class Node(NamedTuple):
    """A place of a schema, compiled.

    Attributes:
        schema: What the wire is sent for it, as JSON Schema.
        form: How its value differs from the original's form, if it does.
    """

    schema: JsonSchema
    form: Form | None = None


class Compiles(Protocol):
    """What compiling an object needs of the walk through the whole schema."""

    dialect: Dialect
    unsettled: int
    """What is around that may keep a default from being inserted, counted."""

    def node(self, schema: Any, path: str) -> Node:
        """Compile a schema inside."""
        ...

    def anything(self, schema: JsonSchema, path: str, notes: list[str], what: str) -> Node:
        """Compile a schema that leaves the type open."""
        ...

    def keep(
        self, schema: JsonSchema, out: JsonSchema, path: str, notes: list[str], *, exact: bool
    ) -> None:
        """Put into `out` the keywords that are accepted, into `notes` the words for others."""
        ...

    def takes_null(self, schema: JsonSchema) -> bool:
        """Tell whether a compiled schema may take null."""
        ...

    def default_of(self, schema: Any) -> Any:
        """Return the default that is certainly inserted for an absent property, or NOTHING."""
        ...

    def lose(self, loss: Loss) -> None:
        """Report a loss."""
        ...


class _Shape(NamedTuple):
    """What an object's keywords about properties say together."""

    properties: dict[str, Any]
    required: frozenset[str]
    others: Any
    """What undeclared properties take: a schema, True or False."""
    explicit: bool
    """Whether the schema itself says so."""


def compile_object(
    walk: Compiles, schema: JsonSchema, path: str, notes: list[str], *, root: bool
) -> Node:
    """Compile the keywords of a schema of type object, but for its title and description.

    Args:
        walk: The walk through the whole schema.
        schema: The schema.
        path: Where it stands.
        notes: Takes words for its description.
        root: Whether it must stay an object with the properties it declares.
    """
    unsettled = bool(schema.keys() - _SETTLED)
    walk.unsettled += unsettled
    node = _object(walk, schema, path, notes, root=root)
    walk.unsettled -= unsettled
    return node


def _object(walk: Compiles, schema: JsonSchema, path: str, notes: list[str], *, root: bool) -> Node:
    shape = _shape(walk, schema, path, notes)
    dialect = walk.dialect
    if dialect.maps:
        return _with_map(walk, shape, schema, path, notes, root=root)
    free_names = shape.others is not False
    if free_names and not shape.properties and not root:
        if shape.others is True:
            return walk.anything(schema, path, notes, "an object")
        walk.keep(schema, {}, path, notes, exact=False)
        notes.append("pairs of key and value")
        return Node(*_pairs(walk, shape.others, path))
    if free_names and (not shape.explicit or (shape.others is True and not dialect.closed)):
        # Silence about other properties is nearly always an oversight; an open object that the
        # wire leaves open needs no words.
        if dialect.closed:
            walk.lose(
                Loss(
                    path=path,
                    keyword="additionalProperties",
                    happened=Change.REWRITTEN,
                    words="Only the declared properties can be given.",
                    narrows=True,
                )
            )
        shape = shape._replace(others=False)
        free_names = False
    elif not free_names and not dialect.closed:
        walk.lose(
            Loss(
                path=path,
                keyword="additionalProperties",
                happened=Change.DROPPED,
                words="The wire does not refuse undeclared properties.",
            )
        )
    return _closed(walk, shape, schema, path, notes)


def _shape(walk: Compiles, schema: JsonSchema, path: str, notes: list[str]) -> _Shape:
    declared: dict[str, Any] = dict(schema.get("properties", {}))
    required = frozenset(schema.get("required", ()))
    explicit = "additionalProperties" in schema or schema.get("unevaluatedProperties") is False
    others = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
    patterns: dict[str, Any] = schema.get("patternProperties", {})
    if patterns:
        told(path, "patternProperties", patterns, walk.lose, notes, narrows=not explicit)
        kinds = [*patterns.values(), *([others] if others is not False and explicit else ())]
        others = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        explicit = True
    for name in schema.get("required", ()):
        # A name that is required and declared nowhere takes what any other name does.
        declared.setdefault(name, True if patterns else others)
    for name in [name for name, inner in declared.items() if inner is False]:
        del declared[name]
        if name in required:
            words = f"{name} is required and takes no value."
        elif others is False:
            continue
        else:
            notes.append(f"without {name}")
            words = f"{name} must be left out."
        walk.lose(
            Loss(
                path=f"{path}/properties/{step(name)}",
                keyword="false",
                happened=Change.DROPPED if name in required else Change.MOVED,
                words=words,
            )
        )
    return _Shape(
        properties=declared,
        required=required & declared.keys(),
        others=True if others == {} else others,
        explicit=explicit,
    )


def _with_map(
    walk: Compiles,
    shape: _Shape,
    schema: JsonSchema,
    path: str,
    notes: list[str],
    *,
    root: bool,
) -> Node:
    """Compile an object for a wire that takes `additionalProperties` as they are."""
    parts, out = _parts(walk, shape, path, wire_names(shape.properties, walk.dialect.names))
    others: Form | None = None
    if is_object(shape.others):
        held = walk.node(shape.others, f"{path}/additionalProperties")
        out["additionalProperties"], others = held
    elif shape.explicit:
        out["additionalProperties"] = shape.others
    if not parts and not root:
        del out["properties"]
    walk.keep(schema, out, path, notes, exact=True)
    if others is None and all(part.plain for part in parts):
        return Node(out)
    return Node(out, ObjectForm(parts, others=others))


def _closed(walk: Compiles, shape: _Shape, schema: JsonSchema, path: str, notes: list[str]) -> Node:
    """Compile an object whose undeclared properties go into one that holds them as pairs."""
    names = wire_names(shape.properties, walk.dialect.names)
    parts, out = _parts(walk, shape, path, names)
    rest: tuple[str, PairsForm] | None = None
    if shape.others is not False:
        name = free(_REST, names.values())
        held, form = _pairs(walk, shape.others, path)
        held["description"] = "All other properties, as pairs of key and value"
        out["properties"][name] = held
        if walk.dialect.closed:
            out["required"].append(name)
        rest = (name, form)
    if walk.dialect.closed:
        out["additionalProperties"] = False
    walk.keep(schema, out, path, notes, exact=rest is None)
    if rest is None and all(part.plain for part in parts):
        return Node(out)
    return Node(out, ObjectForm(parts, rest=rest))


def _pairs(walk: Compiles, others: Any, path: str) -> tuple[JsonSchema, PairsForm]:
    value = walk.node(others, f"{path}/additionalProperties")
    item: JsonSchema = {
        "type": "object",
        "properties": {"key": {"type": "string"}, "value": value.schema},
        "required": ["key", "value"],
    }
    if walk.dialect.closed:
        item["additionalProperties"] = False
    walk.lose(
        Loss(
            path=path,
            keyword="additionalProperties",
            happened=Change.REWRITTEN,
            words="Properties of any name are written as an array of pairs of key and value.",
        )
    )
    return ({"type": "array", "items": item}, PairsForm(value.form))


def _parts(
    walk: Compiles, shape: _Shape, path: str, names: dict[str, str]
) -> tuple[list[Part], JsonSchema]:
    parts: list[Part] = []
    properties: dict[str, JsonSchema] = {}
    absent: list[str] = []
    for name, inner in shape.properties.items():
        place = f"{path}/properties/{step(name)}"
        node = walk.node(inner, place)
        part = Part(name=name, wire=names[name], form=node.form)
        properties[part.wire] = node.schema
        if name != part.wire:
            words = f"Written as {part.wire}."
            walk.lose(
                Loss(path=place, keyword="properties", happened=Change.REWRITTEN, words=words)
            )
        if walk.dialect.required and name not in shape.required:
            absent.append(name)
            part = _optional(walk, inner, node.schema, place, part)
            if part.default is NOTHING:
                properties[part.wire] = _nullable(node.schema)
        parts.append(part)
    if absent:
        words = f"Required here, null to leave them out: {', '.join(absent)}."
        walk.lose(Loss(path=path, keyword="required", happened=Change.REWRITTEN, words=words))
    out: JsonSchema = {"type": "object", "properties": properties}
    required = [
        names[name] for name in shape.properties if walk.dialect.required or name in shape.required
    ]
    if required or walk.dialect.closed:
        out["required"] = required
    return parts, out


def _optional(walk: Compiles, schema: Any, compiled: JsonSchema, path: str, part: Part) -> Part:
    """Return how leaving out a property is written where all must be there."""
    if walk.takes_null(compiled):
        default = walk.default_of(schema)
        if default is not NOTHING and default is not None:
            return Part(name=part.name, wire=part.wire, form=part.form, default=default)
        if default is NOTHING:
            walk.lose(
                Loss(
                    path=path,
                    keyword="type",
                    happened=Change.REWRITTEN,
                    words="null is read as leaving it out.",
                    narrows=True,
                )
            )
    return Part(name=part.name, wire=part.wire, form=part.form, null_is_absent=True)


def _nullable(schema: JsonSchema) -> JsonSchema:
    """Return a compiled schema that takes null too."""
    kind = schema.get("type")
    if isinstance(kind, str) and kind not in {"array", "null", "object"} and "const" not in schema:
        out = {**schema, "type": [kind, "null"]}
        if "enum" in schema:
            out["enum"] = [*schema["enum"], None]
        return out
    if "null" in (types_of(schema) or ()) and None in schema.get("enum", [None]):
        return schema
    described = {word: schema[word] for word in ("title", "description") if word in schema}
    bare = {keyword: value for keyword, value in schema.items() if keyword not in described}
    options = bare["anyOf"] if bare.keys() == {"anyOf"} else [bare]
    if {"type": "null"} in options:
        return schema
    return {"anyOf": [*options, {"type": "null"}], **described}
