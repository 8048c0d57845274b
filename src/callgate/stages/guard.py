"""`guard`: stops a model that goes in circles, and keeps rates, allowances and budgets."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from decimal import Decimal
from hashlib import blake2b
from typing import Protocol, TypeAlias
from urllib.parse import quote

from callgate.controls import Allowance, Controls
from callgate.controls.account import Account
from callgate.errors import BudgetError, RefusedError, RepeatedCallError, ThrottledError
from callgate.pipeline import Abandoned, Clock, Handler, Soon, Stage
from callgate.stages.admit import Rates
from callgate.types import Decision, Effect, Scope, Status, Surface, Tool, ToolCall, ToolResult

__all__ = [
    "Allowances",
    "Guard",
    "GuardFactory",
    "Memory",
    "MemorySpend",
    "Meter",
    "Purse",
    "Spans",
    "Spend",
]

_PENDING = Status.PENDING

_KEPT = 256  # calls remembered per session
_LONG = 1024  # bytes of arguments above which only their digest is remembered
_NOTHING = Decimal(0)
_SESSION = (-1,)  # what is held where only the session's own budget is
_MOST = 10_000  # accounts kept in memory before those of past spans go

# A member is looked up through its metaclass, which a hot path feels.
_OK, _IN_DOUBT = Status.OK, Status.IN_DOUBT

Spans: TypeAlias = tuple[int, ...]
"""In which span of each account money is reserved."""

Allowances: TypeAlias = tuple[tuple[str, Allowance], ...]
"""Accounts by name, with what may be spent from each."""


class Memory:
    """What the guard remembers of one session.

    Attributes:
        calls: Calls admitted so far.
        seen: For each call, a hash of its last outcome and how often that outcome came in a row.
        spent: US dollars of the session's budget, reservations included.
        known: Whether `take` and `purse` have been looked up.
        take: Takes a token for a call, if there are rates.
        purse: What its calls are paid from.
    """

    __slots__ = ("calls", "known", "purse", "seen", "spent", "take")

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.calls = 0
        self.seen: dict[bytes, tuple[int, int]] = {}
        self.spent = Decimal(0)
        self.known = False
        self.take: Callable[[], Soon[float]] | None = None
        self.purse: Purse | None = None


# --- money ----------------------------------------------------------------------------------


class Purse(Protocol):
    """Some accounts that every call is paid from together."""

    def reserve(self, amount: Decimal) -> Soon[Spans | str]:
        """Reserve an amount on every account or on none.

        Returns:
            In which span of each account, which settling needs; or the name of one that is short.
        """
        ...

    def settle(self, spans: Spans, reserved: Decimal, actual: Decimal) -> Soon[None]:
        """Put what a call did cost in the place of what was reserved for it."""
        ...


class Spend(Protocol):
    """Accounts by name; what is reserved counts as spent until it is settled."""

    def purse(self, accounts: Allowances) -> Purse:
        """Return a purse over accounts; from each the allowance may be spent."""
        ...


class MemorySpend:
    """Accounts in the memory of this process.

    Attributes:
        sweeps: How often accounts that nobody uses were forgotten.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing spent.

        Args:
            clock: Tells the span.
        """
        self._clock = clock
        self._accounts: dict[str, Account] = {}
        self._sweep = _MOST
        self.sweeps = 0

    def purse(self, accounts: Allowances) -> Purse:
        """Return a purse over accounts."""
        return _MemoryPurse(self, accounts, self._clock)

    def account(self, name: str) -> Account:
        """Return an account; nothing is spent in a new one."""
        account = self._accounts.get(name)
        if account is not None:
            return account
        if len(self._accounts) >= self._sweep:
            # One in which nothing was spent lately is as good as none.
            newest = max(account.span for account in self._accounts.values())
            for old in [n for n, account in self._accounts.items() if account.span < newest]:
                del self._accounts[old]
            self._sweep = max(_MOST, 2 * len(self._accounts))
            self.sweeps += 1
        account = self._accounts[name] = Account()
        return account


class _MemoryPurse:
    __slots__ = ("_accounts", "_found", "_spend", "_sweeps", "_time")

    def __init__(self, spend: MemorySpend, accounts: Allowances, clock: Clock) -> None:
        self._spend = spend
        self._accounts = accounts
        self._time = clock.time
        self._sweeps = -1
        self._found: list[tuple[str, Account, Allowance]] = []

    def reserve(self, amount: Decimal) -> Spans | str:
        if self._sweeps != self._spend.sweeps:
            self._find()
        now = self._time()
        for name, account, allowance in self._found:
            if account.lacks(allowance, amount, now):
                return name
        spans: Spans = ()
        for _, account, _ in self._found:  # most often one: a comprehension would cost more
            spans = (*spans, account.reserve(amount))
        return spans

    def settle(self, spans: Spans, reserved: Decimal, actual: Decimal) -> None:
        for (name, _), span in zip(self._accounts, spans, strict=True):
            self._spend.account(name).settle(span, reserved, actual)

    def _find(self) -> None:
        spend = self._spend
        self._found = [(name, spend.account(name), most) for name, most in self._accounts]
        self._sweeps = spend.sweeps


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

    def enter(self, scope: Scope, memory: Memory) -> Soon[Spans | RefusedError]:
        """Take a token of every rate and reserve the cost, or say what is short.

        Returns:
            What `leave` needs; empty if there is nothing to settle.
        """
        if not memory.known:
            self._know(scope, memory)
        if memory.take is not None:
            wait = memory.take()
            if wait != 0.0:
                return self._later(scope, memory, wait)
        return () if self._cost is None else self._reserve(scope, memory, self._cost)

    def leave(self, scope: Scope, memory: Memory, spans: Spans, result: ToolResult) -> Soon[None]:
        """Settle what the call did cost: nothing, if no attempt was made."""
        reserved, actual = self._cost, result.cost
        if reserved is None or (result.attempts and actual is None):
            return None
        actual = actual if result.attempts and actual is not None else _NOTHING
        if scope.max_spend is not None:
            memory.spent += actual - reserved
        return None if memory.purse is None else memory.purse.settle(spans, reserved, actual)

    def _know(self, scope: Scope, memory: Memory) -> None:
        controls, who = self._controls, scope.principal
        tenant = f"tenant:{quote(who.tenant, safe='')}"
        principal = f"principal:{quote(who.tenant, safe='')}/{quote(who.id, safe='')}"
        rates = ((principal, controls.principal), (tenant, controls.tenant))
        wanted = tuple((name, rate) for name, rate in rates if rate is not None)
        spends = ((principal, controls.principal_spend), (tenant, controls.tenant_spend))
        accounts = tuple((name, most) for name, most in spends if most is not None)
        memory.take = self._rates.line(wanted).take if wanted else None
        memory.purse = self._spend.purse(accounts) if accounts else None
        memory.known = True

    async def _later(self, scope: Scope, memory: Memory, wait: Soon[float]) -> Spans | RefusedError:
        if isinstance(wait, Awaitable):
            wait = await wait
        if wait:
            return ThrottledError(
                f"{scope.principal.id} makes more calls than it may. "
                f"Wait {max(1, math.ceil(wait))} s.",
                retry_after=wait,
            )
        if self._cost is None:
            return ()
        spans = self._reserve(scope, memory, self._cost)
        return await spans if isinstance(spans, Awaitable) else spans

    def _reserve(self, scope: Scope, memory: Memory, cost: Decimal) -> Soon[Spans | RefusedError]:
        most = scope.max_spend
        if most is not None:
            if memory.spent + cost > most:
                return BudgetError(
                    f"The call costs ${cost}, and the session has spent ${memory.spent} of ${most}."
                )
            memory.spent += cost
        if memory.purse is None:
            return () if most is None else _SESSION
        spans = memory.purse.reserve(cost)
        if isinstance(spans, tuple):
            return spans
        return self._reserved(scope, memory, cost, spans)

    async def _reserved(
        self, scope: Scope, memory: Memory, cost: Decimal, spans: Soon[Spans | str]
    ) -> Spans | RefusedError:
        if isinstance(spans, Awaitable):
            spans = await spans
        if isinstance(spans, tuple):
            return spans
        if scope.max_spend is not None:
            memory.spent -= cost
        whose = spans.partition(":")[0]
        return BudgetError(f"The call costs ${cost}, more than is left for this {whose} now.")


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

    def __call__(self, call: ToolCall, call_next: Handler) -> Awaitable[ToolResult]:
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
                return self._refuse(call, call_next, error)
        memory.calls += 1
        if self._meter is None:
            return self._pass(call, call_next, memory, mark)
        held = self._meter.enter(scope, memory)
        if isinstance(held, tuple):
            return self._pass(call, call_next, memory, mark, held)
        return self._metered(call, call_next, memory, mark, held)

    async def _pass(
        self, call: ToolCall, call_next: Handler, memory: Memory, mark: bytes, held: Spans = ()
    ) -> ToolResult:
        try:
            result = await call_next(call)
        except Abandoned:
            if self._changes:
                memory.seen.clear()
            raise
        if result.status is not _PENDING and (not self._poll or self._changes):
            self._remember(memory, mark, result)
        # Given up or failed in the middle, a call may have cost what was reserved: it stays spent.
        if held and self._meter is not None:
            done = self._meter.leave(call.scope, memory, held, result)
            if done is not None:
                await done
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
        held: Awaitable[Spans | RefusedError] | RefusedError,
    ) -> ToolResult:
        known = await held if isinstance(held, Awaitable) else held
        if isinstance(known, RefusedError):
            return await self._refuse(call, call_next, known)
        return await self._pass(call, call_next, memory, mark, known)

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
