"""What every source keeps, whatever it speaks; one suite that runs over each of them.

A test module makes its source over a backend of its own, gives it as the fixture `subject`, and
inherits the parts that its source has words for:

    class TestMySource(Answers, Deadlines, WireKeys, Outcomes, Absence, Waits, Secrecy):
        pass

`PARTS` lists them all. A part that is left out is something the source cannot say at all (no SQL
database asks to come back in seven seconds), never something it does not keep.

The backend offers one tool for each role, under the role's name; every tool takes one string,
`text`:

| role | effect | what the backend does |
|---|---|---|
| `echo` | read | answers an object whose `text` is the text |
| `put` | idempotent | keeps the text under the key it was sent; answers like `echo` |
| `send` | irreversible | keeps the text; answers like `echo` |
| `refuse` | read | says for good that it has no order 77, and shows whatever secret it was sent |
| `flood` | read | answers far more than `FLOOD` bytes |
| `garbage` | read | answers what its protocol does not allow |
| `busy` | read | asks once to come back in `WAIT` seconds, then answers like `echo` |
| `hang`, `hang_send` | read, irreversible | take the call and never answer |
| `break_read`, `break_put`, `break_send` | each of the three | take the call and break down once |
|  |  | before a word of the answer; then answer like `echo` |
"""

import asyncio
import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from callgate import Gate
from callgate.pipeline import Closing, Source
from callgate.schema.check import Checker
from callgate.session import Session
from callgate.testing import Captured, FakeClock
from callgate.types import CallClosed, Effect, Status, ToolResult

__all__ = [
    "FLOOD",
    "PARTS",
    "ROLES",
    "WAIT",
    "Absence",
    "Answers",
    "Arrival",
    "Deadlines",
    "Keys",
    "Outcomes",
    "Secrecy",
    "Subject",
    "Waits",
    "WireKeys",
    "everything",
]

WAIT = 7.0
"""Seconds that `busy` asks for."""

FLOOD = 1_000_000
"""Bytes that `flood` has more of than."""

ROLES = {
    "echo": Effect.READ,
    "put": Effect.IDEMPOTENT,
    "send": Effect.IRREVERSIBLE,
    "refuse": Effect.READ,
    "flood": Effect.READ,
    "garbage": Effect.READ,
    "busy": Effect.READ,
    "hang": Effect.READ,
    "hang_send": Effect.IRREVERSIBLE,
    "break_read": Effect.READ,
    "break_put": Effect.IDEMPOTENT,
    "break_send": Effect.IRREVERSIBLE,
}
"""The effect of every role."""


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """One attempt as the backend saw it; `key` is the idempotency key it was sent."""

    role: str
    text: str
    key: str | None = None


@dataclass(kw_only=True)
class Subject:
    """A source and what its backend saw.

    Attributes:
        source: The source under test.
        absent: The same over a backend that is not there; None where that cannot be.
        arrivals: What has reached the backend, in order.
        begun: Waits until the backend has taken a call of a role.
        quiet: Waits until the backend is at work for nobody: whoever gave up has told it.
        canaries: Secrets the source was given; they may be shown to the backend alone.
        shown: Secrets that the backend was shown.
        roles: The roles the backend has; a source that cannot break, say, leaves some out.
    """

    source: Source
    absent: Source | None = None
    arrivals: list[Arrival] = field(default_factory=list[Arrival])
    begun: Callable[[str], Awaitable[object]]
    quiet: Callable[[], Awaitable[object]]
    canaries: Sequence[str] = ()
    shown: set[str] = field(default_factory=set[str])
    roles: Sequence[str] = tuple(ROLES)

    def of(self, role: str) -> list[Arrival]:
        """Return the attempts of one role."""
        return [arrival for arrival in self.arrivals if arrival.role == role]


def session_over(source: Source, *listeners: Any, clock: FakeClock | None = None) -> Session:
    """Begin a session over one source; retries do not wait unless the backend asks for it."""
    return Gate([source], listeners=listeners, clock=clock, chance=lambda: 0.0).session()


async def _within(bound: float, waiting: Awaitable[object]) -> None:
    async with asyncio.timeout(bound):
        await waiting


@contextmanager
def no_task_left() -> Iterator[Callable[[], Awaitable[None]]]:
    """Give what waits for the tasks begun since, and fails if one does not end."""
    before = asyncio.all_tasks()

    async def settled() -> None:
        extra = asyncio.all_tasks() - before
        if extra:
            _, left = await asyncio.wait(extra, timeout=5)
            assert not left, f"tasks were left: {left}"

    yield settled


async def _close(source: Source) -> None:
    if isinstance(source, Closing):
        await source.aclose()


