"""`[controls]`: rates, allowances, breakers, backends and chains of fallbacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

from callgate.controls import Allowance, Alternative, BackendRules, BreakerRules, Controls, Rate
from callgate.settings.table import RefusedError, Table, flag, money, seconds, table_of, whole

__all__ = ["controls"]

_Value = TypeVar("_Value")


def controls(table: Table, *, stored: bool) -> Controls:
    """Read `[controls]`.

    Args:
        table: The table.
        stored: Whether there is a store, through which processes can share.
    """
    table.only([part.name for part in fields(Controls)])
    return Controls(
        repeats=table.take("repeats", whole, Controls().repeats),
        breaker=_inner(table, "breaker", _breaker),
        breakers={name: _breaker(inner) for name, inner in table.tables("breakers")},
        principal=_inner(table, "principal", _rate),
        tenant=_inner(table, "tenant", _rate),
        principal_spend=_inner(table, "principal_spend", _allowance),
        tenant_spend=_inner(table, "tenant_spend", _allowance),
        backends={name: _backend(inner, stored) for name, inner in table.tables("backends")},
        fallbacks=_fallbacks(table.table("fallbacks")),
    )


def _inner(table: Table, key: str, read: Callable[[Table], _Value]) -> _Value | None:
    return read(table.table(key)) if key in table.values else None


def _given(table: Table, **readers: Callable[[Any], Any]) -> dict[str, Any]:
    """Return what a table gives, each value as its reader makes it; nothing else may be in it."""
    table.only(readers)
    return {
        name: table.take(name, read, None) for name, read in readers.items() if name in table.values
    }


def _needed(table: Table, key: str, allowed: str) -> None:
    if key not in table.values:
        raise table.error(key, "nothing", allowed)


def _rate(table: Table) -> Rate:
    _needed(table, "calls", "a number above 0")
    return Rate(**_given(table, calls=_above, seconds=seconds, burst=_above))


def _allowance(table: Table) -> Allowance:
    _needed(table, "amount", "US dollars above 0")
    return Allowance(**_given(table, amount=money, seconds=seconds))


def _breaker(table: Table) -> BreakerRules:
    readers: dict[str, Callable[[Any], Any]] = {
        "failures": whole,
        "share": _share,
        "least": whole,
        "window": seconds,
        "pause": seconds,
        "probes": whole,
    }
    return BreakerRules(**_given(table, **readers))


def _backend(table: Table, stored: bool) -> BackendRules:
    given = _given(table, rate=table_of, concurrency=whole, shared=flag, queue=seconds)
    given["rate"] = _inner(table, "rate", _rate)
    if given.get("shared") and not stored:
        raise table.error(
            "shared", "true", "false without a store: set url in [store], or leave shared out"
        )
    return BackendRules(**given)


def _fallbacks(table: Table) -> Mapping[str, tuple[Alternative, ...]]:
    return {name: table.take(name, _alternatives, ()) for name in table.values}


def _alternatives(value: object) -> tuple[Alternative, ...]:
    allowed = 'tools, such as ["other", { tool = "third", arguments = { q = "query" } }]'
    found: list[Alternative] = []
    for item in cast("list[object]", value if isinstance(value, list) else [value]):
        named: dict[str, Any] = cast(
            "dict[str, Any]", item if isinstance(item, dict) else {"tool": item}
        )
        names = named.get("arguments")
        texts = [named.get("tool"), *(cast("dict[str, Any]", names) or {}).values()]
        if named.keys() - {"tool", "arguments"} or not all(isinstance(one, str) for one in texts):
            raise RefusedError(allowed)
        found.append(Alternative(tool=named["tool"], arguments=names))
    return tuple(found)


def _above(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise RefusedError("a number above 0")


def _share(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    raise RefusedError("a share above 0 and up to 1")
