"""`Approvals`: where calls are shown to people, and where people decide."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict, Unpack

from callgate.approvals import ledger
from callgate.approvals.keeping import ApprovalStore
from callgate.approvals.ledger import Authority, RoleAuthority
from callgate.approvals.memory import MemoryApprovals
from callgate.approvals.need import DAY
from callgate.approvals.predicate import parse
from callgate.approvals.records import Approval, Grant, Standing, Vote
from callgate.approvals.rules import ApprovalRules, Rule, Rules
from callgate.errors import ApprovalError
from callgate.types import Principal

__all__ = ["Approvals", "GrantOptions", "Verdict"]

_TRIES = 5
"""How often a decision is made anew that somebody else's came before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A person's decision about a waiting call, for `Session.resume`.

    Attributes:
        by: Who decides.
        approve: Whether the call may be made.
        reason: Why; a denial's reason is told to the model.
        arguments: All arguments of the call that is approved instead; None for the call as it is.
    """

    by: Principal
    approve: bool
    reason: str = ""
    arguments: Mapping[str, Any] | None = None


class GrantOptions(TypedDict, total=False):
    """What a grant may be bounded by, beside its tool and time; see `Grant`.

    Attributes:
        versions: Versions of the tool.
        digests: Digests of the tool.
        when: A condition over the arguments.
        principal: The id of the principal it is for.
        session: The session it is for.
        uses: How many calls it covers.
        reason: Why it is given.
    """

    versions: tuple[str, ...]
    digests: tuple[str, ...]
    when: str
    principal: str
    session: str
    uses: int | None
    reason: str


class Approvals:
    """The rules that ask for people, the questions that are open, and what people say to them.

    Attributes:
        rules: Say which calls need a person.
        store: Where approvals and grants are kept.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        store: ApprovalStore | None = None,
        *,
        rules: ApprovalRules | Iterable[Rule] = (),
        authority: Authority | None = None,
        now: Callable[[], float] = time.time,
        ids: Callable[[], str] = lambda: os.urandom(12).hex(),
    ) -> None:
        """Open the desk.

        Args:
            store: Where approvals and grants are kept; in memory by default.
            rules: Which calls need a person; by default those whose tools declare it.
            authority: Who may decide; `RoleAuthority` by default.
            now: Seconds since 1970.
            ids: Makes the random part of the ids of grants.

        Raises:
            DefinitionError: A rule cannot be read.
        """
        self.store: ApprovalStore = store or MemoryApprovals(now=now)
        self.rules: ApprovalRules = Rules(rules) if isinstance(rules, Iterable) else rules
        self.now = now
        self._authority = authority or RoleAuthority()
        self._ids = ids

    # --- approvals --------------------------------------------------------------------------

    async def list(
        self,
        *,
        tenant: str | None = None,
        standing: Standing | None = Standing.PENDING,
        person: Principal | None = None,
        limit: int = 100,
    ) -> Sequence[Approval]:
        """Return approvals, the oldest first.

        Args:
            tenant: Only this tenant's; None for all.
            standing: Only those that stand so now; None for all. `PENDING` by default.
            person: Only those that this person may decide about now.
            limit: How many to look at, at most; 100 by default.
        """
        now = self.now()
        after = now if standing in (Standing.PENDING, Standing.APPROVED) else None
        states = _states(standing)
        return [
            one
            for one in await self.store.list(tenant=tenant, states=states, after=after, limit=limit)
            if standing in (None, one.standing(now))
            and (person is None or self._authority.refuses(person, one, now) is None)
        ]

    async def get(self, id: str) -> Approval:
        """Return one approval.

        Raises:
            ApprovalError: There is none with this id.
        """
        found = await self.store.get(id)
        if found is None:
            raise ApprovalError(f"There is no approval {id}.", details={"approval": id})
        return found

    async def approve(
        self,
        id: str,
        by: Principal,
        *,
        reason: str = "",
        arguments: Mapping[str, Any] | str | None = None,
        link: str = "",
    ) -> Approval:
        """Say yes to a call, or to the same call with other arguments.

        Args:
            id: The approval.
            by: Who decides.
            reason: Why.
            arguments: All arguments of the changed call; None to approve it as it is.
            link: The number of the signed link that was used.

        Returns:
            The approval as it stands now; for a changed call, that of the new call, with the
            canonical arguments that will execute.

        Raises:
            ApprovalError: The person may not, it is not open any more, or the arguments are wrong.
        """

        def step(known: Approval, vote: Vote) -> tuple[Approval, Approval | None]:
            if arguments is None:
                return ledger.approve(known, vote), None
            return ledger.edit(known, vote, arguments)

        verdict = "approve" if arguments is None else "edit"
        return await self._decide(id, by, verdict, step, reason=reason, link=link)

    async def deny(self, id: str, by: Principal, *, reason: str = "", link: str = "") -> Approval:
        """Say no to a call, also to one that was approved and is not used yet.

        Args:
            id: The approval.
            by: Who decides.
            reason: Why; the model is told.
            link: The number of the signed link that was used.

        Returns:
            The approval as it stands now.

        Raises:
            ApprovalError: The person may not, or nothing is left to decide.
        """
        return await self._decide(
            id,
            by,
            "deny",
            lambda known, vote: (ledger.deny(known, vote), None),
            reason=reason,
            link=link,
        )

    async def decide(self, id: str, verdict: Verdict) -> Approval:
        """Take a verdict; see `approve` and `deny`.

        Raises:
            ApprovalError: As there.
        """
        if not verdict.approve:
            return await self.deny(id, verdict.by, reason=verdict.reason)
        return await self.approve(
            id, verdict.by, reason=verdict.reason, arguments=verdict.arguments
        )

    async def decided(self, ids: Sequence[str]) -> frozenset[str]:
        """Return those approvals that no longer wait for people, also because time ran out."""
        now = self.now()
        found = [(id, await self.store.get(id)) for id in ids]
        return frozenset(
            id for id, one in found if one is None or one.standing(now) is not Standing.PENDING
        )

    async def _decide(
        self,
        id: str,
        by: Principal,
        verdict: str,
        step: Callable[[Approval, Vote], tuple[Approval, Approval | None]],
        *,
        reason: str,
        link: str,
    ) -> Approval:
        for _ in range(_TRIES):
            known, now = await self.get(id), self.now()
            if (why := self._authority.refuses(by, known, now)) is not None:
                raise ApprovalError(f"{by.id} may not decide about {id}: {why}.")
            vote = Vote(
                by=by.id,
                tenant=by.tenant,
                roles=by.roles,
                verdict=verdict,
                at=now,
                reason=reason,
                link=link,
            )
            after, fresh = step(known, vote)
            if await self.store.change(known, after, fresh=fresh):
                return fresh or after
        raise ApprovalError(f"{id} is changed by others all the time; look at it again.")

    # --- grants -----------------------------------------------------------------------------

    async def give(
        self,
        tool: str,
        by: Principal,
        *,
        seconds: float = DAY,
        tenant: str | None = None,
        **bounds: Unpack[GrantOptions],
    ) -> Grant:
        """Give a standing approval for calls of a tool.

        Args:
            tool: The tool's name.
            by: Who gives it; its roles count as the approver's.
            seconds: How long it stands; a day by default.
            tenant: The tenant it is for; that of `by` by default.
            **bounds: See `GrantOptions`.

        Raises:
            ApprovalError: The person may not, or it would cover nothing.
            DefinitionError: The condition cannot be read.
        """
        parse(bounds.get("when", "always"))
        uses = bounds.get("uses")
        if seconds <= 0 or (uses is not None and uses < 1):
            raise ApprovalError("A grant covers at least one call and more than 0 seconds.")
        now = self.now()
        grant = Grant(
            id=f"grt_{self._ids()}",
            tool=tool,
            by=by.id,
            by_roles=by.roles,
            given_at=now,
            expires_at=now + seconds,
            tenant=by.tenant if tenant is None else tenant,
            **bounds,
        )
        self._check_granter(by, grant)
        await self.store.give(grant)
        return grant

    async def grants(
        self, *, tenant: str | None = None, tool: str | None = None, all: bool = False
    ) -> Sequence[Grant]:
        """Return the grants, the oldest first.

        Args:
            tenant: Only those for this tenant; None for every tenant.
            tool: Only those for this tool.
            all: Whether those that no longer stand are listed, too.
        """
        now = self.now()
        found = await self.store.grants(tenant=tenant, tool=tool)
        return [one for one in found if all or one.stands(now)]

    async def revoke(self, id: str, by: Principal) -> Grant:
        """Take a grant back; it covers no call that is not claimed yet.

        Raises:
            ApprovalError: The person may not, there is none, or it was taken back before.
        """
        known = await self.store.grant(id)
        if known is None:
            raise ApprovalError(f"There is no grant {id}.", details={"grant": id})
        self._check_granter(by, known)
        if not await self.store.revoke(id, by=by.id):
            raise ApprovalError(f"{id} was taken back already.", details={"grant": id})
        return replace(known, revoked_by=by.id)

    def _check_granter(self, by: Principal, grant: Grant) -> None:
        if (why := self._authority.refuses_grant(by, grant)) is not None:
            raise ApprovalError(f"{by.id} may not decide about grants for {grant.tool}: {why}.")


def _states(standing: Standing | None) -> Sequence[Standing]:
    if standing is None:
        return tuple(Standing)
    if standing is Standing.EXPIRED:
        return (Standing.PENDING, Standing.APPROVED)
    return (standing,)
