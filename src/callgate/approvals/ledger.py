"""What a person's decision makes of an approval: pure steps from one record to the next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from callgate.approvals.need import Need
from callgate.approvals.records import Approval, Binding, Grant, Standing, Vote, approval_id
from callgate.errors import ApprovalError, ArgumentsError
from callgate.schema.arguments import prepare
from callgate.schema.canonical import digest
from callgate.schema.check import Checker
from callgate.types import Principal

__all__ = [
    "EDIT",
    "Authority",
    "RoleAuthority",
    "approve",
    "deny",
    "differing",
    "edit",
    "is_met",
]

EDIT = "+edit"
"""What is added to a call's key when a person changes its arguments: the key of the new call."""

_OPEN = frozenset({Standing.PENDING})
_REVOCABLE = frozenset({Standing.PENDING, Standing.APPROVED})


class Authority(Protocol):
    """Decides who may decide: approving is itself authorised."""

    def refuses(self, person: Principal, approval: Approval, now: float) -> str | None:
        """Return why `person` may not decide about a call; None if it may.

        Args:
            person: Who wants to decide.
            approval: About what.
            now: Seconds since 1970.
        """
        ...

    def refuses_grant(self, person: Principal, grant: Grant) -> str | None:
        """Return why `person` may not give or take back a grant; None if it may."""
        ...


class RoleAuthority:
    """Asks for a role, for the tenant of the call, and for somebody else than its principal."""

    def __init__(self, *, granters: frozenset[str] = frozenset({"granter"})) -> None:
        """Keep who may give grants.

        Args:
            granters: Roles that may give and take back standing grants; defaults to `granter`.
        """
        self._granters = granters

    def refuses(self, person: Principal, approval: Approval, now: float) -> str | None:
        """Return why `person` may not decide about a call; None if it may."""
        bound = approval.binding
        if person.tenant != bound.tenant:
            return "the call belongs to another tenant"
        if person.id == bound.principal and not approval.need.self_approval:
            return "nobody decides about calls made on their own behalf"
        roles, _ = approval.asked(now)
        if roles.isdisjoint(person.roles):
            return f"it takes one of the roles {', '.join(sorted(roles))}"
        return None

    def refuses_grant(self, person: Principal, grant: Grant) -> str | None:
        """Return why `person` may not give or take back a grant; None if it may."""
        if person.tenant != grant.tenant:
            return "the grant is for another tenant"
        if person.id == grant.principal:
            return "nobody grants anything to themselves"
        if self._granters.isdisjoint(person.roles):
            return f"it takes one of the roles {', '.join(sorted(self._granters))}"
        return None


def approve(approval: Approval, vote: Vote) -> Approval:
    """Return the approval with one more person in favour.

    Raises:
        ApprovalError: It is not open, or the person has said so before.
    """
    _check_open(approval, vote, _OPEN)
    votes = (*approval.votes, vote)
    met = is_met(approval.need, approval.asked_at, votes, vote.at)
    state = Standing.APPROVED if met else Standing.PENDING
    return replace(approval, votes=votes, state=state, revision=approval.revision + 1)


def deny(approval: Approval, vote: Vote) -> Approval:
    """Return the approval as it stands once a person has said no; also after others said yes.

    Raises:
        ApprovalError: It is neither open nor approved and unused.
    """
    _check_open(approval, vote, _REVOCABLE)
    return replace(
        approval,
        votes=(*approval.votes, vote),
        state=Standing.DENIED,
        revision=approval.revision + 1,
    )


def edit(
    approval: Approval, vote: Vote, arguments: Mapping[str, Any] | str
) -> tuple[Approval, Approval]:
    """Return what a person's change of the arguments makes of an approval.

    The arguments become canonical as a model's do: what is missing is filled in, what can be
    repaired is. The new approval is bound to exactly those bytes and to a key of its own.

    Args:
        approval: The open approval.
        vote: Who changes it.
        arguments: All arguments of the changed call.

    Returns:
        The old approval, now edited, and that of the changed call, with the person's vote for it.

    Raises:
        ApprovalError: It is not open, or the arguments are not valid or not changed.
    """
    _check_open(approval, vote, _OPEN)
    try:
        _, body, _ = prepare(
            Checker(approval.parameters),
            arguments if isinstance(arguments, str) else dict(arguments),
            effect=True,
            strict=False,
            truncated=False,
            limit=len(approval.arguments) + 1_048_576,
        )
    except ArgumentsError as exc:
        raise ApprovalError(f"The changed arguments are not valid: {exc.message}") from exc
    if body == approval.arguments:
        raise ApprovalError("The changed arguments are the same as before; approve the call as is.")
    key = approval.binding.key + EDIT
    binding = replace(approval.binding, key=key, arguments=digest(body))
    fresh = replace(
        approval,
        id=approval_id(binding),
        binding=binding,
        arguments=body,
        votes=(),
        parent=approval.binding.key,
        revision=0,
    )
    changed = replace(approve(fresh, replace(vote, verdict="approve")), revision=0)
    old = replace(
        approval,
        votes=(*approval.votes, vote),
        state=Standing.EDITED,
        replaced_by=key,
        revision=approval.revision + 1,
    )
    return old, changed


def is_met(need: Need, asked_at: float, votes: tuple[Vote, ...], now: float) -> bool:
    """Tell whether enough different people with a role that may decide have said yes.

    Args:
        need: What people must say.
        asked_at: When it was asked, in seconds since 1970.
        votes: What they said.
        now: Seconds since 1970; it says who may decide by now.
    """
    roles, approvers = need.asked(now - asked_at)
    people = {
        (vote.tenant, vote.by)
        for vote in votes
        if vote.verdict == "approve" and not roles.isdisjoint(vote.roles)
    }
    return len(people) >= approvers


def differing(binding: Binding, other: Binding) -> str:
    """Return in words what differs between the call that was approved and another one."""
    words = {
        "tool": "the tool has changed",
        "arguments": "the arguments are not those that were shown",
        "tenant": "the tenant is another",
        "principal": "the principal is another",
        "session": "the run is another",
        "policy": "the rules have changed",
    }
    return " and ".join(words.get(name, "the key is another") for name in binding.differs(other))


def _check_open(approval: Approval, vote: Vote, states: frozenset[Standing]) -> None:
    standing = approval.standing(vote.at)
    if standing not in states:
        raise ApprovalError(
            f"{approval.id} is {standing.value}; nothing is left to decide.",
            details={"approval": approval.id, "state": standing.value},
        )
    if vote.link and any(vote.link == earlier.link for earlier in approval.votes):
        raise ApprovalError("This link has been used already.")
    if vote.verdict == "approve" and any(
        (earlier.by, earlier.tenant, earlier.verdict) == (vote.by, vote.tenant, "approve")
        for earlier in approval.votes
    ):
        raise ApprovalError(f"{vote.by} has approved {approval.id} already; it takes another one.")
