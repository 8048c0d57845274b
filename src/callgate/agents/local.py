"""A language model in this process: llama.cpp through xllamacpp, held to well-formed calls.

The runtime blocks, so it lives in one worker thread of its own; a request waits for the one before
it. What the model may write next is decided before it writes, by the grammar it is given:

- first, if no tool has to do with the request, only an answer;
- first, otherwise, only a call: a small model never abstains well, and answers from thin air;
- after results, a call or an answer; after a failed call, a call.

Two habits of small models are met by asking again: a call that was just made is sampled anew and
then must be an answer, and an effect that carries a number which nobody mentioned must first be
looked up with a tool that only reads.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from callgate.agents.llama import Runtime, Writer, Written
from callgate.agents.weights import Weights, find, require
from callgate.errors import ModelUnavailableError
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
)
from callgate.prompts import local as prompts
from callgate.registry.embedding import Embedder, Relevance
from callgate.schema.grammar import Bounds, call_grammar, read_calls
from callgate.types import Effect, Text, Tool

__all__ = ["LocalModel", "open_local"]

OUTPUT_TOKENS = 512
TIGHT = Bounds(string=80, items=4, entries=3)
"""For the second try of a call that did not fit into the allowed tokens."""
VARIED = 0.8
"""The temperature of a second try at a call that only repeats an earlier one."""
FAILURES = 2
"""After so many failed calls in a row the model may give up and answer."""
LOOK_UPS = 2
"""How often a call with invented values is asked again, each time without its tool."""
IDENTIFIER = re.compile(r"(?=.*[A-Za-z])(?=(?:.*\d){2})[A-Za-z0-9]+")
EFFECTS_ASKED = 3
"""Before an answer, about so many effects the model is asked whether the request wants them."""
YES_OR_NO = 'root ::= "yes" | "no"'


class LocalModel:
    """A `Model` on weights of this machine.

    Args:
        name: The full name, `local:...`.
        runtime: What writes; used from one thread only.
        relevance: Tells whether any tool fits a request; None lets every request call tools.
    """

    def __init__(self, name: str, runtime: Writer, *, relevance: Relevance | None = None) -> None:
        self._name = name
        self._runtime = runtime
        self._relevance = relevance
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="callgate-local")
        self._ids = count(1)

    @property
    def name(self) -> str:
        """The full name, as `open_model` takes it."""
        return self._name

    async def complete(self, request: ModelRequest) -> ModelResponse:
        """Answer at once; see `Model`."""
        async for event in self.stream(request):
            if isinstance(event, ResponseDone):
                return event.response
        raise ModelUnavailableError(f"{self._name} ended without an answer")

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer: text piece by piece, a call as a whole; see `Model`.

        A caller who stops listening stops the model after the token it is at.

        Raises:
            ModelFileError: The weights cannot be loaded.
            ModelRequestError: The conversation does not fit into the model's context.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[ModelEvent | None] = asyncio.Queue()
        stop = threading.Event()
        emit = partial(loop.call_soon_threadsafe, events.put_nowait)
        turn = _Turn(
            runtime=self._runtime,
            relevance=self._relevance,
            request=request,
            emit=emit,
            stopped=stop.is_set,
        )
        work = loop.run_in_executor(self._worker, turn.take)
        work.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            written = await work
        finally:
            stop.set()
        response = self._response(written, turn.answer)
        for index, call in enumerate(response.message.calls):
            yield CallDelta(index=index, id=call.id, name=call.name, arguments=call.arguments)
        yield ResponseDone(response=response)

    async def close(self) -> None:
        """Free the model, after the request at work has ended."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._runtime.close)
        self._worker.shutdown(wait=False)

    def _response(self, written: Written, answer: str) -> ModelResponse:
        parts, stop = self._parts(written, answer)
        return ModelResponse(
            message=Message(role=Role.ASSISTANT, parts=parts),
            stop=stop,
            usage=replace(written.usage, requests=1),
            model=self._name,
        )

    def _parts(
        self, written: Written, answer: str
    ) -> tuple[tuple[Text | CallPart, ...], StopReason]:
        length = StopReason.LENGTH if written.cut else StopReason.END
        if not answer or written.text.startswith(f"{answer}("):
            text = _answer_text(written.text) if answer else written.text
            return (Text(text=text),), length
        calls = _read(written.text)
        if calls is None:
            name, _, tail = written.text.partition("(")
            cut = CallPart(id=self._new_id(), name=name, arguments=tail, truncated=True)
            return (cut,), StopReason.LENGTH
        return tuple(
            CallPart(id=self._new_id(), name=name, arguments=arguments) for name, arguments in calls
        ), StopReason.CALLS

    def _new_id(self) -> str:
        return f"call_{next(self._ids)}"


