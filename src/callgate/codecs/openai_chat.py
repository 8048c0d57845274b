"""The wire of OpenAI Chat Completions and of the many servers that speak it.

How messages are written stands in `openai_chat_writing`, how responses are read in
`openai_chat_reading` and `openai_chat_stream`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from weakref import WeakKeyDictionary, ref

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
        written, waiting = arranged(request.messages, model)
        body: dict[str, Any] = {"model": model, "messages": written + waiting}
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prefix:
    """The beginning of a conversation as it was written.

    Attributes:
        first: Its first message; weak, for it may be the last one too.
        count: How many messages it has.
        text: What was written of them.
        waiting: What of them has to wait until the turn's last result.
    """

    first: ref[Message] | None = None
    count: int = 0
    text: bytes = b""
    waiting: tuple[dict[str, Any], ...] = ()


_NOTHING = _Prefix()


class ChatEncoder:
    """Writes requests and remembers the bytes of tools and conversations; see `RequestEncoder`."""

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
        # By the last message of each. Weak: what is remembered of a conversation goes with it.
        self._prefixes: WeakKeyDictionary[Message, _Prefix] = WeakKeyDictionary()

    def encode(self, request: ModelRequest, *, stream: bool) -> bytes:
        """Return the body of a request.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        parts = [self._start, self._conversation(request.messages), b"]"]
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
            text = dumped([write_tool(tool) for tool in tools])
            found = _Offered(tools=tools, text=text, names=wire_names(tools))
            self._offered[id(tools)] = found
            if len(self._offered) > _SURFACES:
                self._offered.popitem(last=False)
        else:
            self._offered.move_to_end(id(tools))
        return found

    def _conversation(self, messages: Sequence[Message]) -> bytes:
        """Return what is written of a conversation, at the cost of its new messages."""
        if not messages:
            return b""
        known = self._known(messages)
        written, waiting = arranged(messages[known.count :], self._model, known.waiting)
        text = _joined(known.text, written)
        if known.count:
            del self._prefixes[messages[known.count - 1]]
        self._prefixes[messages[-1]] = _Prefix(
            first=ref(messages[0]), count=len(messages), text=text, waiting=tuple(waiting)
        )
        return _joined(text, waiting)

    def _known(self, messages: Sequence[Message]) -> _Prefix:
        """Return the longest beginning that was written before."""
        for count in range(len(messages), 0, -1):
            found = self._prefixes.get(messages[count - 1])
            # A message may stand in several conversations.
            if found and found.count == count and found.first and found.first() is messages[0]:
                return found
        return _NOTHING


def _joined(text: bytes, more: Sequence[dict[str, Any]]) -> bytes:
    """Return the items of a JSON array, without its brackets, with more of them."""
    if not more:
        return text
    new = dumped(more)[1:-1]
    return text + b"," + new if text else new
