"""What an approval and a grant are: frozen records that stores keep and people look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from callgate.approvals.need import Need, need_from_json, need_to_json
from callgate.schema.canonical import digest
from callgate.types import JsonSchema, Principal, Tool, ToolCall

__all__ = [
    "Approval",
    "Binding",
    "Grant",
    "Standing",
    "Vote",
    "approval_from_json",
    "approval_id",
    "approval_to_json",
    "ask",
    "bind",
    "grant_from_json",
    "grant_to_json",
    "tool_digest",
    "visible",
]


def tool_digest(tool: Tool) -> str:
    """Return the digest over all of a tool that a model and an approver see."""
    return digest(
        {
            "name": tool.name,
            "version": tool.version,
            "description": tool.description,
            "parameters": tool.parameters,
            "returns": tool.returns,
            "effect": tool.effect.value,
            "examples": [[dict(one.arguments), one.note] for one in tool.examples],
            "approval": tool.approval,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The one call an approval is for; everything in it has to be the same when it executes.

    Attributes:
        key: The call's key.
        tool: The digest of the tool.
        arguments: The digest of the canonical arguments, over exactly their bytes.
        tenant: The principal's tenant.
        principal: The principal's id.
        session: The session, that is the run.
        policy: The version of the rules that asked.
    """

    key: str
    tool: str
    arguments: str
    tenant: str
    principal: str
    session: str
    policy: str

    def differs(self, other: Binding) -> list[str]:
        """Return the names of the parts that are not the same, in their order."""
        mine, theirs = asdict(self), asdict(other)
        return [name for name, value in mine.items() if value != theirs[name]]


def bind(call: ToolCall, *, tool: str, policy: str) -> Binding:
    """Return what an approval of `call` is bound to.

    Args:
        call: A call with canonical arguments.
        tool: The digest of its tool.
        policy: The version of the rules.
    """
    scope = call.scope
    return Binding(
        key=call.key,
        tool=tool,
        arguments=digest(call.body),
        tenant=scope.principal.tenant,
        principal=scope.principal.id,
        session=scope.session,
        policy=policy,
    )


