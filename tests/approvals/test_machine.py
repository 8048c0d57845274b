"""Approvals as a machine: any order of people, clocks and claims, on every store."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from callgate.approvals.desk import Approvals
from callgate.approvals.ledger import EDIT
from callgate.approvals.memory import RECLAIMED
from callgate.approvals.need import Escalation, Need
from callgate.approvals.records import Approval, Binding, Standing, approval_id
from callgate.errors import ApprovalError
from callgate.schema.canonical import canonical, digest
from callgate.types import Principal
from tests.approvals.scenes import Scene

_Made = TypeVar("_Made")
_TENANTS = count(1)

PEOPLE = {
    "boss": frozenset({"approver", "granter"}),
    "cfo": frozenset({"approver", "finance"}),
    "fin": frozenset({"finance"}),
    "ana": frozenset({"approver"}),
}
CALLER = "ana"
PARAMETERS = {
    "type": "object",
    "properties": {"cents": {"type": "integer"}},
    "required": ["cents"],
    "additionalProperties": False,
}
BEFORE = [None, "claimed", "not_happened", "started", "waiting", "in_doubt"]


@dataclass
class Expected:
    """What the machine knows of one approval."""

    need: Need
    asked_at: float
    cents: int
    state: str = "pending"
    yes: set[str] = field(default_factory=set)
    claims: int = 0

    def open(self, now: float) -> bool:
        return now < self.asked_at + self.need.expires


@dataclass
class ExpectedGrant:
    """What the machine knows of one grant."""

    uses: int | None
    ends: float
    keys: set[str] = field(default_factory=set)
    revoked: bool = False


class Machine(RuleBasedStateMachine):
    """People decide about calls, calls are claimed, and time passes."""

    asked: Bundle[str] = Bundle("asked")
    given: Bundle[str] = Bundle("given")
    scene: Scene
    runner: asyncio.Runner

    def __init__(self) -> None:
        super().__init__()
        self.tenant = f"t{next(_TENANTS)}"
        self.model: dict[str, Expected] = {}
        self.grants: dict[str, ExpectedGrant] = {}
        self.calls = 0

    @initialize()
    def begin(self) -> None:
        self.desk = Approvals(self.scene.store, now=self.scene.wall, ids=self._id)

    def _id(self) -> str:
        self.calls += 1
        return f"{self.tenant}_{self.calls}"

    def run(self, work: Coroutine[Any, Any, _Made]) -> _Made:
        return self.runner.run(work)

    def person(self, name: str) -> Principal:
        return Principal(id=name, tenant=self.tenant, roles=PEOPLE[name])

    @property
    def now(self) -> float:
        return self.scene.wall.now

    # --- people -----------------------------------------------------------------------------

    @rule(
        target=asked,
        cents=st.integers(0, 3),
        approvers=st.integers(1, 2),
        expires=st.sampled_from([50.0, 1000.0]),
        late=st.booleans(),
    )
    def ask(self, cents: int, approvers: int, expires: float, late: bool) -> str:
        steps = (Escalation(after=30.0, roles=frozenset({"finance"})),) if late else ()
        need = Need(approvers=approvers, expires=expires, escalations=steps)
        body = canonical({"cents": cents})
        binding = Binding(
            key=f"{self.tenant}/{CALLER}/s/{self._id()}/0",
            tool="sha256:t",
            arguments=digest(body),
            tenant=self.tenant,
            principal=CALLER,
            session="s",
            policy="sha256:p",
        )
        approval = Approval(
            id=approval_id(binding),
            binding=binding,
            tool="pay",
            version="1",
            effect="irreversible",
            description="Pay.",
            parameters=PARAMETERS,
            arguments=body,
            need=need,
            asked_at=self.now,
        )
        first = self.run(self.scene.store.open(approval))
        again = self.run(self.scene.store.open(replace(approval, asked_at=self.now + 1)))
        assert first == again == approval
        self.model[approval.id] = Expected(need=need, asked_at=self.now, cents=cents)
        return approval.id

    @rule(id=asked, name=st.sampled_from(sorted(PEOPLE)))
    def approve(self, id: str, name: str) -> None:
        known = self.model[id]
        may = self._may(known, name) and known.state == "pending" and known.open(self.now)
        accepted = self._accepted(self.desk.approve(id, self.person(name)))
        assert accepted is (may and name not in known.yes)
        if accepted:
            known.yes.add(name)
            roles, approvers = known.need.asked(self.now - known.asked_at)
            enough = [one for one in known.yes if not roles.isdisjoint(PEOPLE[one])]
            known.state = "approved" if len(enough) >= approvers else "pending"

    @rule(id=asked, name=st.sampled_from(sorted(PEOPLE)))
    def deny(self, id: str, name: str) -> None:
        known = self.model[id]
        may = self._may(known, name) and known.state in ("pending", "approved")
        accepted = self._accepted(self.desk.deny(id, self.person(name), reason="no"))
        assert accepted is (may and known.open(self.now))
        if accepted:
            known.state = "denied"

    @rule(target=asked, id=asked, name=st.sampled_from(sorted(PEOPLE)), cents=st.integers(0, 3))
    def edit(self, id: str, name: str, cents: int) -> Any:
        known = self.model[id]
        may = self._may(known, name) and known.state == "pending" and known.open(self.now)
        accepted = self._accepted(
            self.desk.approve(id, self.person(name), arguments={"cents": cents})
        )
        assert accepted is (may and cents != known.cents)
        if not accepted:
            return multiple()
        known.state = "edited"
        old = self.run(self.desk.get(id))
        fresh = self.run(self.scene.store.under(old.binding.key + EDIT))
        assert fresh is not None
        assert (fresh.arguments, fresh.parent) == (canonical({"cents": cents}), old.binding.key)
        _, approvers = known.need.asked(self.now - known.asked_at)
        self.model[fresh.id] = Expected(
            need=known.need,
            asked_at=known.asked_at,
            cents=cents,
            state="approved" if approvers == 1 else "pending",
            yes={name},
        )
        return fresh.id

    def _may(self, known: Expected, name: str) -> bool:
        roles, _ = known.need.asked(self.now - known.asked_at)
        return name != CALLER and not roles.isdisjoint(PEOPLE[name])

    def _accepted(self, work: Coroutine[Any, Any, object]) -> bool:
        try:
            self.run(work)
        except ApprovalError:
            return False
        return True

    @rule(seconds=st.sampled_from([1.0, 30.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.scene.wall.now += seconds

    # --- claims -----------------------------------------------------------------------------

    @rule(
        id=asked, before=st.sampled_from(BEFORE), change=st.sampled_from(["", "key", "arguments"])
    )
    def claim(self, id: str, before: str | None, change: str) -> None:
        known, approval = self.model[id], self.run(self.desk.get(id))
        other: dict[str, Any] = {"key": {"key": "other"}, "arguments": {"arguments": b"{}"}}.get(
            change, {}
        )
        # An intent was claimed before only under its approval.
        before = before if known.claims else None
        rider = self.scene.store.using(approval)
        error = self.run(self.scene.claims(rider, approval, before=before, **other))
        states = ("approved",) if before is None else ("approved", "consumed")
        holds = known.state in states and (known.open(self.now) or before in RECLAIMED)
        assert (error is None) is (holds and not change)
        if error is None:
            known.claims += before is None
            known.state = "consumed"

    # --- grants -----------------------------------------------------------------------------

    @rule(target=given, uses=st.none() | st.integers(1, 2), seconds=st.sampled_from([40.0, 500.0]))
    def give(self, uses: int | None, seconds: float) -> str:
        boss = self.person("boss")
        grant = self.run(self.desk.give("pay", boss, seconds=seconds, uses=uses))
        self.grants[grant.id] = ExpectedGrant(uses=uses, ends=self.now + seconds)
        return grant.id

    @rule(id=given)
    def revoke(self, id: str) -> None:
        known = self.grants[id]
        assert self._accepted(self.desk.revoke(id, self.person("boss"))) is not known.revoked
        known.revoked = True

    @rule(id=given, call=asked, again=st.booleans())
    def cover(self, id: str, call: str, again: bool) -> None:
        known, approval = self.grants[id], self.run(self.desk.get(call))
        grant = self.run(self.scene.store.grant(id))
        assert grant is not None
        key = approval.binding.key
        counted = key in known.keys
        before = "started" if again and counted else None
        if counted and before is None:
            return  # the journal claims an intent for the first time once
        error = self.run(
            self.scene.claims(self.scene.store.using_grant(grant, key), approval, before=before)
        )
        left = known.uses is None or len(known.keys) < known.uses
        stands = not known.revoked and self.now < known.ends and left
        assert (error is None) is (counted or stands)
        if error is None:
            known.keys.add(key)

    @rule(id=given, call=asked)
    def give_back(self, id: str, call: str) -> None:
        key = self.run(self.desk.get(call)).binding.key
        self.run(self.scene.store.give_back(id, key))
        self.grants[id].keys.discard(key)

    # --- always -----------------------------------------------------------------------------

    @invariant()
    def every_approval_stands_as_expected_and_was_used_once(self) -> None:
        for id, known in self.model.items():
            approval = self.run(self.desk.get(id))
            closed = known.state not in ("pending", "approved")
            expected = known.state if closed or known.open(self.now) else "expired"
            assert approval.standing(self.now) == expected
            assert known.claims <= 1
            assert digest(approval.arguments) == approval.binding.arguments

    @invariant()
    def what_is_open_is_listed(self) -> None:
        if not hasattr(self, "desk"):
            return
        listed = self.run(self.desk.list(tenant=self.tenant))
        waiting = {
            id
            for id, known in self.model.items()
            if known.state == Standing.PENDING and known.open(self.now)
        }
        assert {one.id for one in listed} == waiting

    @invariant()
    def every_grant_has_counted_its_calls(self) -> None:
        for id, known in self.grants.items():
            grant = self.run(self.scene.store.grant(id))
            assert grant is not None
            assert (grant.used, bool(grant.revoked_by)) == (len(known.keys), known.revoked)


def test_any_order_of_decisions_claims_and_time_ends_as_expected(scene: Scene) -> None:
    with asyncio.Runner() as runner:
        machine = type("Machine", (Machine,), {"scene": scene, "runner": runner})
        examples, steps = (60, 30) if scene.kind == "memory" else (12, 20)
        run_state_machine_as_test(
            machine,
            settings=settings(
                settings.default, max_examples=examples, stateful_step_count=steps, deadline=None
            ),
        )
