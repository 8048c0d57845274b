"""Schemas as tools have them, with values that are valid under them."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "city", "count", "Unit", "note:x", "ü", "x y"])
TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=8)
WHOLE = st.integers(-(2**63), 2**64 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A schema and one value that it takes."""

    schema: dict[str, Any]
    value: Any


def _of(schema: dict[str, Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Shape]:
    return values.map(lambda value: Shape(schema=schema, value=value))


def leaves() -> st.SearchStrategy[Shape]:
    options = ["celsius", "fahrenheit", "Kelvin"]
    return st.one_of(
        _of({"type": "string"}, TEXTS),
        _of({"type": "integer"}, WHOLE),
        _of({"type": "integer", "minimum": 0, "maximum": 9}, st.integers(0, 9)),
        _of({"type": "number"}, FINITE | WHOLE),
        _of({"type": "boolean"}, st.booleans()),
        _of({"enum": options}, st.sampled_from(options)),
        _of({"enum": [1, 2, 3]}, st.sampled_from([1, 2, 3])),
        _of({"anyOf": [{"type": "integer"}, {"type": "null"}]}, st.none() | WHOLE),
        _of({"type": ["boolean", "null"]}, st.none() | st.booleans()),
    )


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    item = draw(inner)
    size = draw(st.integers(0, 3))
    return Shape(schema={"type": "array", "items": item.schema}, value=[item.value] * size)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    """Objects with required and optional properties, some with a default."""
    shapes = draw(st.dictionaries(NAMES, inner, max_size=4))
    absent = draw(st.sets(st.sampled_from(sorted(shapes)))) if shapes else set[str]()
    properties = {name: dict(shape.schema) for name, shape in shapes.items()}
    for name in sorted(absent):
        if draw(st.booleans()):
            properties[name]["default"] = shapes[name].value
    return Shape(
        schema={
            "type": "object",
            "properties": properties,
            "required": [name for name in shapes if name not in absent],
            "additionalProperties": False,
        },
        value={name: shape.value for name, shape in shapes.items() if name not in absent},
    )


def shapes() -> st.SearchStrategy[Shape]:
    """Schemas of any kind, up to a few levels deep."""
    return st.recursive(leaves(), lambda inner: _arrays(inner) | objects(inner), max_leaves=6)


def arguments() -> st.SearchStrategy[Shape]:
    """Schemas of a tool's parameters, with valid arguments."""
    return objects(shapes())
