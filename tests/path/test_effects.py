"""Effects through a gate with a journal: tried once, recalled, settled by their class."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from callgate import CallContext, Gate, Principal, tool
from callgate.backends import Backends
from callgate.errors import (
    BusyError,
    DeniedError,
    KeyConflictError,
    StoreError,
    ToolFailedError,
    TransientError,
)
from callgate.messages import CallPart
from callgate.pipeline import Handler, compose
from callgate.stages.journal import JournalFactory, MemoryJournal, State, starting
from callgate.testing import Captured, FakeClock, FakeSource
from callgate.types import Decision, Effect, Pending, Status, ToolCall, ToolResult
from tests.path.tools import spec

ANA = Principal(id="ana", tenant="acme")
KEY = "acme/ana//order-77"


def parts(*names: str, arguments: dict[str, Any] | None = None) -> list[CallPart]:
    return [
        CallPart(id=f"c{n}", name=name, arguments=arguments or {}) for n, name in enumerate(names)
    ]


class World:
    """What effects do, counted by key."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def gate(self, journal: MemoryJournal, **options: Any) -> Gate:
        # With a bulkhead, so that claim and start are two steps.
        @tool(effect="irreversible", concurrency=8)
        async def pay(cents: int, call: CallContext) -> int:
            """Pay."""
            self.done.append(call.key)
            return cents

        @tool(effect="idempotent")
        async def put(cents: int, call: CallContext) -> int:
            """Put."""
            self.done.append(call.key)
            return cents

        def asked(key: str, arguments: dict[str, Any]) -> int | None:
            if arguments["cents"] == 666:
                raise TransientError("the bank is closed")
            return arguments["cents"] if key in self.done else None

        @tool(effect="reconcilable", reconcile=asked)
        async def send(cents: int, call: CallContext) -> int:
            """Send."""
            self.done.append(call.key)
            return cents

        @tool(effect="read")
        async def look() -> int:
            """Look."""
            self.done.append("look")
            return 1

        return Gate([pay, put, send, look], backends=Backends(journal=journal), **options)


def crashed(journal: MemoryJournal) -> MemoryJournal:
    """Let the process of a journal die and give the journal of the next one."""
    journal.die()
    return MemoryJournal(owner="next", beside=journal)


async def open_intent(world: World, name: str, cents: int, *, acted: bool) -> MemoryJournal:
    """Leave an intent as a process does that was killed while it was tried."""
    journal = MemoryJournal()
    gate = world.gate(journal)
    session = gate.session(ANA)
    await session.call(name, {"cents": cents}, key="order-77")
    entry = await journal.find(KEY)
    assert entry is not None
    journal._entries[KEY] = replace(entry, state=State.STARTED, result=None)
    if not acted:
        world.done.clear()
    return crashed(journal)


async def test_a_callers_key_is_executed_once_in_every_session_of_the_principal() -> None:
    world, captured = World(), Captured()
    gate = world.gate(MemoryJournal(), listeners=[captured])
    first = await gate.session(ANA).call("pay", {"cents": 5}, key="order-77")
    second = await gate.session(ANA).call("pay", {"cents": 5}, key="order-77")
    assert (first.value, second.value, second.attempts) == (5, 5, 0)
    assert world.done == [KEY]
    assert [event.verdict for event in captured.events if isinstance(event, Decision)] == [
        "recalled"
    ]


@pytest.mark.parametrize(("name", "arguments"), [("pay", {"cents": 6}), ("put", {"cents": 5})])
async def test_a_key_used_for_something_else_is_refused(
    name: str, arguments: dict[str, Any]
) -> None:
    world = World()
    session = world.gate(MemoryJournal()).session(ANA)
    await session.call("pay", {"cents": 5}, key="order-77")
    result = await session.call(name, arguments, key="order-77")
    assert (result.status, type(result.error)) == (Status.ERROR, KeyConflictError)
    assert world.done == [KEY]


