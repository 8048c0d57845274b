"""The wire of OpenAI Chat Completions and of the many servers that speak it.

How messages are written stands in `openai_chat_writing`, how responses are read in
`openai_chat_reading` and `openai_chat_stream`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from callgate.codecs.encoder import ConversationEncoder, dumped, fields
from callgate.codecs.openai_chat_reading import WIRE, read_response
from callgate.codecs.openai_chat_stream import ChatDecoder
from callgate.codecs.openai_chat_writing import (
    Writer,
    arranged,
    write_choice,
    write_message,
    write_tools,
)
from callgate.codecs.openai_errors import read_error
from callgate.codecs.sse import EventStream
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError
from callgate.messages import Message, ModelRequest, ModelResponse
from callgate.types import Tool

__all__ = ["ChatWiring", "OpenAIChat", "Waiting", "all_tools", "owns_chat"]

Waiting: TypeAlias = tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIChat:
    """OpenAI Chat Completions, sans I/O; see `Codec`.

    Attributes:
        token_limit: The field for the most tokens to write. OpenAI's newer models refuse the old
            `max_tokens`, most other servers know only that.
        announce_parallel: Whether to say that parallel calls are allowed, rather than only when
            they are not. llama.cpp's server forbids them by default; some of OpenAI's models
            refuse the field.
    """

    token_limit: str = "max_completion_tokens"
    announce_parallel: bool = False

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
        now, later = write_message(message, model)
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
        """Whether a response is a chat completion, by its choices with a message each."""
        return owns_chat(response)

    def decode_response(
        self, response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
    ) -> ModelResponse:
        """Read a whole response; see `Codec.decode_response`.

        Raises:
            ModelError: It is an error of the provider, or not readable.
        """
        return read_response(response, model=model, names=names)

    def framer(self) -> EventStream:
        """Return what cuts a stream into frames."""
        return EventStream()

    def decoder(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> ChatDecoder:
        """Return a reader for one streamed response."""
        return ChatDecoder(model=model, names=names)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused."""
        return read_error(status, headers, body)

    def _wiring(self, model: str) -> ChatWiring:
        return ChatWiring(model=model, options=self._options)

    def _options(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if stream:
            options = {"stream": True, "stream_options": {"include_usage": True}}
        if request.tools:
            if request.choice != "auto":
                options["tool_choice"] = write_choice(request.choice)
            if self.announce_parallel or not request.parallel:
                options["parallel_tool_calls"] = request.parallel
        wishes = {
            self.token_limit: request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        return options | {name: value for name, value in wishes.items() if value is not None}


def owns_chat(response: Mapping[str, Any]) -> bool:
    """Whether a response has choices with a message each."""
    choices: Any = response.get("choices")
    if not isinstance(choices, list) or not choices:
        return False
    first: Any = cast("list[Any]", choices)[0]
    return isinstance(first, dict) and "message" in first


def all_tools(request: ModelRequest) -> tuple[Tool, ...]:
    """Return the tools of a request: every one is offered."""
    return request.tools


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatWiring:
    """How a wire of one list of messages and one of tools is written; see `Wiring`.

    The state is what has to wait until the turn's last result.

    Attributes:
        model: The model that is asked.
        options: Makes the fields of a request beside model, messages and tools; takes the request
            and `stream`.
        field: The name of the list of messages.
        message: Writes one message.
        definitions: Writes the definitions of tools.
        offered: The tools that a request offers.
    """

    model: str
    options: Callable[..., dict[str, Any]]
    field: str = "messages"
    message: Writer = write_message
    definitions: Callable[[Sequence[Tool]], list[dict[str, Any]]] = write_tools
    offered: Callable[[ModelRequest], tuple[Tool, ...]] = all_tools

    def request(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        """Return the whole body of a request as a JSON value.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        written, waiting = arranged(request.messages, self.model, write=self.message)
        body: dict[str, Any] = {"model": self.model, self.field: written + waiting}
        if tools := self.offered(request):
            body["tools"] = self.tools(tools)
        return body | self.options(request, stream=stream)

    @property
    def start(self) -> Waiting:
        """Nothing waits."""
        return ()

    def write(
        self, messages: Sequence[Message], state: Waiting
    ) -> tuple[list[dict[str, Any]], Waiting]:
        """Return what is written of the next messages, and what has to wait."""
        written, waiting = arranged(messages, self.model, state, write=self.message)
        return written, tuple(waiting)

    def waiting(self, state: Waiting) -> list[dict[str, Any]]:
        """Return what waits."""
        return list(state)

    def tools(self, tools: tuple[Tool, ...]) -> Any:
        """Return the definitions of tools."""
        return self.definitions(tools)

    def body(
        self, request: ModelRequest, *, items: bytes, tools: bytes, state: Waiting, stream: bool
    ) -> bytes:
        """Return the whole body."""
        chosen = self.offered(request)
        if chosen is not request.tools:
            tools = dumped(self.tools(chosen)) if chosen else b""
        parts = [b'{"model":', dumped(self.model), f',"{self.field}":['.encode(), items, b"]"]
        if tools:
            parts += (b',"tools":', tools)
        parts += (fields(self.options(request, stream=stream)), b"}")
        return b"".join(parts)
