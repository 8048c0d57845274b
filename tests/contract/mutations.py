"""What a developer does to a schema: a change somewhere, for better or worse."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from tests.contract.schemas import KINDS, NAMES, PATTERNS, SCALARS, dicts, part

__all__ = ["MUTATIONS", "mutated"]

Mutation = Callable[[dict[str, Any], random.Random], None]


def mutated(
    given: dict[str, Any], chance: random.Random, changes: int = 1
) -> tuple[dict[str, Any], list[str]]:
    """Return a changed copy of a schema, and the names of the changes."""
    made = copy.deepcopy(given)
    names: list[str] = []
    for _ in range(changes):
        # Most mutations fit few places: one that changes nothing is drawn again.
        for _ in range(20):
            before = copy.deepcopy(made)
            place = chance.choice(list(dicts(made)))
            mutation = chance.choice(MUTATIONS)
            mutation(place, chance)
            if made != before:
                names.append(mutation.__name__)
                break
    return made, names


def require(place: dict[str, Any], chance: random.Random) -> None:
    names = [*place.get("properties", {})] or list(NAMES)
    name = chance.choice(names)
    if name not in place.get("required", ()):
        place["required"] = [*place.get("required", ()), name]


def release(place: dict[str, Any], chance: random.Random) -> None:
    if place.get("required"):
        left = chance.choice(place["required"])
        place["required"] = [name for name in place["required"] if name != left]


def add_property(place: dict[str, Any], chance: random.Random) -> None:
    name = chance.choice(NAMES)
    place["properties"] = {name: part(chance, 1), **place.get("properties", {})}


def drop_property(place: dict[str, Any], chance: random.Random) -> None:
    if place.get("properties"):
        del place["properties"][chance.choice([*place["properties"]])]


def rename_property(place: dict[str, Any], chance: random.Random) -> None:
    if place.get("properties"):
        name = chance.choice([*place["properties"]])
        place["properties"][name + "_2"] = place["properties"].pop(name)
        if name in place.get("required", ()):
            place["required"] = [*(n for n in place["required"] if n != name), name + "_2"]


def close(place: dict[str, Any], chance: random.Random) -> None:
    if place.get("type") == "object" or "properties" in place:
        place["additionalProperties"] = False


def unclose(place: dict[str, Any], chance: random.Random) -> None:
    place.pop("additionalProperties", None)


def widen_type(place: dict[str, Any], chance: random.Random) -> None:
    if place.get("type") == "integer":
        place["type"] = "number"
    elif "type" in place:
        kinds = place["type"] if isinstance(place["type"], list) else [place["type"]]
        place["type"] = sorted({*kinds, chance.choice(KINDS)})


def narrow_type(place: dict[str, Any], chance: random.Random) -> None:
    if place.get("type") == "number":
        place["type"] = "integer"
    elif isinstance(place.get("type"), list) and len(place["type"]) > 1:
        place["type"] = place["type"][:-1]


def change_type(place: dict[str, Any], chance: random.Random) -> None:
    place["type"] = chance.choice(KINDS)


def move_bound(place: dict[str, Any], chance: random.Random) -> None:
    names = [
        name
        for name in place
        if name.startswith(("min", "max", "exclusive")) and isinstance(place[name], int | float)
    ]
    if names:
        name = chance.choice(names)
        place[name] = max(0, place[name] + chance.choice([1, -1, 2]))
        if name.endswith(("mum",)) and chance.random() < 0.3:
            place[name] = place[name] - 5


def add_bound(place: dict[str, Any], chance: random.Random) -> None:
    name = chance.choice(
        [
            "minimum",
            "maximum",
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
        ]
    )
    place[name] = chance.choice([0, 1, 2, 3, 5, 10])


def drop_keyword(place: dict[str, Any], chance: random.Random) -> None:
    names = [name for name in place if name not in ("$ref", "$defs")]
    if names:
        del place[chance.choice(names)]


def add_member(place: dict[str, Any], chance: random.Random) -> None:
    if "enum" in place and not any(v == "new" for v in place["enum"]):
        place["enum"] = [*place["enum"], "new"]
    elif "const" in place:
        place["enum"] = [place.pop("const"), "new"]


def drop_member(place: dict[str, Any], chance: random.Random) -> None:
    if len(place.get("enum", ())) > 1:
        place["enum"] = place["enum"][1:]


def enumerate_values(place: dict[str, Any], chance: random.Random) -> None:
    if place.get("type") == "string":
        place["enum"] = ["a", "b", "ab"]


def change_pattern(place: dict[str, Any], chance: random.Random) -> None:
    if "pattern" in place or place.get("type") == "string":
        place["pattern"] = chance.choice(PATTERNS)


def change_format(place: dict[str, Any], chance: random.Random) -> None:
    if place.get("type") == "string":
        place["format"] = chance.choice(["date", "email", "uri"])


def make_nullable(place: dict[str, Any], chance: random.Random) -> None:
    _wrap(place, lambda inner: {"anyOf": [inner, {"type": "null"}]})


def make_list(place: dict[str, Any], chance: random.Random) -> None:
    _wrap(place, lambda inner: {"type": "array", "items": inner})


def replace_inside(place: dict[str, Any], chance: random.Random) -> None:
    for keyword in ("items", "additionalProperties", "not", "contains", "if", "then", "else"):
        if keyword in place and chance.random() < 0.5:
            place[keyword] = part(chance, 1)
            return


def change_items(place: dict[str, Any], chance: random.Random) -> None:
    if "uniqueItems" in place:
        place["uniqueItems"] = not place["uniqueItems"]
    elif place.get("type") == "array":
        place["items"] = part(chance, 1)


def change_step(place: dict[str, Any], chance: random.Random) -> None:
    if "multipleOf" in place or place.get("type") in ("integer", "number"):
        place["multipleOf"] = chance.choice([1, 2, 4, 6, 0.5, 0.1, 0.2, 10])


def drop_branch(place: dict[str, Any], chance: random.Random) -> None:
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if len(place.get(keyword, ())) > 1:
            place[keyword] = place[keyword][1:]


def add_branch(place: dict[str, Any], chance: random.Random) -> None:
    for keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if keyword in place:
            place[keyword] = [*place[keyword], part(chance, 1)]


def swap_union(place: dict[str, Any], chance: random.Random) -> None:
    if "oneOf" in place and "anyOf" not in place:
        place["anyOf"] = place.pop("oneOf")
    elif "anyOf" in place and "oneOf" not in place:
        place["oneOf"] = place.pop("anyOf")


def describe(place: dict[str, Any], chance: random.Random) -> None:
    place["description"] = chance.choice(["Other words.", "Words."])


def say_twice_not(place: dict[str, Any], chance: random.Random) -> None:
    _wrap(place, lambda inner: {"not": {"not": inner}})


def say_all_of(place: dict[str, Any], chance: random.Random) -> None:
    _wrap(place, lambda inner: {"allOf": [inner]})


def say_any_of(place: dict[str, Any], chance: random.Random) -> None:
    _wrap(place, lambda inner: {"anyOf": [False, inner, {"enum": []}]})


def split_types(place: dict[str, Any], chance: random.Random) -> None:
    if isinstance(place.get("type"), list) and "anyOf" not in place:
        place["anyOf"] = [{"type": kind} for kind in place.pop("type")]


def split_condition(place: dict[str, Any], chance: random.Random) -> None:
    split = {"type": chance.choice(KINDS)}
    _wrap(place, lambda inner: {"if": split, "then": inner, "else": inner})


def add_dependency(place: dict[str, Any], chance: random.Random) -> None:
    if "properties" in place:
        place["dependentRequired"] = {chance.choice(NAMES): [chance.choice(NAMES)]}


def set_value(place: dict[str, Any], chance: random.Random) -> None:
    if place.get("properties"):
        name = chance.choice([*place["properties"]])
        place["properties"][name] = {"const": chance.choice(SCALARS)}


def _wrap(place: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    kept = {"$defs": place.pop("$defs")} if "$defs" in place else {}
    inner = dict(place)
    place.clear()
    place.update(change(inner), **kept)


MUTATIONS: tuple[Mutation, ...] = (
    require,
    require,
    release,
    add_property,
    drop_property,
    rename_property,
    close,
    unclose,
    widen_type,
    widen_type,
    narrow_type,
    change_type,
    move_bound,
    move_bound,
    add_bound,
    drop_keyword,
    drop_keyword,
    add_member,
    drop_member,
    enumerate_values,
    change_pattern,
    change_format,
    make_nullable,
    make_list,
    replace_inside,
    change_items,
    change_step,
    drop_branch,
    add_branch,
    swap_union,
    describe,
    say_twice_not,
    say_all_of,
    say_any_of,
    split_types,
    split_condition,
    add_dependency,
    set_value,
)
