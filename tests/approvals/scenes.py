"""What the tests of approvals share: people, tools and a gate over any store."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from sqlalchemy import select

from callgate import CallContext, tool
from callgate.approvals.desk import Approvals
from callgate.approvals.keeping import ApprovalStore
from callgate.approvals.memory import MemoryApprovals
from callgate.approvals.records import Approval
from callgate.approvals.rules import Rule
from callgate.backends import Backends
from callgate.errors import RefusedError
from callgate.gate import Gate
from callgate.messages import CallPart
from callgate.riders import Rider
from callgate.stages.journal import Journal
from callgate.store.database import Database
from callgate.store.journal import SqlJournal
from callgate.store.links import Link
from callgate.store.tables import audit
from callgate.testing import Captured
from callgate.types import Decision, Principal

__all__ = ["ANA", "BOSS", "CFO", "OTHER", "Scene", "Wall", "part"]

ANA = Principal(id="ana", tenant="acme", roles=frozenset({"clerk"}))
OTHER = Principal(id="otto", tenant="acme", roles=frozenset({"clerk"}))
BOSS = Principal(id="boss", tenant="acme", roles=frozenset({"approver", "granter"}))
CFO = Principal(id="cfo", tenant="acme", roles=frozenset({"approver", "finance"}))


class Wall:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def part(name: str, id: str = "c1", **arguments: Any) -> CallPart:
    return CallPart(id=id, name=name, arguments=arguments)


@dataclass(frozen=True)
class Intended:
    """What a rider sees of an intent."""

    key: str
    arguments: bytes


@dataclass(kw_only=True)
class Scene:
    """A gate whose tools write down what they did, over one store."""

    store: ApprovalStore
    journal: Journal
    wall: Wall
    kind: str = "memory"
    database: Database | None = None
    numbers: count[int] = field(default_factory=lambda: count(1))
    done: list[tuple[str, Any]] = field(default_factory=list)
    seen: Captured = field(default_factory=Captured)

    def desk(self, rules: Iterable[Rule] = ()) -> Approvals:
        return Approvals(
            self.store, rules=rules, now=self.wall, ids=lambda: str(next(self.numbers))
        )

    def gate(self, *rules: Rule, description: str = "Pay.", observe: Collection[str] = ()) -> Gate:
        done = self.done

        @tool(effect="idempotent", approval=True, description=description)
        async def pay(cents: int, call: CallContext, to: str = "shop") -> str:
            """Pay."""
            done.append(("pay", {"cents": cents, "to": to}))
            return f"paid {cents} to {to}"

        @tool(effect="irreversible")
        async def note(text: str) -> str:
            """Note."""
            done.append(("note", text))
            return "noted"

        @tool(effect="read", approval='who == "all"')
        async def look(who: str) -> str:
            """Look."""
            done.append(("look", who))
            return f"seen {who}"

        return Gate(
            [pay, note, look],
            backends=Backends(journal=self.journal, approvals=self.desk(rules)),
            listeners=[self.seen],
            observe=observe,
        )

    async def claims(
        self, rider: Rider, approval: Approval, *, before: str | None = None, **change: Any
    ) -> RefusedError | None:
        """Claim the intent of an approval, or one that differs, in a transaction of its own."""
        intent = replace(Intended(approval.binding.key, approval.arguments), **change)
        if not isinstance(self.journal, SqlJournal):
            return rider(None, intent, before)

        def work(link: Link) -> None:
            if (error := rider(link, intent, before)) is not None:
                raise error

        try:
            await self.journal.transact(work)
        except RefusedError as error:
            return error
        return None

    async def audited(self) -> list[tuple[str, str]]:
        """The events of the audit about approvals, each with what it is about."""
        if isinstance(self.store, MemoryApprovals):
            return [(event, id) for event, id, _ in self.store.audit]
        assert self.database is not None
        wanted = select(audit.c.kind, audit.c.detail).order_by(audit.c.writer, audit.c.sequence)
        rows = await self.database.run(lambda connection: connection.execute(wanted).all())
        told = [(kind.split("_", 1), json.loads(detail)) for kind, detail in rows]
        return [
            (kind[1], detail.get("approval") or detail["grant"])
            for kind, detail in told
            if kind[0] in ("approval", "grant")
        ]

    def verdicts(self) -> list[tuple[str, str]]:
        """What the stage decided, in order."""
        decided = [one for one in self.seen.of(Decision) if one.stage in ("approve", "journal")]
        return [(one.verdict, one.reason) for one in decided]
