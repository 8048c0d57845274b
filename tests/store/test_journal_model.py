"""The journal against a model of it: whatever owners do and whenever they die, both agree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from callgate.stages.journal import Entry, State
from callgate.store.database import Database
from callgate.types import Effect
from tests.store.journals import MemoryOwners, Owners, SqlOwners, intent, ok

OWNERS = st.sampled_from("ab")
KEYS = st.integers(0, 2)
EFFECTS = st.sampled_from([Effect.IDEMPOTENT, Effect.IRREVERSIBLE])
ENDS = st.sampled_from([state for state in State if not state.open])
KNOWN = (State.DONE, State.FAILED_AFTER_EFFECT)


@dataclass
class Row:
    """What the model knows of one key."""

    state: State
    token: str
    owner: str
    alive: bool
    effect: Effect
    digest: str
    tries: int = 1


class Machine(RuleBasedStateMachine):
    """Owners that claim, start, end, settle and die, and what must come of it."""

    held: Bundle[tuple[str, Entry]] = Bundle("held")

    def __init__(self, owners: Owners, number: int) -> None:
        super().__init__()
        self.owners = owners
        self.number = number
        self.loop = asyncio.new_event_loop()
        self.rows: dict[str, Row] = {}
        self.executed: dict[str, int] = {}

    def teardown(self) -> None:
        for owner in "ab":
            self.owners.die(owner)
        self.loop.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def key(self, place: int) -> str:
        return f"m{self.number}/k{place}"

    def takeable(self, row: Row, effect: Effect, digest: str, answered: bool) -> bool:
        again = row.effect is effect is Effect.IDEMPOTENT
        return row.digest == digest and (
            row.state is State.NOT_HAPPENED
            or (row.state is State.WAITING and answered)
            or (row.state is State.CLAIMED and not row.alive)
            or (row.state is State.STARTED and not row.alive and again)
            or (row.state is State.IN_DOUBT and again)
        )

    @rule(
        target=held,
        owner=OWNERS,
        place=KEYS,
        effect=EFFECTS,
        digest=st.sampled_from(["1", "1", "1", "2"]),
        answered=st.booleans(),
    )
    def claim(self, owner: str, place: int, effect: Effect, digest: str, answered: bool) -> Any:
        key = self.key(place)
        meant = intent(key, effect=effect, digest=digest, answered=answered)
        entry = self.do(self.owners.journal(owner).claim(meant))
        row = self.rows.get(key)
        if row is not None and not self.takeable(row, effect, digest, answered):
            assert not entry.mine
            assert (entry.state, entry.token, entry.tries) == (row.state, row.token, row.tries)
            if row.state.open:
                assert entry.live is row.alive
            return multiple()
        assert entry.mine
        tries = 1 if row is None else row.tries + 1
        assert (entry.state, entry.tries) == (State.CLAIMED, tries)
        assert row is None or entry.token != row.token
        self.rows[key] = Row(State.CLAIMED, entry.token, owner, True, effect, digest, tries)
        return owner, entry

    @rule(one=held)
    def start(self, one: tuple[str, Entry]) -> None:
        owner, entry = one
        row = self.rows[entry.intent.key]
        changed = self.do(self.owners.journal(owner).change(entry, State.STARTED))
        # Written already is as good as written now.
        fits = row.token == entry.token and row.state in (State.CLAIMED, State.STARTED)
        assert (changed is not None) is fits
        if fits and row.state is State.CLAIMED:
            row.state = State.STARTED
            assert row.state not in KNOWN

    @rule(one=held, state=ENDS)
    def end(self, one: tuple[str, Entry], state: State) -> None:
        owner, entry = one
        row = self.rows[entry.intent.key]
        changed = self.do(self.owners.journal(owner).change(entry, state, ok()))
        ours = row.token == entry.token
        fits = ours and row.state in (State.CLAIMED, State.STARTED, State.IN_DOUBT)
        assert (changed is not None) is (fits or (ours and row.state is state))
        if fits:
            row.state = state

    @rule(owner=OWNERS, place=KEYS, state=st.sampled_from([State.DONE, State.NOT_HAPPENED]))
    def settle(self, owner: str, place: int, state: State) -> None:
        key = self.key(place)
        journal = self.owners.journal(owner)
        entry = self.do(journal.find(key))
        row = self.rows.get(key)
        if row is None:
            assert entry is None
            return
        assert (entry.state, entry.token) == (row.state, row.token)
        if row.state is State.IN_DOUBT or (row.state is State.STARTED and not entry.live):
            assert self.do(journal.change(entry, state, ok(), note="decided")) is not None
            row.state = state

    @rule(owner=OWNERS)
    def die(self, owner: str) -> None:
        self.owners.die(owner)
        for row in self.rows.values():
            if row.owner == owner:
                row.alive = False

    @rule(owner=OWNERS)
    def look_for_doubts(self, owner: str) -> None:
        found = self.do(self.owners.journal(owner).doubts())
        mine = {entry.intent.key for entry in found if entry.intent.key in self.rows}
        assert mine == {
            key
            for key, row in self.rows.items()
            if row.state is State.IN_DOUBT or (row.state is State.STARTED and not row.alive)
        }

    @invariant()
    def known_is_for_ever(self) -> None:
        for key, row in self.rows.items():
            if row.state in KNOWN:
                entry = self.do(self.owners.journal("a").find(key))
                assert (entry.state, entry.token) == (row.state, row.token)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "memory":
        yield MemoryOwners
        return
    url = f"sqlite:///{tmp_path / 'model.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    database.upgrade()
    yield lambda: SqlOwners(database)
    database.close()


def test_journal_and_model_agree(make: Callable[[], Owners]) -> None:
    numbers = count()

    class Fresh(Machine):
        """A machine with keys of its own."""

        def __init__(self) -> None:
            super().__init__(make(), next(numbers))

    examples, steps = (100, 40) if make is MemoryOwners else (8, 25)
    run_state_machine_as_test(
        Fresh, settings=settings(max_examples=examples, stateful_step_count=steps)
    )
