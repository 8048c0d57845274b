"""What a schema lets stand at each place of a value, for a value that is still being written.

A place is written as alternatives: `anyOf`, `oneOf`, `allOf` and `$ref` are multiplied out into
`Case`s, each a set of plain schemas that hold together. Inside an object or array a `State` keeps
the cases that are still possible; each case of a member belongs to a case of what holds it (its
owner), so that a member decides between the alternatives of its holder. Only what a further text
cannot mend counts against a case. Where a schema says something that is not followed here (`if`,
`dependentSchemas`, `patternProperties` ...), everything is possible.

`repair` may turn a value into another one, so a place also knows what its values may turn into:
a string where none is wanted may be read as JSON, a value where an array is wanted may be wrapped,
a string may be an option in another case. Such a value, and all that is in it, is never judged.
All of this is prepared when it is first met and kept: later it costs a look into a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, product
from math import prod
from typing import Any

from callgate.schema.check import Checker
from callgate.schema.stream_cases import SCALARS, Case, Schemas, UnclearError
from callgate.schema.stream_words import kind_of, may_say
from callgate.schema.values import is_array, is_object
from callgate.types import JsonSchema

__all__ = ["Places", "Spot", "State"]

_MOST = 64
"""Alternatives of one place; a schema with more of them is not judged there."""

_MOST_CHARACTERS, _LONGEST = 20_000, 200
"""Characters that the names of one object, and one name, may have for their beginnings to be
judged; larger ones are judged when they are whole."""

_HEAD = 64
"""Characters of a string that are enough to tell whether JSON may stand in it."""

_UNCLEAR = (
    "$dynamicRef",
    "$recursiveRef",
    "additionalItems",
    "dependencies",
    "dependentSchemas",
    "if",
)
_UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
_MARKS = {'"': "string", "0": "number", "f": "boolean", "n": "null", "t": "boolean"}

_Thread = tuple[int, Case]


class Spot:
    """A place where one value will stand.

    Attributes:
        threads: The cases that are possible here, each with the index of its owner.
        owners: The owners that have a case here; None where all of them have.
        free: Python types whose whole values need no look: any is possible and decides nothing.
        marks: First characters of scalars that are possible, 0 for any number.
        ample: Up to how many characters any string is possible; -1 if only some are.
        reach: How many characters of an open string are worth a look.
    """

    __slots__ = (
        "_inner",
        "_inside",
        "_judged",
        "_options",
        "_places",
        "_types",
        "ample",
        "free",
        "marks",
        "owners",
        "reach",
        "threads",
    )

    def __init__(
        self,
        places: Places,
        threads: Sequence[_Thread],
        *,
        inner: bool,
        owners: frozenset[int] | None,
        judged: bool = True,
    ) -> None:
        self._places = places
        self._inner = inner
        self._judged = judged
        self._inside: dict[str, State | None] | None = None
        self.threads = threads
        self.owners = owners
        repairing = not places.strict
        self._types = [types for _, case in threads for types in case.types if repairing]
        self._options = [options for _, case in threads for options in case.options if repairing]
        self.free = frozenset(kind for kind, name in SCALARS.items() if self._is_free(kind, name))
        self.marks = frozenset(mark for mark, kind in _MARKS.items() if self._allows(kind))
        self.ample = max((case.ample for _, case in threads), default=-1)
        self.reach = 0 if str in self.free else self._reach()

    def _is_free(self, kind: type, name: str) -> bool:
        if self._may_wrap(name):
            return True
        return bool(self.threads) and all(case.plainly(kind) for _, case in self.threads)

    def _allows(self, kind: str) -> bool:
        if kind == "string" and self._may_turn(""):
            return True
        return self._may_wrap(kind) or any(kind in case.kinds for _, case in self.threads)

    def _reach(self) -> int:
        texts = [
            option for _, case in self.threads for options in case.options for option in options
        ]
        lengths = [len(text) for text in texts if isinstance(text, str)]
        return max([_HEAD, *lengths]) + 1

    def _may_wrap(self, kind: str) -> bool:
        """Tell whether `repair` may put a value of this kind into an array."""
        return (
            not self._inner
            and kind != "null"
            and any("array" in types and kind not in types for types in self._types)
        )

    def _may_turn(self, text: str, *, whole: bool = False) -> bool:
        """Tell whether `repair` may turn a string that begins so, or is so, into something else."""
        if self._may_wrap("string"):
            return True
        if any("string" not in types and may_say(text, types) for types in self._types):
            return True
        return any(self._may_choose(text, options, whole=whole) for options in self._options)

    def _may_choose(self, text: str, options: list[Any], *, whole: bool) -> bool:
        texts = [option for option in options if isinstance(option, str)]
        if not texts:
            return may_say(text, {kind_of(option) for option in options})
        folded = text.casefold()
        if whole:
            return text not in texts and any(option.casefold() == folded for option in texts)
        return any(option.casefold().startswith(folded) for option in texts)

    def allows_text(self, head: str, length: int) -> bool:
        """Tell whether a string may stand here that begins so and has so many characters yet."""
        return any(case.begins(head, length) for _, case in self.threads) or self._may_turn(head)

    def alive(self, value: Any) -> frozenset[int]:
        """Return the owners for which a whole scalar is possible."""
        threads = [thread for thread in self.threads if thread[1].takes(value)]
        if isinstance(value, str) and self._may_turn(value, whole=True):
            threads = self.threads
        return frozenset([owner for owner, _ in threads])

    @property
    def inside(self) -> Mapping[str, State | None]:
        """What holds inside an object (`{`) or array (`[`); None where none may stand here.

        Made when it is first asked for: a schema may contain itself.
        """
        if self._inside is None:
            self._inside = {"{": self._enter("object"), "[": self._enter("array")}
        return self._inside

    def _enter(self, kind: str) -> State | None:
        if not self._judged or self._may_wrap(kind):
            return self._places.anything
        threads = [thread for thread in self.threads if kind in thread[1].kinds]
        return State(self._places, threads, array=kind == "array") if threads else None

    def allowed(self) -> str:
        """Return what may stand here, in words."""
        words = dict.fromkeys(case.words() for _, case in self.threads)
        return " or ".join(words) or "nothing more"


class State:
    """What is still possible for an object or array that is open.

    Attributes:
        threads: The cases, each with the index of its owner.
        spots: The places inside that were met so far.
        decides: Whether its end decides between the cases of what holds it.
        array: Whether it is an array.
        owners: The owners that have a case.
        prefixes: All beginnings of names that members may have; None if there is no end of them.
        varied: Whether items of an array differ by their index.
    """

    __slots__ = (
        "_fewer",
        "_needed",
        "_places",
        "_settled",
        "array",
        "decides",
        "owners",
        "prefixes",
        "spots",
        "threads",
        "varied",
    )

    def __init__(
        self, places: Places, threads: Sequence[_Thread], *, array: bool, decides: bool = True
    ) -> None:
        self._places = places
        self._fewer: dict[frozenset[int], State] = {}
        self.spots: dict[str | int | None, Spot] = {}
        self.threads = threads
        self.array = array
        self.decides = decides
        self.owners = frozenset(owner for owner, _ in threads)
        cases = [case for _, case in threads]
        self._needed = frozenset[str]().union(*(case.required for case in cases)) - places.defaults
        self._settled = max(case.settled for case in cases)
        self.varied = array and self._settled > 0
        self.prefixes: frozenset[str] | None = None
        if not array and all(case.closed for case in cases):
            self.prefixes = _prefixes(self.names())

    def names(self) -> list[str]:
        """Return all names that are declared for members, in their order."""
        return list(dict.fromkeys(name for _, case in self.threads for name in case.names))

    def member(self, name: str) -> Spot:
        """Return the place of a member of an object; without threads if there may be none."""
        spot = self.spots.get(name)
        if spot is None:
            # Names that are declared nowhere share one place: there is no end of them.
            declared = any(name in case.names for _, case in self.threads)
            spot = self._spot(name if declared else None)
        return spot

    def at(self, index: int) -> Spot:
        """Return the place of an item of an array; without threads if there may be none."""
        return self._spot(min(index, self._settled))

    def _spot(self, key: str | int | None) -> Spot:
        spot = self.spots.get(key)
        if spot is None:
            spot = self.spots[key] = self._places.inside(self.threads, key)
        return spot

    def keep(self, indices: frozenset[int]) -> State:
        """Return the state with only these of its cases, which are fewer."""
        if indices not in self._fewer:
            threads = [self.threads[index] for index in sorted(indices)]
            self._fewer[indices] = State(self._places, threads, array=self.array)
        return self._fewer[indices]

    def may_close(self, holder: Any) -> bool:
        """Tell whether an object or array may end here in every case."""
        if self.array:
            return all(case.enough(holder) for _, case in self.threads)
        return not self._needed or self._needed <= holder.keys()

    def closing(self, holder: Any) -> frozenset[int]:
        """Return the owners for which an object or array may end here."""
        return frozenset(
            owner
            for owner, case in self.threads
            if (case.enough(holder) if self.array else not self._lacks(case, holder))
        )

    def missing(self, holder: Any) -> str:
        """Return the first name that is required and absent, in the order of the schema."""
        return next(
            name for _, case in self.threads for name in case.required if self._lacks(case, holder)
        )

    def _lacks(self, case: Case, holder: Any) -> bool:
        return any(name in self._needed and name not in holder for name in case.required)


class Places:
    """All places of one schema, each prepared when it is first met.

    Attributes:
        strict: Whether nothing will be repaired.
        root: Where the whole value will stand.
        anything: What holds inside a value that is not judged.
        defaults: Names of properties that have a default somewhere; they may still go in.

    Args:
        schema: A JSON Schema object; not copied, treat it as frozen.
        strict: Whether nothing will be repaired.

    Raises:
        DefinitionError: It is no JSON Schema that can be checked.
    """

    def __init__(self, schema: JsonSchema, *, strict: bool) -> None:
        self.strict = strict
        checker = Checker(schema)
        checker.compile()  # what is no schema is refused here, and taken as one from here on
        self._definition = checker.definition
        self._everywhere = Case(())
        self.defaults = frozenset[str]() if strict else frozenset(_defaults(schema))
        self.anything = State(self, [(0, self._everywhere)], array=False, decides=False)
        self.root = self._spot([(0, (schema,))], among=1, inner=False)

    def inside(self, threads: Sequence[_Thread], key: str | int | None) -> Spot:
        """Return the place of a member or item of an object or array that is one of some cases.

        Args:
            threads: The cases.
            key: The name of a member, None for a name that is declared nowhere, or an index.
        """
        inner = isinstance(key, int)
        try:
            held = [
                (owner, case.item(key) if isinstance(key, int) else case.member(key))
                for owner, (_, case) in enumerate(threads)
            ]
        except UnclearError:
            return self._unjudged(inner=inner)
        return self._spot(
            [(owner, schemas) for owner, schemas in held if schemas is not None],
            among=len(threads),
            inner=inner,
        )

    def _spot(self, held: Sequence[tuple[int, Schemas]], *, among: int, inner: bool) -> Spot:
        """Return the place for which each owner asks for some schemas."""
        try:
            threads = [
                (owner, Case(case)) for owner, schemas in held for case in self._cases(schemas)
            ]
        except UnclearError:
            return self._unjudged(inner=inner)
        if len(threads) > _MOST:
            return self._unjudged(inner=inner)
        owners = frozenset(owner for owner, _ in threads)
        return Spot(self, threads, inner=inner, owners=None if len(owners) == among else owners)

    def _unjudged(self, *, inner: bool) -> Spot:
        threads = [(0, self._everywhere)]
        return Spot(self, threads, inner=inner, owners=None, judged=False)

    def _cases(self, schemas: Sequence[Any]) -> list[Schemas]:
        """Multiply out what schemas that hold together say by references and alternatives."""
        factors = [self._factor(schema) for schema in schemas]
        if prod(map(len, factors)) > _MOST:
            raise UnclearError
        return [tuple(chain.from_iterable(parts)) for parts in product(*factors)]

    def _factor(self, schema: Any) -> list[Schemas]:
        if not is_object(schema):
            return [()] if schema is not False else []
        if _is_unclear(schema):
            raise UnclearError
        parts: list[list[Schemas]] = [[(schema,)]]
        parts += [self._factor(target) for target in self._definition.targets(schema)]
        parts += [self._factor(inner) for inner in schema.get("allOf", ())]
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                parts.append([case for inner in schema[keyword] for case in self._factor(inner)])
        if prod(map(len, parts)) > _MOST:
            raise UnclearError
        return [tuple(chain.from_iterable(each)) for each in product(*parts)]


def _is_unclear(schema: JsonSchema) -> bool:
    if any(keyword in schema for keyword in _UNCLEAR) or is_array(schema.get("items")):
        return True
    # Before 2019-09 a `$ref` hid what stood beside it.
    if "2020-12" not in schema.get("$schema", "2020-12"):
        return True
    return any(is_object(schema.get(keyword)) for keyword in _UNEVALUATED)


def _prefixes(names: Sequence[str]) -> frozenset[str] | None:
    """Return all beginnings of names; None if they are too many to be kept."""
    if sum(map(len, names)) > _MOST_CHARACTERS or max(map(len, names), default=0) > _LONGEST:
        return None
    return frozenset(name[:end] for name in names for end in range(len(name) + 1)) | {""}


def _defaults(schema: Any) -> Iterator[str]:
    """Yield the names of all properties that declare a default, wherever they stand."""
    if is_array(schema):
        for inner in schema:
            yield from _defaults(inner)
    if is_object(schema):
        for name, inner in schema.items():
            if is_object(inner) and "default" in inner:
                yield name
            yield from _defaults(inner)
