"""One request to a small local model: what it is asked, in which order, and what it may write.

It decides first, under a grammar: a call, or that all is known.

- At first only a call: a small model never abstains well. Whether any tool has to do with the
  request is judged by vectors, before; if none has, the model only says so.
- After results a call or an answer; after a failed call another one that changes nothing.

Then its habits are met. A call that was made before is written anew, and then must be an answer. A
value out of thin air must first be looked up. An effect that the request asks for comes before the
answer, and so does a call for what the results do not hold yet. Only then the answer is written,
freely, from the results alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callgate.agents.llama import Writer, Written
from callgate.messages import (
    CallPart,
    Message,
    ModelEvent,
    ModelRequest,
    ResultPart,
    Role,
    TextDelta,
)
from callgate.prompts import local as prompts
from callgate.registry.embedding import Relevance
from callgate.schema.grammar import Bounds, call_grammar, read_calls
from callgate.types import Effect, Tool

__all__ = ["Outcome", "Turn", "read"]

CALL_TOKENS = 512
ANSWER_TOKENS = 160
HOLDS_TOKENS = 40
BOUNDS = Bounds(string=600)
TIGHT = Bounds(string=80, items=4, entries=3)
"""For the second try of a call that did not fit into the allowed tokens."""
VARIED = 0.8
"""The temperature of a second try at something that only repeats what was said."""
FAILURES = 2
"""After so many failed calls in a row the model may give up and answer."""
LOOK_UPS = 2
"""How often a call with invented values is asked again, each time without its tool."""
EFFECTS_ASKED = 3
"""Before an answer, about so many effects the model is asked whether the request wants them."""
ENOUGH_CALLS = 4
"""After so many calls an answer is not held back any more because something seems missing."""
SEED = 7
IDENTIFIER = re.compile(r"(?=.*[A-Za-z])(?=(?:.*\d){2})[A-Za-z0-9]+")
POLITE = ("can ", "could ", "may ", "please ", "will ", "would ")
"""Words with which an order may be put as a question."""
YES_OR_NO = 'root ::= "yes" | "no"'
CONVERSATION, APART = 0, 1
"""The runtime's memories: one keeps the prefix with the tools, one is for short questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was written in the end, with the tokens of all tries; `calls` tells calls from text."""

    written: Written
    calls: bool


