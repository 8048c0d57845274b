"""The public doubles behave like what they stand for."""

from __future__ import annotations

import asyncio

import pytest

from callgate.errors import ModelRequestError, ModelUnavailableError
from callgate.messages import (
    CallDelta,
    Message,
    ModelRequest,
    ResponseDone,
    Role,
    StopReason,
    TextDelta,
)
from callgate.pipeline import LoopClock
from callgate.testing import FakeClock, FakeSource, ScriptedModel, calls, says
from callgate.types import Text
from tests.path.tools import spec

REQUEST = ModelRequest(messages=[Message(role=Role.USER, parts=(Text(text="hi"),))])


async def test_a_scripted_model_says_what_was_written_and_then_that_it_is_over() -> None:
    model = ScriptedModel([says("hello"), lambda request: says(str(len(request.messages)))])
    assert (await model.complete(REQUEST)).message.text == "hello"
    assert (await model.complete(REQUEST)).message.text == "1"
    with pytest.raises(ModelRequestError, match="The script ends after 2 answers"):
        await model.complete(REQUEST)
    assert (model.requests, model.last) == (3, REQUEST)
    await model.close()


async def test_a_scripted_model_may_fail() -> None:
    model = ScriptedModel([ModelUnavailableError("down")])
    with pytest.raises(ModelUnavailableError):
        await model.complete(REQUEST)


async def test_a_scripted_model_streams_its_answer() -> None:
    model = ScriptedModel([says("a b"), calls(("t", {"x": 1}), ("u", "{"), ids=["one"])])
    assert [event async for event in model.stream(REQUEST)][:2] == [
        TextDelta(text="a"),
        TextDelta(text="b"),
    ]
    *deltas, done = [event async for event in model.stream(REQUEST)]
    assert deltas == [
        CallDelta(index=0, id="one", name="t", arguments='{"x":1}'),
        CallDelta(index=1, id="c2", name="u", arguments="{"),
    ]
    assert isinstance(done, ResponseDone)
    assert done.response.stop is StopReason.CALLS


async def test_a_fake_clock_wakes_sleepers_in_order_and_only_when_it_is_moved() -> None:
    clock, woken = FakeClock(), list[int]()

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.ensure_future(sleeper(n)) for n in (3, 1, 2)]
    await clock.settle()
    clock.advance(2.5)
    await clock.settle()
    assert woken == [1, 2]
    tasks[0].cancel()
    clock.advance(1)
    await clock.settle()
    assert (woken, clock.time()) == ([1, 2], 1003.5)


async def test_an_instant_clock_moves_itself() -> None:
    clock = FakeClock(instant=True)
    await clock.sleep(5)
    assert (clock.time(), clock.slept) == (1005.0, [5])


async def test_the_loops_clock_sleeps_and_calls_back() -> None:
    clock, due = LoopClock(), asyncio.Event()
    clock.call_at(clock.time(), due.set)
    await clock.sleep(0)
    await asyncio.wait_for(due.wait(), 5)
    assert due.is_set()


def test_a_fake_source_lists_tools_by_name_or_as_given() -> None:
    assert [tool.name for tool in FakeSource({"a": 1, "b": 2}).list()] == ["a", "b"]
    assert FakeSource([spec("c")]).list() == [spec("c")]
