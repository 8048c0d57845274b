"""`guard`: stops a model that goes in circles, and keeps rates, allowances and budgets."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from typing import Protocol, TypeAlias
from urllib.parse import quote

from callgate.controls import Allowance, Controls, Rate
from callgate.controls.account import Account
from callgate.errors import BudgetError, RefusedError, RepeatedCallError, ThrottledError
from callgate.pipeline import Abandoned, Clock, Handler, Soon, Stage
from callgate.stages.admit import Rates
from callgate.types import Decision, Effect, Scope, Status, Surface, Tool, ToolCall, ToolResult

__all__ = ["Guard", "GuardFactory", "Held", "Memory", "MemorySpend", "Meter", "Spend"]

_KEPT = 256  # calls remembered per session
_LONG = 1024  # bytes of arguments above which only their digest is remembered
_MOST = 10_000  # accounts kept in memory before those of past spans go

# A member is looked up through its metaclass, which a hot path feels.
_OK, _IN_DOUBT = Status.OK, Status.IN_DOUBT

Allowances: TypeAlias = tuple[tuple[str, Allowance], ...]
"""Accounts by name, with what may be spent from each."""


class Memory:
    """What the guard remembers of one session.

    Attributes:
        calls: Calls admitted so far.
        seen: For each call, a hash of its last outcome and how often that outcome came in a row.
        spent: US dollars, reservations included.
        rates: The buckets that the session's calls take from.
        accounts: The accounts that they are paid from.
    """

    __slots__ = ("accounts", "calls", "rates", "seen", "spent")

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.calls = 0
        self.seen: dict[bytes, tuple[int, int]] = {}
        self.spent = Decimal(0)
        self.rates: tuple[tuple[str, Rate], ...] | None = None
        self.accounts: Allowances = ()


# --- money ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Money that is reserved for a call.

    Attributes:
        accounts: From which accounts.
        spans: In which span of each.
        amount: US dollars.
    """

    accounts: Allowances
    spans: tuple[int, ...]
    amount: Decimal


class Spend(Protocol):
    """Accounts of what calls cost; a reservation counts as spent until it is settled."""

    def reserve(self, accounts: Allowances, amount: Decimal) -> Soon[Held | str]:
        """Reserve an amount on every account or on none; return the name of one that is short."""
        ...

    def settle(self, held: Held, actual: Decimal) -> Soon[None]:
        """Put what a call did cost in the place of what was reserved for it."""
        ...


class MemorySpend:
    """Accounts in the memory of this process."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing spent.

        Args:
            clock: Tells the span.
        """
        self._time = clock.time
        self._accounts: dict[str, Account] = {}
        self._sweep = _MOST

    def reserve(self, accounts: Allowances, amount: Decimal) -> Held | str:
        """Reserve an amount on every account or on none."""
        now = self._time()
        found: list[Account] = []
        for name, allowance in accounts:
            account = self._accounts.get(name)
            if account is None:
                account = self._open(name)
            if account.lacks(allowance, amount, now):
                return name
            found.append(account)
        spans = tuple([account.reserve(amount) for account in found])
        return Held(accounts=accounts, spans=spans, amount=amount)

    def settle(self, held: Held, actual: Decimal) -> None:
        """Put what a call did cost in the place of what was reserved."""
        if actual == held.amount:
            return
        for (name, _), span in zip(held.accounts, held.spans, strict=True):
            account = self._accounts.get(name)
            if account is not None:
                account.settle(span, held.amount, actual)

    def _open(self, name: str) -> Account:
        if len(self._accounts) >= self._sweep:
            newest = max(account.span for account in self._accounts.values())
            for old in [n for n, account in self._accounts.items() if account.span < newest]:
                del self._accounts[old]
            self._sweep = max(_MOST, 2 * len(self._accounts))
        account = self._accounts[name] = Account()
        return account


# --- the stage ------------------------------------------------------------------------------


