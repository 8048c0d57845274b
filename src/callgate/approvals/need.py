"""What a call needs before it may execute: how many people, in which roles, until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DAY", "Escalation", "Need", "need_from_json", "need_to_json"]

DAY = 86_400.0
"""Seconds of a day: how long a question stays open by default."""

_APPROVER = frozenset({"approver"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """Who may decide, too, once a question has been open for some time.

    Attributes:
        after: Seconds since the question was asked.
        roles: Roles that may decide from then on, beside those before.
        approvers: How many people must approve from then on; None for as many as before.
    """

    after: float
    roles: frozenset[str] = frozenset()
    approvers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a person must say before a call may execute.

    Attributes:
        reason: Why a person is asked, in words that the approver reads.
        roles: Roles that may decide; a person needs one of them.
        approvers: How many different people must approve; one denial is enough.
        expires: Seconds after which the question, and an approval that was not used, is void.
        self_approval: Whether the principal of the call may approve it.
        grants: Whether a standing grant may stand for the approval; never where more than one
            person must approve.
        escalations: Who else may decide, and when.
    """

    reason: str = "The tool asks for it."
    roles: frozenset[str] = _APPROVER
    approvers: int = 1
    expires: float = DAY
    self_approval: bool = False
    grants: bool = True
    escalations: tuple[Escalation, ...] = ()

    def asked(self, seconds: float) -> tuple[frozenset[str], int]:
        """Return who may decide, and how many must approve, once a question is that old.

        Args:
            seconds: Since the question was asked.
        """
        roles, approvers = self.roles, self.approvers
        for step in self.escalations:
            if seconds >= step.after:
                roles |= step.roles
                approvers = approvers if step.approvers is None else step.approvers
        return roles, approvers


def need_to_json(need: Need) -> dict[str, Any]:
    """Return the JSON form of a need."""
    return {
        "reason": need.reason,
        "roles": sorted(need.roles),
        "approvers": need.approvers,
        "expires": need.expires,
        "self_approval": need.self_approval,
        "grants": need.grants,
        "escalations": [
            {"after": step.after, "roles": sorted(step.roles), "approvers": step.approvers}
            for step in need.escalations
        ],
    }


def need_from_json(data: Mapping[str, Any]) -> Need:
    """Make the need that `need_to_json` described."""
    return Need(
        reason=data["reason"],
        roles=frozenset(data["roles"]),
        approvers=data["approvers"],
        expires=data["expires"],
        self_approval=data["self_approval"],
        grants=data["grants"],
        escalations=tuple(
            Escalation(
                after=step["after"], roles=frozenset(step["roles"]), approvers=step["approvers"]
            )
            for step in data["escalations"]
        ),
    )
