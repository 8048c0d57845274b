"""What operators set about calls: rates, allowances, breakers, backends and chains.

Plain values, read from settings or written by hand and handed to `Gate(controls=...)`. The state
machines beside them (`bucket`, `account`, `circuit`) know no clock and no store: they are told the
time, and they write themselves as JSON, so that memory and a database keep the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

__all__ = [
    "DECIDING",
    "Allowance",
    "Alternative",
    "BackendRules",
    "BreakerRules",
    "Controls",
    "Rate",
]

DECIDING = ("admit", "approve", "breaker", "fallback", "guard")
"""The names of the stages that decide about calls, and so may observe instead of enforce."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many calls in so many seconds, as a token bucket that begins full.

    Attributes:
        calls: How many, above 0.
        seconds: In how many seconds; defaults to 1.
        burst: How many may come at once after a pause; defaults to `calls`, at least 1.
        speed: Calls per second, from the above.
        size: How many calls the full bucket lets through, from the above.
    """

    calls: float
    seconds: float = 1.0
    burst: float | None = None
    speed: float = field(init=False, repr=False)
    size: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Work out what every call needs."""
        object.__setattr__(self, "speed", self.calls / self.seconds)
        size = self.calls if self.burst is None else self.burst
        object.__setattr__(self, "size", max(1.0, size))


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How much money may be spent in a span of time.

    Attributes:
        amount: US dollars.
        seconds: The length of the span; defaults to a day. Spans follow each other without a gap,
            counted from the epoch, so that a day is one of UTC.
    """

    amount: Decimal
    seconds: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When a circuit opens and how it closes again.

    Attributes:
        failures: Failed attempts in a row that open it.
        share: Share of failed attempts within `window` that opens it, from 0 to 1 ...
        least: ... once so many attempts were made within `window`.
        window: Seconds that the share is taken over.
        pause: Seconds an open circuit refuses every attempt before it lets probes through.
        probes: Attempts that are let through at once then, and that must succeed to close it.
    """

    failures: int = 5
    share: float = 0.5
    least: int = 20
    window: float = 30.0
    pause: float = 30.0
    probes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendRules:
    """What a backend bears from all tools that declare it.

    Attributes:
        rate: Attempts per time; None for no bound.
        concurrency: Attempts at once; None for no bound.
        shared: Whether `concurrency` is for all processes that share a store together; by default
            it is for each of them.
        queue: Seconds an attempt may wait for its turn.
    """

    rate: Rate | None = None
    concurrency: int | None = None
    shared: bool = False
    queue: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """A tool that answers when another one is out.

    Attributes:
        tool: Its name.
        arguments: For each of its parameters the name of ours that it is filled with; None, the
            default, hands all arguments over as they came.
    """

    tool: str
    arguments: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """All of it; what is left out costs nothing.

    Attributes:
        repeats: How often one call may give one result in a session before it is refused.
        breaker: The rules for every tool without rules of its own; None for no breaker there.
        breakers: Rules by the name of a tool or of a backend; the tool's own come first.
        principal: How often one principal may call.
        tenant: How often all principals of one tenant may call.
        principal_spend: What the calls of one principal may cost.
        tenant_spend: What the calls of one tenant may cost.
        backends: What backends bear, by the name that tools declare.
        fallbacks: Which tools answer when one is out, by its name, in order; they come after what
            the tool itself declares.
    """

    repeats: int = 3
    breaker: BreakerRules | None = None
    breakers: Mapping[str, BreakerRules] = field(default_factory=dict[str, BreakerRules])
    principal: Rate | None = None
    tenant: Rate | None = None
    principal_spend: Allowance | None = None
    tenant_spend: Allowance | None = None
    backends: Mapping[str, BackendRules] = field(default_factory=dict[str, BackendRules])
    fallbacks: Mapping[str, tuple[Alternative, ...]] = field(
        default_factory=dict[str, tuple[Alternative, ...]]
    )

    @property
    def memory(self) -> float:
        """Seconds for which what was counted last still matters to some control."""
        rates = [self.principal, self.tenant, *(rules.rate for rules in self.backends.values())]
        spends = [self.principal_spend, self.tenant_spend]
        breakers = [self.breaker, *self.breakers.values()]
        spans = [rate.size / rate.speed for rate in rates if rate is not None]
        spans += [most.seconds for most in spends if most is not None]
        spans += [max(rules.window, rules.pause) for rules in breakers if rules is not None]
        return max(spans, default=0.0)
