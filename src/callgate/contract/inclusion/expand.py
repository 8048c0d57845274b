"""From the keywords of a schema to facts and choices, for values of one type."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from itertools import combinations
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from callgate.contract.inclusion import facts as fact
from callgate.contract.inclusion.facts import Fact, Kind, Literal, exact
from callgate.contract.inclusion.nodes import Node

__all__ = ["Alternative", "Choice", "Said", "affirmed", "denied"]

Alternative: TypeAlias = tuple[Literal | Fact, ...]
"""What holds together, if this alternative is taken."""


class Choice(NamedTuple):
    """Alternatives of which at least one holds, and the keyword they come from."""

    keyword: str
    alternatives: tuple[Alternative, ...]


class Said(NamedTuple):
    """What a schema says about values of one type; None where it excludes them all."""

    together: Alternative
    choices: tuple[Choice, ...]


_EXCLUDED = Said((), (Choice("type", ()),))
_ONE = Fraction(1)

_LEAST: Mapping[str, tuple[Kind, bool]] = MappingProxyType(
    {
        "minimum": (Kind.NUMBER, False),
        "exclusiveMinimum": (Kind.NUMBER, True),
        "minLength": (Kind.STRING, False),
        "minItems": (Kind.ARRAY, False),
        "minProperties": (Kind.OBJECT, False),
    }
)
_MOST: Mapping[str, tuple[Kind, bool]] = MappingProxyType(
    {
        "maximum": (Kind.NUMBER, False),
        "exclusiveMaximum": (Kind.NUMBER, True),
        "maxLength": (Kind.STRING, False),
        "maxItems": (Kind.ARRAY, False),
        "maxProperties": (Kind.OBJECT, False),
    }
)


# --- what holds ------------------------------------------------------------------------------


def affirmed(node: Node, kind: Kind) -> Said:
    """Return what it means that a value of `kind` satisfies a schema."""
    if isinstance(node.schema, bool):
        return Said((), ()) if node.schema else _EXCLUDED
    keywords = node.keywords or {"$ref": node.target}
    together: list[Literal | Fact] = []
    choices: list[Choice] = []
    if (types := keywords.get("type")) is not None:
        if kind.value not in types and not (kind is Kind.NUMBER and "integer" in types):
            return _EXCLUDED
        if kind is Kind.NUMBER and "number" not in types:
            together.append(fact.Multiple(True, _ONE))
    together += _general(keywords)
    together += _OF_KIND[kind](node)
    together += _bounds(keywords, kind)
    choices += _branching(keywords)
    if kind is Kind.OBJECT:
        choices += _dependent(keywords)
    return Said(tuple(together), tuple(choices))


def _general(keywords: Mapping[str, Any]) -> Iterator[Literal | Fact]:
    if "$ref" in keywords:
        yield Literal(True, keywords["$ref"])
    if "enum" in keywords:
        yield fact.Member(True, tuple(keywords["enum"]))
    if "const" in keywords:
        yield fact.Member(True, (keywords["const"],))
    for member in keywords.get("allOf", ()):
        yield Literal(True, member)
    if "not" in keywords:
        yield Literal(False, keywords["not"])
    for keyword in keywords.get("opaque", ()):
        yield fact.Opaque(True, keyword)


def _bounds(keywords: Mapping[str, Any], kind: Kind) -> Iterator[Fact]:
    for keyword in _LEAST.keys() & keywords.keys():
        if _LEAST[keyword][0] is kind:
            yield fact.Size(exact(keywords[keyword]), _LEAST[keyword][1])
    for keyword in _MOST.keys() & keywords.keys():
        if _MOST[keyword][0] is kind:
            yield fact.AtMost(exact(keywords[keyword]), _MOST[keyword][1])


def _none(_node: Node) -> Iterator[Fact]:
    return iter(())


def _number(node: Node) -> Iterator[Fact]:
    if "multipleOf" in node.keywords:
        yield fact.Multiple(True, exact(node.keywords["multipleOf"]))


def _string(node: Node) -> Iterator[Fact]:
    if "pattern" in node.keywords:
        yield fact.Pattern(True, node.keywords["pattern"])


def _array(node: Node) -> Iterator[Fact]:
    keywords = node.keywords
    if "prefixItems" in keywords or "items" in keywords:
        yield fact.Items(node)
    if keywords.get("uniqueItems") is True:
        yield fact.Unique(True)
    if "contains" in keywords:
        most = keywords.get("maxContains")
        least = int(keywords.get("minContains", 1))
        if least or most is not None:
            yield fact.Contains(keywords["contains"], least, None if most is None else int(most))


def _object(node: Node) -> Iterator[Fact]:
    keywords = node.keywords
    if not keywords.keys().isdisjoint(_MEMBERS):
        yield fact.Properties(node)
    if "propertyNames" in keywords:
        yield fact.Names(keywords["propertyNames"])
    for name in keywords.get("required", ()):
        yield fact.Present(name)


_MEMBERS = frozenset({"additionalProperties", "patternProperties", "properties"})
_OF_KIND: Mapping[Kind, Callable[[Node], Iterator[Fact]]] = MappingProxyType(
    {
        Kind.NULL: _none,
        Kind.BOOLEAN: _none,
        Kind.NUMBER: _number,
        Kind.STRING: _string,
        Kind.ARRAY: _array,
        Kind.OBJECT: _object,
    }
)


def _branching(keywords: Mapping[str, Any]) -> Iterator[Choice]:
    if "anyOf" in keywords:
        yield Choice("anyOf", tuple((Literal(True, member),) for member in keywords["anyOf"]))
    if "oneOf" in keywords:
        members: tuple[Node, ...] = keywords["oneOf"]
        yield Choice(
            "oneOf",
            tuple(
                tuple(Literal(place == chosen, member) for place, member in enumerate(members))
                for chosen in range(len(members))
            ),
        )
    if "if" in keywords and not keywords.keys().isdisjoint(("then", "else")):
        condition: Node = keywords["if"]
        met, unmet = Literal(True, condition), Literal(False, condition)
        then = (Literal(True, keywords["then"]),) if "then" in keywords else ()
        other = (Literal(True, keywords["else"]),) if "else" in keywords else ()
        yield Choice("if", ((met, *then), (unmet, *other)))


def _dependent(keywords: Mapping[str, Any]) -> Iterator[Choice]:
    for name, needs in keywords.get("dependentRequired", {}).items():
        present = tuple(fact.Present(need) for need in needs)
        yield Choice("dependentRequired", ((fact.Absent(name),), present))
    for name, node in keywords.get("dependentSchemas", {}).items():
        yield Choice("dependentSchemas", ((fact.Absent(name),), (Literal(True, node),)))


# --- what does not hold ----------------------------------------------------------------------


def denied(node: Node, kind: Kind) -> Said:
    """Return what it means that a value of `kind` does not satisfy a schema: one choice."""
    if isinstance(node.schema, bool):
        return _EXCLUDED if node.schema else Said((), ())
    keywords = node.keywords or {"$ref": node.target}
    types = keywords.get("type")
    if types is not None and kind.value not in types and "integer" not in types:
        return Said((), ())
    ways: list[Alternative] = []
    if types is not None and kind.value not in types:
        if kind is not Kind.NUMBER:
            return Said((), ())
        ways.append((fact.Multiple(False, _ONE),))
    ways += _general_breaches(keywords)
    ways += _bound_breaches(keywords, kind)
    ways += _BREACHES[kind](node)
    ways += _branch_breaches(keywords)
    return Said((), (Choice(_blamed(keywords), tuple(ways)),))


def _blamed(keywords: Mapping[str, Any]) -> str:
    """Return the keyword that makes a denial hard, to name it if nothing is decided."""
    return next((key for key in _HARD if key in keywords), next(iter(keywords), "type"))


_HARD = ("not", "if", "oneOf", "anyOf", "dependentSchemas", "allOf", "$ref", "properties")


def _general_breaches(keywords: Mapping[str, Any]) -> Iterator[Alternative]:
    if "$ref" in keywords:
        yield (Literal(False, keywords["$ref"]),)
    if "enum" in keywords:
        yield (fact.Member(False, tuple(keywords["enum"])),)
    if "const" in keywords:
        yield (fact.Member(False, (keywords["const"],)),)
    for member in keywords.get("allOf", ()):
        yield (Literal(False, member),)
    if "not" in keywords:
        yield (Literal(True, keywords["not"]),)
    for keyword in keywords.get("opaque", ()):
        yield (fact.Opaque(False, keyword),)


def _bound_breaches(keywords: Mapping[str, Any], kind: Kind) -> Iterator[Alternative]:
    for keyword in _LEAST:
        if keyword in keywords and _LEAST[keyword][0] is kind:
            yield (fact.AtMost(exact(keywords[keyword]), not _LEAST[keyword][1]),)
    for keyword in _MOST:
        if keyword in keywords and _MOST[keyword][0] is kind:
            yield (fact.Size(exact(keywords[keyword]), not _MOST[keyword][1]),)


def _no_breach(_node: Node) -> Iterator[Alternative]:
    return iter(())


def _number_breaches(node: Node) -> Iterator[Alternative]:
    if "multipleOf" in node.keywords:
        yield (fact.Multiple(False, exact(node.keywords["multipleOf"])),)


def _string_breaches(node: Node) -> Iterator[Alternative]:
    if "pattern" in node.keywords:
        yield (fact.Pattern(False, node.keywords["pattern"]),)


def _array_breaches(node: Node) -> Iterator[Alternative]:
    keywords = node.keywords
    prefix = keywords.get("prefixItems", ())
    for index, item in enumerate(prefix):
        yield (fact.AtItem(index, item),)
    if "items" in keywords:
        yield (fact.FromItem(len(prefix), keywords["items"]),)
    if keywords.get("uniqueItems") is True:
        yield (fact.Unique(False),)
    if "contains" in keywords:
        least = int(keywords.get("minContains", 1))
        if least:
            yield (fact.Contains(keywords["contains"], 0, least - 1),)
        if (most := keywords.get("maxContains")) is not None:
            yield (fact.Contains(keywords["contains"], int(most) + 1, None),)


def _object_breaches(node: Node) -> Iterator[Alternative]:
    keywords = node.keywords
    for name in keywords.get("required", ()):
        yield (fact.Absent(name),)
    for name, inner in keywords.get("properties", {}).items():
        yield (fact.HasProperty(name, inner),)
    if "additionalProperties" in keywords:
        yield (fact.SomeExtra(node),)
    for pattern, inner in keywords.get("patternProperties", {}).items():
        yield (fact.SomeMatching(pattern, inner),)
    if "propertyNames" in keywords:
        yield (fact.SomeName(keywords["propertyNames"]),)
    for name, needs in keywords.get("dependentRequired", {}).items():
        for need in needs:
            yield (fact.Present(name), fact.Absent(need))
    for name, inner in keywords.get("dependentSchemas", {}).items():
        yield (fact.Present(name), Literal(False, inner))


_BREACHES: Mapping[Kind, Callable[[Node], Iterator[Alternative]]] = MappingProxyType(
    {
        Kind.NULL: _no_breach,
        Kind.BOOLEAN: _no_breach,
        Kind.NUMBER: _number_breaches,
        Kind.STRING: _string_breaches,
        Kind.ARRAY: _array_breaches,
        Kind.OBJECT: _object_breaches,
    }
)


def _branch_breaches(keywords: Mapping[str, Any]) -> Iterator[Alternative]:
    if "anyOf" in keywords:
        yield tuple(Literal(False, member) for member in keywords["anyOf"])
    if "oneOf" in keywords:
        members: tuple[Node, ...] = keywords["oneOf"]
        yield tuple(Literal(False, member) for member in members)
        for one, other in combinations(members, 2):
            yield (Literal(True, one), Literal(True, other))
    if "if" in keywords:
        condition: Node = keywords["if"]
        if "then" in keywords:
            yield (Literal(True, condition), Literal(False, keywords["then"]))
        if "else" in keywords:
            yield (Literal(False, condition), Literal(False, keywords["else"]))