@dataclass(slots=True, kw_only=True)
class _Turn:
    """One request: decides what may be written, has it written, looks at it, asks again if need be.

    Runs in the worker thread.
    """

    runtime: Writer
    relevance: Relevance | None
    request: ModelRequest
    emit: Callable[[ModelEvent], object]
    stopped: Callable[[], bool]

    @property
    def answer(self) -> str:
        """The name of the function that gives the answer; empty without tools."""
        return prompts.answer_name(self.request.tools) if self.request.tools else ""

    def take(self) -> Written:
        """Return what the model wrote in the end, with the tokens of all tries."""
        asked = _asked(self.request.messages, self._effects())
        prompt = self._prompt()
        if not self.answer:
            return self._write(prompt, None, 0.0)
        tools, may_answer = self._allowed(asked)
        if not tools:
            prompt = prompts.unsuitable(prompt) if not asked.results else prompt
        left = self._untried(asked) if tools else ()
        written = self._write(
            prompt, self._grammar(tools, answer=may_answer), 0.0, silent=bool(left)
        )
        if not tools:
            return written
        written = self._looked_up(written, prompt, asked)
        written = self._varied(written, prompt, asked, may_answer)
        if left and self._is_answer(written):
            written = self._with_effect(written, prompt, left)
        if written.cut and not self._is_answer(written):
            tight = self._grammar(tools, answer=may_answer, bounds=TIGHT)
            written = self._again(written, prompt, tight, 0.0)
        return written

    def _is_answer(self, written: Written) -> bool:
        return written.text.startswith(f"{self.answer}(")

    def _looked_up(self, written: Written, prompt: str, asked: _Asked) -> Written:
        """Turn calls with values out of thin air into ones that may find those values."""
        left = self.request.tools
        for _ in range(LOOK_UPS if self.request.choice == "auto" else 0):
            early = self._too_early(written, asked)
            left = tuple(tool for tool in left if tool.name not in early)
            if not early or not left:
                break
            written = self._again(written, prompt, self._grammar(left, answer=False), 0.0)
        return written

    def _varied(self, written: Written, prompt: str, asked: _Asked, may_answer: bool) -> Written:
        """Turn a call that was made before into another one, or into an answer."""
        if not self._repeats(written, asked):
            return written
        tools = self.request.tools
        written = self._again(written, prompt, self._grammar(tools, answer=may_answer), VARIED)
        if not self._repeats(written, asked) or self.request.choice != "auto":
            return written
        others = self._others(written) if asked.results[-1].error else ()
        return self._again(written, prompt, self._grammar(others, answer=not others), 0.0)

    def _others(self, written: Written) -> tuple[Tool, ...]:
        called = {name for name, _ in _read(written.text) or ()}
        return tuple(tool for tool in self.request.tools if tool.name not in called)

    def _effects(self) -> frozenset[str]:
        return frozenset(t.name for t in self.request.tools if t.effect is not Effect.READ)

    def _prompt(self) -> str:
        messages, answer = self.request.messages, self.answer
        head = prompts.preamble(self.request.tools, messages)
        request, parts = "", [head]
        for message in messages:
            request = message.text if message.role is Role.USER else request
            parts.append(prompts.render(message, request=request, answer=answer))
        return "".join(parts)

    def _allowed(self, asked: _Asked) -> tuple[tuple[Tool, ...], bool]:
        """Return which tools may be called and whether an answer may be given."""
        tools, choice = self.request.tools, self.request.choice
        if choice == "none":
            return (), True
        if choice == "required":
            return tools, False
        if choice != "auto":
            return tuple(tool for tool in tools if tool.name == choice), False
        if asked.results:
            failed = [part.error for part in asked.results[-FAILURES:]]
            return tools, not failed[-1] or (len(failed) == FAILURES and all(failed))
        fits = self.relevance is None or self.relevance.fits(asked.text, tools)
        return (tools, False) if fits else ((), True)

    def _grammar(self, tools: Sequence[Tool], *, answer: bool, bounds: Bounds | None = None) -> str:
        signatures = {tool.name: tool.parameters for tool in tools}
        if answer:
            signatures[self.answer] = prompts.ANSWER_PARAMETERS
        return call_grammar(signatures, bounds=bounds or Bounds(string=600))

    def _write(
        self, prompt: str, grammar: str | None, temperature: float, *, silent: bool = False
    ) -> Written:
        request = self.request
        body: dict[str, Any] = {
            "prompt": prompt + prompts.OPEN,
            "n_predict": request.max_tokens or OUTPUT_TOKENS,
            "temperature": request.temperature or temperature,
            "seed": request.seed or 7,
            "cache_prompt": True,
        }
        if grammar is not None:
            body["grammar"] = grammar
        head = f'{self.answer}(text="' if self.answer else ""
        spoken = _Spoken(head=head, emit=_unheard if silent else self.emit)
        return self.runtime.write(body, on_text=spoken.hear, stopped=self.stopped)

    def _again(self, before: Written, prompt: str, grammar: str, temperature: float) -> Written:
        if self.stopped():
            return before
        after = self._write(prompt, grammar, temperature)
        return replace(after, usage=before.usage + after.usage)

    def _untried(self, asked: _Asked) -> tuple[Tool, ...]:
        """Return effects that were not tried yet and that an answer must not pass over."""
        if self.request.choice != "auto" or not asked.results:
            return ()
        left = self._effects() - asked.called
        return tuple(tool for tool in self.request.tools if tool.name in left)[:EFFECTS_ASKED]

    def _with_effect(self, written: Written, prompt: str, left: Sequence[Tool]) -> Written:
        """Turn an answer into the effect that the request asks for, or tell the answer."""
        for tool in left:
            said = self._write(prompts.wanted(prompt, tool), YES_OR_NO, 0.0, silent=True)
            written = replace(written, usage=written.usage + said.usage)
            if said.text == "yes":
                return self._again(written, prompt, self._grammar((tool,), answer=False), 0.0)
        self.emit(TextDelta(text=_answer_text(written.text)))
        return written

    def _repeats(self, written: Written, asked: _Asked) -> bool:
        tools = {tool.name: tool for tool in self.request.tools}
        calls = _read(written.text) or ()
        return any(
            _key(name, arguments) in asked.made and not (name in tools and tools[name].poll)
            for name, arguments in calls
        )

    def _too_early(self, written: Written, asked: _Asked) -> frozenset[str]:
        """Return the tools that cannot be called yet, because what they need is not known.

        That is every effect as long as a question was not looked into, or if one carries a number
        that nobody mentioned; and a tool that reads, if it was given an identifier of that kind.
        """
        effects = self._effects()
        early: set[str] = set()
        for name, arguments in _read(written.text) or ():
            if name not in effects:
                early |= {name} if _invented(json.loads(arguments), asked.seen) else set()
            elif ("?" in asked.text and not asked.results) or not _mentioned(arguments, asked.seen):
                early |= effects
        return frozenset(early)


