"""From old arguments to new ones: renamed fields, dropped fields, defaults for what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from callgate.contract.diff.schemas import alike
from callgate.schema.definition import bare
from callgate.schema.values import is_object

__all__ = ["Migration", "migrate", "suggest"]

_LIKELY = 0.55
"""How much alike two names, or two descriptions, have to be for a renaming of the same schema."""

_COMPARED = 400
"""Characters of a description that are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """How arguments of the old schema become arguments of the new one.

    Attributes:
        fields: New names by old names.
        defaults: Values of new required fields, by name.
        dropped: Old fields that the new schema does not take.
        needed: New required fields for which a person has to choose a value.
    """

    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    defaults: Mapping[str, Any] = field(default_factory=dict[str, Any])
    dropped: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.fields or self.defaults or self.dropped or self.needed)

    def to_json(self) -> dict[str, Any]:
        """Return the migration as a JSON object."""
        return {
            "fields": dict(self.fields),
            "defaults": dict(self.defaults),
            "dropped": list(self.dropped),
            "needed": list(self.needed),
        }


def migrate(migration: Migration, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return old arguments as new ones; what a person has to choose is missing."""
    made = {
        migration.fields.get(name, name): value
        for name, value in arguments.items()
        if name not in migration.dropped
    }
    return {**migration.defaults, **made}


def suggest(before: Mapping[str, Any], after: Mapping[str, Any]) -> Migration:
    """Suggest a migration from the top-level properties of two schemas.

    Args:
        before: The old parameters.
        after: The new parameters.
    """
    old, new = _properties(before), _properties(after)
    gone = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    fields = _renamed({name: old[name] for name in gone}, {name: new[name] for name in come})
    required = after.get("required", ())
    unnamed = [name for name in come if name in required and name not in fields.values()]
    unnamed += [
        name
        for name in required
        if name in old and name in new and name not in before.get("required", ())
    ]
    defaults = {name: _default(new[name]) for name in unnamed if _default(new[name]) is not None}
    dropped = [name for name in gone if name not in fields]
    return Migration(
        fields=fields,
        defaults=defaults,
        dropped=tuple(dropped) if after.get("additionalProperties") is False else (),
        needed=tuple(name for name in unnamed if name not in defaults),
    )


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    found: Any = schema.get("properties")
    return found if is_object(found) else {}


def _renamed(gone: Mapping[str, Any], come: Mapping[str, Any]) -> dict[str, str]:
    """Pair names with equal schemas, the most alike first, each used once."""
    pairs = sorted(
        (
            (_likeness(name, other, gone, come), name, other)
            for name in gone
            for other in come
            if alike(bare(gone[name]), bare(come[other]))
        ),
        reverse=True,
    )
    alone = len(gone) == len(come) == 1
    fields: dict[str, str] = {}
    for likeness, name, other in pairs:
        free = name not in fields and other not in fields.values()
        if free and (alone or likeness >= _LIKELY):
            fields[name] = other
    return fields


def _likeness(name: str, other: str, gone: Mapping[str, Any], come: Mapping[str, Any]) -> float:
    if name.replace("_", "").casefold() == other.replace("_", "").casefold():
        return 1.0
    # `q` for `query` and `to` for `to_address` share a beginning; the ratio alone is low there.
    inside = 0.6 if other.startswith(name) or name.startswith(other) else 0.0
    before, after = _told(gone[name]), _told(come[other])
    told = SequenceMatcher(None, before, after).ratio() if before and after else 0.0
    return max(inside, told, SequenceMatcher(None, name, other).ratio())


def _told(schema: Any) -> str:
    return str(schema.get("description", ""))[:_COMPARED] if is_object(schema) else ""


def _default(schema: Any) -> Any:
    if not is_object(schema):
        return None
    if "default" in schema:
        return schema["default"]
    if "const" in schema:
        return schema["const"]
    return None
