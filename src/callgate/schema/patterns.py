"""Regular expressions in schemas, each in bounded time.

Nearly every pattern runs on an engine that is linear in the text. Patterns that look around or
back cannot; for them the engine counts its steps, and texts beyond a bound are not tried at all.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jsonschema_rs

from callgate.errors import DefinitionError
from callgate.schema.definition import inside
from callgate.schema.values import is_object

__all__ = ["LINEAR", "LONGEST", "STEPWISE", "bound_patterns"]

LINEAR = jsonschema_rs.RegexOptions()
"""Time linear in the text; no look-around, no back-references."""

STEPWISE = jsonschema_rs.FancyRegexOptions(backtrack_limit=5_000)
"""Everything ECMA 262 has; a match that takes more steps counts as a mismatch."""

LONGEST = 2_048
"""Characters of a text that a stepwise pattern is tried on: with the limit of steps, 10 ms."""

_INVERTING = ("if", "not")


def bound_patterns(schema: Any, *, inverted: bool = False) -> Any:
    """Return `schema` with every stepwise pattern kept to texts of at most 2,048 characters.

    Args:
        schema: A JSON Schema; it is not changed.
        inverted: Whether a mismatch here may let a value pass. There a pattern that runs out of
            steps would fail open, so it is refused.

    Raises:
        DefinitionError: A stepwise pattern under `not` or `if`, or as a name in
            `patternProperties`, or one that is no regular expression at all.
    """
    if not is_object(schema):
        return schema
    bounded: dict[str, Any] = {}
    for keyword, inner in schema.items():
        change = partial(bound_patterns, inverted=inverted or keyword in _INVERTING)
        bounded[keyword] = inside(keyword, inner, change)
    for name in bounded.get("patternProperties", ()):
        if not _is_linear(name):
            raise DefinitionError(
                f"The pattern {name!r} for property names looks around or back; only simple "
                "regular expressions are checked in bounded time there."
            )
    pattern = bounded.get("pattern")
    if isinstance(pattern, str) and not _is_linear(pattern):
        if inverted:
            raise DefinitionError(
                f"The pattern {pattern!r} under `not` or `if` looks around or back; only simple "
                "regular expressions are checked in bounded time there."
            )
        del bounded["pattern"]
        guarded = {
            "if": {"type": "string", "minLength": LONGEST + 1},
            "then": {"maxLength": LONGEST},
            "else": {"pattern": pattern},
        }
        bounded["allOf"] = [*bounded.get("allOf", ()), guarded]
    return bounded


def _is_linear(pattern: str) -> bool:
    try:
        jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=LINEAR)
    except ValueError:
        return False
    return True
