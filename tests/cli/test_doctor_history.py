from pathlib import Path

import orjson
import pytest

from callgate.agents.runlog import RunLog
from callgate.agents.runstate import ModelAnswered, RunStarted
from callgate.codecs.stored import message_to_json
from callgate.messages import CallPart, Message, ModelResponse, ResultPart, Role, StopReason, Usage
from callgate.types import Principal, SessionState, Text
from tests.cli.conftest import Command

ASKED = Message(role=Role.USER, parts=(Text(text="2 + 1?"),))
CALL = CallPart(id="call_1", name="add", arguments={"a": 2, "b": 1})
CALLED = Message(role=Role.ASSISTANT, parts=(CALL,))
RESULT = Message(role=Role.TOOL, parts=(ResultPart(call_id="call_1", name="add", text="3"),))


def stored(file: Path, *messages: Message) -> str:
    file.write_bytes(orjson.dumps([message_to_json(message) for message in messages]))
    return file.name


def test_a_history_that_is_well_exits_with_0(callgate: Command, project: Path) -> None:
    file = stored(project / "a.json", ASKED, CALLED, RESULT)
    done = callgate("doctor", "history", file, "--wire", "anthropic")
    assert (done.code, done.out) == (0, "healthy: 3 messages, nothing to repair\n")


def test_a_repair_is_told_with_its_place_and_exits_with_1(callgate: Command, project: Path) -> None:
    file = stored(project / "a.json", ASKED, CALLED)
    done = callgate("doctor", "history", file, "--wire", "openai")
    assert done.code == 1
    assert done.out.startswith("messages[1].parts[0]  unanswered_call  ")
    told = callgate("doctor", "history", file, "--wire", "openai", "-m", "gpt-6", "--json")
    assert told.code == 1
    report = told.json
    (repair,) = report.pop("repairs")
    assert report == {"wire": "openai", "model": "gpt-6", "messages": 2, "healthy": False}
    assert (repair["place"], repair["fault"]) == ("messages[1].parts[0]", "unanswered_call")


def test_a_run_log_is_read_as_its_conversation(callgate: Command, project: Path) -> None:
    session = SessionState(id="s", principal=Principal(id="p"), revision="1")
    answer = ModelResponse(message=CALLED, stop=StopReason.CALLS, usage=Usage(), model="m")
    events = (
        RunStarted(messages=(ASKED,), session=session, model="m"),
        ModelAnswered(response=answer),
    )
    lines = "".join(f"{line}\n" for line in RunLog("r", events).lines())
    (project / "run.jsonl").write_text(lines, encoding="utf-8")
    told = callgate("doctor", "history", "run.jsonl", "--wire", "gemini", "--json")
    assert told.code == 1
    assert told.json["messages"] == 2
    assert [repair["fault"] for repair in told.json["repairs"]] == ["unanswered_call"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "run: The log is empty."),
        ("{}", "run: Line 1 is not an event of a run log; "),
        ("[7]", "run: a.json is not an array of stored messages: "),
        ("[", "run: a.json is not an array of stored messages: "),
        ('[{"role": "user"}]', "run: a.json is not an array of stored messages: KeyError('parts')"),
    ],
)
def test_a_file_of_another_form_is_one_line(
    callgate: Command, project: Path, text: str, told: str
) -> None:
    (project / "a.json").write_text(text, encoding="utf-8")
    done = callgate("doctor", "history", "a.json", "--wire", "openai")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(told)
    assert done.err.count("\n") == 1


def test_a_file_that_is_not_there_is_one_line(callgate: Command) -> None:
    done = callgate("doctor", "history", "gone", "--wire", "openai")
    assert (done.code, done.err) == (1, "run: gone cannot be read: No such file or directory.\n")


def test_an_unknown_wire_names_the_known_ones(callgate: Command, project: Path) -> None:
    file = stored(project / "a.json", ASKED)
    done = callgate("doctor", "history", file, "--wire", "telex")
    assert done.code == 2
    assert done.err.startswith("settings: There is no wire 'telex'; there are: openai, ")


@pytest.mark.usefixtures("project")
def test_doctor_alone_still_looks_at_what_is_ready(callgate: Command) -> None:
    assert callgate("doctor", "--json").json[0]["name"] == "python"
