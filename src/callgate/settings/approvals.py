"""`[approvals]`: which calls need a person, and who decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from callgate.settings.table import (
    RefusedError,
    Table,
    flag,
    seconds,
    text,
    texts,
    variable,
    whole,
)

__all__ = ["ApprovalSettings", "PersonSettings", "approvals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSettings:
    """Somebody who may decide: a table `[approvals.people.NAME]`.

    Attributes:
        tenant: Whose calls the person may decide about.
        roles: What the person is, such as `approver` or `granter`.
    """

    tenant: str = ""
    roles: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalSettings:
    """Which calls need a person, and who decides: the table `[approvals]`.

    Attributes:
        rules: Each table `[[approvals.rules]]`: the options of `callgate.approvals.rules.Rule`.
        people: Who may decide, by name.
        granters: Roles that may give and take back standing grants.
        link_key: The *name* of the environment variable that holds the key of signed links.
    """

    rules: tuple[Mapping[str, Any], ...] = ()
    people: Mapping[str, PersonSettings] = field(default_factory=dict[str, PersonSettings])
    granters: frozenset[str] = frozenset({"granter"})
    link_key: str = "CALLGATE_LINK_KEY"


def approvals(table: Table) -> ApprovalSettings:
    """Read `[approvals]`."""
    table.only([part.name for part in fields(ApprovalSettings)])
    usual = ApprovalSettings()
    return ApprovalSettings(
        rules=tuple(_rule(inner) for inner in table.rows("rules")),
        people={name: _person(inner) for name, inner in table.tables("people")},
        granters=table.take("granters", _words, usual.granters),
        link_key=table.take("link_key", variable, usual.link_key),
    )


def _person(table: Table) -> PersonSettings:
    table.only([part.name for part in fields(PersonSettings)])
    return PersonSettings(
        tenant=table.take("tenant", text, ""), roles=table.take("roles", _words, frozenset())
    )


def _rule(table: Table) -> Mapping[str, Any]:
    """Read a rule; what it does not say is left to the rule's own defaults."""
    table.only((*_RULE, "escalations"))
    if "then" not in table.values:
        raise table.error("then", "nothing", "approve or ask")
    given = {name: table.take(name, read, None) for name, read in _RULE.items()}
    steps = [_escalation(inner) for inner in table.rows("escalations")]
    rule = {name: value for name, value in given.items() if value is not None}
    return {**rule, "escalations": tuple(steps)} if steps else rule


def _escalation(table: Table) -> Mapping[str, Any]:
    table.only(("after", "roles", "approvers"))
    if "after" not in table.values:
        raise table.error("after", "nothing", "a number of seconds above 0")
    return {
        "after": table.take("after", seconds, 0.0),
        "roles": table.take("roles", _words, frozenset[str]()),
        "approvers": table.take("approvers", whole, None),
    }


def _words(value: object) -> frozenset[str]:
    return frozenset(texts(value))


def _then(value: object) -> str:
    if value in ("approve", "ask"):
        return str(value)
    raise RefusedError("approve or ask")


_RULE: Mapping[str, Callable[[Any], Any]] = MappingProxyType(
    {
        "then": _then,
        "tools": texts,
        "tags": _words,
        "effects": _words,
        "when": text,
        "roles": _words,
        "approvers": whole,
        "expires": seconds,
        "self_approval": flag,
        "grants": flag,
        "reason": text,
    }
)
