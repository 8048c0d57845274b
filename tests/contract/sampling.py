"""Values that are probably valid under a schema, made without the decision procedure."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator
from typing import Any

from tests.contract.schemas import KINDS, NAMES, SCALARS, dicts

__all__ = ["Sampler", "universe"]

TEXTS = (
    "",
    "a",
    "b",
    "ab",
    "abc",
    "abab",
    "cd",
    "x_1",
    "x_",
    "_",
    "12",
    "12-34",
    "1",
    "A",
    "Ab",
    "a b",
    "a@b.com",
    "id",
    "note",
    "kind",
    "zz",
    "é",
    "aaaa",
    "aaaaa",
    "b1b",
    "0a",
    "\n",
    "ba",
)
FEW: tuple[Any, ...] = (None, True, 0, 1, 2.5, "", "a", "ab", "x_1", [], {}, [0], {"a": 0})
EXTRA_NAMES = ("zz", "q", "x_9", "12", "", "ab", "a1", "_", "id_2", "a_2")


def universe() -> list[Any]:
    """Return all small values over a few scalars and names: what can be tried on every schema."""
    flat = [*SCALARS, *TEXTS, -3, 4, 6, 7, 9, 12, 100, 0.1, 0.3, 1.25, [None]]
    arrays = [[one, other] for one in FEW for other in FEW]
    arrays += [[one, one, other] for one in FEW for other in FEW[:6]]
    arrays += [[one] * count for one in FEW for count in (1, 3, 4, 6)]
    objects = [{name: one} for name in (*NAMES, "zz", "v") for one in FEW]
    objects += [
        {name: one, other: two}
        for name, other in itertools.combinations((*NAMES[:5], "v", "zz"), 2)
        for one in FEW[1:9:2]
        for two in FEW[:9:2]
    ]
    objects += [{"a": one, "b": 0, "c": "a"} for one in FEW]
    objects += [dict.fromkeys(NAMES, one) for one in FEW]
    return flat + arrays + objects


class Sampler:
    """Makes values for one schema, with an eye on another one that they may break."""

    def __init__(self, schema: Any, other: Any, chance: random.Random) -> None:
        self._schema = schema
        self._defs = schema.get("$defs", {}) if isinstance(schema, dict) else {}
        self._chance = chance
        self._pool = [
            *SCALARS,
            *TEXTS,
            1.5,
            7,
            100,
            0.1,
            0.25,
            -5,
            [],
            {},
            [1],
            ["a", "a"],
            {"a": 1},
        ]
        self._numbers: list[float] = [0, 1, -1, 2, 3, 7, 0.5, 1.5, 100, 0.1, 0.3, -2]
        self._names = [*NAMES, *EXTRA_NAMES]
        for one in (schema, other):
            for inner in dicts(one):
                self._mention(inner)

    def _mention(self, inner: dict[str, Any]) -> None:
        self._pool += inner.get("enum", ())
        if "const" in inner:
            self._pool.append(inner["const"])
        self._names += [*inner.get("properties", ()), *inner.get("required", ())]
        for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
            if keyword in inner:
                bound = inner[keyword]
                self._numbers += [bound, bound + 1, bound - 1, bound + 0.5, bound * 2, bound * 3]

    def values(self) -> Iterator[Any]:
        """Yield values for ever; by no means all of them are valid."""
        last: Any = None
        while True:
            if last is not None and self._chance.random() < 0.3:
                last = self._varied(last)
            else:
                last = self._value([self._schema], 0)
            yield last

    def _varied(self, value: Any) -> Any:
        chance = self._chance
        if isinstance(value, dict):
            made = dict(value)
            if made and chance.random() < 0.5:
                name = chance.choice([*made])
                if chance.random() < 0.4:
                    del made[name]
                else:
                    made[name] = self._varied(made[name])
                return made
            made[chance.choice(self._names)] = chance.choice(self._pool)
            return made
        if isinstance(value, list) and value:
            place = chance.randrange(len(value))
            way = chance.random()
            if way < 0.3:
                return value[:place] + value[place + 1 :]
            if way < 0.6:
                return [*value, value[place]]
            return [*value[:place], self._varied(value[place]), *value[place + 1 :]]
        return chance.choice(self._pool)

    # --- from a schema ------------------------------------------------------------------------

    def _parts(self, schemas: list[Any]) -> list[dict[str, Any]] | None:
        """Return schemas without unions: of every union one member, taken at random."""
        parts: list[dict[str, Any]] = []
        waiting = list(schemas)
        while waiting:
            schema = waiting.pop()
            if schema is False:
                return None
            if schema is True:
                continue
            parts.append(schema)
            waiting += schema.get("allOf", ())
            for keyword in ("anyOf", "oneOf"):
                if keyword in schema:
                    waiting.append(self._chance.choice(schema[keyword]))
            if "$ref" in schema:
                waiting.append(self._defs[schema["$ref"].rpartition("/")[2]])
            if "if" in schema:
                if self._chance.random() < 0.5:
                    waiting += [schema["if"], schema.get("then", True)]
                else:
                    waiting.append(schema.get("else", True))
            inner = schema.get("not")
            if isinstance(inner, dict) and "not" in inner:
                waiting.append(inner["not"])
        return parts

    def _value(self, schemas: list[Any], depth: int) -> Any:
        parts = self._parts(schemas)
        if parts is None:
            return None
        listed = [part for part in parts if "enum" in part or "const" in part]
        if listed:
            part = self._chance.choice(listed)
            values = part.get("enum", [part.get("const")])
            return self._chance.choice(values) if values else None
        kind = self._kind(parts)
        if kind == "object":
            return self._object(parts, depth)
        if kind == "array":
            return self._array(parts, depth)
        if kind in ("integer", "number"):
            return self._number(parts, kind)
        if kind == "string":
            return self._string(parts)
        return None if kind == "null" else self._chance.random() < 0.5

    def _kind(self, parts: list[dict[str, Any]]) -> str:
        kinds = set(KINDS)
        for part in parts:
            if "type" in part:
                told = part["type"] if isinstance(part["type"], list) else [part["type"]]
                kinds &= {*told, *(["integer"] if "number" in told else [])}
        open_ = len(kinds) > 2 and any("properties" in part for part in parts)
        if open_ and self._chance.random() < 0.6:
            return "object"
        return self._chance.choice(sorted(kinds) or ["null"])

    def _bound(self, parts: list[dict[str, Any]], least: str, most: str, span: int) -> int:
        low = max([int(part[least]) for part in parts if least in part], default=0)
        high = min([int(part[most]) for part in parts if most in part], default=low + span)
        return self._chance.randint(low, max(low, min(high, low + span)))

    def _number(self, parts: list[dict[str, Any]], kind: str) -> float:
        steps = [part["multipleOf"] for part in parts if "multipleOf" in part]
        if steps and self._chance.random() < 0.8:
            step = max(steps)
            number = self._chance.choice([0, 1, 2, 3, 4, 5, 6, 10, 20, 30, -1, -2]) * step
            number = round(number, 6)
        else:
            number = self._chance.choice(self._numbers)
        if kind == "integer":
            return int(number)
        return int(number) if self._chance.random() < 0.2 else number

    def _string(self, parts: list[dict[str, Any]]) -> str:
        length = self._bound(parts, "minLength", "maxLength", 3)
        patterns = [part["pattern"] for part in parts if "pattern" in part]
        fits = [text for text in TEXTS if all(re.search(p, text) for p in patterns)]
        if fits and self._chance.random() < 0.8:
            return self._chance.choice(fits)
        return "".join(self._chance.choice("ab1_ Zé") for _ in range(length))

    def _array(self, parts: list[dict[str, Any]], depth: int) -> list[Any]:
        length = self._bound(parts, "minItems", "maxItems", 3)
        wanted = [part["contains"] for part in parts if "contains" in part]
        items: list[Any] = []
        for index in range(length if depth < 5 else 0):
            schemas: list[Any] = []
            for part in parts:
                prefix = part.get("prefixItems", [])
                if index < len(prefix):
                    schemas.append(prefix[index])
                elif "items" in part:
                    schemas.append(part["items"])
            if wanted and self._chance.random() < 0.6:
                schemas.append(self._chance.choice(wanted))
            items.append(self._value(schemas, depth + 1))
        return items

    def _object(self, parts: list[dict[str, Any]], depth: int) -> dict[str, Any]:
        names: dict[str, None] = {}
        for part in parts:
            names.update(dict.fromkeys(part.get("required", ())))
            for name in part.get("properties", ()):
                if self._chance.random() < (0.5 if depth < 4 else 0.05):
                    names[name] = None
        while self._chance.random() < 0.35:
            names[self._chance.choice(self._names)] = None
        return {name: self._value(self._under(parts, name), depth + 1) for name in names}

    def _under(self, parts: list[dict[str, Any]], name: str) -> list[Any]:
        found: list[Any] = []
        for part in parts:
            hit = [s for p, s in part.get("patternProperties", {}).items() if re.search(p, name)]
            found += hit
            if name in part.get("properties", {}):
                found.append(part["properties"][name])
            elif not hit and "additionalProperties" in part:
                found.append(part["additionalProperties"])
        return found