async def test_another_tenant_or_principal_has_keys_of_its_own_and_sees_no_outcome() -> None:
    world = World()
    gate = world.gate(MemoryJournal())
    for who in (ANA, Principal(id="ana", tenant="other"), Principal(id="bob", tenant="acme")):
        result = await gate.session(who).call("pay", {"cents": 5}, key="order-77")
        assert result.attempts == 1
    assert world.done == [KEY, "other/ana//order-77", "acme/bob//order-77"]


async def test_no_key_of_a_caller_looks_like_a_place_or_like_anothers_key() -> None:
    world = World()
    journal = MemoryJournal()
    gate = world.gate(journal)
    session = gate.session(Principal(id="a", tenant=""), id="s")
    await session.call("pay", {"cents": 5})
    await session.call("pay", {"cents": 5}, key="s/1/0")
    await gate.session(Principal(id="a/", tenant="")).call("pay", {"cents": 5}, key="s/1/0")
    assert len(set(world.done)) == 3


async def test_reads_are_not_written_down() -> None:
    world, journal = World(), MemoryJournal()
    gate = world.gate(journal)
    for _ in range(2):
        await gate.session(ANA).call("look", {}, key="order-77")
    assert await journal.find(KEY) is None
    assert world.done == ["look", "look"]


async def test_an_irreversible_effect_of_a_dead_process_is_in_doubt_and_not_repeated() -> None:
    world = World()
    journal = await open_intent(world, "pay", 5, acted=True)
    for _ in range(2):
        result = await world.gate(journal).session(ANA).call("pay", {"cents": 5}, key="order-77")
        assert result.status is Status.IN_DOUBT
        assert "Do not repeat" in result.text()
    assert world.done == [KEY]
    assert [entry.state for entry in await journal.doubts()] == [State.IN_DOUBT]


async def test_an_idempotent_effect_of_a_dead_process_is_tried_again_with_its_key() -> None:
    world = World()
    journal = await open_intent(world, "put", 5, acted=True)
    result = await world.gate(journal).session(ANA).call("put", {"cents": 5}, key="order-77")
    assert result.value == 5
    assert world.done == [KEY, KEY]


@pytest.mark.parametrize("acted", [True, False])
async def test_a_reconcilable_effect_of_a_dead_process_is_asked_for(acted: bool) -> None:
    world = World()
    journal = await open_intent(world, "send", 5, acted=acted)
    result = await world.gate(journal).session(ANA).call("send", {"cents": 5}, key="order-77")
    assert (result.status, result.value, result.body) == (Status.OK, 5, b"5")
    assert world.done == [KEY]
    entry = await journal.find(KEY)
    assert entry is not None
    assert entry.state is State.DONE


async def test_a_world_that_does_not_answer_leaves_the_doubt() -> None:
    world = World()
    journal = await open_intent(world, "send", 666, acted=True)
    result = await world.gate(journal).session(ANA).call("send", {"cents": 666}, key="order-77")
    assert result.status is Status.IN_DOUBT
    assert "the bank is closed" in result.text()
    assert world.done == [KEY]


async def test_what_may_not_be_repeated_any_more_is_told_as_a_doubt() -> None:
    world = World()
    journal = await open_intent(world, "put", 5, acted=True)
    gate = world.gate(journal)
    session = gate.session(ANA, max_calls=0)
    result = await session.call("put", {"cents": 5}, key="order-77")
    assert result.status is Status.IN_DOUBT
    assert "it may not be repeated: The session may make 0 calls" in result.text()
    assert [entry.state for entry in await journal.doubts()] == [State.IN_DOUBT]
    # A doubt about an idempotent effect ends as soon as it may be repeated.
    assert (await gate.session(ANA).call("put", {"cents": 5}, key="order-77")).value == 5


async def test_a_known_outcome_is_told_whatever_the_rules_are_by_now() -> None:
    world = World()
    gate = world.gate(MemoryJournal())
    await gate.session(ANA).call("pay", {"cents": 5}, key="order-77")
    again = await gate.session(ANA, max_calls=0).call("pay", {"cents": 5}, key="order-77")
    assert again.value == 5


