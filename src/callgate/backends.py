"""`Backends`: what stages keep their state in, handed to a gate as one value."""

from __future__ import annotations

from dataclasses import dataclass

from callgate.stages.bound import Blobs
from callgate.stages.journal import Journal

__all__ = ["Backends"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """What stands behind the stages that remember; what is None is left out.

    Every field is a small protocol of the stage that uses it, so memory, SQLite and PostgreSQL fit
    alike. What several gates or processes share is one object, or one database.

    Attributes:
        journal: Where effects are written down before they are tried: `recall` and `journal`.
        blobs: Where results too long to show are kept; in memory by default.
    """

    journal: Journal | None = None
    blobs: Blobs | None = None
