"""Reading OpenAI Chat Completions: whole responses.

What a message holds beside text and calls is kept in `Opaque` parts whose data has one key:

- `message`: fields of the message, such as `reasoning_content` or `reasoning_details`;
- `content`: one part of the content that is not text;
- `refusal`: the text of a refusal; the `Text` part after it holds the same for readers;
- `call`: fields of the call that follows, such as `extra_content` with a signature;
- `tool_call`: a whole call that is not one of a function;
- `event`: an event of a stream that is none of those that are known; never sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from callgate.codecs.json_text import (
    excerpt,
    is_hollow,
    list_of,
    number_of,
    object_of,
    plain,
    text_of,
)
from callgate.codecs.openai_errors import error_in_stream
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelStreamError
from callgate.messages import (
    CallPart,
    Message,
    ModelResponse,
    Opaque,
    Part,
    Role,
    StopReason,
    Usage,
)
from callgate.types import Text

__all__ = ["WIRE", "Head", "assemble", "read_response", "read_usage", "text_in"]

WIRE = "openai"

# OpenAI's client puts what it has parsed into its objects; no server takes that back.
_OWN_FIELDS = frozenset({"role", "content", "tool_calls", "refusal", "parsed"})
_OFTEN_HOLLOW = frozenset({"annotations", "audio", "function_call", "custom"})
"""Fields that some servers send with nothing in them; others are kept even when empty, because
their mere presence may be asked for (DeepSeek wants an empty `reasoning_content` back)."""
_OWN_CALL_FIELDS = frozenset({"id", "type", "index", "function"})
_OWN_FUNCTION_FIELDS = frozenset({"name", "arguments", "parsed_arguments"})

_STOPS = {
    "length": StopReason.LENGTH,
    "max_tokens": StopReason.LENGTH,
    "model_length": StopReason.LENGTH,
    "content_filter": StopReason.REFUSAL,
    "error": StopReason.ERROR,
    "timeout": StopReason.ERROR,
}
"""All other words mean that the model came to its own end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a response, or every chunk of one, says about itself.

    Attributes:
        id: The id of the response.
        created: When it was made, as the server wrote it.
        model: The model that answered.
        bound: The model that parts must go back to.
        names: Our names of tools by the wire's names.
        wire: The wire that parts must go back to.
    """

    id: str
    created: str
    model: str
    bound: str
    names: Mapping[str, str]
    wire: str

    @classmethod
    def of(
        cls, data: Mapping[str, Any], bound: str, names: Mapping[str, str], wire: str = WIRE
    ) -> Head:
        """Read it from a response or a chunk; `bound` is the model that was asked, if known."""
        model = text_of(data.get("model"), "model")
        return cls(
            id=text_of(data.get("id"), "id"),
            created=str(data.get("created") or ""),
            model=model,
            bound=bound or model,
            names=names,
            wire=wire,
        )

    def call_id(self, place: int) -> str:
        """Return an id for a call that came without: the same whenever the response is read."""
        seed = "\0".join((self.id, self.created, self.model, str(place)))
        return f"call_{hashlib.sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}"

    def opaque(self, kind: str, value: Any) -> Opaque:
        """Return a part that is echoed unchanged; the module says what the kinds are."""
        return Opaque(wire=self.wire, model=self.bound, data={kind: value})


def read_response(
    response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES, wire: str = WIRE
) -> ModelResponse:
    """Read a whole response; see `Codec.decode_response`.

    Args:
        response: A JSON object, or an SDK's object.
        model: The model that was asked.
        names: Our names of tools by the wire's names.
        wire: The wire that parts must go back to.

    Raises:
        ModelError: It is an error of the provider, or not readable.
    """
    data = object_of(plain(response), "The body")
    choices = list_of(data.get("choices"), "choices")
    if not choices:
        # OpenRouter and others answer 200 with an error in place of choices.
        if error := data.get("error"):
            raise error_in_stream(error)
        raise ModelStreamError("The response has no choices.", details={"data": excerpt(data)})
    choice = object_of(choices[0], "choices[0]")
    return assemble(
        Head.of(data, model, names, wire),
        object_of(choice.get("message"), "message"),
        text_of(choice.get("finish_reason"), "finish_reason"),
        read_usage(data),
    )


def assemble(
    head: Head,
    message: Mapping[str, Any],
    finish: str,
    usage: Usage,
    *,
    more: Iterable[Part] = (),
) -> ModelResponse:
    """Make a response of its message, the word it ended with and what it cost.

    Args:
        head: What the response says about itself.
        message: The message of its choice.
        finish: Why the model stopped, in the server's words.
        usage: What it cost.
        more: Parts that stand after those of the message.

    Raises:
        ModelStreamError: A field of the message is of the wrong type.
    """
    stop = _STOPS.get(finish.lower())
    calls = tuple(_calls(head, message, truncated=stop is not None))
    said = (*_kept(head, message), *_content(head, message), *_refusal(head, message))
    if stop is None:
        stop = _natural_stop(message, any(isinstance(part, CallPart) for part in calls))
    return ModelResponse(
        message=Message(role=Role.ASSISTANT, parts=(*said, *calls, *more)),
        stop=stop,
        usage=usage,
        model=head.model,
    )


def _natural_stop(message: Mapping[str, Any], has_calls: bool) -> StopReason:
    # Forced calls come with "stop", some servers send "": what is there decides, not the word.
    if has_calls:
        return StopReason.CALLS
    return StopReason.REFUSAL if message.get("refusal") else StopReason.END


def _kept(head: Head, message: Mapping[str, Any]) -> Iterator[Part]:
    if fields := _strange(message, _OWN_FIELDS):
        yield head.opaque("message", fields)


def _strange(values: Mapping[str, Any], own: frozenset[str]) -> dict[str, Any]:
    return {
        name: value
        for name, value in values.items()
        if name not in own
        and value is not None
        and not (name in _OFTEN_HOLLOW and is_hollow(value))
    }


def _content(head: Head, message: Mapping[str, Any]) -> Iterator[Part]:
    content = message.get("content")
    if not isinstance(content, list):
        if text := text_of(content, "content"):
            yield Text(text=text)
        return
    for part in cast("list[Any]", content):
        text = text_in(part)
        yield head.opaque("content", part) if text is None else Text(text=text)


def text_in(part: Any) -> str | None:
    """Return the text of a part of the content; None for a part of another type."""
    if isinstance(part, str):
        return part
    fields = object_of(part, "a part of the content")
    return text_of(fields.get("text"), "text") if fields.get("type") == "text" else None


def _refusal(head: Head, message: Mapping[str, Any]) -> Iterator[Part]:
    if refusal := text_of(message.get("refusal"), "refusal"):
        yield head.opaque("refusal", refusal)
        yield Text(text=refusal)


def _calls(head: Head, message: Mapping[str, Any], *, truncated: bool) -> Iterator[Part]:
    for place, item in enumerate(list_of(message.get("tool_calls"), "tool_calls")):
        call = object_of(item, "a call")
        if "function" not in call:
            yield head.opaque("tool_call", call)
            continue
        function = object_of(call["function"], "function")
        fields = _strange(call, _OWN_CALL_FIELDS)
        if inner := _strange(function, _OWN_FUNCTION_FIELDS):
            fields["function"] = inner
        if fields:
            yield head.opaque("call", fields)
        name = text_of(function.get("name"), "the name of a call")
        yield CallPart(
            id=text_of(call.get("id"), "the id of a call") or head.call_id(place),
            name=head.names.get(name, name),
            arguments=_arguments(function.get("arguments")),
            truncated=truncated,
        )


def _arguments(value: Any) -> Any:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    text = text_of(value, "the arguments of a call")
    # Some servers say "null" where a tool takes nothing.
    return "{}" if text in ("", "null") else text


def read_usage(data: Mapping[str, Any]) -> Usage:
    """Return what a response, or the chunk that tells it, says about tokens.

    Counts decide nothing about the answer, so what cannot be read counts as 0.
    """
    usage = _members(data.get("usage")) or _members(_members(data.get("x_groq")).get("usage"))
    tokens = number_of(usage.get("prompt_tokens"))
    details = _members(usage.get("prompt_tokens_details"))
    cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
    total = number_of(usage.get("total_tokens"))
    return Usage(
        input=tokens,
        # Gemini counts its reasoning in the total only.
        output=max(number_of(usage.get("completion_tokens")), total - tokens),
        cached=number_of(cached),
        requests=1,
    )


def _members(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
