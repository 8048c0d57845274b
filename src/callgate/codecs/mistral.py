"""The wire of Mistral: Chat Completions with small differences.

- A call has an id of nine letters and digits; others are refused, so that a conversation begun
  elsewhere gets its ids changed, each always to the same one.
- One of the tools must be called is said with `any`, the seed is `random_seed`.
- A file goes as `document_url`, by value or by reference.
- Thoughts are parts of the content; they go back unchanged.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from callgate.codecs.encoder import ConversationEncoder
from callgate.codecs.openai_chat import ChatWiring, Waiting, owns_chat
from callgate.codecs.openai_chat_reading import read_response
from callgate.codecs.openai_chat_stream import ChatDecoder
from callgate.codecs.openai_chat_writing import (
    Form,
    data_url,
    write_choice,
    write_file,
    write_message,
    write_tools,
)
from callgate.codecs.openai_errors import read_error
from callgate.codecs.sse import EventStream
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError
from callgate.messages import Message, ModelRequest, ModelResponse
from callgate.types import FilePart, Tool

__all__ = ["Mistral"]

WIRE = "mistral"

_ID = re.compile(r"[a-zA-Z0-9]{9}")


def _call_id(given: str) -> str:
    if _ID.fullmatch(given):
        return given
    return hashlib.sha256(given.encode("utf-8", "surrogatepass")).hexdigest()[:9]


def _file(part: FilePart) -> dict[str, Any]:
    if part.media_type.startswith("audio/"):
        return write_file(part)
    url = data_url(part.media_type, part.data) if part.data else part.url
    named = {"document_name": part.name} if part.name else {}
    return {"type": "document_url", "document_url": url, **named}


_FORM = Form(wire=WIRE, file=_file, call_id=_call_id)
_write = partial(write_message, form=_FORM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistral:
    """Mistral's chat completions, sans I/O; see `Codec`.

    A response looks like one of OpenAI's: `detect` takes it for that, `by_name` does not.
    """

    @property
    def wire(self) -> str:
        """The name of the wire."""
        return WIRE

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path below the base URL: the same for every model."""
        return "/chat/completions"

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

    def encoder(self, model: str) -> ConversationEncoder[Waiting]:
        """Return an encoder for requests to `model` that remembers what it has written."""
        return ConversationEncoder(self._wiring(model))

    def owns(self, response: Mapping[str, Any]) -> bool:
        """Whether a response has choices with a message each, as OpenAI's has too."""
        return owns_chat(response)

    def decode_response(
        self, response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
    ) -> ModelResponse:
        """Read a whole response; see `Codec.decode_response`.

        Raises:
            ModelError: It is an error of the provider, or not readable.
        """
        return read_response(response, model=model, names=names, wire=WIRE)

    def framer(self) -> EventStream:
        """Return what cuts a stream into frames."""
        return EventStream()

    def decoder(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> ChatDecoder:
        """Return a reader for one streamed response."""
        return ChatDecoder(model=model, names=names, wire=WIRE)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused."""
        return read_error(status, headers, body)

    def _wiring(self, model: str) -> ChatWiring:
        return ChatWiring(model=model, options=_options, message=_write)


def _options(request: ModelRequest, *, stream: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"stream": True} if stream else {}
    if request.tools:
        if request.choice == "required":
            options["tool_choice"] = "any"
        elif request.choice != "auto":
            options["tool_choice"] = write_choice(request.choice)
        if not request.parallel:
            options["parallel_tool_calls"] = False
    wishes = {
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "random_seed": request.seed,
    }
    return options | {name: value for name, value in wishes.items() if value is not None}
