"""The wire of OpenAI Chat Completions and of the many servers that speak it.

How messages are written stands in `openai_chat_writing`, how responses are read in
`openai_chat_reading` and `openai_chat_stream`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary

import orjson

from callgate.codecs.names import wire_names
from callgate.codecs.openai_chat_reading import WIRE, read_response
from callgate.codecs.openai_chat_stream import ChatDecoder
from callgate.codecs.openai_chat_writing import (
    arranged,
    dumped,
    write_choice,
    write_message,
    write_tool,
)
from callgate.codecs.openai_errors import read_error
from callgate.codecs.sse import EventStream
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError
from callgate.messages import Message, ModelRequest, ModelResponse
from callgate.types import Tool

__all__ = ["OpenAIChat"]

_SURFACES = 64
"""How many tuples of tools an encoder remembers."""


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
        return [write_tool(tool) for tool in tools]

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
        body: dict[str, Any] = {
            "model": model,
            "messages": list(arranged(request.messages, lambda one: write_message(one, model))),
        }
        if request.tools:
            body["tools"] = self.encode_tools(request.tools)
        return body | self._options(request, stream=stream)

    def encoder(self, model: str) -> ChatEncoder:
        """Return an encoder for requests to `model` that remembers what it has written."""
        return ChatEncoder(model, self._options)

    def owns(self, response: Mapping[str, Any]) -> bool:
        """Whether a response is a chat completion, by its choices with a message each."""
        choices: Any = response.get("choices")
        if not isinstance(choices, list) or not choices:
            return False
        first: Any = cast("list[Any]", choices)[0]
        return isinstance(first, dict) and "message" in first

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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Offered:
    """A tuple of tools as it was written; holds the tuple, so that its identity stays its own."""

    tools: tuple[Tool, ...]
    text: bytes
    names: Mapping[str, str]


class ChatEncoder:
    """Writes requests and remembers the bytes of tools and messages; see `RequestEncoder`."""

    def __init__(self, model: str, options: Callable[..., dict[str, Any]]) -> None:
        """Start with nothing written.

        Args:
            model: The model that is asked.
            options: Makes the fields of a request beside model, messages and tools.
        """
        self._model = model
        self._options = options
        self._start = b'{"model":' + orjson.dumps(model) + b',"messages":['
        self._offered: OrderedDict[int, _Offered] = OrderedDict()
        # Weak: what is remembered about a message goes when the conversation goes.
        self._messages: WeakKeyDictionary[Message, tuple[list[bytes], list[bytes]]] = (
            WeakKeyDictionary()
        )

    def encode(self, request: ModelRequest, *, stream: bool) -> bytes:
        """Return the body of a request.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        parts = [self._start, b",".join(arranged(request.messages, self._remembered)), b"]"]
        if request.tools:
            parts += (b',"tools":', self._offer(request.tools).text)
        options = self._options(request, stream=stream)
        parts += (b",", dumped(options)[1:]) if options else (b"}",)
        return b"".join(parts)

    def names(self, tools: tuple[Tool, ...]) -> Mapping[str, str]:
        """Return our names of the tools whose names had to be changed, by the wire's names."""
        return self._offer(tools).names

    def _offer(self, tools: tuple[Tool, ...]) -> _Offered:
        found = self._offered.get(id(tools))
        if found is None:
            found = _Offered(
                tools=tools,
                text=dumped([write_tool(tool) for tool in tools]),
                names=wire_names(tools),
            )
            self._offered[id(tools)] = found
            if len(self._offered) > _SURFACES:
                self._offered.popitem(last=False)
        else:
            self._offered.move_to_end(id(tools))
        return found

    def _remembered(self, message: Message) -> tuple[list[bytes], list[bytes]]:
        found = self._messages.get(message)
        if found is None:
            now, later = write_message(message, self._model)
            found = [dumped(one) for one in now], [dumped(one) for one in later]
            self._messages[message] = found
        return found
