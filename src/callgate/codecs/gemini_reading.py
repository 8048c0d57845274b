"""Reading Gemini's `generateContent`: the parts of a response, whole or streamed.

A streamed response is a row of whole ones, so both go through `Gathering`: they cannot mean
different things. What a part holds beside text and calls is kept in `Opaque` parts whose data has
one key:

- `part`: a whole part, such as a thought, executed code, or a signature with no text;
- `text`: fields of the text that follows, such as its `thoughtSignature`;
- `call`: fields of the call that follows, such as its `thoughtSignature`;
- `candidate`: what was said about the answer, such as its sources; never sent back.

The wire often gives calls no ids. Then they get one of ours, which `is_own_id` knows, and which is
not sent back: results are told apart by their order.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

import orjson

from callgate.codecs.gemini_partial import PartialArguments
from callgate.codecs.json_text import excerpt, is_hollow, list_of, number_of, object_of, text_of
from callgate.errors import ModelRequestError, ModelStreamError
from callgate.messages import (
    CallDelta,
    CallPart,
    Message,
    ModelEvent,
    ModelResponse,
    Opaque,
    Part,
    Role,
    StopReason,
    TextDelta,
    Usage,
)
from callgate.types import Text

__all__ = ["WIRE", "Gathering", "Head", "is_own_id", "read_usage", "wire_form", "wired"]

WIRE = "gemini"

_OWN_ID = re.compile(r"gemini_[0-9a-f]{24}")
_OWN_CALL_FIELDS = frozenset({"id", "name", "args", "partialArgs", "willContinue"})
_OWN_CANDIDATE_FIELDS = frozenset(
    {"content", "finishReason", "finishMessage", "index", "avgLogprobs", "tokenCount"}
)

_STOPS = {
    "MAX_TOKENS": StopReason.LENGTH,
    "CONTINUATION": StopReason.LENGTH,
    "SAFETY": StopReason.REFUSAL,
    "RECITATION": StopReason.REFUSAL,
    "LANGUAGE": StopReason.REFUSAL,
    "BLOCKLIST": StopReason.REFUSAL,
    "PROHIBITED_CONTENT": StopReason.REFUSAL,
    "SPII": StopReason.REFUSAL,
    "MODEL_ARMOR": StopReason.REFUSAL,
    "IMAGE_SAFETY": StopReason.REFUSAL,
    "IMAGE_PROHIBITED_CONTENT": StopReason.REFUSAL,
    "IMAGE_RECITATION": StopReason.REFUSAL,
}
_NATURAL = frozenset({"", "STOP", "FINISH_REASON_UNSPECIFIED"})
"""All words that are in neither are failures: `MALFORMED_FUNCTION_CALL`, `OTHER` and the like."""
_REQUESTS_FAULT = frozenset({"MISSING_THOUGHT_SIGNATURE"})

_SNAKE = frozenset(
    {"usage_metadata", "model_version", "prompt_feedback", "response_id", "sdk_http_response"}
)
_UNTOUCHED = frozenset({"args", "response"})
_HUMP = re.compile(r"_([a-z0-9])")


def is_own_id(call_id: str) -> bool:
    """Whether an id was made here, because the wire gave none."""
    return _OWN_ID.fullmatch(call_id) is not None


def wire_form(response: Any) -> Any:
    """Return a response as the wire has it: an SDK's object, or its dump, is turned back."""
    dump = getattr(response, "model_dump", None)
    data: Any = response if dump is None else dump(exclude_none=True)
    if not isinstance(data, dict):
        return data
    members = cast("dict[str, Any]", data)
    return members if _SNAKE.isdisjoint(members) else wired(members)


def wired(value: Any) -> Any:
    """Return a JSON value in the spelling of the wire, without what is null.

    Names like `function_call`, which SDKs use, become `functionCall`; what belongs to tools, their
    arguments and results, is left alone.
    """
    if isinstance(value, dict):
        return {
            _HUMP.sub(lambda found: found[1].upper(), name): (
                item if name in _UNTOUCHED else wired(item)
            )
            for name, item in cast("dict[str, Any]", value).items()
            if item is not None
        }
    if isinstance(value, list):
        return [wired(item) for item in cast("list[Any]", value)]
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value.value if isinstance(value, Enum) else value


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a response, or every chunk of one, says about itself.

    Attributes:
        seed: All that tells this response from others.
        model: The model that answered.
        bound: The model that parts must go back to.
        names: Our names of tools by the wire's names.
    """

    seed: tuple[str, ...]
    model: str
    bound: str
    names: Mapping[str, str]

    @classmethod
    def of(cls, data: Mapping[str, Any], bound: str, names: Mapping[str, str]) -> Head:
        """Read it from a response or its first chunk; `bound` is the model asked, if known."""
        model = text_of(data.get("modelVersion"), "modelVersion")
        usage = object_of(data.get("usageMetadata"), "usageMetadata")
        told = (data.get("responseId"), data.get("createTime"), usage.get("promptTokenCount"))
        return cls(
            seed=tuple(str(value or "") for value in (*told, model)),
            model=model,
            bound=bound or model,
            names=names,
        )

    def call_id(self, place: int) -> str:
        """Return an id for a call that came without: the same whenever the response is read."""
        seed = "\0".join((*self.seed, str(place)))
        return f"gemini_{hashlib.sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}"

    def opaque(self, kind: str, value: Any) -> Opaque:
        """Return a part that is echoed unchanged; the module says what the kinds are."""
        return Opaque(wire=WIRE, model=self.bound, data={kind: value})


class _Pieces(list[str]):
    """Text that is still growing, with the fields that all its pieces have."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__()
        self.fields = fields


