"""The wire of OpenAI Responses and of the servers that speak it.

How items are written stands in `openai_responses_writing`, how responses are read in
`openai_responses_reading` and `openai_responses_stream`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from callgate.codecs.encoder import ConversationEncoder
from callgate.codecs.openai_chat import ChatWiring, Waiting
from callgate.codecs.openai_errors import read_error
from callgate.codecs.openai_responses_reading import WIRE, read_response
from callgate.codecs.openai_responses_stream import ResponsesDecoder
from callgate.codecs.openai_responses_writing import (
    ToolOptions,
    write_choice,
    write_message,
    write_tools,
)
from callgate.codecs.sse import EventStream
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError
from callgate.messages import Message, ModelRequest, ModelResponse
from callgate.types import Tool

__all__ = ["OpenAIResponses", "ToolOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAIResponses:
    """OpenAI Responses, sans I/O; see `Codec`.

    A call that the model does not wait for (`async`) may be answered in any later message: its
    result needs its id only.

    Attributes:
        stateless: Whether the provider keeps nothing: reasoning then comes encrypted and goes back
            with the conversation. Models that do not reason refuse this.
        options: What else is said about a tool, by its name.
        namespaces: Descriptions of the namespaces that `options` names.
        server_tools: Definitions of the provider's own tools, such as `{"type": "tool_search"}`,
            offered after ours.
        allowed: The names of the tools that may be called; the others stay in the list, so that
            the provider's cache holds. None (the default) for all.
        more: Fields of every request, such as `reasoning` or `prompt_cache_key`.
    """

    stateless: bool = False
    options: Mapping[str, ToolOptions] = field(default_factory=dict[str, ToolOptions])
    namespaces: Mapping[str, str] = field(default_factory=dict[str, str])
    server_tools: tuple[Mapping[str, Any], ...] = ()
    allowed: tuple[str, ...] | None = None
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def wire(self) -> str:
        """The name of the wire."""
        return WIRE

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path below the base URL: the same for every model."""
        return "/responses"

    def encode_tools(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """Return the definitions of `tools` in their order, then those of the server's tools."""
        own = write_tools(tools, self.options, self.namespaces)
        return own + [dict(definition) for definition in self.server_tools]

    def encode_message(self, message: Message, *, model: str = "") -> list[dict[str, Any]]:
        """Return the items of one of our messages; see `Codec.encode_message`.

        Raises:
            ModelRequestError: The wire has no place for a part of it.
        """
        return write_message(message, model)[0]

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
        return () if request.seed is None else ("OpenAI Responses takes no seed.",)

    def encoder(self, model: str) -> ConversationEncoder[Waiting]:
        """Return an encoder for requests to `model` that remembers what it has written."""
        return ConversationEncoder(self._wiring(model))

    def owns(self, response: Mapping[str, Any]) -> bool:
        """Whether a response has a list of output items, or says that it is one."""
        return response.get("object") == "response" or isinstance(response.get("output"), list)

    def decode_response(
        self, response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
    ) -> ModelResponse:
        """Read a whole response; see `Codec.decode_response`.

        Raises:
            ModelError: It is an error of the provider, or not readable.
        """
        return read_response(response, model=model, names=names, inputs=self._inputs)

    def framer(self) -> EventStream:
        """Return what cuts a stream into frames."""
        return EventStream()

    def decoder(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> ResponsesDecoder:
        """Return a reader for one streamed response."""
        return ResponsesDecoder(model=model, names=names, inputs=self._inputs)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused."""
        return read_error(status, headers, body)

    @property
    def _inputs(self) -> dict[str, str]:
        return {name: one.parameter for name, one in self.options.items() if one.parameter}

    def _wiring(self, model: str) -> ChatWiring:
        return ChatWiring(
            model=model,
            options=self._fields,
            field="input",
            message=write_message,
            definitions=self.encode_tools,
        )

    def _fields(self, request: ModelRequest, *, stream: bool) -> dict[str, Any]:
        fields: dict[str, Any] = {"stream": True} if stream else {}
        if self.stateless:
            fields |= {"store": False, "include": ["reasoning.encrypted_content"]}
        if request.tools:
            choice = write_choice(request.choice, self.options, self.allowed)
            if choice != "auto":
                fields["tool_choice"] = choice
            if not request.parallel:
                fields["parallel_tool_calls"] = False
        elif self.server_tools:
            fields["tools"] = self.encode_tools(())
        wishes = {
            "max_output_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        given = {name: value for name, value in wishes.items() if value is not None}
        return fields | given | dict(self.more)
