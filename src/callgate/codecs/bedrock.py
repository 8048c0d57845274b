"""The wire of Amazon Bedrock Converse.

How messages are written stands in `bedrock_writing`, how responses are read in `bedrock_reading`,
`bedrock_stream` and `bedrock_events`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast
from urllib.parse import quote

from callgate.codecs.bedrock_errors import read_error
from callgate.codecs.bedrock_events import BinaryEventStream
from callgate.codecs.bedrock_reading import WIRE, read_response
from callgate.codecs.bedrock_stream import ConverseDecoder
from callgate.codecs.bedrock_writing import (
    is_result,
    write_choice,
    write_message,
    write_tool,
)
from callgate.codecs.claude import refuses_forced_choice, refuses_temperature, thinking_of
from callgate.codecs.encoder import ConversationEncoder, dumped, fields
from callgate.codecs.turns import Turns, arranged, speaks_late
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError
from callgate.messages import CallPart, Message, ModelRequest, ModelResponse, ResultPart
from callgate.types import Tool

__all__ = ["Bedrock"]

_CACHE_POINT = {"cachePoint": {"type": "default"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bedrock:
    """Amazon Bedrock Converse, sans I/O; see `Codec`.

    Attributes:
        tool_fields: By a tool's name, fields of its definition that our tools do not have, such as
            `strict`.
        server_tools: Entries of `toolConfig.tools` offered after ours, such as `systemTool`.
        cache: Whether to mark the ends of tools, system and conversation for the provider's cache;
            models without one refuse the marks, so the default is not to.
        more: Fields of every request, such as `additionalModelRequestFields`.
    """

    tool_fields: Mapping[str, Mapping[str, Any]] = field(
        default_factory=dict[str, Mapping[str, Any]]
    )
    server_tools: tuple[Mapping[str, Any], ...] = ()
    cache: bool = False
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def wire(self) -> str:
        """The name of the wire."""
        return WIRE

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path below the base URL; the model stands in it."""
        return f"/model/{quote(model, safe='')}/converse{'-stream' if stream else ''}"

    def encode_tools(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """Return the definitions of `tools` in their order, then those of the server's tools."""
        written = [write_tool(tool, self.tool_fields.get(tool.name, {})) for tool in tools]
        written += [dict(tool) for tool in self.server_tools]
        return written + ([dict(_CACHE_POINT)] if self.cache and written else [])

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
        """Return the whole body of a request; whether it is streamed is said by its path.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        wiring = self._wiring(model)
        items, state = wiring.write(request.messages, wiring.start)
        body = {"messages": items + wiring.waiting(state)} | wiring.options(request, state)
        tools = wiring.tools(request.tools)
        if tools and _offers(request):
            body["toolConfig"] = {"tools": tools} | wiring.choice(request)
        return body

    def notes(self, request: ModelRequest, *, model: str) -> tuple[str, ...]:
        """Return what of a request the wire or the model cannot do; see `Noting`."""
        found: list[str] = []
        wiring = self._wiring(model)
        if request.tools and request.choice == "none" and _offers(request):
            found.append("This wire cannot forbid calls once there were some: tools are offered.")
        elif request.tools and _forces(request) and not wiring.choice(request):
            found.append(
                f"{model} refuses a forced tool choice, here or with thinking: "
                f"it is left to choose itself instead of {request.choice!r}."
            )
        if request.tools and not request.parallel:
            found.append("This wire cannot forbid several calls in one message.")
        if request.temperature is not None and not wiring.samples(request):
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
        """Whether a response is one of Converse, by its reason to stop and its output."""
        return "stopReason" in response and isinstance(response.get("output"), dict)

    def decode_response(
        self, response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
    ) -> ModelResponse:
        """Read a whole response; see `Codec.decode_response`.

        Raises:
            ModelError: It is not readable.
        """
        return read_response(response, model=model, names=names)

    def framer(self) -> BinaryEventStream:
        """Return what cuts a stream into frames."""
        return BinaryEventStream()

    def decoder(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> ConverseDecoder:
        """Return a reader for one streamed response."""
        return ConverseDecoder(model=model, names=names)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused."""
        return read_error(status, headers, body)

    def _wiring(self, model: str) -> ConverseWiring:
        return ConverseWiring(
            model=model, more=self.more, definitions=self.encode_tools, cache=self.cache
        )


def _forces(request: ModelRequest) -> bool:
    return request.choice not in ("auto", "none")


def _offers(request: ModelRequest) -> bool:
    """Whether tools are offered: not if no call may come, but the wire wants them once one came."""
    return request.choice != "none" or any(
        isinstance(part, CallPart | ResultPart)
        for message in request.messages
        for part in message.parts
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverseWiring:
    """How requests to one model are written; see `Wiring`.

    Attributes:
        model: The model that is asked.
        more: Fields of every request.
        definitions: Makes the definitions of tools.
        cache: Whether to mark the end of the conversation.
    """

    model: str
    more: Mapping[str, Any]
    definitions: Callable[[Sequence[Tool]], list[dict[str, Any]]]
    cache: bool

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
        """Return the message that may still grow, marked if it is the user's."""
        last = state.open
        if self.cache and state.role == "user":
            last[0]["content"].append(_CACHE_POINT)
        return last

    def tools(self, tools: tuple[Tool, ...]) -> list[dict[str, Any]]:
        """Return the definitions of tools."""
        return self.definitions(tools)

    def body(
        self, request: ModelRequest, *, items: bytes, tools: bytes, state: Turns, stream: bool
    ) -> bytes:
        """Return the whole body."""
        parts = [b'{"messages":[', items, b"]", fields(self.options(request, state))]
        server_tools = () if tools else self.definitions(())
        if (tools or server_tools) and _offers(request):
            parts += (b',"toolConfig":{"tools":', tools or dumped(server_tools))
            parts += (fields(self.choice(request)), b"}")
        return b"".join((*parts, b"}"))

    def options(self, request: ModelRequest, state: Turns) -> dict[str, Any]:
        """Return the fields of a request beside messages and tools."""
        options: dict[str, Any] = {}
        if state.system:
            mark = (_CACHE_POINT,) if self.cache else ()
            options["system"] = [*state.system, *mark]
        config: dict[str, Any] = {}
        if request.max_tokens is not None:
            config["maxTokens"] = request.max_tokens
        if self.samples(request):
            config["temperature"] = request.temperature
        if config:
            options["inferenceConfig"] = config
        return options | dict(self.more)

    def samples(self, request: ModelRequest) -> bool:
        """Whether a request has a temperature that the model takes."""
        return request.temperature is not None and not refuses_temperature(
            self.model, self._thinking()
        )

    def choice(self, request: ModelRequest) -> dict[str, Any]:
        """Return `toolChoice`, where the model takes one and it is not its own."""
        refused = refuses_forced_choice(self.model, self._thinking())
        if not request.tools or not _forces(request) or refused:
            return {}
        return {"toolChoice": write_choice(request.choice)}

    def _thinking(self) -> str:
        fields: Any = self.more.get("additionalModelRequestFields")
        return thinking_of(cast("dict[str, Any]", fields)) if isinstance(fields, dict) else ""
