"""What the history doctor repairs, and that its patients are well afterwards."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.codecs import by_name
from callgate.codecs.doctor import Fault, Treated, examine
from callgate.codecs.doctor_pairing import NOT_EXECUTED
from callgate.errors import SettingsError
from callgate.messages import CallPart, Message, ModelRequest, Opaque, Part, ResultPart, Role
from callgate.types import FilePart, ImagePart, Text
from tests.codecs.histories import WIRES, broken_rules, unsigned

Told = list[tuple[str, Fault]]


def user(*parts: Part | str) -> Message:
    return message(Role.USER, *parts)


def assistant(*parts: Part | str) -> Message:
    return message(Role.ASSISTANT, *parts)


def tool(*parts: Part | str) -> Message:
    return message(Role.TOOL, *parts)


def message(role: Role, *parts: Part | str) -> Message:
    return Message(
        role=role,
        parts=tuple(Text(text=part) if isinstance(part, str) else part for part in parts),
    )


def call(id: str = "c1", name: str = "add", arguments: Any = '{"a":1}') -> CallPart:
    return CallPart(id=id, name=name, arguments=arguments)


def result(id: str = "c1", name: str = "add", text: str = "2", **more: Any) -> ResultPart:
    return ResultPart(call_id=id, name=name, text=text, **more)


def missing(id: str = "c1", name: str = "add") -> ResultPart:
    return ResultPart(call_id=id, name=name, text=NOT_EXECUTED, error=True)


def parts(treated: Treated) -> list[tuple[Role, tuple[Part, ...]]]:
    return [(one.role, one.parts) for one in treated.messages]


def told(treated: Treated) -> Told:
    return [(repair.place, repair.fault) for repair in treated.repairs]


def treat(*messages: Message, wire: str = "openai", **more: Any) -> Treated:
    return examine(messages, wire=wire, **more)


# ------------------------------------------------------------------ what is well


def test_a_history_that_is_well_is_the_same_objects():
    history = [
        message(Role.SYSTEM, "Be brief."),
        user("add"),
        assistant("I will.", call(), call("c2")),
        tool(result("c2"), result("c1")),
        assistant("2 and 2"),
    ]
    treated = examine(history, wire="openai")
    assert treated.repairs == ()
    assert all(a is b for a, b in zip(treated.messages, history, strict=True))
    assert examine([], wire="openai") == Treated(messages=(), repairs=())


def test_an_unknown_wire_is_refused():
    with pytest.raises(SettingsError, match="no wire 'morse'"):
        examine([], wire="morse")


# ------------------------------------------------------------------ calls and results


def test_a_call_without_a_result_is_answered_as_not_executed():
    treated = treat(user("go"), assistant(call(), call("c2")), tool(result("c2")), user("on"))
    assert parts(treated)[2:] == [
        (Role.TOOL, (result("c2"),)),
        (Role.TOOL, (missing(),)),
        (Role.USER, (Text(text="on"),)),
    ]
    assert told(treated) == [("messages[1].parts[0]", Fault.UNANSWERED_CALL)]


def test_a_result_without_a_call_is_left_out():
    treated = treat(user("go"), tool(result("lost")), assistant("done"))
    assert [one.role for one in treated.messages] == [Role.USER, Role.ASSISTANT]
    assert told(treated) == [("messages[1].parts[0]", Fault.ORPHANED_RESULT)]


def test_a_second_result_of_a_call_is_left_out():
    treated = treat(user("go"), assistant(call()), tool(result(), result(text="3")), user("on"))
    assert parts(treated)[2] == (Role.TOOL, (result(),))
    assert told(treated) == [("messages[2].parts[1]", Fault.REPEATED_RESULT)]


@pytest.mark.parametrize("early", [False, True])
def test_a_result_in_the_wrong_place_is_put_after_its_call(early: bool):
    lost = tool(result())
    history = [user("go"), assistant(call()), user("and?")]
    history.insert(1 if early else 3, lost)
    treated = examine(history, wire="openai")
    assert parts(treated) == [
        (Role.USER, (Text(text="go"),)),
        (Role.ASSISTANT, (call(),)),
        (Role.TOOL, (result(),)),
        (Role.USER, (Text(text="and?"),)),
    ]
    assert told(treated) == [(f"messages[{1 if early else 3}].parts[0]", Fault.MISPLACED_RESULT)]


def test_each_message_with_calls_has_its_results_where_the_wire_wants_them():
    history = [user("go"), assistant(call()), assistant(call("c2")), tool(result(), result("c2"))]
    treated = examine(history, wire="openai")
    assert parts(treated)[1:] == [
        (Role.ASSISTANT, (call(),)),
        (Role.TOOL, (result(),)),
        (Role.ASSISTANT, (call("c2"),)),
        (Role.TOOL, (result("c2"),)),
    ]
    assert told(treated) == [("messages[3].parts[0]", Fault.MISPLACED_RESULT)]
    assert examine(history, wire="gemini").repairs == ()


def test_a_call_that_nobody_waits_for_may_stay_open():
    unattended = Opaque(wire="openai_responses", model="m", data={"call": {"async": True}})
    history = [user("go"), assistant(unattended, call()), user("and?")]
    assert examine(history, wire="openai_responses").repairs == ()
    answered = [*history, tool(result()), user("well")]
    assert examine(answered, wire="openai_responses").repairs == ()


def test_a_result_may_come_later_where_the_wire_allows_it():
    history = [user("go"), assistant(call()), user("wait"), tool(result()), user("on")]
    assert examine(history, wire="openai_responses").repairs == ()


def test_a_result_with_a_strange_id_answers_the_call_it_follows():
    treated = treat(user("go"), assistant(call()), tool(result("other")), user("on"))
    assert parts(treated)[2] == (Role.TOOL, (result(),))
    assert told(treated) == [("messages[2].parts[0]", Fault.UNMATCHED_RESULT)]


def test_ids_that_are_used_twice_are_told_apart_with_their_results():
    first = [user("go"), assistant(call(), call()), tool(result(text="1"), result(text="2"))]
    treated = treat(*first, assistant(call()), tool(result(text="3")))
    ids = [one.id for part in treated.messages for one in part.calls]
    answers = [
        (part.call_id, part.text)
        for one in treated.messages
        for part in one.parts
        if isinstance(part, ResultPart)
    ]
    assert len(set(ids)) == 3
    assert ids[0] == "c1"
    assert answers == list(zip(ids, ["1", "2", "3"], strict=True))
    assert told(treated) == [
        ("messages[1].parts[1]", Fault.DUPLICATE_ID),
        ("messages[3].parts[0]", Fault.DUPLICATE_ID),
    ]
    assert parts(treat(*treated.messages)) == parts(treated)


def test_a_call_without_an_id_gets_one():
    treated = treat(user("go"), assistant(call("")), tool(result("")))
    (only,) = treated.messages[1].calls
    assert only.id.startswith("call_")
    assert parts(treated)[2] == (Role.TOOL, (result(only.id),))
    assert told(treated) == [("messages[1].parts[0]", Fault.MISSING_ID)]


def test_an_id_that_gemini_never_sees_stays_such_a_one():
    own = f"gemini_{'0' * 24}"
    treated = treat(
        user("go"), assistant(call(own), call(own)), tool(result(own), result(own)), wire="gemini"
    )
    assert all(one.id.startswith("gemini_") for one in treated.messages[1].calls)


def test_a_result_gets_the_name_of_its_call_where_the_wire_sends_it():
    history = [user("go"), assistant(call()), tool(result(name=""))]
    assert examine(history, wire="openai").repairs == ()
    treated = examine(history, wire="ollama")
    assert parts(treated)[2] == (Role.TOOL, (result(),))
    assert told(treated) == [("messages[2].parts[0]", Fault.UNNAMED_RESULT)]


# ------------------------------------------------------------------ parts


def test_parts_of_other_models_and_wires_are_left_out():
    ours = Opaque(wire="anthropic", model="claude-opus-5-5", data={"block": {"type": "thinking"}})
    other = Opaque(wire="anthropic", model="claude-haiku-4-5", data={"block": {"type": "thinking"}})
    about = Opaque(wire="gemini", model="gemini-3-pro", data={"call": {"thoughtSignature": "s"}})
    treated = treat(
        user("go"),
        assistant(other, ours, about, call()),
        tool(result()),
        assistant(other),
        wire="anthropic",
        model="claude-opus-5-5",
    )
    assert parts(treated)[1:] == [
        (Role.ASSISTANT, (ours, call())),
        (Role.TOOL, (result(),)),
    ]
    assert told(treated) == [
        ("messages[1].parts[0]", Fault.FOREIGN_PART),
        ("messages[1].parts[3]", Fault.FOREIGN_PART),
        ("messages[3].parts[0]", Fault.FOREIGN_PART),
        ("messages[3]", Fault.EMPTY_MESSAGE),
    ]


def test_calls_that_gemini_did_not_make_are_signed_as_google_says():
    history = [
        user("old"),
        assistant(call("c0")),
        tool(result("c0")),
        user("go"),
        assistant(call(), call("c2")),
        tool(result(), result("c2")),
    ]
    treated = examine(history, wire="gemini", model="gemini-4-argon")
    signed, first, second = treated.messages[4].parts
    assert signed == Opaque(
        wire="gemini",
        model="gemini-4-argon",
        data={"call": {"thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="}},
    )
    assert (first, second) == (call(), call("c2"))
    assert told(treated) == [("messages[4].parts[0]", Fault.MISSING_SIGNATURE)]
    assert examine(treated.messages, wire="gemini", model="gemini-4-argon").repairs == ()
    assert examine(history, wire="gemini", model="gemini-2.5-pro").repairs == ()


@pytest.mark.parametrize("arguments", ["{", "[1]", None, 7])
def test_arguments_that_are_no_object_are_kept_as_text_in_one(arguments: Any):
    history = [user("go"), assistant(call(arguments=arguments)), tool(result())]
    treated = examine(history, wire="openai")
    assert treated.messages[1].calls[0].arguments == {"INVALID_JSON": str(arguments)}
    assert told(treated) == [("messages[1].parts[0]", Fault.ARGUMENTS)]


def test_no_arguments_are_an_empty_object():
    treated = treat(user("go"), assistant(call(arguments="")), tool(result()))
    assert treated.messages[1].calls[0].arguments == "{}"
    assert told(treated) == [("messages[1].parts[0]", Fault.ARGUMENTS)]


@pytest.mark.parametrize("arguments", ["{}", {"a": 1}])
def test_arguments_that_are_an_object_stay(arguments: Any):
    history = [user("go"), assistant(call(arguments=arguments)), tool(result())]
    assert examine(history, wire="anthropic").repairs == ()


def test_the_free_text_of_a_custom_tool_stays_on_its_wire_only():
    echo = Opaque(wire="openai_responses", model="m", data={"type": "custom_tool_call"})
    free = CallPart(id="c1", name="patch", arguments="*** Begin", echo=echo)
    history = [user("go"), assistant(free), tool(result(name="patch"))]
    assert examine(history, wire="openai_responses").repairs == ()
    treated = examine(history, wire="anthropic")
    assert treated.messages[1].calls[0].arguments == {"input": "*** Begin"}


def test_parts_in_the_wrong_message_are_moved_or_left_out():
    treated = treat(
        user("go", call("c9")),
        assistant(call(), result()),
        tool("a note", result("c1", text="3")),
    )
    assert parts(treated) == [
        (Role.USER, (Text(text="go"),)),
        (Role.ASSISTANT, (call(),)),
        (Role.TOOL, (result(),)),
        (Role.USER, (Text(text="a note"),)),
    ]
    assert told(treated) == [
        ("messages[0].parts[1]", Fault.MISPLACED_PART),
        ("messages[1].parts[1]", Fault.MISPLACED_PART),
        ("messages[2].parts[0]", Fault.MISPLACED_PART),
        ("messages[2].parts[1]", Fault.REPEATED_RESULT),
    ]


def test_a_message_of_misplaced_calls_only_is_left_out():
    treated = treat(user("go"), user(call()), assistant("no"))
    assert [one.role for one in treated.messages] == [Role.USER, Role.ASSISTANT]
    assert told(treated) == [("messages[1].parts[0]", Fault.MISPLACED_PART)]


def test_calls_of_tools_that_there_are_no_longer_become_text():
    picture = ImagePart(media_type="image/png", data=b"x")
    treated = treat(
        user("go"),
        assistant(call(), call("c2", "old", {"a": 1}), call("c3", "old", "{}")),
        tool(result(), result("c2", "old", "7", content=(picture,))),
        tool(result("c3", "old", "no", error=True)),
        tools={"add"},
    )
    gone = "[The tool old, which there is no longer, was called with"
    assert parts(treated)[1:] == [
        (
            Role.ASSISTANT,
            (
                call(),
                Text(text=f'{gone} {{"a":1}}. It answered: 7 (1 images or files left out)]'),
                Text(text=f"{gone} {{}}. It failed: no]"),
            ),
        ),
        (Role.TOOL, (result(),)),
    ]
    assert told(treated) == [
        ("messages[1].parts[1]", Fault.GONE_TOOL),
        ("messages[1].parts[2]", Fault.GONE_TOOL),
    ]


def test_an_open_call_of_a_tool_that_is_gone_is_told_without_a_result():
    unattended = Opaque(wire="openai_responses", model="m", data={"call": {"async": True}})
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    treated = treat(
        user("go"),
        assistant(unattended, call(name="old", arguments={"a": deep})),
        wire="openai_responses",
        tools=(),
    )
    (only,) = treated.messages[1].parts
    assert isinstance(only, Text)
    assert only.text.startswith("[The tool old, which there is no longer, was called with {'a': [[")


def test_what_a_wire_has_no_place_for_is_told_as_text():
    report = FilePart(media_type="application/pdf", name="r.pdf", url="https://x/r.pdf")
    sound = FilePart(media_type="audio/x-unheard", url="https://x/a")
    picture = ImagePart(media_type="image/png", data=b"x")
    strange = Opaque(wire="openai", model="m", data={"strange": 1})
    treated = treat(
        user("see", report),
        assistant(picture, strange, call()),
        tool(result(content=(sound, picture))),
    )
    cannot = "cannot be shown here]"
    assert parts(treated) == [
        (Role.USER, (Text(text="see"), Text(text=f"[A file (r.pdf) {cannot}"))),
        (
            Role.ASSISTANT,
            (
                Text(text=f"[An image (image/png) {cannot}"),
                call(),
            ),
        ),
        (
            Role.TOOL,
            (
                result(
                    text=f"2\n[A file (audio/x-unheard) {cannot}\n[An image (image/png) {cannot}"
                ),
            ),
        ),
    ]
    assert [fault for _, fault in told(treated)] == [Fault.NOT_CARRIED] * 4


def test_a_call_stays_when_only_what_is_said_about_it_has_no_place():
    about = Opaque(wire="gemini", model="m", data={"call": {}, "strange": 1})
    history = [user("go"), assistant(about, call()), tool(result())]
    treated = examine(history, wire="gemini", model="m")
    assert parts(treated)[1] == (Role.ASSISTANT, (call(),))
    assert told(treated) == [("messages[1].parts[1]", Fault.NOT_CARRIED)]


# ------------------------------------------------------------------ whole messages


def test_messages_with_nothing_in_them_are_left_out():
    treated = treat(user("go"), assistant(), user(" \n"), assistant("ok"), wire="anthropic")
    assert [one.text for one in treated.messages] == ["go", "ok"]
    assert told(treated) == [
        ("messages[1]", Fault.EMPTY_MESSAGE),
        ("messages[2]", Fault.EMPTY_MESSAGE),
    ]
    assert told(treat(user("go"), assistant(), user(""))) == [("messages[1]", Fault.EMPTY_MESSAGE)]


def test_the_user_begins_where_the_wire_wants_it():
    history = [message(Role.SYSTEM, "s"), assistant("Hello"), user("Hi")]
    treated = examine(history, wire="anthropic")
    assert [one.role for one in treated.messages] == [
        Role.SYSTEM,
        Role.USER,
        Role.ASSISTANT,
        Role.USER,
    ]
    assert told(treated) == [("messages[1]", Fault.BEGINNING)]
    assert examine(history, wire="openai").repairs == ()
    assert examine([message(Role.SYSTEM, "s")], wire="anthropic").repairs == ()


# ------------------------------------------------------------------ whatever comes

IDS = st.sampled_from(["", "c1", "c2", "toolu_1", f"gemini_{'a' * 24}", "x.y/z"])
NAMES = st.sampled_from(["add", "db.read", "gone", ""])
WIRE = st.sampled_from(WIRES)
CONTENT = st.one_of(
    st.builds(Text, text=st.sampled_from(["", " ", "hello"])),
    st.builds(ImagePart, media_type=st.just("image/png"), data=st.just(b"x")),
    st.builds(ImagePart, media_type=st.just("image/png"), url=st.just("https://x/p.png")),
    st.builds(FilePart, media_type=st.sampled_from(["application/pdf", "x/y"]), data=st.just(b"x")),
    st.builds(FilePart, media_type=st.just("text/plain"), url=st.just("https://x/t")),
)
PARTS = st.one_of(
    CONTENT,
    st.builds(
        CallPart,
        id=IDS,
        name=st.sampled_from(["add", "db.read", "gone"]),
        arguments=st.sampled_from(["{}", "", "{", "7", {"a": 1}, None, [1]]),
    ),
    st.builds(
        ResultPart,
        call_id=IDS,
        name=NAMES,
        text=st.sampled_from(["", "2"]),
        content=st.lists(CONTENT, max_size=2).map(tuple),
        error=st.booleans(),
    ),
    st.builds(
        Opaque,
        wire=WIRE,
        model=st.sampled_from(["", "m", "gemini-4-argon"]),
        data=st.sampled_from([{"call": {"k": 1}}, {"text": {"k": 1}}, {"strange": 1}]),
    ),
)
HISTORIES = st.lists(
    st.builds(Message, role=st.sampled_from(Role), parts=st.lists(PARTS, max_size=4).map(tuple)),
    max_size=7,
)


@settings(max_examples=250)
@given(history=HISTORIES, wire=WIRE, gone=st.booleans())
def test_whatever_the_history_the_wire_accepts_it_afterwards_and_it_stays(
    history: list[Message], wire: str, gone: bool
):
    model = "gemini-4-argon" if wire == "gemini" else "m"
    tools = {"add", "db.read"} if gone else None
    treated = examine(history, wire=wire, model=model, tools=tools)
    request = ModelRequest(messages=treated.messages)
    body = by_name(wire).encode_request(request, model=model)
    assert broken_rules(wire, body) == []
    assert wire != "gemini" or unsigned(body) == []
    again = examine(treated.messages, wire=wire, model=model, tools=tools)
    assert again.repairs == ()
    assert bool(treated.repairs) or treated.messages == tuple(history)