async def test_a_turn_made_again_by_another_process_repeats_nothing() -> None:
    world = World()
    journal = MemoryJournal()
    calls = parts("pay", "put", arguments={"cents": 5})
    first = await world.gate(journal).session(ANA, id="conv").turn(calls, turn=1)
    second = await world.gate(crashed(journal)).session(ANA, id="conv").turn(calls, turn=1)
    assert [item.result.value for item in second.answered] == [5, 5]
    assert len(world.done) == 2
    assert [m.parts for m in first.messages] == [m.parts for m in second.messages]


async def test_a_second_caller_waits_for_the_first_and_gets_its_outcome() -> None:
    clock, go = FakeClock(), asyncio.Event()
    done: list[str] = []

    async def act(call: ToolCall) -> str:
        await go.wait()
        done.append(call.key)
        return "paid"

    gate = Gate(
        [FakeSource([spec("pay", Effect.IRREVERSIBLE)], pay=act)],
        clock=clock,
        backends=Backends(journal=MemoryJournal()),
    )
    first = asyncio.ensure_future(gate.session().call("pay", {}, key="k"))
    second = asyncio.ensure_future(gate.session().call("pay", {}, key="k"))
    third = asyncio.ensure_future(gate.session().call("pay", {}, key="k", timeout=1))
    await clock.settle()
    clock.advance(2)
    await clock.settle()
    assert (await third).text().startswith("pay is being executed under this key now.")
    go.set()
    await clock.settle()
    clock.advance(1)
    await clock.settle()
    assert ((await first).value, (await second).value) == ("paid", "paid")
    assert done == ["/anyone//k"]


@pytest.mark.parametrize(
    ("failure", "state"),
    [
        (ToolFailedError("no"), State.NOT_HAPPENED),
        (ToolFailedError("half", acted=True), State.FAILED_AFTER_EFFECT),
        (TransientError("later"), State.NOT_HAPPENED),
        (TransientError("cut", acted=True), State.IN_DOUBT),
        (ValueError("a defect"), State.IN_DOUBT),
        (BusyError("full"), State.NOT_HAPPENED),
    ],
    ids=lambda value: str(value),
)
async def test_every_end_of_an_attempt_has_its_state(failure: Exception, state: State) -> None:
    @tool(effect="irreversible", attempts=1)
    async def pay() -> int:
        """Pay."""
        raise failure

    journal = MemoryJournal()
    session = Gate([pay], backends=Backends(journal=journal)).session(ANA)
    await session.call("pay", {}, key="order-77")
    entry = await journal.find(KEY)
    assert entry is not None
    assert entry.state is state


async def test_a_result_that_breaks_its_promise_is_flagged_also_when_it_is_recalled() -> None:
    @tool(effect="irreversible", returns={"type": "string"})
    async def pay() -> int:
        """Pay."""
        return 5

    gate = Gate([pay], backends=Backends(journal=MemoryJournal()))
    results = [await gate.session(ANA).call("pay", {}, key="order-77") for _ in range(2)]
    assert [(result.status, result.value) for result in results] == [(Status.OK, 5)] * 2
    assert all("pay was executed; do not repeat it" in result.text() for result in results)


async def test_a_tool_that_asks_a_person_goes_on_under_its_key() -> None:
    done: list[Any] = []

    @tool(effect="irreversible")
    async def pay(call: CallContext) -> str | Pending:
        """Pay."""
        if call.reply is None:
            return Pending(kind="elicitation", prompt="Which account?")
        done.append(call.reply)
        return "paid"

    journal = MemoryJournal()
    session = Gate([pay], backends=Backends(journal=journal)).session(ANA, id="s")
    answer = await session.turn(parts("pay"))
    assert [entry.state for entry in journal._entries.values()] == [State.WAITING]
    again = await session.turn(parts("pay"), turn=answer.turn)
    assert again.waiting[0].result.pending == answer.waiting[0].result.pending
    final = await session.resume(answer, {answer.waiting[0].call.id: "main"})
    assert final.answered[0].result.value == "paid"
    late = await session.resume(answer, {answer.waiting[0].call.id: "other"})
    assert late.answered[0].result.value == "paid"
    assert done == ["main"]


