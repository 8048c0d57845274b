"""What a server may ask and refuse, answer by answer."""

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callgate import CallPart, Gate
from callgate.session import Session
from callgate.sources.mcp import McpServer, McpSource
from callgate.testing import FakeClock
from callgate.types import Effect, Limits, Pending, Status

ODD = (sys.executable, "-I", str(Path(__file__).parent / "odd.py"))


async def sample(params: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": params["messages"], "model": "m"}


def odd(clock: FakeClock | None = None) -> McpSource:
    server = McpServer(
        name="odd",
        command=ODD,
        effects={"*": Effect.READ},
        limits=Limits(timeout=30.0, attempts=1),
        roots=("file:///srv",),
    )
    return McpSource(server, sampler=sample, clock=clock)


@pytest.fixture
async def session() -> AsyncIterator[Session]:
    source = odd()
    await source.connect()
    assert "bad" not in {tool.name for tool in source.list()}
    gate = Gate([source])
    yield gate.session()
    await gate.close()


async def test_a_refused_header_is_answered_by_a_new_listing(session: Session) -> None:
    assert (await session.call("mismatch", {})).text() == '"\\"found\\""'
    assert (await session.call("ok", {})).ok


async def test_a_state_without_questions_is_sent_back(session: Session) -> None:
    assert (await session.call("again", {})).text() == '"\\"s2\\""'


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("forever", "asks on and on"),
        ("wants", "asks for 'magic/do'"),
        ("big", "state is longer than"),
    ],
)
async def test_what_nobody_can_answer_is_an_error(name: str, told: str, session: Session) -> None:
    result = await session.call(name, {})
    assert result.status is Status.ERROR
    assert told in result.text()


async def test_several_questions_are_put_together_and_the_rest_answered_by_us(
    session: Session,
) -> None:
    answer = await session.turn([CallPart(id="1", name="many", arguments={})])
    pending = answer.waiting[0].result.pending
    assert pending is not None
    assert pending.kind in {"elicitation", "elicitation_url"}
    assert pending.prompt == "Sure?\nGo to https://x.example/a"
    assert pending.schema["required"] == ["a", "b"]
    done = await session.resume(answer, {"1": {"a": {"sure": True}, "b": "accept"}})
    responses, state = done.answered[0].result.unwrap()
    assert state == "s1"
    assert responses == {
        "a": {"action": "accept", "content": {"sure": True}},
        "b": {"action": "accept"},
        "c": {"roots": [{"uri": "file:///srv"}]},
        "d": {"role": "assistant", "content": [], "model": "m"},
    }


@pytest.mark.parametrize(("reply", "ok"), [("accept", True), ("decline", False)])
async def test_an_address_to_visit_makes_the_call_wait(
    reply: str, ok: bool, session: Session
) -> None:
    answer = await session.turn([CallPart(id="1", name="url", arguments={})])
    pending = answer.waiting[0].result.pending
    assert pending is not None
    assert (pending.kind, pending.schema) == (
        "elicitation_url",
        {"enum": ["accept", "decline", "cancel"]},
    )
    done = await session.resume(answer, {"1": reply})
    assert done.answered[0].result.ok is ok


async def test_a_wait_that_is_not_ours_is_not_resumed(session: Session) -> None:
    answer = await session.turn([CallPart(id="1", name="url", arguments={})])
    (item,) = answer.answered
    strange = replace(item.result, pending=Pending(kind="approval", prompt="Sure?"))
    done = await session.resume(
        replace(answer, answered=(replace(item, result=strange),)), {"1": True}
    )
    assert "is lost" in done.answered[0].result.text()


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (-32602, "no", "tool_failed"),
        (-32601, "no", "tool_failed"),
        (-32603, "no", "tool_raised"),
        (-32000, "busy", "transient"),
        (-32001, "late", "transient"),
        (-32700, "what", "result"),
        (-32600, "Session terminated", "transient"),
        (-32042, "no addresses", "tool_raised"),
        (7, "own", "tool_raised"),
    ],
)
async def test_errors_of_the_protocol_are_errors_of_ours(
    code: int, message: str, kind: str, session: Session
) -> None:
    result = await session.call("error", {"code": code, "message": message})
    assert result.error is not None
    assert result.error.code == kind
    assert (await session.call("ok", {})).ok


async def test_a_listing_is_looked_at_again_when_it_has_aged() -> None:
    clock = FakeClock()
    source = odd(clock)
    await source.connect()
    gate = Gate([source])
    call = gate.session().call
    assert (await call("ok", {})).ok
    clock.advance(61.0)
    assert (await call("ok", {})).ok
    assert source.changes == {}
    await gate.close()
