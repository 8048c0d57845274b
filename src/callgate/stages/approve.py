"""`approve`: lets a call wait for a person, and verifies what the person said.

The stage only verifies. What it lets through carries a rider that uses the approval, or the grant,
up in the very transaction in which `journal` claims the intent: nothing lies between the check and
the use, and a call that a later stage refuses before its claim has used up nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

import orjson

from callgate.approvals.desk import Approvals
from callgate.approvals.ledger import differing, is_met
from callgate.approvals.need import Need
from callgate.approvals.predicate import parse
from callgate.approvals.records import Approval, Grant, Standing, ask, bind, tool_digest, visible
from callgate.approvals.rules import ToolRules
from callgate.errors import DeniedError, NotApprovedError, RefusedError, StoreError
from callgate.pipeline import Handler, Stage
from callgate.riders import Rider
from callgate.stages.order import in_place_of
from callgate.types import (
    Decision,
    Pending,
    Status,
    Surface,
    Tool,
    ToolCall,
    ToolResult,
)

__all__ = ["KIND", "Approve", "ApproveFactory"]

KIND = "approval"
"""The kind of what a call waits for, in `Pending`."""

_SHOWN = 400  # characters of arguments in the text that a person is asked

_ANSWER: Mapping[str, Any] = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "approve": {"type": "boolean"},
            "reason": {"type": "string"},
            "arguments": {"type": "object"},
        },
        "required": ["approve"],
        "additionalProperties": False,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passed:
    """A call may go on, with what has to hold when it is claimed."""

    rider: Rider
    why: str
    grant: Grant | None = None


class Approve:
    """Asks a person about the calls that the rules of their tool say so of.

    A call that needs nobody costs the question to the rules and nothing else.
    """

    __slots__ = ("_desk", "_digest", "_dispatch", "_enforce", "_judge", "_tool", "_version")

    def __init__(
        self, tool: Tool, rules: ToolRules, desk: Approvals, dispatch: Handler, *, enforce: bool
    ) -> None:
        """Keep what decides.

        Args:
            tool: The tool.
            rules: Its rules.
            desk: Where people decide.
            dispatch: Takes a call that a person has changed down the whole path.
            enforce: Whether calls wait; else it only tells what it would ask.
        """
        self._tool = tool
        self._digest = tool_digest(tool)
        self._judge = rules.judge
        self._version = rules.version
        self._desk = desk
        self._dispatch = dispatch
        self._enforce = enforce

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
        """Pass the call on if it needs nobody, or has what it needs; else let it wait."""
        need = self._judge(call)
        return call_next(call) if need is None else self._ask(call, call_next, need)

    async def _ask(self, call: ToolCall, call_next: Handler, need: Need) -> ToolResult:
        if not self._enforce:
            self._tell(call, "would_ask", need.reason)
            return await call_next(call)
        try:
            known = await self._known(call, need)
        except StoreError as exc:
            return self._refuse(call, _silent(exc))
        if isinstance(known, _Passed):
            return await self._pass(call, call_next, known)
        bound = bind(call, tool=self._digest, policy=self._version)
        if bound != known.binding:
            differs = differing(known.binding, bound)
            return self._refuse(
                call, NotApprovedError(f"{known.id} is for another call: {differs}.")
            )
        match known.standing(self._desk.now()):
            case Standing.APPROVED | Standing.CONSUMED:
                passed = _Passed(rider=self._desk.store.using(known), why=f"by {_people(known)}")
                return await self._pass(call, call_next, passed)
            case Standing.EDITED:
                return await self._changed(call, known)
            case Standing.DENIED:
                return self._refuse(call, DeniedError(_denial(known)))
            case Standing.EXPIRED:
                late = f"Nobody approved {self._tool.name} in time; {known.id} has expired."
                return self._refuse(call, DeniedError(late))
            case _:
                return self._wait(call, known)

    async def _known(self, call: ToolCall, need: Need) -> Approval | _Passed:
        """Return what was asked about the call before, a grant that covers it, or a new question.

        Raises:
            StoreError: It could not be read or written.
        """
        store = self._desk.store
        known = await store.under(call.key)
        if known is None:
            if (passed := await self._granted(call, need)) is not None:
                return passed
            bound = bind(call, tool=self._digest, policy=self._version)
            return await store.open(ask(call, self._tool, need, bound, self._desk.now()))
        if known.parent and known.state is Standing.APPROVED and not self._met(known, need):
            # Who changed the arguments had the say over the first call, perhaps not over this one.
            asked = replace(known, need=need, state=Standing.PENDING, revision=known.revision + 1)
            await store.change(known, asked)
            return await store.under(call.key) or asked
        return known

    def _met(self, known: Approval, need: Need) -> bool:
        return is_met(need, known.asked_at, known.votes, self._desk.now())

    async def _granted(self, call: ToolCall, need: Need) -> _Passed | None:
        if not need.grants or need.approvers > 1:
            return None
        who, session, now = call.scope.principal, call.scope.session, self._desk.now()
        for grant in await self._desk.store.grants(tenant=who.tenant, tool=self._tool.name):
            if (
                grant.stands(now)
                and grant.covers(self._tool, self._digest, who, session)
                and not need.roles.isdisjoint(grant.by_roles)
                and parse(grant.when).test(call)
            ):
                rider = self._desk.store.using_grant(grant, call.key)
                return _Passed(rider=rider, why=f"by {grant.id} of {grant.by}", grant=grant)
        return None

    async def _pass(self, call: ToolCall, call_next: Handler, passed: _Passed) -> ToolResult:
        self._tell(call, "approved", passed.why)
        result = await call_next(replace(call, riders=(*call.riders, passed.rider)))
        if passed.grant is not None and isinstance(result.error, RefusedError):
            try:
                await self._desk.store.give_back(passed.grant.id, call.key)
            except StoreError as exc:
                self._tell(call, "unwritten", f"a use of {passed.grant.id} is lost: {exc.message}")
        return result

    async def _changed(self, call: ToolCall, known: Approval) -> ToolResult:
        """Make the call that a person wanted instead, as a new one, and tell the model."""
        try:
            fresh = await self._desk.store.under(known.replaced_by)
        except StoreError as exc:
            return self._refuse(call, _silent(exc))
        if fresh is None:
            return self._refuse(call, NotApprovedError(f"What replaces {known.id} is lost."))
        self._tell(call, "changed", f"by {_people(known)}")
        result = await self._dispatch(
            replace(
                call,
                key=known.replaced_by,
                arguments=cast("dict[str, Any]", orjson.loads(fresh.arguments)),
                scope=replace(call.scope, parent=call.key),
                tool=None,
                body=b"",
                again=True,
                turn=None if call.turn is None else in_place_of(call, call.turn),
            )
        )
        if result.status is Status.PENDING:
            return result
        told = (
            f"[{known.votes[-1].by} changed the arguments before approving. This is the result of "
            f"{self._tool.name} with {fresh.arguments.decode()}"
        )
        reason = f"; the reason: {known.reason}" if known.reason else ""
        return replace(result, notes=(*result.notes, f"{told}{reason}]"))

    def _wait(self, call: ToolCall, known: Approval) -> ToolResult:
        self._tell(call, "asked", known.need.reason)
        shown = visible(known.arguments.decode())
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        pending = Pending(
            kind=KIND,
            prompt=f"{known.tool} with {shown}. {known.need.reason}",
            schema=dict(_ANSWER),
            id=known.id,
        )
        return ToolResult(status=Status.PENDING, pending=pending, attempts=0)

    def _refuse(self, call: ToolCall, error: RefusedError) -> ToolResult:
        self._tell(call, "refused", error.message)
        status = Status.DENIED if isinstance(error, DeniedError) else Status.ERROR
        return ToolResult(status=status, error=error, attempts=0)

    def _tell(self, call: ToolCall, verdict: str, reason: str) -> None:
        call.scope.emit(Decision(call=call, stage="approve", verdict=verdict, reason=reason))


def _silent(exc: StoreError) -> NotApprovedError:
    return NotApprovedError(f"Nobody could be asked: {exc.message}")


def _people(known: Approval) -> str:
    return ", ".join(dict.fromkeys(vote.by for vote in known.votes)) or "nobody"


def _denial(known: Approval) -> str:
    said = f': "{known.reason}"' if known.reason else ""
    return f"{known.votes[-1].by} did not approve {known.tool}{said}."


class ApproveFactory:
    """Makes the stage for every tool whose calls may need a person."""

    def __init__(self, desk: Approvals, dispatch: Handler, *, enforce: bool = True) -> None:
        """Keep the desk.

        Args:
            desk: The rules, and where people decide.
            dispatch: Takes a call that a person has changed down the whole path.
            enforce: Whether calls wait; else it only tells what it would ask.
        """
        self._desk = desk
        self._dispatch = dispatch
        self._enforce = enforce

    def reached(self, surface: Surface) -> frozenset[str]:
        """Return the names of the tools of which a call may need a person.

        Raises:
            DefinitionError: A rule does not fit the tools.
        """
        rules, tools = self._desk.rules, surface.tools.values()
        return frozenset(tool.name for tool in tools if rules.for_tool(tool, surface))

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the stage, or None for a tool of which no call can need a person.

        Raises:
            DefinitionError: A rule does not fit the tools.
        """
        rules = self._desk.rules.for_tool(tool, surface)
        if rules is None:
            return None
        return Approve(tool, rules, self._desk, self._dispatch, enforce=self._enforce)