@dataclass(slots=True, kw_only=True)
class Turn:
    """One request; runs in the worker thread.

    Attributes:
        runtime: What writes.
        relevance: Tells whether any tool fits a request; None lets every request call tools.
        request: The request.
        emit: Receives the text as it is written.
        stopped: Whether the caller has left.
    """

    runtime: Writer
    relevance: Relevance | None
    request: ModelRequest
    emit: Callable[[ModelEvent], object]
    stopped: Callable[[], bool]

    def take(self) -> Outcome:
        """Return the outcome.

        Raises:
            ModelError: The runtime did not write.
        """
        tools = self.request.tools
        asked = _asked(self.request.messages, self._effects())
        if not tools or (self.request.choice == "none" and not asked.found):
            return Outcome(written=self._talk(), calls=False)
        if self.request.choice == "none":
            return Outcome(written=self._tell(asked), calls=False)
        if self._nothing_fits(asked):
            prompt = prompts.excuse(asked.text, tools)
            return Outcome(written=self._free(prompt, ""), calls=False)
        decided = self._decided(asked)
        if not self._is_answer(decided):
            return Outcome(written=decided, calls=True)
        told = self._tell(asked)
        return Outcome(written=_added(decided, told), calls=False)

    # --- the decision -----------------------------------------------------------------------

    def _decided(self, asked: _Asked) -> Written:
        prompt = self._prompt()
        tools, may_answer = self._allowed(asked)
        written = self._decide(prompt, tools, answer=may_answer)
        written = self._looked_up(written, prompt, tools, asked)
        written = self._varied(written, prompt, asked, may_answer)
        if self._is_answer(written) and self.request.choice == "auto":
            written = self._held_back(written, prompt, asked)
        if written.cut:
            again = self._decide(prompt, tools, answer=may_answer, bounds=TIGHT)
            written = _added(written, again)
        return written

    def _nothing_fits(self, asked: _Asked) -> bool:
        if asked.found or self.request.choice != "auto" or self.relevance is None:
            return False
        return not self.relevance.fits(asked.text, self.request.tools)

    def _allowed(self, asked: _Asked) -> tuple[tuple[Tool, ...], bool]:
        """Return which tools may be called and whether an answer may be given."""
        tools, choice = self.request.tools, self.request.choice
        if choice not in {"auto", "required"}:
            return tuple(tool for tool in tools if tool.name == choice), False
        if choice == "required" or not asked.found:
            return tools, False
        failed = asked.failed[-FAILURES:]
        if failed[-1]:
            # An effect is no remedy; a model that is out of ideas takes one all the same.
            tools = tuple(t for t in tools if t.effect is Effect.READ) or tools
        return tools, not failed[-1] or (len(failed) == FAILURES and all(failed))

    def _looked_up(
        self, written: Written, prompt: str, tools: tuple[Tool, ...], asked: _Asked
    ) -> Written:
        """Turn calls with values out of thin air into ones that may find those values."""
        for _ in range(LOOK_UPS if self.request.choice == "auto" else 0):
            early = self._too_early(written, asked)
            tools = tuple(tool for tool in tools if tool.name not in early)
            if not early or not tools:
                break
            written = _added(written, self._decide(prompt, tools))
        return written

    def _varied(self, written: Written, prompt: str, asked: _Asked, may_answer: bool) -> Written:
        """Turn a call that was made before into another one, or into an answer."""
        if not self._repeats(written, asked):
            return written
        again = self._decide(prompt, self.request.tools, answer=may_answer, temperature=VARIED)
        written = _added(written, again)
        if not self._repeats(written, asked) or self.request.choice != "auto":
            return written
        others = self._others(written) if asked.failed[-1] else ()
        return _added(written, self._decide(prompt, others, answer=not others))

    def _held_back(self, written: Written, prompt: str, asked: _Asked) -> Written:
        """Turn an answer that comes too early into the call that is still missing."""
        for tool in self._untried(asked):
            said = self._write(prompts.wanted(prompt, tool), grammar=YES_OR_NO, limit=1)
            written = _kept(written, said)
            if said.text == "yes":
                return _added(written, self._decide(prompt, (tool,)))
        if len(asked.found) >= ENOUGH_CALLS or asked.failed[-1] or asked.acted:
            return written
        said = self._write(prompts.holds(asked.text, asked.found), slot=APART, limit=HOLDS_TOKENS)
        written = _kept(written, said)
        if "missing" not in said.text.lower():
            return written
        readers = tuple(tool for tool in self.request.tools if tool.effect is Effect.READ)
        if not readers:
            return written
        again = self._decide(prompt, readers)
        again = self._looked_up(again, prompt, readers, asked)
        return _kept(written, again) if self._repeats(again, asked) else _added(written, again)

    # --- the answer -------------------------------------------------------------------------

    def _talk(self) -> Written:
        """Go on with a conversation in which no tool is offered."""
        messages = self.request.messages
        turns = (prompts.render(message, request="", answer="") for message in messages)
        prompt = prompts.preamble((), messages) + "".join(turns)
        limit = self.request.max_tokens or CALL_TOKENS
        return self._write(prompt, limit=limit, hear=_Spoken(emit=self.emit).hear)

    def _tell(self, asked: _Asked) -> Written:
        """Write the answer from the results; an answer that only echoes the request once more."""
        first = self._free(prompts.tell(asked.text, asked.found), asked.text)
        if not _echoes(first.text, asked.text):
            return first
        return _added(first, self._free(prompts.tell(asked.text, asked.found[-1:]), ""))

    def _free(self, prompt: str, echo: str) -> Written:
        spoken = _Spoken(emit=self.emit, echo=_letters(echo))
        limit = self.request.max_tokens or ANSWER_TOKENS
        written = self._write(prompt, slot=APART, limit=limit, hear=spoken.hear)
        spoken.end()
        return written

    # --- asking the runtime -----------------------------------------------------------------

    def _prompt(self) -> str:
        messages, tools = self.request.messages, self.request.tools
        answer = prompts.answer_name(tools)
        request, parts = "", [prompts.preamble(tools, messages)]
        for message in messages:
            request = message.text if message.role is Role.USER else request
            parts.append(prompts.render(message, request=request, answer=answer))
        return "".join(parts)

    def _decide(
        self,
        prompt: str,
        tools: Sequence[Tool],
        *,
        answer: bool = False,
        temperature: float = 0.0,
        bounds: Bounds = BOUNDS,
    ) -> Written:
        signatures = {tool.name: tool.parameters for tool in tools}
        if answer:
            signatures[prompts.answer_name(self.request.tools)] = prompts.ANSWER_PARAMETERS
        grammar = call_grammar(signatures, bounds=bounds)
        limit = self.request.max_tokens or CALL_TOKENS
        return self._write(prompt, grammar=grammar, limit=limit, temperature=temperature)

    def _write(
        self,
        prompt: str,
        *,
        limit: int,
        grammar: str | None = None,
        temperature: float = 0.0,
        slot: int = CONVERSATION,
        hear: Callable[[str], None] | None = None,
    ) -> Written:
        body: dict[str, Any] = {
            "prompt": prompt + prompts.OPEN,
            "n_predict": limit,
            "temperature": self.request.temperature or temperature,
            "seed": self.request.seed or SEED,
            "id_slot": slot,
            "cache_prompt": True,
        }
        if grammar is not None:
            body["grammar"] = grammar
        return self.runtime.write(body, on_text=hear or _unheard, stopped=self.stopped)

    # --- what was written -------------------------------------------------------------------

    def _effects(self) -> frozenset[str]:
        return frozenset(t.name for t in self.request.tools if t.effect is not Effect.READ)

    def _is_answer(self, written: Written) -> bool:
        return written.text.startswith(f"{prompts.answer_name(self.request.tools)}(")

    def _others(self, written: Written) -> tuple[Tool, ...]:
        called = {name for name, _ in read(written.text)}
        return tuple(tool for tool in self.request.tools if tool.name not in called)

    def _untried(self, asked: _Asked) -> list[Tool]:
        if _only_asks(asked.text):
            return []  # asked about an effect, a small model says yes too easily
        left = self._effects() - asked.called
        return [tool for tool in self.request.tools if tool.name in left][:EFFECTS_ASKED]

    def _repeats(self, written: Written, asked: _Asked) -> bool:
        polls = {tool.name for tool in self.request.tools if tool.poll}
        return any(
            _key(name, arguments) in asked.made and name not in polls
            for name, arguments in read(written.text)
        )

    def _too_early(self, written: Written, asked: _Asked) -> frozenset[str]:
        """Return the tools that cannot be called yet, because what they need is not known.

        That is every effect as long as a question was not looked into, or if one carries a number
        that nobody mentioned; and a tool that reads, if it was given an identifier of that kind.
        """
        effects = self._effects()
        early: set[str] = set()
        for name, arguments in read(written.text):
            if name not in effects:
                early |= {name} if _invented(json.loads(arguments), asked.seen) else set()
            elif ("?" in asked.text and not asked.found) or not _mentioned(arguments, asked.seen):
                early |= effects
        return frozenset(early)