class Meter:
    """Takes what a call needs from rates and accounts, and settles what it did cost."""

    __slots__ = ("_controls", "_cost", "_rates", "_spend")

    def __init__(self, tool: Tool, controls: Controls, rates: Rates, spend: Spend) -> None:
        """Keep what is taken from.

        Args:
            tool: Its cost.
            controls: Rates and allowances of principals and tenants.
            rates: All buckets.
            spend: All accounts.
        """
        self._cost = tool.limits.cost
        self._controls = controls
        self._rates = rates
        self._spend = spend

    def enter(self, scope: Scope, memory: Memory) -> Soon[Held | RefusedError | None]:
        """Take a token of every rate and reserve the cost, or say what is short.

        Returns:
            What has to be settled; None if there is nothing to settle.
        """
        rates = memory.rates
        if rates is None:
            rates = self._begin(scope, memory)
        if rates:
            wait = self._rates.take(rates)
            if wait != 0.0:
                return self._later(scope, memory, wait)
        return None if self._cost is None else self._reserve(scope, memory, self._cost)

    async def leave(self, memory: Memory, held: Held, result: ToolResult) -> None:
        """Settle what the call did cost: nothing, if no attempt was made."""
        actual = Decimal(0)
        if result.attempts:
            actual = held.amount if result.cost is None else result.cost
        memory.spent += actual - held.amount
        done = self._spend.settle(held, actual)
        if done is not None:
            await done

    def _begin(self, scope: Scope, memory: Memory) -> tuple[tuple[str, Rate], ...]:
        controls, who = self._controls, scope.principal
        tenant = f"tenant:{quote(who.tenant, safe='')}"
        principal = f"principal:{quote(who.tenant, safe='')}/{quote(who.id, safe='')}"
        rates = ((principal, controls.principal), (tenant, controls.tenant))
        spends = ((principal, controls.principal_spend), (tenant, controls.tenant_spend))
        memory.accounts = tuple((name, most) for name, most in spends if most is not None)
        memory.rates = tuple((name, rate) for name, rate in rates if rate is not None)
        return memory.rates

    async def _later(
        self, scope: Scope, memory: Memory, wait: Soon[float]
    ) -> Held | RefusedError | None:
        if isinstance(wait, Awaitable):
            wait = await wait
        if wait:
            return ThrottledError(
                f"{scope.principal.id} makes more calls than it may. "
                f"Wait {max(1, math.ceil(wait))} s.",
                retry_after=wait,
            )
        if self._cost is None:
            return None
        held = self._reserve(scope, memory, self._cost)
        return await held if isinstance(held, Awaitable) else held

    def _reserve(
        self, scope: Scope, memory: Memory, cost: Decimal
    ) -> Soon[Held | RefusedError | None]:
        most = scope.max_spend
        if most is not None and memory.spent + cost > most:
            return BudgetError(
                f"The call costs ${cost}, and the session has spent ${memory.spent} of ${most}."
            )
        held = self._spend.reserve(memory.accounts, cost)
        if isinstance(held, Awaitable):
            return self._reserved(memory, cost, held)
        return _paid(memory, cost, held)

    async def _reserved(
        self, memory: Memory, cost: Decimal, held: Awaitable[Held | str]
    ) -> Held | RefusedError:
        memory.spent += cost  # at once, or calls beside this one would overspend meanwhile
        found = await held
        memory.spent -= cost
        return _paid(memory, cost, found)


def _paid(memory: Memory, cost: Decimal, held: Held | str) -> Held | RefusedError:
    if isinstance(held, str):
        whose = held.partition(":")[0]
        return BudgetError(f"The call costs ${cost}, more than is left for this {whose} now.")
    memory.spent += cost
    return held


