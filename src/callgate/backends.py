"""`Backends`: what stages keep their state in, handed to a gate as one value."""

from __future__ import annotations

from dataclasses import dataclass

from callgate.stages.admit import Rates
from callgate.stages.bound import Blobs
from callgate.stages.breaker import Circuits
from callgate.stages.cache import Generations
from callgate.stages.guard import Spend
from callgate.stages.journal import Journal
from callgate.stages.resolve import Switches

__all__ = ["Backends"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """What stands behind the stages that remember; what is None is left out.

    Every field is a small protocol of the stage that uses it, so memory, SQLite and PostgreSQL fit
    alike. What several gates or processes share is one object, or one database.

    Attributes:
        journal: Where effects are written down before they are tried: `recall` and `journal`.
        rates: Token buckets of principals, tenants and backends: `guard` and `admit`. None keeps
            them in memory, and so do the three after it.
        spend: What principals and tenants have spent: `guard`.
        circuits: Which backends are out: `breaker`.
        generations: How often effects may have changed what reads tell: `cache`.
        switches: Which tools are switched off: `resolve`. None if none can be.
        blobs: Where results too long to show are kept; in memory by default.
    """

    journal: Journal | None = None
    rates: Rates | None = None
    spend: Spend | None = None
    circuits: Circuits | None = None
    generations: Generations | None = None
    switches: Switches | None = None
    blobs: Blobs | None = None
