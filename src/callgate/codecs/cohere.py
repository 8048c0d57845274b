"""The wire of Cohere's chat, version 2: Chat Completions in another envelope.

A response and the events of a stream are put into the form of Chat Completions and read there. The
plan that comes before calls (`tool_plan`) and citations are kept and go back unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from callgate.codecs.encoder import ConversationEncoder
from callgate.codecs.json_text import excerpt, object_of, plain, text_of
from callgate.codecs.openai_chat import ChatWiring, Waiting
from callgate.codecs.openai_chat_reading import read_response
from callgate.codecs.openai_chat_stream import ChatDecoder
from callgate.codecs.openai_chat_writing import Form, write_message, write_tools
from callgate.codecs.openai_errors import error_in_stream, read_error
from callgate.codecs.sse import EventStream
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError, ModelRequestError, ModelStreamError
from callgate.messages import Message, ModelRequest, ModelResponse
from callgate.types import FilePart, Tool

__all__ = ["Cohere"]

WIRE = "cohere"

_WORDS = frozenset({"auto", "none", "required"})


def _file(part: FilePart) -> dict[str, Any]:
    raise ModelRequestError(f"This wire carries no files ({part.name or part.media_type}).")


_FORM = Form(wire=WIRE, file=_file)
_write = partial(write_message, form=_FORM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohere:
    """Cohere's chat, sans I/O; see `Codec`.

    One certain tool is asked for by offering no other: the wire cannot name one.
    """

    @property
    def wire(self) -> str:
        """The name of the wire."""
        return WIRE

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path below the base URL: the same for every model."""
        return "/v2/chat"

    def encode_tools(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """Return the definitions of `tools` in their order."""
        return write_tools(tools)

    def encode_message(self, message: Message, *, model: str = "") -> list[dict[str, Any]]:
        """Return the wire's messages for one of ours; see `Codec.encode_message`.

        Raises:
            ModelRequestError: The wire has no place for a part of it.
        """
        now, later = _write(message, model)
        return now + later

    def encode_request(
        self, request: ModelRequest, *, model: str, stream: bool = False
    ) -> dict[str, Any]:
        """Return the whole body of a request.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        return self._wiring(model).request(request, stream=stream)

    def notes(self, request: ModelRequest, *, model: str) -> tuple[str, ...]:
        """Return what cannot be done as asked; see `Noting`."""
        if request.tools and not request.parallel:
            return ("Cohere cannot forbid parallel calls.",)
        return ()

    def encoder(self, model: str) -> ConversationEncoder[Waiting]:
        """Return an encoder for requests to `model` that remembers what it has written."""
        return ConversationEncoder(self._wiring(model))

    def owns(self, response: Mapping[str, Any]) -> bool:
        """Whether a response is a message with the reason why it ended."""
        return "message" in response and "finish_reason" in response

    def decode_response(
        self, response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
    ) -> ModelResponse:
        """Read a whole response; see `Codec.decode_response`.

        Raises:
            ModelError: It is an error of the provider, or not readable.
        """
        data = object_of(plain(response), "The body")
        if not isinstance(data.get("message"), dict):
            # An error has the words in place of the message.
            if data.get("message"):
                raise error_in_stream(data)
            raise ModelStreamError("The response has no message.", details={"data": excerpt(data)})
        finish = data.get("finish_reason")
        choice = {"index": 0, "message": data["message"], "finish_reason": finish}
        chat = {"id": data.get("id"), "choices": [choice], "usage": _usage(data)}
        return read_response(chat, model=model, names=names, wire=WIRE)

    def framer(self) -> EventStream:
        """Return what cuts a stream into frames."""
        return EventStream()

    def decoder(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> CohereDecoder:
        """Return a reader for one streamed response."""
        return CohereDecoder(model=model, names=names, wire=WIRE)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused."""
        return read_error(status, headers, body)

    def _wiring(self, model: str) -> ChatWiring:
        return ChatWiring(model=model, options=_options, message=_write, offered=_offered)


_KNOWN = frozenset(
    {
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "tool-plan-delta",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "citation-start",
        "citation-end",
        "message-end",
    }
)


class CohereDecoder(ChatDecoder):
    """Reads one streamed response; see `StreamDecoder`."""

    done_ends = False

    def _as_chunk(self, data: dict[str, Any]) -> dict[str, Any]:
        kind = text_of(data.get("type"), "the type of an event")
        if kind not in _KNOWN:
            self._keep(data)
            return {}
        delta = object_of(data.get("delta"), "delta")
        if kind != "message-end":
            message = object_of(delta.get("message"), "message")
            choice = {"index": 0, "delta": _delta(data.get("index"), message)}
            return {"id": data.get("id"), "choices": [choice]}
        if error := delta.get("error"):
            return {"error": error}
        ended = {"index": 0, "finish_reason": delta.get("finish_reason") or ""}
        return {"choices": [ended], "usage": _usage(delta)}


def _delta(index: Any, message: dict[str, Any]) -> dict[str, Any]:
    """Return what an event says of the message as a delta of Chat Completions."""
    delta = {name: value for name, value in message.items() if value not in ("", [])}
    if "tool_calls" in delta:
        delta["tool_calls"] = [{"index": index, **object_of(delta["tool_calls"], "a call")}]
    if "content" in delta:
        part = object_of(delta["content"], "content")
        kind = "thinking" if "thinking" in part else "text"
        delta["content"] = [{"type": kind, **part}]
    if "citations" in delta:
        delta["citations"] = [object_of(delta["citations"], "a citation")]
    return delta


def _usage(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of tokens as Chat Completions names them."""
    usage = object_of(data.get("usage"), "usage")
    tokens = object_of(usage.get("tokens"), "tokens")
    return {
        "prompt_tokens": tokens.get("input_tokens"),
        "completion_tokens": tokens.get("output_tokens"),
        "prompt_tokens_details": {"cached_tokens": usage.get("cached_tokens")},
    }


def _offered(request: ModelRequest) -> tuple[Tool, ...]:
    if request.choice in _WORDS:
        return request.tools
    return tuple(tool for tool in request.tools if tool.name == request.choice)


def _options(request: ModelRequest, *, stream: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"stream": stream}
    if request.tools and request.choice != "auto":
        options["tool_choice"] = "NONE" if request.choice == "none" else "REQUIRED"
    wishes = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }
    return options | {name: value for name, value in wishes.items() if value is not None}