class Answers:
    """Calls get what the backend says, in words and sizes a model can use."""

    async def test_the_tools_are_contracts_with_the_effects_of_their_roles(
        self, subject: Subject
    ) -> None:
        tools = {tool.name: tool for tool in subject.source.list()}
        assert {name: tools[name].effect for name in subject.roles} == {
            role: ROLES[role] for role in subject.roles
        }
        for tool in tools.values():
            assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", tool.name)
            assert tool.description.strip()
            assert tool.parameters["type"] == "object"
            Checker(tool.parameters).compile()
            if tool.returns is not None:
                Checker(tool.returns).compile()

    async def test_the_list_is_the_same_when_nothing_has_changed(self, subject: Subject) -> None:
        assert list(subject.source.list()) == list(subject.source.list())

    async def test_a_call_gives_what_the_backend_answers(self, subject: Subject) -> None:
        for text in ("hello", "", 'quotes " and \\ and \n and ü and 😀', "%s {x} $1 ; --"):
            result = await session_over(subject.source).call("echo", {"text": text})
            assert (result.status, result.unwrap()["text"]) == (Status.OK, text)
            assert orjson.loads(result.body) == result.value
            assert result.attempts == 1

    async def test_calls_at_once_do_not_mix(self, subject: Subject) -> None:
        session = session_over(subject.source)
        texts = [f"text {number}" for number in range(30)]
        results = await asyncio.gather(*(session.call("echo", {"text": t}) for t in texts))
        assert [result.unwrap()["text"] for result in results] == texts

    async def test_a_refusal_is_told_and_final(self, subject: Subject) -> None:
        result = await session_over(subject.source).call("refuse", {"text": "x"})
        assert result.status is Status.ERROR
        assert result.error is not None
        assert result.error.code == "tool_failed"
        assert "77" in result.text()
        assert len(subject.of("refuse")) == 1

    async def test_a_result_keeps_its_budget(self, subject: Subject) -> None:
        result = await session_over(subject.source).call("flood", {"text": "x"})
        assert len(result.text()) < FLOOD / 2
        # Either the beginning with a handle for the rest, or an error that says what to do.
        assert result.handle is not None or result.error is not None or result.notes

    async def test_garbage_is_an_error_of_ours_that_names_the_tool(self, subject: Subject) -> None:
        if "garbage" not in subject.roles:
            return
        result = await session_over(subject.source).call("garbage", {"text": "x"})
        assert result.status is Status.ERROR
        assert result.error is not None
        assert result.error.code in {"result", "tool_failed", "transient"}
        assert "garbage" in result.text()

    async def test_a_closed_source_opens_again(self, subject: Subject) -> None:
        session = session_over(subject.source)
        await session.call("echo", {"text": "before"})
        await _close(subject.source)
        assert (await session.call("echo", {"text": "after"})).unwrap()["text"] == "after"


class Deadlines:
    """Calls end when their time is up or their caller leaves, at the backend too."""

    async def test_a_read_ends_at_its_deadline(self, subject: Subject) -> None:
        with no_task_left() as settled:
            result = await session_over(subject.source).call("hang", {"text": "x"}, timeout=0.3)
            assert (result.status, _code(result)) == (Status.ERROR, "deadline")
            await _within(5, subject.quiet())
            await _close(subject.source)
            await settled()

    async def test_an_effect_that_is_late_is_in_doubt(self, subject: Subject) -> None:
        with no_task_left() as settled:
            session = session_over(subject.source)
            result = await session.call("hang_send", {"text": "x"}, timeout=0.3)
            assert result.status is Status.IN_DOUBT
            assert len(subject.of("hang_send")) == 1
            await _within(5, subject.quiet())
            await _close(subject.source)
            await settled()

    async def test_a_caller_that_leaves_stops_the_backend(self, subject: Subject) -> None:
        with no_task_left() as settled:
            session = session_over(subject.source)
            calls = [
                asyncio.ensure_future(session.call("hang", {"text": str(number)}))
                for number in range(3)
            ]
            await _within(10, subject.begun("hang"))
            for call in calls:
                call.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert all(isinstance(one, asyncio.CancelledError) for one in ended)
            await _within(5, subject.quiet())
            await _close(subject.source)
            await settled()

    async def test_after_a_deadline_the_source_still_serves(self, subject: Subject) -> None:
        session = session_over(subject.source)
        await session.call("hang", {"text": "x"}, timeout=0.3)
        assert (await session.call("echo", {"text": "on"})).unwrap()["text"] == "on"


