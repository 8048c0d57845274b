"""Compiles a schema into a dialect that accepts a part of JSON Schema only, keyword by keyword."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from callgate.errors import DefinitionError
from callgate.schema.canonical import canonical
from callgate.schema.check import Checker
from callgate.schema.definition import Definition, subschemas
from callgate.schema.dialects.alternatives import confusable, exclusive, mixed_up, wire_types
from callgate.schema.dialects.fixed import fits, kinds_of, written
from callgate.schema.dialects.forms import (
    NOTHING,
    ArrayForm,
    ChoiceForm,
    Form,
    ReferenceForm,
    TextForm,
    UnionForm,
)
from callgate.schema.dialects.keywords import Keywords, types_implied, with_words
from callgate.schema.dialects.loss import Change, Loss, told
from callgate.schema.dialects.merge import (
    ANNOTATIONS,
    BOOKKEEPING,
    Merged,
    flat,
    merge,
    targets_of,
    types_of,
    values_of,
)
from callgate.schema.dialects.names import DefinitionNames
from callgate.schema.dialects.objects import Node, compile_object
from callgate.schema.dialects.root import flatten, is_presence, presence_words
from callgate.schema.dialects.wires import Dialect
from callgate.schema.values import is_array, is_object
from callgate.types import JsonSchema

__all__ = ["Reduction", "reduce_schema"]

_UNROLLED = 2
"""How often a definition is written out inside itself where it cannot be referred to."""

_MOST_NODES = 5_000
"""Schemas that writing out definitions may make; what is behind them becomes JSON text."""

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})

_SIMPLE = frozenset({"description", "title", "type"})
_SCALARS = ("string", "integer", "number", "boolean")
_COMPARING = frozenset({"contains", "uniqueItems"})
_UNSETTLING = _COMPARING | {
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "maxProperties",
    "minProperties",
    "not",
    "propertyNames",
}
_SILENT = ANNOTATIONS | BOOKKEEPING
_TOLD = frozenset({"default", "description", "examples"})


class Reduction:
    """A compiled schema, before it is written as its wire wants it.

    Attributes:
        schema: The compiled schema, in JSON Schema.
        form: How arguments differ, if they do.
        losses: What the schema no longer says.
        notes: What the root no longer says, in words for the tool's description.
        unfit: Why the dialect cannot take the schema at all; None if it can.
    """

    __slots__ = ("form", "losses", "notes", "schema", "unfit")

    def __init__(self, walk: _Walk, node: Node, notes: list[str]) -> None:
        self.schema = node.schema
        self.form = node.form
        self.losses = tuple(walk.losses)
        self.notes = tuple(notes)
        self.unfit = walk.unfit


def reduce_schema(schema: JsonSchema, definition: Definition | None, dialect: Dialect) -> Reduction:
    """Compile the parameters of a tool into a dialect that lists its keywords.

    Args:
        schema: The parameters.
        definition: The same, with its references; None if there are none.
        dialect: What the wire accepts.

    Raises:
        DefinitionError: They are not a JSON Schema, or do not describe an object.
    """
    walk = _Walk(dialect, schema, definition)
    notes: list[str] = []
    root = flatten(schema, definition, walk.lose, notes)
    walk.unsettled += root is not schema
    node = compile_object(walk, root, "#", notes, root=True)
    out = with_words(node.schema, root, [])
    if walk.definitions:
        out["$defs"] = walk.definitions
    return Reduction(walk, Node(out, node.form), notes)


class _Walk:
    """One way through a schema; see `objects.Compiles` for what its methods promise."""

    def __init__(self, dialect: Dialect, schema: JsonSchema, definition: Definition | None) -> None:
        self.dialect = dialect
        self.losses: list[Loss] = []
        self.definitions: dict[str, JsonSchema] = {}
        self.unfit: str | None = None
        self.unsettled = 0
        self._document = schema
        self._definition = definition
        self.keep = Keywords(dialect, self.lose).keep
        self._names = DefinitionNames()
        self._targets: dict[str, Any] = {}
        self._forms: dict[str, Form | None] = {}
        self._active: Counter[int] = Counter()
        self._nodes = 0

    # --- what may stand at one place --------------------------------------------------------

    def node(self, schema: Any, path: str) -> Node:
        self._nodes += 1
        if not is_object(schema):
            return self._plain(schema, path, ())
        if schema.keys() <= _SIMPLE and schema.get("type") in _SCALARS:
            # Most properties of most tools; every dialect takes them as they are.
            return Node(schema)
        if "$ref" not in schema and "$dynamicRef" not in schema and "allOf" not in schema:
            return self._plain(schema, path, ())
        target = self._sole_target(schema)
        if (
            target is not None
            and self.dialect.references
            and (self._active[id(target)] or not schema.keys() & _TOLD)
        ):
            return self._reference(schema, target, path)
        return self._written_out(flat(schema, self._definition), schema, path)

    def _plain(self, schema: Any, path: str, left: tuple[JsonSchema, ...]) -> Node:
        """Compile a schema without references and `allOf` at its top."""
        notes: list[str] = []
        for item in left:
            for keyword, value in item.items():
                closing = self.dialect.closed and keyword == "properties"
                told(path, keyword, value, self.lose, notes, narrows=closing)
        if schema is False:
            words = "No value is allowed here."
            self.lose(Loss(path=path, keyword="false", happened=Change.DROPPED, words=words))
            return Node({"type": "null"})
        if not is_object(schema):
            return self._open({}, path, notes)
        if "anyOf" in schema or "oneOf" in schema:
            return self._union(schema, path, notes)
        if "const" in schema or "enum" in schema:
            return self._choice(schema, path, notes)
        return self._typed(schema, path, notes)

    def anything(self, schema: JsonSchema, path: str, notes: list[str], what: str) -> Node:
        out: JsonSchema = {}
        if self.dialect.anything:
            self.keep(schema, out, path, notes, exact=True)
            return Node(out)
        words = f"the JSON text of {what}"
        notes.insert(0, words)
        self.keep(schema, {}, path, notes, exact=False)
        words = f"Written as {words}."
        self.lose(Loss(path=path, keyword="type", happened=Change.REWRITTEN, words=words))
        return Node({"type": "string"}, TextForm())

    def _open(self, schema: JsonSchema, path: str, notes: list[str]) -> Node:
        node = self.anything(schema, path, notes, "any value")
        return Node(with_words(node.schema, schema, notes), node.form)

    # --- references -------------------------------------------------------------------------

    def _sole_target(self, schema: JsonSchema) -> Any:
        """Return what a schema refers to if it says nothing else about the value."""
        own = schema.keys() - ANNOTATIONS - BOOKKEEPING
        if own == {"allOf"} and len(schema["allOf"]) == 1:
            schema = schema["allOf"][0]
            own = schema.keys() if is_object(schema) else own
        if own != {"$ref"}:
            return None
        return next(iter(targets_of(schema, self._definition)), None)

    def _reference(self, schema: JsonSchema, target: Any, path: str) -> Node:
        if self._active[id(target)] and not self.dialect.recursion:
            return self._recursive(schema, path)
        name = self._names.known(target)
        if name is None:
            holder = schema if "$ref" in schema else schema["allOf"][0]
            name = self._names.give(target, holder["$ref"])
            self._targets[name] = target
            self._active[id(target)] += 1
            self.definitions[name] = {}
            # It is compiled once, and may be referred to from anywhere.
            around, self.unsettled = self.unsettled, self._unsettled_anywhere()
            node = self.node(target, holder["$ref"])
            self.unsettled = around
            self.definitions[name], self._forms[name] = node
            self._active[id(target)] -= 1
        form = self._forms[name] if name in self._forms else ReferenceForm(name, self._forms)
        out: JsonSchema = {"$ref": f"#/$defs/{name}"}
        if not schema.keys() & _TOLD:
            return Node(out, form)
        notes: list[str] = []
        told_only = {keyword: schema[keyword] for keyword in schema if keyword in _TOLD}
        self.keep(told_only, {}, path, notes, exact=False)
        return Node(with_words({"anyOf": [out]}, told_only, notes), form)

    def _written_out(self, merged: Merged, schema: JsonSchema, path: str) -> Node:
        """Compile a schema with everything it refers to in place."""
        inside = max((self._active[target] for target in merged.resolved), default=0)
        if inside and not self.dialect.recursion:
            return self._recursive(schema, path)
        if merged.resolved and (inside >= _UNROLLED or self._nodes > _MOST_NODES):
            told_only = {keyword: schema[keyword] for keyword in schema if keyword in _TOLD}
            return self._open(told_only, path, [])
        self._active.update(merged.resolved)
        node = self._plain(merged.schema, path, merged.left)
        self._active.subtract(merged.resolved)
        return node

    def _recursive(self, schema: JsonSchema, path: str) -> Node:
        self.unfit = f"{schema.get('$ref', path)} refers to itself, at {path}"
        return Node({})

    # --- alternatives -----------------------------------------------------------------------

    def _union(self, schema: JsonSchema, path: str, notes: list[str]) -> Node:
        keyword = "anyOf" if "anyOf" in schema else "oneOf"
        base = {name: value for name, value in schema.items() if name != keyword}
        limits = {name: value for name, value in base.items() if name not in _SILENT}
        branches: list[Any] = schema[keyword]
        if limits and is_presence(branches):
            words = presence_words(branches, one=keyword == "oneOf")
            self.lose(Loss(path=path, keyword=keyword, happened=Change.MOVED, words=words))
            node = self._plain(base, path, ())
            return Node(with_words(node.schema, {}, [words, *notes]), node.form)
        flattened = (flat(branch, self._definition).schema for branch in branches)
        if keyword == "oneOf" and not exclusive(list(flattened)):
            words = "More than one of the alternatives may be satisfied."
            self.lose(Loss(path=path, keyword=keyword, happened=Change.REWRITTEN, words=words))
        several = _several(branches)
        self.unsettled += several
        compiled = [
            self._branch(branch, limits, f"{path}/{keyword}/{index}")
            for index, branch in enumerate(branches)
        ]
        self.unsettled -= several
        nodes = [node for node in compiled if node is not None]
        if not nodes:
            return self._plain(False, path, ())
        said = {name: base[name] for name in base if name in ANNOTATIONS}
        self.keep(said, {}, path, notes, exact=False)
        return self._one_of(nodes, {**said, keyword: branches}, path, notes)

    def _branch(self, branch: Any, limits: JsonSchema, path: str) -> Node | None:
        """Compile one alternative with what stands beside all of them; None if it takes nothing."""
        if not limits:
            return None if branch is False else self.node(branch, path)
        merged = flat(branch, self._definition)
        both = merge(limits, merged.schema)
        if both.schema is False:
            return None
        both = both._replace(left=merged.left + both.left, resolved=merged.resolved)
        return self._written_out(both, limits, path)

    def _one_of(self, nodes: list[Node], schema: JsonSchema, path: str, notes: list[str]) -> Node:
        """Put alternatives together, of which each has been compiled."""
        chosen: list[Node] = []
        known: set[bytes] = set()
        for node in nodes:
            key = canonical(node.schema)
            if node.form is not None or key not in known:
                chosen.append(node)
                known.add(key)
        if len(chosen) == 1:
            node = chosen[0]
            return Node(with_words(node.schema, schema, notes), node.form)
        if mixed_up(chosen, self._resolved):
            for keyword in ("anyOf", "oneOf", "type"):
                if keyword in schema:
                    told(path, keyword, schema[keyword], self.lose, notes)
            return self._open(_texts_of(schema), path, notes)
        if confusable(chosen, self._resolved):
            words = "Alternatives may take the same value and read it differently."
            self.lose(
                Loss(
                    path=path,
                    keyword="anyOf",
                    happened=Change.REWRITTEN,
                    words=words,
                    narrows=True,
                )
            )
        form = None
        if any(node.form for node in chosen):
            form = UnionForm([(node.schema, node.form) for node in chosen], self.definitions)
        out: JsonSchema = {"anyOf": [node.schema for node in chosen]}
        return Node(with_words(out, schema, notes), form)

    def _resolved(self, schema: JsonSchema) -> JsonSchema:
        """Return what a compiled schema refers to; of what is being compiled, its type only."""
        while "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            if name not in self._forms:
                target = self._targets[name]
                # An object without known properties may become an array of pairs.
                return {"type": target["type"]} if target.get("properties") else {}
            schema = self.definitions[name]
        return schema

    # --- fixed values -----------------------------------------------------------------------

    def _choice(self, schema: JsonSchema, path: str, notes: list[str]) -> Node:
        types = types_of(schema)
        values = [value for value in values_of(schema) if types is None or fits(value, types)]
        if not values:
            return self._plain(False, path, ())
        simple = not any(is_object(value) or is_array(value) for value in values)
        plain = all(isinstance(value, str) or value is None for value in values)
        if (simple or self.dialect.anything) and (plain or self.dialect.choices):
            return self._values(schema, values, path, notes, typed=simple)
        self.keep(schema, {}, path, notes, exact=False)
        texts = written(values)
        words = "Values that are not strings are written as their JSON text."
        self.lose(Loss(path=path, keyword="enum", happened=Change.REWRITTEN, words=words))
        out: JsonSchema = {"type": "string", "enum": list(texts)}
        return Node(with_words(out, schema, notes), ChoiceForm(texts))

    def _values(
        self, schema: JsonSchema, values: list[Any], path: str, notes: list[str], *, typed: bool
    ) -> Node:
        out: JsonSchema = {}
        if typed:
            kinds = kinds_of(values, types_of(schema))
            out["type"] = kinds[0] if len(kinds) == 1 else kinds
        if "const" in schema and self.dialect.constants:
            out["const"] = values[0]
        else:
            out["enum"] = values
        self.keep(schema, out, path, notes, exact=True)
        return Node(with_words(out, schema, notes))

    # --- types ------------------------------------------------------------------------------

    def _typed(self, schema: JsonSchema, path: str, notes: list[str]) -> Node:
        types = types_of(schema)
        if types is None:
            types = types_implied(schema)
            if not types:
                return self._open(schema, path, notes)
            words = f"Only {' or '.join(types)}; the schema names no type."
            self.lose(
                Loss(
                    path=path,
                    keyword="type",
                    happened=Change.REWRITTEN,
                    words=words,
                    narrows=True,
                )
            )
        if strange := set(types) - _TYPES:
            raise DefinitionError(f"This is not a JSON Schema: type {strange.pop()!r} (at {path}).")
        if not types:
            return self._plain(False, path, ())
        held = [kind for kind in types if kind != "null"]
        compound = "object" in held or "array" in held
        if len(held) > 1 and (compound or not self.dialect.type_lists):
            nodes = [self._of_type(schema, [kind], path, []) for kind in types]
            return self._one_of(nodes, {**_texts_of(schema), "type": types}, path, notes)
        return self._of_type(schema, types, path, notes)

    def _of_type(self, schema: JsonSchema, types: list[str], path: str, notes: list[str]) -> Node:
        held = [kind for kind in types if kind != "null"]
        compile_kind = _COMPOUND.get(held[0] if held else "null")
        if compile_kind is None:
            out: JsonSchema = {"type": types[0] if len(types) == 1 else types}
            self.keep(schema, out, path, notes, exact=True)
            return Node(with_words(out, schema, notes))
        node = compile_kind(self, schema, path, notes)
        out = node.schema
        if len(held) < len(types) and "type" in out:
            out = {**out, "type": [out["type"], "null"]}
        return Node(with_words(out, schema, notes), node.form)

    def object(self, schema: JsonSchema, path: str, notes: list[str]) -> Node:
        return compile_object(self, schema, path, notes, root=False)

    def array(self, schema: JsonSchema, path: str, notes: list[str]) -> Node:
        unsettled = bool(schema.keys() & _COMPARING)
        self.unsettled += unsettled
        node = self._array(schema, path, notes)
        self.unsettled -= unsettled
        return node

    def _array(self, schema: JsonSchema, path: str, notes: list[str]) -> Node:
        first, rest, schema = _items_of(schema)
        nodes = [self.node(item, f"{path}/prefixItems/{i}") for i, item in enumerate(first)]
        # What the items behind the first ones must be says nothing if there can be none.
        full = bool(first) and schema.get("maxItems", len(first) + 1) <= len(first)
        behind = None if rest is False or full else self.node(rest, f"{path}/items")
        out: JsonSchema = {"type": "array"}
        if first and self.dialect.tuples:
            out["prefixItems"] = [node.schema for node in nodes]
            if behind:
                out["items"] = behind.schema
        elif first:
            known = [*nodes, behind] if behind else nodes
            options = list({canonical(node.schema): node.schema for node in known}.values())
            out["items"] = options[0] if len(options) == 1 else {"anyOf": options}
            if len(options) > 1:
                words = f"items in this order: {', '.join(map(_kind_words, nodes))}"
                notes.append(words)
                self.lose(
                    Loss(path=path, keyword="prefixItems", happened=Change.MOVED, words=words)
                )
        else:
            out["items"] = behind.schema if behind else {"type": "null"}
        self.keep(schema, out, path, notes, exact=True)
        forms = [node.form for node in nodes]
        last = behind.form if behind else None
        return Node(out, ArrayForm(forms, last) if last or any(forms) else None)

    # --- what objects ask -------------------------------------------------------------------

    def lose(self, loss: Loss) -> None:
        self.losses.append(loss)

    def takes_null(self, schema: JsonSchema) -> bool:
        return "null" in wire_types(schema, self._resolved)

    def default_of(self, schema: Any) -> Any:
        if self.unsettled:
            return NOTHING
        default = self._default_of(schema)
        return default if default is NOTHING or self._takes(schema, default) else NOTHING

    def _default_of(self, schema: Any) -> Any:
        if not is_object(schema):
            return NOTHING
        if "default" in schema:
            return schema["default"]
        inner = [*targets_of(schema, self._definition), *schema.get("allOf", ())]
        found = (self._default_of(target) for target in inner)
        return next((default for default in found if default is not NOTHING), NOTHING)

    def _takes(self, schema: JsonSchema, value: Any) -> bool:
        """Tell whether a schema of the document takes a value; not if that is hard to tell."""
        whole = self._document
        known = {word: whole[word] for word in ("$defs", "definitions") if word in whole}
        try:
            return Checker({**known, **schema}).is_valid(value)
        except DefinitionError:
            return False

    def _unsettled_anywhere(self) -> bool:
        """Tell whether anything in the document may keep a default from being inserted."""
        waiting: list[Any] = [self._document]
        while waiting:
            schema = waiting.pop()
            if is_object(schema):
                if schema.keys() & _UNSETTLING:
                    return True
                if any(_several(schema[word]) for word in ("anyOf", "oneOf") if word in schema):
                    return True
                waiting += subschemas(schema)
        return False


_COMPOUND: Mapping[str, Callable[[_Walk, JsonSchema, str, list[str]], Node]] = MappingProxyType(
    {"array": _Walk.array, "object": _Walk.object}
)


def _several(branches: list[Any]) -> bool:
    """Tell whether a value that is not null may be of more than one alternative."""
    return sum(branch != {"type": "null"} for branch in branches) > 1


def _texts_of(schema: JsonSchema) -> JsonSchema:
    return {keyword: schema[keyword] for keyword in ("title", "description") if keyword in schema}


def _items_of(schema: JsonSchema) -> tuple[list[Any], Any, JsonSchema]:
    """Return the schemas of the first items, that of the others, and the schema with its bound."""
    first, rest = schema.get("prefixItems", []), schema.get("items", True)
    if is_array(rest):
        # The form of older drafts.
        first, rest = rest, schema.get("additionalItems", True)
    if False in first:
        first, rest = first[: first.index(False)], False
    if rest is False:
        schema = {**schema, "maxItems": min(schema.get("maxItems", len(first)), len(first))}
    return first, rest, schema


def _kind_words(node: Node) -> str:
    kind = node.schema.get("type", "any")
    return node.schema.get("description") or (kind if isinstance(kind, str) else " or ".join(kind))
