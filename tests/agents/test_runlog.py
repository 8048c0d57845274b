import json
from collections.abc import Sequence
from decimal import Decimal
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.agents.budget import Reason
from callgate.agents.runlog import FORMAT, RunLog, standing
from callgate.agents.runstate import (
    LogEvent,
    ModelAnswered,
    RunEnded,
    RunResumed,
    RunStarted,
    RunStatus,
    RunSuspended,
    TurnAnswered,
)
from callgate.errors import BudgetError, RunError, ToolFailedError, UnknownToolError
from callgate.messages import (
    Answer,
    Answered,
    CallPart,
    Message,
    ModelResponse,
    Opaque,
    ResultPart,
    Role,
    StopReason,
    Usage,
)
from callgate.types import (
    FilePart,
    ImagePart,
    Pending,
    Principal,
    Repair,
    SessionState,
    Status,
    Text,
    ToolResult,
)

ANA = Principal(id="ana", roles=frozenset({"clerk"}), tenant="acme", attributes={"level": 3})
SESSION = SessionState(id="s1", principal=ANA, revision="sha256:1", turn=0)
CALL = CallPart(id="c1", name="add", arguments='{"a":1,"b":2}')
OK = ToolResult(status=Status.OK, value=3, body=b"3")


def said(role: Role, text: str) -> Message:
    return Message(role=role, parts=(Text(text=text),))


def answered(*parts: CallPart | Text, stop: StopReason = StopReason.CALLS) -> ModelResponse:
    message = Message(role=Role.ASSISTANT, parts=parts)
    return ModelResponse(message=message, stop=stop, usage=Usage(input=7, output=2), model="m")


def outcome(*results: tuple[CallPart, ToolResult], turn: int = 1) -> Answer:
    """What a session says to these results; it has a message unless one of them waits."""
    waits = any(result.status is Status.PENDING for _, result in results)
    parts = tuple(
        ResultPart(call_id=call.id, name=call.name, text=result.text(), error=not result.ok)
        for call, result in results
    )
    return Answer(
        answered=tuple(Answered(call=call, result=result) for call, result in results),
        messages=() if waits else (Message(role=Role.TOOL, parts=parts),),
        turn=turn,
    )


START = RunStarted(messages=(said(Role.USER, "1 + 2?"),), session=SESSION, model="m")
ASKED = ModelAnswered(response=answered(CALL), turn=1, seconds=0.5, cost=Decimal("0.10"))
ANSWERED = TurnAnswered(answer=outcome((CALL, OK)), session=SESSION, seconds=0.25)
FINAL = ModelAnswered(
    response=answered(Text(text="3"), stop=StopReason.END), seconds=0.5, cost=Decimal("0.02")
)
DONE = RunEnded(status=RunStatus.DONE, reason=Reason.ANSWER)
WHOLE = (START, ASKED, ANSWERED, FINAL, DONE)


def lines(events: Sequence[LogEvent], run: str = "r1") -> list[str]:
    return list(RunLog(run, events).lines())


def reload(*events: LogEvent) -> RunLog:
    return RunLog.load(lines(events))


# --- the fold -------------------------------------------------------------------------------