async def test_a_caller_that_leaves_loses_no_outcome() -> None:
    clock, go = FakeClock(), asyncio.Event()

    async def act(call: ToolCall) -> str:
        await go.wait()
        return "paid"

    journal = MemoryJournal()
    source = FakeSource([spec("pay", Effect.IRREVERSIBLE)], pay=act)
    gate = Gate([source], clock=clock, backends=Backends(journal=journal))
    task = asyncio.ensure_future(gate.session(ANA).call("pay", {}, key="order-77"))
    await clock.settle()
    task.cancel()
    await clock.settle()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    entry = await journal.find(KEY)
    assert entry is not None
    assert entry.result is not None
    assert (entry.state, entry.result.value) == (State.DONE, "paid")


async def test_a_call_cancelled_before_its_attempt_may_be_claimed_again() -> None:
    clock, go = FakeClock(), asyncio.Event()

    async def act(call: ToolCall) -> str:
        await go.wait()
        return "paid"

    journal = MemoryJournal()
    source = FakeSource([spec("pay", Effect.IRREVERSIBLE, concurrency=1)], pay=act)
    gate = Gate([source], clock=clock, backends=Backends(journal=journal))
    first = asyncio.ensure_future(gate.session(ANA).call("pay", {}, key="one"))
    waits = asyncio.ensure_future(gate.session(ANA).call("pay", {}, key="order-77"))
    await clock.settle()
    claimed = await journal.find(KEY)
    assert claimed is not None
    assert claimed.state is State.CLAIMED  # no slot yet, so nothing was tried
    waits.cancel()
    await clock.settle()
    left = await journal.find(KEY)
    assert left is not None
    assert left.state in (State.NOT_HAPPENED, State.IN_DOUBT)
    go.set()
    await first


