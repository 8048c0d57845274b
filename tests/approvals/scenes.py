"""What the tests of approvals share: people, tools and a gate over any store."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

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
    done: list[tuple[str, Any]] = field(default_factory=list)
    seen: Captured = field(default_factory=Captured)

    def desk(self, rules: Iterable[Rule] = ()) -> Approvals:
        numbers = iter(range(1, 100))
        return Approvals(self.store, rules=rules, now=self.wall, ids=lambda: str(next(numbers)))

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
        intent = Intended(approval.binding.key, approval.arguments)
        return rider(None, replace(intent, **change), before)

    async def audited(self) -> list[tuple[str, str]]:
        """The events of the audit about approvals, each with what it is about."""
        assert isinstance(self.store, MemoryApprovals)
        return [(event, id) for event, id, _ in self.store.audit]

    def verdicts(self) -> list[tuple[str, str]]:
        """What the stage decided, in order."""
        decided = [one for one in self.seen.of(Decision) if one.stage in ("approve", "journal")]
        return [(one.verdict, one.reason) for one in decided]