class _Call:
    """A call while its pieces come."""

    __slots__ = ("arguments", "fields", "id", "name", "place")

    def __init__(self, place: int, name: str, id: str, arguments: dict[str, Any]) -> None:
        self.place = place
        self.name = name
        self.id = id
        self.arguments = PartialArguments(arguments)
        self.fields: dict[str, Any] = {}

    def add(self, part: dict[str, Any], function: dict[str, Any]) -> None:
        """Take the values and the other fields of a piece."""
        self.arguments.add(function.get("partialArgs"))
        self.fields |= {name: value for name, value in part.items() if name != "functionCall"}
        strange = {key: value for key, value in function.items() if key not in _OWN_CALL_FIELDS}
        if strange:
            self.fields["functionCall"] = self.fields.get("functionCall", {}) | strange


class Gathering:
    """Puts the parts of one answer together, in their order."""

    def __init__(self, head: Head) -> None:
        """Start before the first part.

        Args:
            head: What the response says about itself.
        """
        self._head = head
        self._items: list[_Pieces | _Call | dict[str, Any]] = []
        self._calls: list[_Call] = []
        self._open: _Call | None = None
        self._growing: _Pieces | None = None
        self._about: dict[str, Any] = {}
        self._finish: str | None = None
        self._message = ""

    @property
    def finished(self) -> bool:
        """Whether the model has said why it stopped."""
        return self._finish is not None

    def add(self, candidate: Mapping[str, Any]) -> list[ModelEvent]:
        """Take a candidate, or the next piece of it, and return what it says.

        Raises:
            ModelStreamError: It is not readable.
        """
        events: list[ModelEvent] = []
        content = object_of(candidate.get("content"), "content")
        last = self._items[-1] if self._items else None
        # A stream cuts parts in pieces; those of one chunk are parts of their own.
        self._growing = last if isinstance(last, _Pieces) else None
        for item in list_of(content.get("parts"), "parts"):
            self._part(object_of(item, "a part"), events)
            self._growing = None
        for name, value in candidate.items():
            if name not in _OWN_CANDIDATE_FIELDS and not is_hollow(value):
                self._about[name] = value
        if (finish := candidate.get("finishReason")) is not None:
            self._finish = text_of(finish, "finishReason")
            self._message = text_of(candidate.get("finishMessage"), "finishMessage")
        return events

    def received(self) -> dict[str, Any]:
        """Return what has come so far: `text` and `calls`."""
        said = (item for item in self._items if isinstance(item, _Pieces))
        texts = ("".join(item) for item in said if not item.fields.get("thought"))
        calls = [
            {"id": call.id, "name": call.name, "arguments": call.arguments.whole()}
            for call in self._calls
        ]
        return {"text": "".join(texts), "calls": calls}

    def response(self, usage: Usage) -> ModelResponse:
        """Return the whole answer.

        Raises:
            ModelError: The model failed before it had said anything to act on, or a call has no
                end.
        """
        finish = self._finish or ""
        stop = _STOPS.get(finish)
        truncated = stop is not None
        parts = tuple(part for item in self._items for part in self._whole(item, truncated))
        if stop is None and finish not in _NATURAL:
            stop = StopReason.ERROR
            if not self._calls:
                raise self._failure(finish)
        if stop is None:
            stop = StopReason.CALLS if self._calls else StopReason.END
        if self._open is not None and not truncated and not self._ends_well(stop):
            raise ModelStreamError(
                "The model ended within the arguments of a call.",
                details={"finish": finish, "received": self.received()},
            )
        if self._about:
            parts += (self._head.opaque("candidate", self._about),)
        return ModelResponse(
            message=Message(role=Role.ASSISTANT, parts=parts),
            stop=stop,
            usage=usage,
            model=self._head.model,
        )

    def _ends_well(self, stop: StopReason) -> bool:
        """Whether the last call, whose end was not said, may be taken as it is."""
        # Vertex leaves the end out after a last value that is whole.
        return stop is StopReason.CALLS and self._open is not None and self._open.arguments.complete

    def _failure(self, finish: str) -> ModelRequestError | ModelStreamError:
        kind = ModelRequestError if finish in _REQUESTS_FAULT else ModelStreamError
        return kind(
            f"The model stopped with {excerpt(finish)}: {excerpt(self._message or 'no reason')}",
            details={"finish": excerpt(finish), "received": self.received()},
        )

    # --- one part ---------------------------------------------------------------------------

    def _part(self, part: dict[str, Any], events: list[ModelEvent]) -> None:
        if "functionCall" in part:
            self._call(part, object_of(part["functionCall"], "functionCall"), events)
            return
        text = part.get("text")
        if not isinstance(text, str):
            if part:
                self._items.append(part)
            return
        fields = {name: value for name, value in part.items() if name != "text"}
        if not text:
            if fields.keys() - {"thought"}:
                self._items.append(part)
            return
        self._text(text, fields)
        if not fields.get("thought"):
            events.append(TextDelta(text=text))

    def _text(self, text: str, fields: dict[str, Any]) -> None:
        pieces = self._growing
        # A piece with a signature must come back exactly as it was: it is joined to no other.
        if pieces is None or pieces.fields != fields or fields not in ({}, {"thought": True}):
            pieces = _Pieces(fields)
            self._items.append(pieces)
        pieces.append(text)

    def _call(
        self, part: dict[str, Any], function: dict[str, Any], events: list[ModelEvent]
    ) -> None:
        name = text_of(function.get("name"), "the name of a call")
        if name:
            call = self._begun(name, function)
        elif self._open is not None:
            call = self._open
        elif any(function.values()):
            raise ModelStreamError(
                "A piece of a call came before its beginning.", details={"data": excerpt(part)}
            )
        else:
            return  # the end of a call that has ended already
        call.add(part, function)
        self._open = call if function.get("willContinue") else None
        text = "" if self._open else _json(call.arguments.whole())
        if name:
            known = self._head.names.get(name, name)
            events.append(CallDelta(index=call.place, id=call.id, name=known, arguments=text))
        elif text:
            events.append(CallDelta(index=call.place, arguments=text))

    def _begun(self, name: str, function: Mapping[str, Any]) -> _Call:
        if self._open is not None:
            raise ModelStreamError(
                f"The call of {excerpt(name)} came within another one.",
                details={"received": self.received()},
            )
        place = len(self._calls)
        call_id = text_of(function.get("id"), "the id of a call") or self._head.call_id(place)
        arguments = object_of(function.get("args"), "the arguments of a call")
        call = _Call(place, name, call_id, arguments)
        self._calls.append(call)
        self._items.append(call)
        return call

    def _whole(self, item: _Pieces | _Call | dict[str, Any], truncated: bool) -> list[Part]:
        if isinstance(item, dict):
            return [self._head.opaque("part", item)]
        parts: list[Part] = []
        if isinstance(item, _Call):
            if item.fields:
                parts.append(self._head.opaque("call", item.fields))
            name = self._head.names.get(item.name, item.name)
            arguments = item.arguments.whole()
            call = CallPart(id=item.id, name=name, arguments=arguments, truncated=truncated)
            return [*parts, call]
        text = "".join(item)
        if item.fields.get("thought"):
            return [self._head.opaque("part", {"text": text, **item.fields})]
        if item.fields:
            parts.append(self._head.opaque("text", item.fields))
        return [*parts, Text(text=text)]


def _json(arguments: dict[str, Any]) -> str:
    try:
        return orjson.dumps(arguments).decode()
    except orjson.JSONEncodeError as exc:
        raise ModelStreamError(f"The arguments of a call are no JSON object: {exc}") from exc


def read_usage(data: Mapping[str, Any]) -> Usage:
    """Return what a response, or the last chunk that tells it, says about tokens.

    Counts decide nothing about the answer, so what cannot be read counts as 0.
    """
    usage = data.get("usageMetadata")
    counts = cast("dict[str, Any]", usage) if isinstance(usage, dict) else {}

    def count(*names: str) -> int:
        return sum(number_of(counts.get(name)) for name in names)

    return Usage(
        input=count("promptTokenCount", "toolUsePromptTokenCount"),
        # What the model thought is not in the count of what it said.
        output=count("candidatesTokenCount", "thoughtsTokenCount"),
        cached=count("cachedContentTokenCount"),
        requests=1,
    )
