"""The guard beside a model of it: loops, rates and money, in every kind of state."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import strategies as st
from hypothesis.stateful import rule

from callgate.controls import Allowance, Controls, Rate
from callgate.errors import ToolFailedError
from callgate.pipeline import Stage
from callgate.stages.guard import GuardFactory
from callgate.types import (
    Effect,
    Limits,
    Principal,
    Scope,
    Status,
    Surface,
    Tool,
    ToolCall,
    ToolResult,
)
from tests.controls.states import Kind, Machine, check

COST = Decimal("0.25")
CONTROLS = Controls(
    repeats=2,
    principal=Rate(calls=4, seconds=8.0),
    tenant=Rate(calls=4, seconds=4.0, burst=6),
    principal_spend=Allowance(amount=Decimal("1.00"), seconds=16.0),
    tenant_spend=Allowance(amount=Decimal("1.50"), seconds=32.0),
)


class Bucket:
    """A bucket of exact numbers."""

    def __init__(self, rate: Rate, now: float) -> None:
        self.speed, self.size = Fraction(rate.speed), Fraction(rate.size)
        self.level, self.at = self.size, Fraction(now)

    def has(self, now: float) -> bool:
        passed = Fraction(now) - self.at
        self.level, self.at = min(self.size, self.level + passed * self.speed), Fraction(now)
        return self.level >= 1


class Guarded(Machine):
    """Two processes make calls for two principals of one tenant, one after another."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        self.stages = [
            {
                effect: self._stage(place, "change" if effect else "look", effect)
                for effect in (False, True)
            }
            for place in (0, 1)
        ]
        self.scopes = {
            (place, who): Scope(
                session=f"{place}{who}",
                principal=Principal(id=who, tenant=self.tag),
                prefix="",
                emit=lambda event: None,
            )
            for place in (0, 1)
            for who in "ab"
        }
        now = self.clock.time()
        self.buckets = {who: Bucket(CONTROLS.principal, now) for who in "ab" if CONTROLS.principal}
        assert CONTROLS.tenant
        self.shared = Bucket(CONTROLS.tenant, now)
        self.spent: dict[tuple[str, int], Decimal] = {}
        self.seen: dict[tuple[int, str], dict[tuple[str, int], tuple[int, int]]] = {
            key: {} for key in self.scopes
        }

    def _stage(self, place: int, name: str, effect: bool) -> Stage:
        factory = GuardFactory(CONTROLS, self.states.rates[place], self.states.spend[place])
        tool = Tool(
            name=name,
            description="",
            parameters={},
            effect=Effect.IRREVERSIBLE if effect else Effect.READ,
            limits=Limits(cost=COST),
        )
        stage = factory.for_tool(tool, Surface(tools={}, revision=""))
        assert stage is not None
        return stage

    @rule(
        place=st.sampled_from([0, 1]),
        who=st.sampled_from("ab"),
        effect=st.booleans(),
        number=st.integers(min_value=1, max_value=30),
        outcome=st.integers(min_value=0, max_value=2),
        attempts=st.sampled_from([0, 1]),
        actual=st.none() | st.just(Decimal("0.10")),
    )
    def call(
        self,
        place: int,
        who: str,
        effect: bool,
        number: int,
        outcome: int,
        attempts: int,
        actual: Decimal | None,
    ) -> None:
        async def execute(call: ToolCall) -> ToolResult:
            if outcome == 0:
                error = ToolFailedError("no")
                return ToolResult(status=Status.ERROR, error=error, attempts=attempts, cost=actual)
            body = str(outcome).encode()
            return ToolResult(status=Status.OK, body=body, attempts=attempts, cost=actual)

        name = "change" if effect else "look"
        made = ToolCall(
            id="c",
            key="k",
            name=name,
            arguments={"n": number},
            scope=self.scopes[place, who],
            body=b'{"n":%d}' % number,
        )
        result = self.run(self.stages[place][effect](made, execute))
        expected = self.expected(place, who, (name, number))
        if expected is None:
            assert result.error is None or result.error.code == "tool_failed"
            self.ended(place, who, (name, number), outcome, attempts=attempts, actual=actual)
        else:
            assert result.error is not None
            assert (result.error.code, result.attempts) == (expected, 0)

    def expected(self, place: int, who: str, mark: tuple[str, int]) -> str | None:
        now = self.clock.time()
        if self.seen[place, who].get(mark, (0, 0))[1] >= CONTROLS.repeats:
            return "repeated_call"
        both = (self.buckets[who], self.shared)
        if not (both[0].has(now) & both[1].has(now)):
            return "throttled"
        for bucket in both:
            bucket.level -= 1
        mine, ours = self.accounts(who)
        if self.spent.get(mine, Decimal(0)) + COST > Decimal("1.00"):
            return "budget"
        return "budget" if self.spent.get(ours, Decimal(0)) + COST > Decimal("1.50") else None

    def accounts(self, who: str) -> tuple[tuple[str, int], tuple[str, int]]:
        now = self.clock.time()
        return (who, int(now // 16)), ("tenant", int(now // 32))

    def ended(
        self,
        place: int,
        who: str,
        mark: tuple[str, int],
        outcome: int,
        *,
        attempts: int,
        actual: Decimal | None,
    ) -> None:
        paid = (COST if actual is None else actual) if attempts else Decimal(0)
        for account in self.accounts(who):
            self.spent[account] = self.spent.get(account, Decimal(0)) + paid
        seen = self.seen[place, who]
        last = seen.get(mark)
        if mark[0] == "change" and outcome:
            seen.clear()
        seen[mark] = (outcome, last[1] + 1 if last is not None and last[0] == outcome else 1)

    @rule(quarters=st.sampled_from([1, 1, 2, 4, 40]))
    def advance(self, quarters: int) -> None:
        self.clock.advance(quarters / 4)


def test_two_processes_keep_one_set_of_limits_as_their_model_does(kind: Kind) -> None:
    check(Guarded, kind, steps=50)
