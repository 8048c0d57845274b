"""The languages of BFCL's functions, its two editions, and what its type names stand for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

__all__ = ["HOLDERS", "KINDS", "Edition", "Language"]


class Edition(StrEnum):
    """The rules by which calls are judged; they differ in a few places."""

    V1 = "v1"
    """August 2024: seven categories, one function or several, answers by name."""
    V4 = "v4"
    """Since 2025: functions and answers are lists."""


class Language(StrEnum):
    """The language whose types a function declares."""

    PYTHON = "python"
    JAVA = "java"
    JAVASCRIPT = "javascript"

    @staticmethod
    def of(category: str) -> Language:
        """Return the language of a category, such as `simple_javascript`."""
        if "javascript" in category:
            return Language.JAVASCRIPT
        return Language.JAVA if "java" in category else Language.PYTHON


KINDS: Mapping[Language, Mapping[str, type]] = MappingProxyType(
    {
        Language.PYTHON: MappingProxyType(
            {
                "string": str,
                "integer": int,
                "float": float,
                "boolean": bool,
                "array": list,
                "tuple": list,
                "dict": dict,
                "any": str,
            }
        ),
        Language.JAVA: MappingProxyType(
            {
                "byte": int,
                "short": int,
                "integer": int,
                "float": float,
                "double": float,
                "long": int,
                "boolean": bool,
                "char": str,
                "Array": list,
                "ArrayList": list,
                "Set": set,
                "HashMap": dict,
                "Hashtable": dict,
                "Queue": list,
                "Stack": list,
                "String": str,
                "any": str,
            }
        ),
        Language.JAVASCRIPT: MappingProxyType(
            {
                "String": str,
                "integer": int,
                "float": float,
                "Bigint": int,
                "Boolean": bool,
                "dict": dict,
                "array": list,
                "any": str,
            }
        ),
    }
)
"""Declared type names and the values they stand for; compared exactly, so a bool is no int."""

HOLDERS: Mapping[Language, frozenset[str]] = MappingProxyType(
    {
        Language.PYTHON: frozenset({"array", "tuple"}),
        Language.JAVA: frozenset({"Array", "ArrayList"}),
        Language.JAVASCRIPT: frozenset({"array"}),
    }
)
"""Declared types whose members are checked, one level deep, against the type of `items`."""
