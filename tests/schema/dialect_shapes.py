"""Schemas with everything a dialect may refuse, and values of whatever form a wire gives them."""

from typing import Any

import orjson
from hypothesis import strategies as st

from callgate.schema.check import Checker
from tests.schema.strategies import FINITE, TEXTS, WHOLE, Shape

NAMES = st.sampled_from(["a", "b", "kind", "x.y", "x_y", "filter[id]", "ü", "key", "null"])
JSON = st.recursive(
    st.none() | st.booleans() | WHOLE | FINITE | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
_MIXED = ["1", 1, None, True, 2.5, {"a": 1}]


def _of(schema: dict[str, Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Shape]:
    return values.map(lambda value: Shape(schema=schema, value=value))


def leaves() -> st.SearchStrategy[Shape]:
    return st.one_of(
        _of({"type": "string", "description": "words"}, TEXTS),
        _of({"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^a"}, st.just("abc")),
        _of({"type": "string", "format": "uri"}, st.just("https://example.org")),
        _of({"type": "integer", "minimum": 0, "exclusiveMaximum": 9}, st.integers(0, 8)),
        _of({"type": "number", "multipleOf": 0.5}, st.sampled_from([0.5, 1, 2.5])),
        _of({"type": ["string", "integer", "null"], "minimum": 3}, st.sampled_from(["x", 4, None])),
        _of({"type": ["object", "array", "string"]}, st.sampled_from([{"a": 1}, [1], "x"])),
        _of({"const": "fixed"}, st.just("fixed")),
        _of({"const": 7}, st.just(7)),
        _of({"enum": ["red", "green"], "type": "string"}, st.sampled_from(["red", "green"])),
        _of({"enum": ["red", None], "type": ["string", "null"]}, st.sampled_from(["red", None])),
        _of({"enum": [1, 2, 3], "minimum": 2}, st.sampled_from([2, 3])),
        _of({"enum": _MIXED}, st.sampled_from(_MIXED)),
        _of({}, JSON),
        _of({"description": "free"}, JSON),
        _of({"type": "object"}, st.dictionaries(TEXTS, JSON, max_size=2)),
        _of({"type": "array"}, st.lists(JSON, max_size=2)),
        _of({"type": "null"}, st.none()),
        _of({"minLength": 1}, st.just("x")),
        _of({"not": {"type": "string"}}, st.just(4)),
    )


@st.composite
def _optional(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    shape = draw(inner)
    schema: dict[str, Any] = {"anyOf": [shape.schema, {"type": "null"}]}
    if draw(st.booleans()):
        schema["default"] = None
    return Shape(schema=schema, value=draw(st.sampled_from([shape.value, None])))


@st.composite
def _unions(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    options = draw(st.lists(inner, min_size=1, max_size=3))
    chosen = draw(st.sampled_from(options))
    keyword = draw(st.sampled_from(["anyOf", "oneOf"]))
    return Shape(schema={keyword: [item.schema for item in options]}, value=chosen.value)


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    item = draw(inner)
    size = draw(st.integers(0, 3))
    schema = {"type": "array", "items": item.schema}
    if draw(st.booleans()):
        schema |= {"minItems": size, "maxItems": size}
    return Shape(schema=schema, value=[item.value] * size)


@st.composite
def _tuples(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    first = draw(st.lists(inner, min_size=1, max_size=2))
    rest = draw(st.none() | inner)
    value = [item.value for item in first]
    schema: dict[str, Any] = {"type": "array", "prefixItems": [item.schema for item in first]}
    if rest is None:
        schema["items"] = False
    else:
        schema["items"] = rest.schema
        value += [rest.value] * draw(st.integers(0, 2))
    return Shape(schema=schema, value=value)


@st.composite
def _maps(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    held = draw(inner)
    names = draw(st.lists(NAMES, unique=True, max_size=2))
    if draw(st.booleans()):
        return Shape(
            schema={"type": "object", "additionalProperties": held.schema},
            value=dict.fromkeys(names, held.value),
        )
    return Shape(
        schema={
            "type": "object",
            "patternProperties": {"^[a-z]": held.schema},
            "additionalProperties": False,
        },
        value={name: held.value for name in names if name[0] in "abcdefklnxf"},
    )


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    shapes = draw(st.dictionaries(NAMES, inner, max_size=3))
    absent = draw(st.sets(st.sampled_from(sorted(shapes)))) if shapes else set[str]()
    given = {name for name in shapes if name not in absent or draw(st.booleans())}
    properties = {name: dict(shape.schema) for name, shape in shapes.items()}
    for name in sorted(absent):
        if draw(st.booleans()):
            properties[name]["default"] = shapes[name].value
    schema = {
        "type": "object",
        "properties": properties,
        "required": [name for name in shapes if name not in absent],
    }
    if draw(st.integers(0, 3)):
        schema["additionalProperties"] = False
    elif draw(st.booleans()):
        schema["additionalProperties"] = draw(st.sampled_from([True, {"type": "integer"}]))
    return Shape(
        schema=schema, value={name: shapes[name].value for name in shapes if name in given}
    )


@st.composite
def _merged(draw: st.DrawFn, inner: st.SearchStrategy[Shape]) -> Shape:
    """Two schemas for one object, one after the other or as a base with alternatives."""
    one, two = draw(_objects(inner)), draw(_objects(inner))
    value = {**two.value, **one.value}
    if draw(st.booleans()):
        return Shape(schema={"allOf": [one.schema, two.schema]}, value=value)
    return Shape(schema={**one.schema, "anyOf": [two.schema, {"required": ["a"]}]}, value=value)


def shapes() -> st.SearchStrategy[Shape]:
    return st.recursive(
        leaves(),
        lambda inner: st.one_of(
            _optional(inner),
            _unions(inner),
            _arrays(inner),
            _tuples(inner),
            _maps(inner),
            _objects(inner),
            _merged(inner),
        ),
        max_leaves=5,
    )


_TREE = {
    "type": "object",
    "properties": {
        "v": {"type": "integer"},
        "next": {"$ref": "#/$defs/Tree", "description": "the next one"},
        "kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
    },
    "required": ["v"],
    "additionalProperties": False,
}
_TREES = [
    {"v": 1},
    {"v": 1, "next": {"v": 2, "next": {"v": 3, "next": {"v": 4, "kids": []}}}},
    {"v": 1, "kids": [{"v": 2, "kids": [{"v": 3, "kids": [{"v": 4}]}]}]},
]


@st.composite
def arguments(draw: st.DrawFn) -> Shape:
    """Parameters of a tool, some of them shared definitions, with arguments that are valid."""
    shape = draw(_objects(shapes()) | _merged(shapes()) | _unions(_objects(shapes())))
    schema, value = dict(shape.schema), dict(shape.value)
    if "properties" in schema and draw(st.booleans()):
        held = draw(shapes())
        schema["$defs"] = {"Held": held.schema, "Tree": _TREE}
        kinds = {
            "held": ({"$ref": "#/$defs/Held"}, held.value),
            "again": ({"$ref": "#/$defs/Held", "description": "again"}, held.value),
            "tree": ({"$ref": "#/$defs/Tree"}, draw(st.sampled_from(_TREES))),
            "all": ({"allOf": [{"$ref": "#/$defs/Tree"}]}, draw(st.sampled_from(_TREES))),
        }
        names = draw(st.sets(st.sampled_from(sorted(kinds))))
        schema["properties"] = schema["properties"] | {name: kinds[name][0] for name in names}
        value |= {name: kinds[name][1] for name in sorted(names)}
    return Shape(schema=schema, value=value)


def valid(shape: Shape) -> bool:
    return Checker(shape.schema).is_valid(shape.value)


# --- values of a compiled schema ------------------------------------------------------------


def instances(schema: dict[str, Any], root: dict[str, Any], depth: int = 0) -> Any:
    """Values of a compiled schema, nearly all of them valid."""
    if "$ref" in schema:
        target = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        return st.deferred(lambda: instances(target, root, depth + 1))
    if "anyOf" in schema:
        options = schema["anyOf"][-1:] if depth > 6 else schema["anyOf"]
        return st.one_of(*[instances(option, root, depth + 1) for option in options])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    types = schema.get("type", ["null", "string", "integer"])
    types = types if isinstance(types, list) else [types]
    types = ["null"] if depth > 6 and "null" in types else types
    return st.one_of(*[_instance(kind, schema, root, depth) for kind in types])


def _instance(kind: str, schema: dict[str, Any], root: dict[str, Any], depth: int) -> Any:
    if kind == "object":
        properties = {
            name: instances(inner, root, depth + 1)
            for name, inner in schema.get("properties", {}).items()
        }
        required = set(schema.get("required", ()))
        return st.fixed_dictionaries(
            {name: inner for name, inner in properties.items() if name in required},
            optional={
                name: inner
                for name, inner in properties.items()
                if name not in required and depth <= 6
            },
        )
    if kind == "array":
        most = min(schema.get("maxItems", 2), 0 if depth > 6 else 4)
        items = instances(schema.get("items", {}), root, depth + 1)
        return st.lists(items, min_size=min(schema.get("minItems", 0), most), max_size=most)
    texts = st.sampled_from(["", "abc", '{"a":1}', "[1]", "4", "null", '"x"', "https://a.b"])
    return {
        "boolean": st.booleans(),
        "integer": st.integers(schema.get("minimum", -3), schema.get("maximum", 8)),
        "null": st.none(),
        "number": st.sampled_from([0.5, 1, 2.5, 3]),
        "string": texts | JSON.map(lambda value: orjson.dumps(value).decode()),
    }[kind]
