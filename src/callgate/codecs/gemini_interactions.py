"""The wire of Gemini's interactions, the provider's newer API.

Conversations are sent whole and are not stored by the provider: `previous_interaction_id` is not
used, so that a conversation can begin and go on anywhere.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from callgate.codecs.encoder import ConversationEncoder, dumped, fields
from callgate.codecs.gemini_errors import read_error
from callgate.codecs.gemini_interactions_reading import WIRE, read_response
from callgate.codecs.gemini_interactions_stream import InteractionDecoder
from callgate.codecs.gemini_writing import is_for, object_arguments
from callgate.codecs.names import wire_name
from callgate.codecs.sse import EventStream
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError, ModelRequestError
from callgate.messages import (
    CallPart,
    Message,
    ModelRequest,
    ModelResponse,
    Opaque,
    Part,
    ResultPart,
    Role,
)
from callgate.types import Content, FilePart, ImagePart, Text, Tool

__all__ = ["GeminiInteractions"]

Json: TypeAlias = dict[str, Any]
System: TypeAlias = tuple[str, ...]

_KINDS = frozenset({"image", "audio", "video"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GeminiInteractions:
    """Gemini's interactions, sans I/O; see `Codec`.

    Attributes:
        store: Whether the provider keeps the interaction.
    """

    store: bool = False

    @property
    def wire(self) -> str:
        """The name of the wire."""
        return WIRE

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path below the base URL: the same for every model."""
        return "/interactions"

    def encode_tools(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """Return the definitions of `tools` in their order."""
        return [_declaration(tool) for tool in tools]

    def encode_message(self, message: Message, *, model: str = "") -> list[dict[str, Any]]:
        """Return the wire's steps for one of our messages; see `Codec.encode_message`.

        What the system says is returned as a step `system_instruction`; in a request it stands in
        the field of this name.

        Raises:
            ModelRequestError: The wire has no place for a part of it.
        """
        steps, system = _written([message], model, ())
        said: Json = {"type": "system_instruction", "text": "\n\n".join(system)}
        return [said] if message.role is Role.SYSTEM else steps

    def encode_request(
        self, request: ModelRequest, *, model: str, stream: bool = False
    ) -> dict[str, Any]:
        """Return the whole body of a request.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        steps, system = _written(request.messages, model, ())
        body: Json = {"model": model, "input": steps}
        if request.tools:
            body["tools"] = self.encode_tools(request.tools)
        return body | _options(request, system, stream=stream, store=self.store)

    def encoder(self, model: str) -> ConversationEncoder[System]:
        """Return an encoder for requests to `model` that remembers what it has written."""
        return ConversationEncoder(_Wiring(model=model, codec=self))

    def owns(self, response: Mapping[str, Any]) -> bool:
        """Whether a response is an interaction."""
        return response.get("object") == "interaction" or (
            isinstance(response.get("steps"), list) and isinstance(response.get("status"), str)
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

    def decoder(
        self, *, model: str = "", names: Mapping[str, str] = NO_NAMES
    ) -> InteractionDecoder:
        """Return a reader for one streamed response."""
        return InteractionDecoder(model=model, names=names)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused."""
        return read_error(status, headers, body)

    def notes(self, request: ModelRequest, *, model: str) -> tuple[str, ...]:
        """Return what is done otherwise than asked: parallel calls cannot be forbidden."""
        if request.parallel or not request.tools:
            return ()
        return ("This wire cannot forbid parallel calls: several may come in one message.",)


def _declaration(tool: Tool) -> Json:
    declaration: Json = {"type": "function", "name": wire_name(tool.name)}
    if tool.description:
        declaration["description"] = tool.description
    return declaration | {"parameters": tool.parameters}


def _choice(choice: str) -> Any:
    if choice in ("auto", "none"):
        return choice
    if choice == "required":
        return "any"
    return {"allowed_tools": {"mode": "any", "tools": [wire_name(choice)]}}


def _options(request: ModelRequest, system: System, *, stream: bool, store: bool) -> Json:
    options: Json = {"store": store}
    if stream:
        options["stream"] = True
    if system:
        options["system_instruction"] = "\n\n".join(system)
    wishes: Json = {
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }
    given = {name: value for name, value in wishes.items() if value is not None}
    if request.tools and request.choice != "auto":
        given["tool_choice"] = _choice(request.choice)
    return options | ({"generation_config": given} if given else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wiring:
    """How requests to one model are written; see `Wiring`. The state is what the system said."""

    model: str
    codec: GeminiInteractions

    @property
    def start(self) -> System:
        return ()

    def write(
        self, messages: Sequence[Message], state: System
    ) -> tuple[list[dict[str, Any]], System]:
        return _written(messages, self.model, state)

    def waiting(self, state: System) -> list[dict[str, Any]]:
        return []

    def tools(self, tools: tuple[Tool, ...]) -> Any:
        return self.codec.encode_tools(tools)

    def body(
        self, request: ModelRequest, *, items: bytes, tools: bytes, state: System, stream: bool
    ) -> bytes:
        parts = [b'{"model":', dumped(self.model), b',"input":[', items, b"]"]
        if tools:
            parts += (b',"tools":', tools)
        options = _options(request, state, stream=stream, store=self.codec.store)
        return b"".join((*parts, fields(options), b"}"))


# --- messages -------------------------------------------------------------------------------


def _written(messages: Sequence[Message], model: str, system: System) -> tuple[list[Json], System]:
    steps: list[Json] = []
    for message in messages:
        match message.role:
            case Role.SYSTEM:
                system += tuple(map(_system_text, message.parts))
            case Role.USER:
                content = [_content(part) for part in message.parts]
                steps.append({"type": "user_input", "content": content})
            case Role.TOOL:
                steps += [_result(part) for part in message.parts]
            case _:
                answer = _Answer(model)
                for part in message.parts:
                    answer.add(part)
                steps += answer.steps
    return steps, system


def _system_text(part: Part) -> str:
    if isinstance(part, Text):
        return part.text
    raise ModelRequestError(f"A {type(part).__name__} has no place in what the system says.")


def _content(part: Part) -> Json:
    match part:
        case Text():
            return {"type": "text", "text": part.text}
        case ImagePart() | FilePart():
            return _file(part)
        case Opaque(wire="gemini_interactions", data={"content": content}):
            return content
        case _:
            raise ModelRequestError(
                f"A {type(part).__name__} has no place in the content of a message."
            )


def _file(part: ImagePart | FilePart) -> Json:
    general = part.media_type.partition("/")[0]
    where = {"data": b64encode(part.data).decode()} if part.data else {"uri": part.url}
    kind = general if general in _KINDS else "document"
    return {"type": kind, "mime_type": part.media_type, **where}


def _result(part: Part) -> Json:
    if not isinstance(part, ResultPart):
        raise ModelRequestError(f"A {type(part).__name__} has no place in a message of role tool.")
    result: Any = part.text
    if part.content:
        shown: list[Content] = [Text(text=part.text), *part.content]
        result = [_content(item) for item in shown]
    step = {
        "type": "function_result",
        "call_id": part.call_id,
        "name": wire_name(part.name),
        "result": result,
    }
    return step | {"is_error": True} if part.error else step


class _Answer:
    """Puts the parts of an assistant message back into the steps they came from."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._next: dict[str, Json] = {}
        self.steps: list[Json] = []

    def add(self, part: Part) -> None:
        match part:
            case Text():
                self._say({"type": "text", "text": part.text, **self._next.pop("text", {})})
            case CallPart():
                self._call(part)
            case Opaque():
                if part.wire == WIRE and is_for(part, self._model):
                    self._opaque(cast("Json", part.data))
            case _:
                self._say(_content(part))

    def _say(self, content: Json) -> None:
        if not self.steps or self.steps[-1].get("type") != "model_output":
            self.steps.append({"type": "model_output"})
        self.steps[-1].setdefault("content", []).append(content)

    def _call(self, part: CallPart) -> None:
        step = {
            "type": "function_call",
            "id": part.id,
            "name": wire_name(part.name),
            "arguments": object_arguments(part),
        }
        self.steps.append(step | self._next.pop("call", {}))

    def _opaque(self, data: Json) -> None:
        for kind, value in data.items():
            match kind:
                case "step":
                    self.steps.append(value)
                case "output":
                    self.steps.append({"type": "model_output", **value})
                case "content":
                    self._say(value)
                case "text" | "call":
                    self._next[kind] = value
                case "events":
                    pass  # about the stream, not of the answer
                case _:
                    raise ModelRequestError(f"The wire {WIRE} has no opaque part {kind!r}.")