def _mentioned(arguments: str, seen: str) -> bool:
    return all(number in seen for number in re.findall(r"\d{2,}", arguments))


def _invented(arguments: Mapping[str, Any], seen: str) -> bool:
    """Return whether an argument is an identifier that stands nowhere in the conversation.

    Only what cannot have been worked out counts: a word of letters and two digits or more, and an
    integer of three digits or more that is not round.
    """
    for value in arguments.values():
        if isinstance(value, str):
            suspect = bool(IDENTIFIER.fullmatch(value))
        else:
            suspect = isinstance(value, int) and value >= 100 and value % 10 != 0
        if suspect and str(value).lower() not in seen.lower():
            return True
    return False


@dataclass(slots=True, kw_only=True)
class _Spoken:
    """Turns the pieces of `answer(text="...")`, or of plain text, into events as they come."""

    head: str
    emit: Callable[[ModelEvent], object]
    heard: str = ""
    told: int = 0

    def hear(self, piece: str) -> None:
        """Take the next piece."""
        self.heard += piece
        if self.head and not self.heard.startswith(self.head):
            return
        text = _answer_text(self.heard) if self.head else self.heard
        if len(text) > self.told:
            self.emit(TextDelta(text=text[self.told :]))
            self.told = len(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the user asked last and what has been done about it.

    Attributes:
        text: The request.
        results: Results since then, in order.
        made: Keys of the calls made since then; an effect forgets those before it.
        called: Names of the tools called since then.
        seen: All text of the conversation, where a value may have come from.
    """

    text: str
    results: tuple[ResultPart, ...]
    made: frozenset[str]
    called: frozenset[str]
    seen: str


def _asked(messages: Sequence[Message], effects: frozenset[str]) -> _Asked:
    users = [i for i, message in enumerate(messages) if message.role is Role.USER]
    since = messages[users[-1] :] if users else messages
    results = tuple(p for m in since for p in m.parts if isinstance(p, ResultPart))
    return _Asked(
        text=since[0].text if users else "",
        results=results,
        made=_made((call for m in since for call in m.calls), effects),
        called=frozenset(call.name for m in since for call in m.calls),
        seen="\n".join([*(m.text for m in messages), *(part.text for part in results)]),
    )


def _made(calls: Iterable[CallPart], effects: frozenset[str]) -> frozenset[str]:
    made: set[str] = set()
    for call in calls:
        if call.name in effects:
            made.clear()
        made.add(_key(call.name, call.arguments))
    return frozenset(made)


def _key(name: str, arguments: Any) -> str:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return f"{name} {arguments}"
    return f"{name} {json.dumps(arguments, sort_keys=True)}"


def _read(text: str) -> tuple[tuple[str, str], ...] | None:
    """Return the calls in a text, None where it does not end with a whole one."""
    try:
        return read_calls(text)
    except ValueError:
        return None


def _answer_text(text: str) -> str:
    """Return the text of `answer(text="...")` as far as it was written."""
    literal = text[text.find('"') + 1 :]
    end = re.match(r'(?:[^"\\]|\\.)*', literal)
    return json.loads(f'"{end[0] if end else ""}"', strict=False)


def open_local(name: str, folder: Path) -> LocalModel:
    """Open a model of the catalogue; it is loaded by its first request.

    Args:
        name: Its name without `local:`.
        folder: Where the weights are kept.

    Raises:
        MissingDependencyError: The runtime is not installed.
        ModelFileError: The model is not known, or its file is missing or not the published one.
    """
    weights: Weights = find(name)
    path = require(weights, folder)
    runtime = Runtime(path, context=weights.context)
    return LocalModel(f"local:{name}", runtime, relevance=Relevance(Embedder()))


def _unheard(_: ModelEvent) -> None:
    return