class Failing(MemoryJournal):
    """A journal whose disk fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.broken: set[str] = set()

    async def find(self, key: str) -> Any:
        self._check("find")
        return await super().find(key)

    async def claim(self, intent: Any, riders: Any = (), *, start: bool = False) -> Any:
        self._check("claim")
        return await super().claim(intent, riders, start=start)

    async def change(self, entry: Any, state: State, result: Any = None, *, note: str = "") -> Any:
        self._check(state.value)
        return await super().change(entry, state, result, note=note)

    def _check(self, what: str) -> None:
        if what in self.broken:
            raise StoreError("the disk is full")


@pytest.mark.parametrize("broken", ["find", "claim", "started"])
async def test_what_cannot_be_written_down_is_not_tried(broken: str) -> None:
    world, journal, clock = World(), Failing(), FakeClock(instant=True)
    journal.broken = {broken}
    gate = world.gate(journal, clock=clock, chance=lambda: 0.0)
    result = await gate.session(ANA).call("pay", {"cents": 5}, key="order-77")
    assert result.error is not None
    assert (result.status, result.error.code) == (Status.ERROR, "not_written")
    assert "the disk is full" in result.text()
    assert "Nothing was executed" in result.text()
    assert world.done == []
    journal.broken.clear()
    assert (await gate.session(ANA).call("pay", {"cents": 5}, key="order-77")).value == 5


async def test_an_effect_whose_outcome_cannot_be_written_is_still_told() -> None:
    world, journal, captured = World(), Failing(), Captured()
    journal.broken = {"done"}
    gate = world.gate(journal, listeners=[captured])
    result = await gate.session(ANA).call("pay", {"cents": 5})
    assert result.value == 5
    told = [event for event in captured.events if isinstance(event, Decision)]
    assert [(one.stage, one.verdict) for one in told] == [("journal", "unwritten")]


@pytest.mark.parametrize("refused", [True, False])
async def test_a_read_is_written_down_only_if_something_rides_on_its_claim(refused: bool) -> None:
    world, journal = World(), MemoryJournal()
    gate = world.gate(journal)
    stage = JournalFactory(journal, clock=FakeClock(), reads=True).for_tool(
        gate.surface.tools["look"], gate.surface
    )
    assert stage is not None
    error = DeniedError("the approval was used") if refused else None
    seen: list[ToolCall] = []

    async def execute(call: ToolCall) -> ToolResult:
        seen.append(call)
        return ToolResult(status=Status.OK, value=1, body=b"1")

    handler: Handler = compose([stage], starting(execute))
    scope = gate.session(ANA)._scope
    call = ToolCall(id="c", key=KEY, name="look", arguments={}, scope=scope, body=b"{}")
    assert (await handler(call)).value == 1
    assert await journal.find(KEY) is None
    result = await handler(replace(call, riders=(lambda transaction: error,)))
    entry = await journal.find(KEY)
    if refused:
        assert (result.status, result.error, entry, len(seen)) == (Status.DENIED, error, None, 1)
    else:
        assert entry is not None
        assert (result.value, entry.state, len(seen)) == (1, State.DONE, 2)


async def test_what_is_not_looked_up_before_is_not_repeated_either() -> None:
    world = World()
    journal = await open_intent(world, "pay", 5, acted=True)
    gate = world.gate(journal)
    tool = gate.surface.tools["pay"]
    stage = JournalFactory(journal, clock=FakeClock()).for_tool(tool, gate.surface)
    assert stage is not None

    async def execute(call: ToolCall) -> ToolResult:
        raise AssertionError("it must not be tried")

    call = ToolCall(
        id="c",
        key=KEY,
        name="pay",
        arguments={"cents": 5},
        scope=gate.session(ANA)._scope,
        body=b'{"cents":5}',
    )
    result = await compose([stage], execute)(call)
    assert result.status is Status.IN_DOUBT
    assert [entry.state for entry in await journal.doubts()] == [State.IN_DOUBT]
    other = await compose([stage], execute)(replace(call, body=b'{"cents":6}'))
    assert isinstance(other.error, KeyConflictError)


async def test_who_has_lost_an_intent_is_told_so_by_an_event() -> None:
    journal, captured = MemoryJournal(), Captured()

    @tool(effect="irreversible")
    async def pay() -> int:
        """Pay."""
        entry = await journal.find(KEY)
        assert entry is not None
        await MemoryJournal(owner="b", beside=journal).change(entry, State.NOT_HAPPENED)
        return 5

    gate = Gate([pay], backends=Backends(journal=journal), listeners=[captured])
    assert (await gate.session(ANA).call("pay", {}, key="order-77")).value == 5
    verdicts = [event.verdict for event in captured.events if isinstance(event, Decision)]
    assert verdicts == ["lost"]


async def test_an_intent_taken_over_before_its_attempt_is_not_tried() -> None:
    journal, done = MemoryJournal(), list[str]()

    async def act(call: ToolCall) -> str:
        done.append(call.key)
        return "paid"

    class Late(MemoryJournal):
        """Another owner is quicker between claim and start."""

        async def change(self, entry: Any, state: State, *rest: Any, **more: Any) -> Any:
            if state is State.STARTED:
                return None
            return await super().change(entry, state, *rest, **more)

    late = Late(owner="late", beside=journal)
    source = FakeSource([spec("pay", Effect.IRREVERSIBLE, concurrency=1, attempts=1)], pay=act)
    gate = Gate([source], backends=Backends(journal=late))
    result = await gate.session(ANA).call("pay", {}, key="order-77")
    assert "Somebody else has taken the call over" in result.text()
    assert done == []


async def test_a_journal_in_memory_forgets_the_oldest_that_is_known() -> None:
    world, journal = World(), MemoryJournal(most=2)
    session = world.gate(journal).session(ANA)
    for n in range(4):
        await session.call("pay", {"cents": n}, key=f"k{n}")
    assert [key.rpartition("/")[2] for key in journal._entries] == ["k2", "k3"]
