"""The wire of Gemini's `generateContent`, on the Gemini API and on Vertex AI.

How messages are written stands in `gemini_writing`, how responses are read in `gemini_reading` and
`gemini_stream`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callgate.codecs.encoder import ConversationEncoder, fields
from callgate.codecs.gemini_errors import read_error
from callgate.codecs.gemini_reading import WIRE
from callgate.codecs.gemini_stream import GeminiDecoder, read_response
from callgate.codecs.gemini_writing import (
    Turn,
    write_calling,
    write_contents,
    write_tools,
    written_results,
)
from callgate.codecs.sse import EventStream
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError
from callgate.messages import Message, ModelRequest, ModelResponse, Role
from callgate.types import Tool

__all__ = ["Gemini"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemini:
    """Gemini's `generateContent`, sans I/O; see `Codec`.

    Attributes:
        validated: Whether a free choice is asked for as `VALIDATED`: the model may answer with
            text or calls, and calls keep to their schemas. Older models do not know it.
        stream_arguments: Whether Vertex AI is asked to stream arguments value by value; the Gemini
            API does not know it.
        declare: Writes the definitions of tools; the default gives their schemas as they are, in
            `parametersJsonSchema`.
    """

    validated: bool = False
    stream_arguments: bool = False
    declare: Callable[[Sequence[Tool]], list[dict[str, Any]]] = write_tools

    @property
    def wire(self) -> str:
        """The name of the wire."""
        return WIRE

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path below the base URL; a name without a folder is one of `models`."""
        name = model if "/" in model else f"models/{model}"
        return f"/{name}:streamGenerateContent?alt=sse" if stream else f"/{name}:generateContent"

    def encode_tools(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """Return the definitions of `tools`, in their order: one item for all of them."""
        return self.declare(tools)

    def encode_message(self, message: Message, *, model: str = "") -> list[dict[str, Any]]:
        """Return the wire's contents for one of our messages; see `Codec.encode_message`.

        What the system says is returned as a content of role `system`; in a request it stands in
        `systemInstruction`.

        Raises:
            ModelRequestError: The wire has no place for a part of it.
        """
        written, turn = write_contents([message], model, Turn())
        if message.role is Role.SYSTEM:
            return [{"role": "system", "parts": list(turn.system)}]
        return written + written_results(turn)

    def encode_request(
        self, request: ModelRequest, *, model: str, stream: bool = False
    ) -> dict[str, Any]:
        """Return the whole body of a request; whether it is streamed is said by the path.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        written, turn = write_contents(request.messages, model, Turn())
        body: dict[str, Any] = {"contents": written + written_results(turn)}
        if request.tools:
            body["tools"] = self.encode_tools(request.tools)
        return body | _options(request, turn, self, stream=stream)

    def encoder(self, model: str) -> ConversationEncoder[Turn]:
        """Return an encoder for requests to `model` that remembers what it has written."""
        return ConversationEncoder(_Wiring(model=model, codec=self))

    def owns(self, response: Mapping[str, Any]) -> bool:
        """Whether a response has candidates, or says why it has none."""
        return any(
            isinstance(response.get(name), kind)
            for name, kind in (
                ("candidates", list),
                ("promptFeedback", dict),
                ("prompt_feedback", dict),
            )
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

    def decoder(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> GeminiDecoder:
        """Return a reader for one streamed response."""
        return GeminiDecoder(model=model, names=names)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused."""
        return read_error(status, headers, body)

    def notes(self, request: ModelRequest, *, model: str) -> tuple[str, ...]:
        """Return what is done otherwise than asked: parallel calls cannot be forbidden."""
        if request.parallel or not request.tools:
            return ()
        return ("This wire cannot forbid parallel calls: several may come in one message.",)


def _options(request: ModelRequest, turn: Turn, codec: Gemini, *, stream: bool) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if turn.system:
        options["systemInstruction"] = {"parts": list(turn.system)}
    if request.tools:
        calling = write_calling(request.choice, validated=codec.validated)
        if stream and codec.stream_arguments:
            calling["streamFunctionCallArguments"] = True
        if calling:
            options["toolConfig"] = {"functionCallingConfig": calling}
    wishes = {
        "maxOutputTokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }
    given = {name: value for name, value in wishes.items() if value is not None}
    return options | ({"generationConfig": given} if given else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wiring:
    """How requests to one model are written; see `Wiring`."""

    model: str
    codec: Gemini

    @property
    def start(self) -> Turn:
        return Turn()

    def write(self, messages: Sequence[Message], state: Turn) -> tuple[list[dict[str, Any]], Turn]:
        return write_contents(messages, self.model, state)

    def waiting(self, state: Turn) -> list[dict[str, Any]]:
        return written_results(state)

    def tools(self, tools: tuple[Tool, ...]) -> Any:
        return self.codec.encode_tools(tools)

    def body(
        self, request: ModelRequest, *, items: bytes, tools: bytes, state: Turn, stream: bool
    ) -> bytes:
        parts = [b'{"contents":[', items, b"]"]
        if tools:
            parts += (b',"tools":', tools)
        options = _options(request, state, self.codec, stream=stream)
        return b"".join((*parts, fields(options), b"}"))
