"""A scene for each kind of store: memory, SQLite and PostgreSQL."""

from __future__ import annotations

import pytest

from callgate.approvals.memory import MemoryApprovals
from callgate.stages.journal import MemoryJournal
from tests.approvals.scenes import Scene, Wall


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def scene(wall: Wall) -> Scene:
    return Scene(store=MemoryApprovals(now=wall), journal=MemoryJournal(now=wall), wall=wall)