class Guard:
    """Refuses a call that was made `repeats` times with the same arguments and the same result.

    Any effect that may have happened clears what was seen of other calls, because they may now
    answer differently. A tool declared `poll` is exempt. Then rates and allowances are looked at:
    a call that is refused for going in circles uses none of them up.
    """

    __slots__ = ("_changes", "_enforce", "_meter", "_name", "_poll", "_repeats", "_start")

    def __init__(
        self, tool: Tool, *, repeats: int, meter: Meter | None = None, enforce: bool = True
    ) -> None:
        """Keep what is needed of the tool.

        Args:
            tool: The tool whose calls are watched.
            repeats: How often one call may give one result.
            meter: Rates and allowances; None for no bound.
            enforce: Whether calls are refused; else it only tells what it would refuse.
        """
        self._enforce = enforce
        self._name = tool.name
        self._start = tool.name.encode()
        self._poll = tool.poll
        self._changes = tool.effect is not Effect.READ
        self._repeats = repeats
        self._meter = meter

    async def __call__(self, call: ToolCall, call_next: Handler) -> ToolResult:
        """Refuse the call or pass it on and remember how it ended."""
        scope, body = call.scope, call.body
        memory: Memory | None = scope.memory.get("guard")
        if memory is None:
            memory = scope.memory["guard"] = Memory()
        # Name and arguments, which begin with a brace, as one text: its hash is computed once.
        mark = self._start + (body if len(body) <= _LONG else blake2b(body).digest())
        last = None if self._poll else memory.seen.get(mark)
        if scope.max_calls is not None or (last is not None and last[1] >= self._repeats):
            error = self._refusal(scope, memory, last)
            if error is not None:
                return await self._refuse(call, call_next, error)
        memory.calls += 1
        if self._meter is not None:
            held = self._meter.enter(scope, memory)
            if held is not None:
                return await self._metered(call, call_next, memory, mark, held)
        try:
            result = await call_next(call)
        except Abandoned:
            if self._changes:
                memory.seen.clear()
            raise
        if not self._poll or self._changes:
            self._remember(memory, mark, result)
        return result

    def _refusal(
        self, scope: Scope, memory: Memory, last: tuple[int, int] | None
    ) -> RefusedError | None:
        if scope.max_calls is not None and memory.calls >= scope.max_calls:
            return BudgetError(f"The session may make {scope.max_calls} calls, and has.")
        if last is None or last[1] < self._repeats:
            return None
        memory.calls += 1
        return RepeatedCallError(
            f"{self._name} was called {last[1]} times with these arguments "
            "and gave the same result each time."
        )

    async def _metered(
        self,
        call: ToolCall,
        call_next: Handler,
        memory: Memory,
        mark: bytes,
        held: Soon[Held | RefusedError | None],
    ) -> ToolResult:
        if isinstance(held, Awaitable):
            held = await held
        if isinstance(held, RefusedError):
            return await self._refuse(call, call_next, held)
        # Given up or failed in the middle, a call may have cost what was reserved: it stays spent.
        try:
            result = await call_next(call)
        except Abandoned:
            if self._changes:
                memory.seen.clear()
            raise
        if held is not None and self._meter is not None:
            await self._meter.leave(memory, held, result)
        if not self._poll or self._changes:
            self._remember(memory, mark, result)
        return result

    def _remember(self, memory: Memory, mark: bytes, result: ToolResult) -> None:
        seen = memory.seen
        if self._changes and result.status in (_OK, _IN_DOUBT):
            last = seen.get(mark)
            seen.clear()
        else:
            last = seen.get(mark)  # looked up again: the same call may have run beside this one
        if self._poll:
            return
        outcome = hash(result.body if result.error is None else result.error.message)
        if last is None:
            if len(seen) >= _KEPT:
                del seen[next(iter(seen))]
            count = 1
        else:
            count = last[1] + 1 if last[0] == outcome else 1
        seen[mark] = (outcome, count)

    async def _refuse(self, call: ToolCall, call_next: Handler, error: RefusedError) -> ToolResult:
        verdict = "refused" if self._enforce else "would_refuse"
        call.scope.emit(Decision(call=call, stage="guard", verdict=verdict, reason=error.message))
        if not self._enforce:
            return await call_next(call)
        return ToolResult(status=Status.ERROR, error=error, attempts=0)


class GuardFactory:
    """Guards every tool: the budget counts all calls, also of tools that may be polled."""

    def __init__(
        self,
        controls: Controls = Controls(),
        rates: Rates | None = None,
        spend: Spend | None = None,
        *,
        enforce: bool = True,
    ) -> None:
        """Set the bounds.

        Args:
            controls: How often one call may give one result; rates and allowances.
            rates: All buckets; None if no rate is set.
            spend: All accounts; None if no tool costs anything.
            enforce: Whether calls are refused; else it only tells what it would refuse.
        """
        self._controls = controls
        self._rates = rates
        self._spend = spend
        self._enforce = enforce

    def for_tool(self, tool: Tool, surface: Surface) -> Stage | None:
        """Return the guard of `tool`."""
        controls, rates, spend = self._controls, self._rates, self._spend
        metered = controls.principal or controls.tenant or tool.limits.cost is not None
        meter = None
        if metered and rates is not None and spend is not None:
            meter = Meter(tool, controls, rates, spend)
        return Guard(tool, repeats=controls.repeats, meter=meter, enforce=self._enforce)