class Keys:
    """The key of the intent reaches the backend of an effect."""

    async def test_two_intents_have_two_keys(self, subject: Subject) -> None:
        session = session_over(subject.source)
        for text in ("a", "b"):
            await session.call("put", {"text": text})
        first, second = (arrival.key for arrival in subject.of("put"))
        assert first
        assert second
        assert first != second

    async def test_one_intent_has_one_key_in_every_session(self, subject: Subject) -> None:
        gate = Gate([subject.source])
        for _ in range(2):
            await gate.session(id="s").call("put", {"text": "a"}, key="order-7")
        first, second = (arrival.key for arrival in subject.of("put"))
        assert first == second


class WireKeys(Keys):
    """A key that is written into a protocol cannot change anything else in it."""

    async def test_a_hostile_key_changes_nothing_but_the_key(self, subject: Subject) -> None:
        hostile = "k\r\nX-Evil: 1\0\x1b[2J" + "x" * 5000 + "ü"
        result = await session_over(subject.source).call("put", {"text": "a"}, key=hostile)
        assert result.unwrap()["text"] == "a"
        (arrival,) = subject.of("put")
        assert arrival.key
        assert len(arrival.key) <= 255
        assert arrival.key.isascii()
        assert arrival.key.isprintable()


class Outcomes:
    """What broke is tried again only where that cannot do harm."""

    async def test_a_read_that_broke_is_tried_again(self, subject: Subject) -> None:
        result = await session_over(subject.source).call("break_read", {"text": "x"})
        assert (result.unwrap()["text"], result.attempts) == ("x", 2)

    async def test_an_idempotent_effect_that_broke_is_tried_again_with_its_key(
        self, subject: Subject
    ) -> None:
        result = await session_over(subject.source).call("break_put", {"text": "x"})
        assert (result.unwrap()["text"], result.attempts) == ("x", 2)
        first, second = subject.of("break_put")
        assert first == second
        assert first.key

    async def test_any_other_effect_that_broke_is_in_doubt_and_not_repeated(
        self, subject: Subject
    ) -> None:
        result = await session_over(subject.source).call("break_send", {"text": "x"})
        assert result.status is Status.IN_DOUBT
        assert len(subject.of("break_send")) == 1


class Absence:
    """A backend that is not there has done nothing, and the source knows it."""

    @pytest.mark.parametrize("role", ["echo", "put", "send"])
    async def test_a_backend_that_is_not_there_is_known_not_to_have_acted(
        self, subject: Subject, role: str
    ) -> None:
        assert subject.absent is not None
        result = await session_over(subject.absent).call(role, {"text": "x"})
        assert (result.status, _code(result)) == (Status.ERROR, "transient")
        assert result.attempts == 3
        await _close(subject.absent)


class Waits:
    """A backend that says when to come back is asked then, and not before."""

    async def test_the_wait_a_backend_asks_for_is_kept(self, subject: Subject) -> None:
        clock = FakeClock(instant=True)
        result = await session_over(subject.source, clock=clock).call("busy", {"text": "x"})
        assert (result.unwrap()["text"], result.attempts) == ("x", 2)
        assert clock.slept == [WAIT]

    async def test_a_wait_beyond_the_time_of_the_call_is_an_error_at_once(
        self, subject: Subject
    ) -> None:
        session = session_over(subject.source)
        result = await session.call("busy", {"text": "x"}, timeout=WAIT - 1)
        assert (result.status, _code(result), result.attempts) == (Status.ERROR, "transient", 1)


class Secrecy:
    """Secrets go to the backend and nowhere else."""

    async def test_no_secret_is_in_what_the_source_says_shows_or_logs(
        self, subject: Subject, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        seen = Captured()
        session = session_over(subject.source, seen)
        bounded = {"hang", "hang_send", "busy"}
        for role in subject.roles:
            await session.call(role, {"text": "x"}, timeout=0.3 if role in bounded else None)
        assert subject.shown == set(subject.canaries), "the backend was shown every secret"
        written = [repr(subject.source), str(subject.source), caplog.text]
        written += [repr(tool) for tool in subject.source.list()]
        for event in seen.events:
            written.append(repr(event))
            if isinstance(event, CallClosed):
                written += everything(event.result)
        for canary in subject.canaries:
            places = [text for text in written if canary in text]
            assert places == []


def everything(result: ToolResult) -> Iterator[str]:
    """Yield all that could be written of a result, and of what an error drags along."""
    yield result.text()
    yield repr(result)
    error: BaseException | None = result.error
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        summary = traceback.TracebackException.from_exception(error, capture_locals=True)
        yield "".join(summary.format())
        yield repr(vars(error))
        error = error.__cause__ or error.__context__


def _code(result: ToolResult) -> str | None:
    return None if result.error is None else result.error.code


PARTS = (Absence, Answers, Deadlines, Keys, Outcomes, Secrecy, Waits, WireKeys)
"""All parts of the suite."""
