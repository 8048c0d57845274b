"""The wire of Anthropic Messages, and of the servers that speak it.

How messages are written stands in `anthropic_writing`, how responses are read in
`anthropic_reading` and `anthropic_stream`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from callgate.codecs.anthropic_errors import read_error
from callgate.codecs.anthropic_reading import WIRE, read_response
from callgate.codecs.anthropic_stream import MessagesDecoder
from callgate.codecs.anthropic_writing import is_result, write_choice, write_message, write_tool
from callgate.codecs.claude import refuses_forced_choice, refuses_temperature, thinking_of
from callgate.codecs.encoder import ConversationEncoder, dumped, fields
from callgate.codecs.sse import EventStream
from callgate.codecs.turns import Turns, arranged, speaks_late
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError
from callgate.messages import Message, ModelRequest, ModelResponse
from callgate.types import Tool

__all__ = ["Anthropic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anthropic:
    """Anthropic Messages, sans I/O; see `Codec`.

    Attributes:
        max_tokens: Tokens the model may write where a request does not say; the wire wants a
            number. Defaults to 16,384.
        tool_fields: By a tool's name, fields of its definition that our tools do not have:
            `strict`, `cache_control`, `defer_loading`, `allowed_callers` ...
        server_tools: Definitions of tools that the provider runs, offered after ours.
        more: Fields of every request, such as `thinking`, `cache_control` or `output_config`.
    """

    max_tokens: int = 16_384
    tool_fields: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]]
    )
    server_tools: tuple[Mapping[str, Any], ...] = ()
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def wire(self) -> str:
        """The name of the wire."""
        return WIRE

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path below the base URL: the same for every model."""
        return "/v1/messages"

    def encode_tools(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """Return the definitions of `tools` in their order, then those of the server's tools."""
        written = [write_tool(tool, self.tool_fields.get(tool.name, {})) for tool in tools]
        return written + [dict(tool) for tool in self.server_tools]

    def encode_message(self, message: Message, *, model: str = "") -> list[dict[str, Any]]:
        """Return the wire's messages for one of ours; see `Codec.encode_message`.

        The words of the system stand beside the conversation, so `encode_request` puts them there;
        here they make a message of role `system`.

        Raises:
            ModelRequestError: The wire has no place for a part of it.
        """
        written = write_message(message, model)
        content = [*written.system, *written.blocks]
        return [{"role": written.role, "content": content}] if content else []

    def encode_request(
        self, request: ModelRequest, *, model: str, stream: bool = False
    ) -> dict[str, Any]:
        """Return the whole body of a request.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        wiring = self._wiring(model)
        items, state = wiring.write(request.messages, wiring.start)
        body = {"model": model, "messages": items + wiring.waiting(state)}
        if tools := wiring.tools(request.tools):
            body["tools"] = tools
        return body | self._options(request, state, model=model, stream=stream)

    def notes(self, request: ModelRequest, *, model: str) -> tuple[str, ...]:
        """Return what of a request the wire or the model cannot do; see `Noting`."""
        found: list[str] = []
        if request.tools and self._choice(request.choice, model) != request.choice:
            found.append(
                f"{model} refuses a forced tool choice, here or with thinking: "
                f"it is left to choose itself instead of {request.choice!r}."
            )
        if request.temperature is not None and not self._samples(request, model):
            found.append(f"{model} takes no temperature, here or with thinking.")
        if request.seed is not None:
            found.append("This wire has no seed: answers are not repeatable.")
        if speaks_late(request.messages):
            found.append("Words of the system that came later stand at the beginning.")
        return tuple(found)

    def encoder(self, model: str) -> ConversationEncoder[Turns]:
        """Return an encoder for requests to `model` that remembers what it has written."""
        return ConversationEncoder(self._wiring(model))

    def owns(self, response: Mapping[str, Any]) -> bool:
        """Whether a response is a message of an assistant with blocks of content."""
        return (
            response.get("type") == "message"
            and response.get("role") == "assistant"
            and isinstance(response.get("content"), list)
        )

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

    def decoder(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> MessagesDecoder:
        """Return a reader for one streamed response."""
        return MessagesDecoder(model=model, names=names)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused."""
        return read_error(status, headers, body)

    def _wiring(self, model: str) -> MessagesWiring:
        options = partial(self._options, model=model)
        return MessagesWiring(model=model, options=options, definitions=self.encode_tools)

    def _choice(self, choice: str, model: str) -> str:
        """Return the choice that the model accepts."""
        if choice == "none" or not refuses_forced_choice(model, thinking_of(self.more)):
            return choice
        return "auto"

    def _samples(self, request: ModelRequest, model: str) -> bool:
        refused = refuses_temperature(model, thinking_of(self.more))
        return request.temperature is not None and not refused

    def _options(
        self, request: ModelRequest, state: Turns, *, model: str, stream: bool
    ) -> dict[str, Any]:
        options: dict[str, Any] = {
            "max_tokens": self.max_tokens if request.max_tokens is None else request.max_tokens
        }
        if stream:
            options["stream"] = True
        if state.system:
            options["system"] = list(state.system)
        if self._samples(request, model):
            options["temperature"] = request.temperature
        if request.tools:
            choice = self._choice(request.choice, model)
            if choice != "auto" or not request.parallel:
                options["tool_choice"] = write_choice(choice, parallel=request.parallel)
        return options | state.notes | dict(self.more)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesWiring:
    """How requests to one model are written; see `Wiring`.

    Attributes:
        model: The model that is asked.
        options: Makes the fields of a request beside model, messages and tools.
        definitions: Makes the definitions of tools.
    """

    model: str
    options: Callable[..., dict[str, Any]]
    definitions: Callable[[Sequence[Tool]], list[dict[str, Any]]]

    @property
    def start(self) -> Turns:
        """Nothing is said yet."""
        return Turns()

    def write(
        self, messages: Sequence[Message], state: Turns
    ) -> tuple[list[dict[str, Any]], Turns]:
        """Return the messages that are complete, and the state with the one that may grow."""
        write = partial(write_message, model=self.model)
        return arranged(messages, state, write=write, is_result=is_result)

    def waiting(self, state: Turns) -> list[dict[str, Any]]:
        """Return the message that may still grow."""
        return state.open

    def tools(self, tools: tuple[Tool, ...]) -> Any:
        """Return the definitions of tools."""
        return self.definitions(tools)

    def body(
        self, request: ModelRequest, *, items: bytes, tools: bytes, state: Turns, stream: bool
    ) -> bytes:
        """Return the whole body."""
        parts = [b'{"messages":[', items, b"]"]
        server_tools = () if tools else self.definitions(())
        if tools or server_tools:
            parts += (b',"tools":', tools or dumped(server_tools))
        options = self.options(request, state, stream=stream)
        parts += (fields({"model": self.model} | options), b"}")
        return b"".join(parts)
