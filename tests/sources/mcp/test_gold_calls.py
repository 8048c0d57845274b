"""Recorded calls leave the world as they do without us in between."""

import asyncio
from pathlib import Path

import pytest

from tests.sources.mcp.gold import DOMAINS, replay, tasks

EVERY = 12
"""Of the tasks, the first and each twelfth; `make mcp-gold` replays them all."""


@pytest.mark.parametrize("domain", DOMAINS)
async def test_gold_calls_leave_the_state_that_raw_messages_leave(
    domain: str, data_dir: Path, tmp_path: Path
) -> None:
    gold = await asyncio.to_thread(tasks, data_dir, domain)
    chosen = gold[::EVERY]
    outcome = await replay(domain, chosen, tmp_path)
    assert (outcome.tasks, outcome.differing) == (len(chosen), [])
    assert outcome.calls == sum(map(len, chosen))
