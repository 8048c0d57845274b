"""Names of properties and definitions that a wire accepts, each for one thing only."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import unquote

__all__ = ["DefinitionNames", "free", "step", "wire_names"]

_STRANGE = re.compile(r"[^a-zA-Z0-9_]")
_LONGEST = 64


def step(name: str) -> str:
    """Return a property's name as one step of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1") if "~" in name or "/" in name else name


def free(name: str, taken: Collection[str]) -> str:
    """Return `name`, with a number behind it if it is taken; at most 64 characters."""
    found, count = name[:_LONGEST], 1
    while found in taken:
        count += 1
        end = f"_{count}"
        found = name[: _LONGEST - len(end)] + end
    return found


def wire_names(names: Iterable[str], allowed: re.Pattern[str] | None) -> dict[str, str]:
    """Return the name on the wire of each property.

    Args:
        names: The properties of one object, in their order; the same order gives the same names.
        allowed: What a name must match; None allows every name.
    """
    own = list(names)
    if allowed is None or all(map(allowed.fullmatch, own)):
        return {name: name for name in own}
    found = {name: name for name in own if allowed.fullmatch(name)}
    taken = set(found)
    for name in own:
        if name not in found:
            plain = _STRANGE.sub("_", name)
            wire = free(plain if plain[:1].isalpha() or plain[:1] == "_" else f"_{plain}", taken)
            found[name] = wire
            taken.add(wire)
    return {name: found[name] for name in own}


class DefinitionNames:
    """Names for the schemas that references lead to, by identity."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def known(self, target: Any) -> str | None:
        """Return the name a target has already."""
        return self._names.get(id(target))

    def give(self, target: Any, reference: str) -> str:
        """Give a target a name, after the last step of a reference to it.

        Args:
            target: A schema of the document, which outlives this object.
            reference: A `$ref` that leads to it.
        """
        last = unquote(reference).rpartition("/")[2].strip("#")
        name = free(_STRANGE.sub("_", last) or "root", self._names.values())
        self._names[id(target)] = name
        return name