def test_the_state_of_a_run_is_a_fold_over_its_events() -> None:
    state = RunLog("r1", WHOLE).state()

    assert (state.status, state.reason, state.final) == (RunStatus.DONE, Reason.ANSWER, True)
    assert [message.role for message in state.messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert (state.spent.turns, state.spent.calls, state.spent.refusals) == (1, 1, 0)
    assert state.spent.usage == Usage(input=14, output=4)
    assert (state.spent.seconds, state.spent.cost) == (1.25, Decimal("0.12"))


def test_calls_are_open_from_the_models_answer_until_their_results() -> None:
    state = RunLog("r1", WHOLE[:2]).state()
    assert (state.calls, state.turn, state.final) == ((CALL,), 1, False)

    state.apply(ANSWERED)
    assert (state.calls, state.answer) == ((), None)


def test_waiting_calls_stay_open_until_their_replies_are_used() -> None:
    waiting = ToolResult(status=Status.PENDING, pending=Pending(kind="approval", prompt="Sure?"))
    asks = TurnAnswered(answer=outcome((CALL, waiting)), session=SESSION)
    state = RunLog("r1", (START, ASKED, asks, RunSuspended())).state()
    assert (state.answer, state.status, state.replies) == (asks.answer, RunStatus.WAITING, {})

    state.apply(RunResumed(replies={"c1": True}))
    assert (state.status, state.reason, state.replies) == (RunStatus.RUNNING, None, {"c1": True})

    state.apply(ANSWERED)
    assert (state.answer, state.replies, state.spent.turns) == (None, {}, 1)


def test_calls_refused_by_the_budget_are_not_counted_and_refused_turns_are() -> None:
    refused = ToolResult(status=Status.ERROR, error=UnknownToolError("There is no tool ad."))
    unpaid = ToolResult(status=Status.ERROR, error=BudgetError("Used up."))
    other = CallPart(id="c2", name="add", arguments="{}")
    both = ModelAnswered(response=answered(CALL, other), turn=1)
    turn = TurnAnswered(answer=outcome((CALL, refused), (other, unpaid)), session=SESSION)

    state = RunLog("r1", (START, both, turn, both, turn)).state()
    assert (state.spent.turns, state.spent.calls, state.spent.refusals) == (2, 2, 2)

    for event in (ASKED, ANSWERED):
        state.apply(event)
    assert (state.spent.turns, state.spent.calls, state.spent.refusals) == (3, 3, 0)


def test_one_request_without_a_price_makes_the_cost_unknown() -> None:
    free = ModelAnswered(response=answered(CALL), turn=1)

    assert RunLog("r1", (START, free, ANSWERED, FINAL)).state().spent.cost is None


def test_the_seconds_of_a_request_without_an_answer_count() -> None:
    late = RunEnded(status=RunStatus.STOPPED, reason=Reason.SECONDS, seconds=3.0)

    assert RunLog("r1", (START, late)).state().spent.seconds == 3.0


@pytest.mark.parametrize(
    "events",
    [
        (START, START),
        (ASKED,),
        (START, ASKED, FINAL),
        (START, ANSWERED),
        (START, RunResumed(replies={"c1": True})),
        (START, RunSuspended()),
    ],
    ids=["two starts", "no start", "calls open", "no calls", "nothing waited", "nothing waits"],
)
def test_events_that_cannot_follow_each_other_are_refused(events: Sequence[LogEvent]) -> None:
    with pytest.raises(RunError):
        RunLog("r1", events).state()


# --- appending ------------------------------------------------------------------------------


def test_the_same_event_again_changes_nothing() -> None:
    log = RunLog("r1", WHOLE)

    for sequence, event in enumerate(reload(*WHOLE).events):
        log.append(event, sequence)

    assert log.events == list(WHOLE)


def test_another_event_in_the_same_place_is_refused() -> None:
    log = RunLog("r1", WHOLE)

    with pytest.raises(RunError, match="event 1 is in the log already and differs"):
        log.append(FINAL, 1)
    assert len(log) == 5


@pytest.mark.parametrize("sequence", [-1, 6])
def test_an_event_cannot_leave_a_gap(sequence: int) -> None:
    log = RunLog("r1", WHOLE)

    with pytest.raises(RunError, match=f"event {sequence} cannot follow event 4"):
        log.append(DONE, sequence)


def test_events_are_appended_at_the_end_with_or_without_their_place() -> None:
    log = RunLog("r1")
    log.append(START)
    log.append(ASKED, 1)

    assert log.events == [START, ASKED]


# --- lines ----------------------------------------------------------------------------------


def test_a_log_comes_back_from_its_lines_with_the_same_lines_and_the_same_run() -> None:
    log = reload(*WHOLE)

    assert (log.run, len(log)) == ("r1", 5)
    assert list(log.lines()) == lines(WHOLE)


def test_lines_can_be_taken_from_any_place_on() -> None:
    log = RunLog("r1", WHOLE)

    assert list(log.lines(3)) == lines(WHOLE)[3:]


def test_a_line_tells_run_place_format_digest_and_event() -> None:
    line = json.loads(lines((START, RunSuspended()))[1])

    assert line == {
        "run": "r1",
        "sequence": 1,
        "format": FORMAT,
        "digest": line["digest"],
        "event": {"type": "run_suspended"},
    }


def test_everything_in_messages_and_results_comes_back() -> None:
    rich = ToolResult(
        status=Status.ERROR,
        error=ToolFailedError("No such order.", details={"order": 7}),
        content=(
            Text(text="see"),
            ImagePart(media_type="image/png", data=b"\x89PNG"),
            ImagePart(media_type="image/png", url="https://example.org/a.png"),
            FilePart(media_type="text/csv", name="a.csv", data=b"1,2"),
        ),
        repairs=(Repair(path="$.a", kind="parsed_string", before='"1"', after="1"),),
        notes=("[Cut.]",),
        handle="h1",
        attempts=2,
    )
    waiting = ToolResult(
        status=Status.PENDING,
        pending=Pending(kind="approval", prompt="Sure?", schema={"type": "boolean"}),
        attempts=0,
    )
    thought = Opaque(wire="anthropic", model="m", data={"signature": "x"})
    second = CallPart(id="c2", name="pay", arguments={"cents": 10**30}, truncated=True)
    part = ResultPart(call_id="c0", name="x", text="y", content=rich.content, error=True)
    history = Message(role=Role.TOOL, parts=(part,))
    response = ModelResponse(
        message=Message(role=Role.ASSISTANT, parts=(thought, Text(text="hm"), CALL, second)),
        stop=StopReason.LENGTH,
        usage=Usage(input=1, output=2, cached=3, requests=1),
        model="m",
    )
    session = SessionState(
        id="s1",
        principal=ANA,
        revision="2",
        turn=4,
        labels=frozenset({"mail", "web"}),
        disclosed=frozenset({"read_result"}),
    )
    wait = TurnAnswered(answer=outcome((CALL, rich), (second, waiting), turn=4), session=session)

    log = reload(
        RunStarted(messages=(history,), session=session),
        ModelAnswered(response=response, turn=4, forced=Reason.TURNS, seconds=1.5),
        wait,
    )

    start, model, turn = log.events
    assert isinstance(start, RunStarted)
    assert isinstance(model, ModelAnswered)
    assert isinstance(turn, TurnAnswered)
    assert (start.session, start.messages[0].parts) == (session, history.parts)
    assert model.response.message.parts == response.message.parts
    assert (model.response.usage, model.response.stop) == (response.usage, StopReason.LENGTH)
    assert (model.turn, model.forced, model.seconds, model.cost) == (4, Reason.TURNS, 1.5, None)
    assert (turn.answer.turn, turn.answer.messages, turn.session) == (4, (), session)
    first, last = (item.result for item in turn.answer.answered)
    assert isinstance(first.error, ToolFailedError)
    assert first.error.to_json() == rich.error.to_json() if rich.error else False
    assert (first.content, first.repairs, first.notes) == (rich.content, rich.repairs, rich.notes)
    assert (first.handle, first.attempts, last.pending) == ("h1", 2, waiting.pending)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(arguments=JSON, reply=JSON, text=st.text())
def test_any_json_comes_back_exactly(arguments: Any, reply: Any, text: str) -> None:
    call = CallPart(id="c1", name="t", arguments=arguments)
    pending = Pending(kind="k", prompt=text)
    waits = TurnAnswered(
        answer=outcome((call, ToolResult(status=Status.PENDING, value=arguments, pending=pending))),
        session=SESSION,
    )
    events = (
        RunStarted(messages=(said(Role.USER, text),), session=SESSION),
        ModelAnswered(response=answered(call), turn=1),
        waits,
        RunResumed(replies={"c1": reply}),
    )

    log = reload(*events)

    state = log.state()
    assert (state.messages[0].text, state.replies) == (text, {"c1": reply})
    assert state.answer == waits.answer
    assert list(log.lines()) == lines(events)


@given(text=st.text(st.characters(categories=["Cs"]), min_size=1, max_size=1))
def test_a_lone_surrogate_that_a_model_wrote_comes_back(text: str) -> None:
    log = reload(RunStarted(messages=(said(Role.USER, text),), session=SESSION))

    assert log.state().messages[0].text == text


def test_a_value_is_not_written_twice_when_its_body_says_it() -> None:
    line = json.loads(lines((START, ASKED, ANSWERED))[2])

    assert line["event"]["answer"]["answered"][0]["result"] == {
        "status": "ok",
        "attempts": 1,
        "body": "3",
        "parsed": True,
    }


def test_messages_of_a_foreign_wire_stay_as_they_are() -> None:
    theirs = {"role": "tool", "tool_call_id": "c1", "content": "3"}
    answer = Answer(
        answered=(Answered(call=CALL, result=OK),), messages=(theirs,), wire="openai", turn=1
    )

    turn = reload(START, ASKED, TurnAnswered(answer=answer, session=SESSION)).events[2]

    assert isinstance(turn, TurnAnswered)
    assert turn.answer == answer


# --- lines that cannot be read --------------------------------------------------------------


def test_the_last_line_tells_how_a_run_stands() -> None:
    told: list[tuple[LogEvent, RunStatus | None]] = [
        (RunEnded(status=RunStatus.STOPPED, reason=Reason.TURNS), RunStatus.STOPPED),
        (RunSuspended(), RunStatus.WAITING),
        (RunResumed(replies={}), None),
    ]
    for event, status in told:
        (line,) = RunLog("r", [event]).lines()
        assert standing(line) is status


def test_empty_lines_and_bytes_are_read() -> None:
    given_lines = [line.encode() for line in lines(WHOLE)]

    assert len(RunLog.load([*given_lines, b"", b"\n"])) == 5


def test_no_lines_are_no_log() -> None:
    with pytest.raises(RunError, match="empty"):
        RunLog.load([""])


@pytest.mark.parametrize(
    "line",
    ['{"run":"r1","seque', "[]", "7", "{}", '{"format":"x"}', b"\xff\xfe{}"],
)
def test_a_line_that_is_no_event_is_named_with_the_way_out(line: str | bytes) -> None:
    with pytest.raises(RunError, match=r"Line 2 is not an event.*remove it"):
        RunLog.load([lines(WHOLE)[0], line])


def test_a_changed_line_is_found_by_its_digest() -> None:
    changed = lines(WHOLE)
    changed[2] = changed[2].replace('"body":"3"', '"body":"4"')

    with pytest.raises(RunError, match="Line 3 of the run log is damaged: its digest"):
        RunLog.load(changed)


def test_a_lost_line_is_found() -> None:
    with pytest.raises(RunError, match="event 2 cannot follow event 0"):
        RunLog.load([line for i, line in enumerate(lines(WHOLE)) if i != 1])


def test_a_repeated_line_changes_nothing() -> None:
    twice = [line for line in lines(WHOLE) for _ in range(2)]

    assert list(RunLog.load(twice).lines()) == lines(WHOLE)


def test_a_line_of_another_run_is_refused() -> None:
    with pytest.raises(RunError, match="Line 2 is of run r2, the log of run r1"):
        RunLog.load([lines(WHOLE)[0], lines(WHOLE, run="r2")[1]])


def test_a_line_of_a_newer_version_is_refused_with_the_fix() -> None:
    newer = lines(WHOLE)[0].replace(f'"format":{FORMAT}', f'"format":{FORMAT + 1}')

    with pytest.raises(RunError, match="update callgate"):
        RunLog.load([newer])


def test_an_event_of_an_unknown_kind_is_refused() -> None:
    body = '{"type":"run_dreamed"}'
    digest = blake2b(body.encode(), digest_size=16).hexdigest()
    line = f'{{"run":"r1","sequence":0,"format":{FORMAT},"digest":"{digest}","event":{body}}}'

    with pytest.raises(RunError, match=r"Line 1 .* is damaged: .*'run_dreamed'"):
        RunLog.load([line])