class Standing(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EDITED = "edited"
    """The call was changed; another approval is for the changed one."""
    CONSUMED = "consumed"
    """Its call was claimed for execution; it cannot be used again."""
    EXPIRED = "expired"
    """Its time ran out before it was used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one person said.

    Attributes:
        by: The person's id.
        tenant: The person's tenant.
        roles: The roles the person had.
        verdict: `approve`, `deny` or `edit`.
        at: When, in seconds since 1970.
        reason: Why, in the person's words; a denial's reason is told to the model.
        link: The number of the signed link it came by; empty for none.
    """

    by: str
    tenant: str
    roles: frozenset[str]
    verdict: str
    at: float
    reason: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question to people about one call, and what they said.

    Attributes:
        id: Names it; made from what it is bound to.
        binding: The one call it is for.
        tool: The tool's name.
        version: The tool's version.
        effect: The tool's effect.
        description: The tool's description, as the model sees it.
        parameters: The schema of the tool's arguments.
        arguments: The canonical arguments: exactly the bytes that will execute.
        need: What people must say.
        asked_at: When it was asked, in seconds since 1970.
        state: Where it stands, time left aside; see `standing`.
        votes: What people said so far.
        parent: The key of the call that this one is a changed form of; empty for none.
        replaced_by: The key of the changed call, once it was edited.
        revision: Counts its changes; a store refuses a change of any but the newest.
    """

    id: str
    binding: Binding
    tool: str
    version: str
    effect: str
    description: str
    parameters: JsonSchema
    arguments: bytes
    need: Need
    asked_at: float
    state: Standing = Standing.PENDING
    votes: tuple[Vote, ...] = ()
    parent: str = ""
    replaced_by: str = ""
    revision: int = 0

    @property
    def expires_at(self) -> float:
        """When it is void, in seconds since 1970."""
        return self.asked_at + self.need.expires

    def standing(self, now: float) -> Standing:
        """Return where it stands at a time.

        Args:
            now: Seconds since 1970.
        """
        open_still = self.state in (Standing.PENDING, Standing.APPROVED)
        return Standing.EXPIRED if open_still and now >= self.expires_at else self.state

    def asked(self, now: float) -> tuple[frozenset[str], int]:
        """Return which roles may decide at a time, and how many people must approve."""
        return self.need.asked(now - self.asked_at)

    @property
    def reason(self) -> str:
        """What the person said who decided; empty if nobody did or nothing was said."""
        return self.votes[-1].reason if self.votes else ""


def visible(text: str) -> str:
    """Return text in which characters that cannot be seen stand as JSON writes them.

    What reorders or hides text must not make an approver see something else than what executes.
    """
    return "".join(
        one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text
    )


def ask(call: ToolCall, tool: Tool, need: Need, binding: Binding, now: float) -> Approval:
    """Return the open question about a call.

    Args:
        call: The call, with canonical arguments.
        tool: Its tool.
        need: What people must say.
        binding: What the approval is bound to.
        now: Seconds since 1970.
    """
    return Approval(
        id=approval_id(binding),
        binding=binding,
        tool=tool.name,
        version=tool.version,
        effect=tool.effect.value,
        description=tool.description,
        parameters=tool.parameters,
        arguments=call.body,
        need=need,
        asked_at=now,
    )


def approval_id(binding: Binding) -> str:
    """Return the id of the approval that is bound so: one call has one, in every process."""
    return f"apr_{digest(asdict(binding))[7:31]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A standing approval for many calls; listed and revocable.

    Attributes:
        id: Names it.
        tool: The tool's name.
        by: Who gave it.
        by_roles: The roles that person had; they count as the approver's.
        given_at: When, in seconds since 1970.
        expires_at: When it ends, in seconds since 1970.
        versions: Versions of the tool it covers, such as `1.2` or `1.*`; empty for all.
        digests: Digests of the tool it covers; empty for all.
        when: A condition over the arguments, see `callgate.approvals.predicate`.
        tenant: The tenant it is for.
        principal: The id of the principal it is for; empty for all of the tenant.
        session: The session it is for; empty for all.
        uses: How many calls it covers; None for no bound.
        used: How many it has covered.
        revoked_by: Who took it back; empty while it stands.
        reason: Why it was given.
    """

    id: str
    tool: str
    by: str
    by_roles: frozenset[str]
    given_at: float
    expires_at: float
    versions: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    when: str = "always"
    tenant: str = ""
    principal: str = ""
    session: str = ""
    uses: int | None = None
    used: int = 0
    revoked_by: str = ""
    reason: str = ""

    def stands(self, now: float) -> bool:
        """Tell whether it still covers calls.

        Args:
            now: Seconds since 1970.
        """
        left = self.uses is None or self.used < self.uses
        return left and not self.revoked_by and now < self.expires_at

    def covers(self, tool: Tool, tool_digest: str, who: Principal, session: str) -> bool:
        """Tell whether it is for calls of this tool by this principal, arguments left aside."""
        return (
            self.tool == tool.name
            and (not self.digests or tool_digest in self.digests)
            and (not self.versions or any(_of(tool.version, one) for one in self.versions))
            and self.tenant == who.tenant
            and self.principal in ("", who.id)
            and self.session in ("", session)
        )


def _of(version: str, pattern: str) -> bool:
    if pattern.endswith(".*"):
        return version == pattern[:-2] or version.startswith(pattern[:-1])
    return version == pattern


# --- as JSON --------------------------------------------------------------------------------


def _vote_to_json(vote: Vote) -> dict[str, Any]:
    return {**asdict(vote), "roles": sorted(vote.roles)}


def _vote_from_json(data: Mapping[str, Any]) -> Vote:
    given: dict[str, Any] = {**data, "roles": frozenset(data["roles"])}
    return Vote(**given)


def approval_to_json(approval: Approval) -> dict[str, Any]:
    """Return the JSON form of an approval; the arguments stand in it as their exact text."""
    return {
        "id": approval.id,
        "binding": asdict(approval.binding),
        "tool": approval.tool,
        "version": approval.version,
        "effect": approval.effect,
        "description": approval.description,
        "parameters": approval.parameters,
        "arguments": approval.arguments.decode(),
        "need": need_to_json(approval.need),
        "asked_at": approval.asked_at,
        "state": approval.state.value,
        "votes": [_vote_to_json(vote) for vote in approval.votes],
        "parent": approval.parent,
        "replaced_by": approval.replaced_by,
        "revision": approval.revision,
    }


def approval_from_json(data: Mapping[str, Any]) -> Approval:
    """Make the approval that `approval_to_json` described."""
    given: dict[str, Any] = {
        **data,
        "binding": Binding(**data["binding"]),
        "arguments": data["arguments"].encode(),
        "need": need_from_json(data["need"]),
        "state": Standing(data["state"]),
        "votes": tuple(map(_vote_from_json, data["votes"])),
    }
    return Approval(**given)


def grant_to_json(grant: Grant) -> dict[str, Any]:
    """Return the JSON form of a grant."""
    return {
        **asdict(grant),
        "by_roles": sorted(grant.by_roles),
        "versions": list(grant.versions),
        "digests": list(grant.digests),
    }


def grant_from_json(data: Mapping[str, Any]) -> Grant:
    """Make the grant that `grant_to_json` described."""
    given: dict[str, Any] = {
        **data,
        "by_roles": frozenset(data["by_roles"]),
        "versions": tuple(data["versions"]),
        "digests": tuple(data["digests"]),
    }
    return Grant(**given)
