"""The contract of a journal, held by the one in memory, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from callgate.errors import DeniedError, ToolFailedError
from callgate.stages.journal import Entry, State, conflict
from callgate.store.database import Database
from callgate.types import Effect, Repair, Status, Text, ToolResult
from tests.store.journals import MemoryOwners, Owners, SqlOwners, intent, ok

KEY = "acme/ana/s/1/0"


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def owners(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Owners]:
    if request.param == "memory":
        made: Owners = MemoryOwners()
        yield made
        made.close()
        return
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'journal.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    database.upgrade()
    made = SqlOwners(database)
    yield made
    made.close()
    database.close()


def seen(entry: Entry | None) -> Any:
    assert entry is not None
    return entry.state, entry.result, entry.tries


async def test_the_first_claim_is_ours_and_a_second_one_is_not(owners: Owners) -> None:
    first = await owners.journal("a").claim(intent())
    again = await owners.journal("a").claim(intent())
    other = await owners.journal("b").claim(intent())
    assert (first.mine, again.mine, other.mine) == (True, False, False)
    assert again.token == other.token == first.token
    assert (other.state, other.live, other.tries) == (State.CLAIMED, True, 1)
    assert other.intent == intent()


async def test_a_claim_whose_attempt_begins_at_once_is_started(owners: Owners) -> None:
    journal = owners.journal("a")
    entry = await journal.claim(intent(), start=True)
    assert (entry.mine, entry.state) == (True, State.STARTED)
    assert (await owners.journal("b").find(KEY)).state is State.STARTED
    done = await journal.change(entry, State.DONE, ok())
    assert seen(done) == (State.DONE, ok(), 1)


async def test_of_many_who_claim_at_once_one_gets_it(owners: Owners) -> None:
    journals = [owners.journal(name) for name in "abcd"]
    entries = await asyncio.gather(*(journals[n % 4].claim(intent()) for n in range(40)))
    assert [entry.mine for entry in entries].count(True) == 1
    assert len({entry.token for entry in entries}) == 1


async def test_an_outcome_is_kept_whole_and_for_ever(owners: Owners) -> None:
    result = ToolResult(
        status=Status.OK,
        value={"paid": 2**60, "to": "Ana\u0000"},
        body=b'{"paid":1152921504606846976,"to":"Ana\\u0000"}',
        content=(Text(text="a note"),),
        repairs=(Repair(path="$.x", kind="parsed_string", before='"1"', after="1"),),
        notes=("[pay was executed; do not repeat it.]",),
        attempts=2,
    )
    journal = owners.journal("a")
    started = await journal.change(await journal.claim(intent()), State.STARTED)
    done = await journal.change(started, State.DONE, result)
    assert seen(done) == seen(await owners.journal("b").find(KEY)) == (State.DONE, result, 1)
    again = await owners.journal("b").claim(intent(version="2"))
    assert (again.mine, seen(again)) == (False, (State.DONE, result, 1))
    for state in set(State) - {State.DONE}:
        assert await journal.change(started, state) is None
    assert seen(await journal.change(started, State.DONE, ok("other"))) == seen(done)
    assert seen(await journal.find(KEY)) == (State.DONE, result, 1)


async def test_a_failure_after_the_effect_is_an_outcome_too(owners: Owners) -> None:
    journal = owners.journal("a")
    result = ToolResult(status=Status.ERROR, error=ToolFailedError("paid, no receipt", acted=True))
    entry = await journal.claim(intent())
    await journal.change(entry, State.FAILED_AFTER_EFFECT, result)
    known = await journal.claim(intent())
    assert not known.mine
    assert (known.result.error.code, known.result.error.message) == (
        "tool_failed",
        "paid, no receipt",
    )


async def test_what_did_not_happen_may_be_claimed_again(owners: Owners) -> None:
    journal = owners.journal("a")
    first = await journal.claim(intent())
    await journal.change(first, State.NOT_HAPPENED, ToolResult(status=Status.ERROR))
    second = await owners.journal("b").claim(intent(version="2"))
    assert (second.mine, second.tries, second.result) == (True, 2, None)
    assert second.token != first.token
    assert second.created == first.created
    # Who has lost it can change nothing of it any more.
    assert await journal.change(first, State.DONE, ok()) is None
    assert (await journal.find(KEY)).intent.version == "2"


async def test_what_waits_goes_on_with_an_answer_only(owners: Owners) -> None:
    journal = owners.journal("a")
    entry = await journal.change(await journal.claim(intent()), State.STARTED)
    waiting = ToolResult(status=Status.PENDING)
    await journal.change(entry, State.WAITING, waiting)
    without = await journal.claim(intent())
    assert (without.mine, seen(without)) == (False, (State.WAITING, waiting, 1))
    answered = await owners.journal("b").claim(intent(answered=True))
    assert (answered.mine, answered.tries) == (True, 2)


@pytest.mark.parametrize(
    "changed",
    [
        {"digest": "sha256:2"},
        {"tenant": "other"},
        {"principal": "bob"},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_a_key_of_another_intent_is_never_taken(
    owners: Owners, changed: dict[str, str]
) -> None:
    journal = owners.journal("a")
    entry = await journal.claim(intent())
    await journal.change(entry, State.NOT_HAPPENED)
    other = intent(**changed)
    known = await journal.claim(other)
    assert not known.mine
    error = conflict(known, other)
    assert error is not None
    assert error.code == "key_conflict"
    assert "sha256" not in error.message
    assert "pay" not in error.message


async def test_a_claim_of_the_dead_is_taken_over_and_a_started_effect_is_not(
    owners: Owners,
) -> None:
    journal = owners.journal("a")
    await journal.claim(intent("k1"))
    lost = await journal.change(await journal.claim(intent("k2")), State.STARTED)
    assert not (await owners.journal("b").claim(intent("k1"))).mine
    owners.die("a")
    taken = await owners.journal("b").claim(intent("k1"))
    assert (taken.mine, taken.tries) == (True, 2)
    started = await owners.journal("b").claim(intent("k2"))
    assert (started.mine, started.live, started.state) == (False, False, State.STARTED)
    assert started.token == lost.token


async def test_a_started_idempotent_effect_of_the_dead_is_tried_again(owners: Owners) -> None:
    journal = owners.journal("a")
    again = intent(effect=Effect.IDEMPOTENT)
    await journal.change(await journal.claim(again), State.STARTED)
    assert not (await owners.journal("b").claim(again)).mine
    owners.die("a")
    # A deploy made it irreversible: then its key does not protect it any more.
    assert not (await owners.journal("b").claim(intent(version="2"))).mine
    assert (await owners.journal("b").claim(again)).mine


async def test_an_owner_that_comes_back_is_another_one(owners: Owners) -> None:
    first = await owners.journal("a").claim(intent())
    owners.die("a")
    second = await owners.journal("a").claim(intent())
    assert (second.mine, second.tries) == (True, 2)
    assert second.token != first.token


async def test_a_late_outcome_beats_a_doubt_but_no_decision(owners: Owners) -> None:
    journal = owners.journal("a")
    for key in ("k1", "k2"):
        await journal.change(await journal.claim(intent(key)), State.STARTED)
    late = [await journal.find(key) for key in ("k1", "k2")]
    owners.die("a")
    other = owners.journal("b")
    for key in ("k1", "k2"):
        await other.change(await other.find(key), State.IN_DOUBT)
    decided = await other.change(
        await other.find("k2"), State.NOT_HAPPENED, note="ana looked it up"
    )
    assert decided is not None
    assert (await other.change(late[0], State.DONE, ok())) is not None
    assert (await other.change(late[1], State.DONE, ok())) is None
    assert (await other.find("k1")).state is State.DONE
    assert (await other.find("k2")).note == "ana looked it up"


async def test_doubts_are_what_nobody_alive_is_at(owners: Owners) -> None:
    journal = owners.journal("a")
    for key in ("k1", "k2", "k3"):
        await journal.change(await journal.claim(intent(key)), State.STARTED)
    await journal.change(await journal.find("k1"), State.IN_DOUBT, ok())
    await journal.claim(intent("k4", tenant="other"))
    assert [entry.intent.key for entry in await journal.doubts()] == ["k1"]
    owners.die("a")
    other = owners.journal("b")
    assert [entry.intent.key for entry in await other.doubts()] == ["k1", "k2", "k3"]
    assert await other.doubts(tenant="other") == []


async def test_what_rides_with_a_claim_holds_or_nothing_is_claimed(owners: Owners) -> None:
    journal = owners.journal("a")
    seen: list[bool] = []

    def refuses(transaction: Any) -> DeniedError:
        seen.append(True)
        return DeniedError("the approval was used")

    with pytest.raises(DeniedError, match="was used"):
        await journal.claim(intent(), [refuses])
    assert await journal.find(KEY) is None
    assert (await journal.claim(intent(), [lambda transaction: None])).mine
    # What is not ours to claim burns nothing.
    await journal.claim(intent(), [refuses])
    assert seen == [True]


async def test_many_changes_at_once_keep_their_order(owners: Owners) -> None:
    journal = owners.journal("a")

    async def whole(n: int) -> None:
        entry = await journal.claim(intent(f"k{n}"))
        entry = await journal.change(entry, State.STARTED)
        await journal.change(entry, State.DONE, ok())

    await asyncio.gather(*(whole(n) for n in range(50)))
    for n in range(50):
        assert (await journal.find(f"k{n}")).state is State.DONE


async def test_an_entry_tells_when_it_was_made_and_changed(owners: Owners) -> None:
    journal = owners.journal("a")
    entry = await journal.claim(intent())
    done = await journal.change(entry, State.DONE, ok())
    found = await journal.find(KEY)
    assert found == replace(done, mine=False)
    assert found.created <= found.changed