@dataclass(slots=True, kw_only=True)
class _Spoken:
    """Passes on the pieces of a text, from where it is clear that it is no echo of the request."""

    emit: Callable[[ModelEvent], object]
    echo: str = ""
    heard: str = ""
    told: int = 0

    def hear(self, piece: str) -> None:
        """Take the next piece."""
        self.heard += piece
        letters = _letters(self.heard)
        if not self.echo.startswith(letters) and not _echoes(self.heard, self.echo):
            self._pass_on()

    def end(self) -> None:
        """Pass on what was held back, unless it was an echo."""
        if not _echoes(self.heard, self.echo):
            self._pass_on()

    def _pass_on(self) -> None:
        text = self.heard[self.told :]
        if text:
            self.emit(TextDelta(text=text))
            self.told = len(self.heard)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What the user asked last and what has been done about it.

    Attributes:
        text: The request.
        found: Calls made since then and their results, as text.
        failed: Which of those calls failed.
        acted: Whether the last of those calls was an effect.
        made: Keys of those calls; an effect forgets those before it.
        called: Names of the tools they called.
        seen: All text of the conversation, where a value may have come from.
    """

    text: str
    found: tuple[tuple[str, str], ...]
    failed: tuple[bool, ...]
    acted: bool
    made: frozenset[str]
    called: frozenset[str]
    seen: str


def read(text: str) -> tuple[tuple[str, str], ...]:
    """Return the calls in a text, none where it does not end with a whole one."""
    try:
        return read_calls(text)
    except ValueError:
        return ()


def _asked(messages: Sequence[Message], effects: frozenset[str]) -> _Asked:
    users = [i for i, message in enumerate(messages) if message.role is Role.USER]
    since = messages[users[-1] :] if users else messages
    calls = {call.id: call for message in since for call in message.calls}
    results = [p for m in since for p in m.parts if isinstance(p, ResultPart)]
    return _Asked(
        text=since[0].text if users else "",
        found=tuple((_shown(calls.get(r.call_id), r), r.text) for r in results),
        failed=tuple(result.error for result in results),
        acted=any(result.name in effects for result in results[-1:]),
        made=_made(calls.values(), effects),
        called=frozenset(call.name for call in calls.values()),
        seen="\n".join([*(m.text for m in messages), *(result.text for result in results)]),
    )


def _shown(call: CallPart | None, result: ResultPart) -> str:
    return prompts.call_text(call.name, call.arguments) if call else result.name


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


def _only_asks(request: str) -> bool:
    """Return whether a request is a question, and not an order in the form of one."""
    text = request.strip().lower()
    return text.endswith("?") and not text.startswith(POLITE)


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


def _echoes(text: str, request: str) -> bool:
    """Return whether a text says the request again instead of answering it."""
    letters = _letters(request)
    return bool(letters) and _letters(text).startswith(letters)


def _letters(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def _added(before: Written, after: Written) -> Written:
    """Return what was written after, with the tokens of both."""
    return replace(after, usage=before.usage + after.usage)


def _kept(before: Written, after: Written) -> Written:
    """Return what was written before, with the tokens of both."""
    return replace(before, usage=before.usage + after.usage)


def _unheard(_: str) -> None:
    return
