"""Keyword by keyword: what a dialect accepts, what a description tells, what is gone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from callgate.schema.dialects.loss import Change, Lose, Loss, described, told
from callgate.schema.dialects.merge import BOOKKEEPING, types_of
from callgate.schema.dialects.wires import Dialect
from callgate.schema.values import is_array, is_object
from callgate.types import JsonSchema

__all__ = ["Keywords", "types_implied", "with_words"]

# What a keyword speaks about; one that speaks about another type than a schema has says nothing.
_ABOUT: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "additionalProperties",
                "dependentRequired",
                "dependentSchemas",
                "maxProperties",
                "minProperties",
                "patternProperties",
                "properties",
                "propertyNames",
                "required",
                "unevaluatedProperties",
            ),
            "object",
        ),
        **dict.fromkeys(
            (
                "additionalItems",
                "contains",
                "items",
                "maxContains",
                "maxItems",
                "minContains",
                "minItems",
                "prefixItems",
                "unevaluatedItems",
                "uniqueItems",
            ),
            "array",
        ),
        **dict.fromkeys(
            (
                "contentEncoding",
                "contentMediaType",
                "contentSchema",
                "format",
                "maxLength",
                "minLength",
                "pattern",
            ),
            "string",
        ),
        **dict.fromkeys(
            ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"), "number"
        ),
    }
)
# Keywords that the walk itself turns into something, whatever the dialect.
_WALKED = BOOKKEEPING | frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "anyOf",
        "const",
        "description",
        "enum",
        "items",
        "patternProperties",
        "prefixItems",
        "properties",
        "required",
        "title",
        "type",
    }
)
_VALIDATION = frozenset(
    {"allOf", "default", "else", "examples", "if", "not", "oneOf", "then", *_ABOUT}
)
"""Keywords that a description can tell; others mean nothing to anybody but their author."""

# Looking around or back, and word boundaries: no provider's grammar has them.
_UNGRAMMATICAL = re.compile(r"\(\?<?[=!]|\\[1-9bBk]")
_LENGTHS = frozenset({"minLength", "maxLength"})


def types_implied(schema: JsonSchema) -> list[str]:
    """Return the types that a schema without `type` speaks about."""
    return list(dict.fromkeys(_ABOUT[keyword] for keyword in schema if keyword in _ABOUT))


def with_words(out: JsonSchema, schema: JsonSchema, notes: list[str]) -> JsonSchema:
    """Return a compiled schema with title and description of the original, words appended."""
    if isinstance(title := schema.get("title"), str):
        out = {"title": title, **out}
    own = schema.get("description") or out.get("description") or ""
    text = described(own, notes)
    return {**out, "description": text} if text else out


class Keywords:
    """The constraints and annotations of one dialect.

    Args:
        dialect: What the wire accepts.
        lose: Takes what is lost.
    """

    __slots__ = ("_dialect", "_keywords", "_lose")

    def __init__(self, dialect: Dialect, lose: Lose) -> None:
        self._dialect = dialect
        self._keywords = dialect.keywords or frozenset[str]()
        self._lose = lose

    def keep(
        self, schema: JsonSchema, out: JsonSchema, path: str, notes: list[str], *, exact: bool
    ) -> None:
        """Put into `out` what is accepted, and into `notes` the words for what is not.

        Args:
            schema: The original schema.
            out: What is compiled of it so far; its type tells which keywords matter.
            path: Where the schema stands.
            notes: Takes words for the description.
            exact: Whether values are written as they are; else no constraint can be kept.
        """
        types = types_of(out)
        kinds = set(types or ())
        if "integer" in kinds:
            kinds.add("number")
        for keyword, value in schema.items():
            if keyword in _WALKED or (types and _ABOUT.get(keyword, "") not in {"", *kinds}):
                continue
            if exact and self._accepts(keyword, value, schema):
                out[keyword] = value
            elif keyword == "unevaluatedProperties" and "additionalProperties" in out:
                continue
            elif keyword in _VALIDATION:
                self._move(keyword, value, out, path, notes, exact=exact)
            else:
                words = f"{keyword} is not accepted."
                self._lose(Loss(path=path, keyword=keyword, happened=Change.DROPPED, words=words))

    def _move(
        self,
        keyword: str,
        value: Any,
        out: JsonSchema,
        path: str,
        notes: list[str],
        *,
        exact: bool,
    ) -> None:
        if keyword == "minItems" and exact and "minItems" in self._keywords:
            out[keyword] = 1
        told(path, keyword, value, self._lose, notes)

    def _accepts(self, keyword: str, value: Any, schema: JsonSchema) -> bool:
        if keyword not in self._keywords:
            return False
        if keyword == "format":
            return value in self._dialect.formats
        if keyword == "pattern":
            return not _UNGRAMMATICAL.search(value)
        if keyword == "minItems":
            return not self._dialect.one_item or value <= 1
        if keyword == "default":
            return not is_object(value) and not is_array(value)
        if keyword in _LENGTHS:
            return self._dialect.patterned_lengths or not schema.keys() & {"pattern", "format"}
        return True
