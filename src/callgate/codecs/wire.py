"""What one provider's wire is to the rest of the program: pure translation, no I/O.

Above stand the model client, which moves bytes, and the gate, which runs the calls of a response.
A codec knows neither of them, no time, no key and no address: only names of fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from callgate.errors import ModelError
from callgate.messages import Message, ModelEvent, ModelRequest, ModelResponse
from callgate.types import Tool

__all__ = ["NO_NAMES", "Codec", "Frame", "Framer", "Noting", "RequestEncoder", "StreamDecoder"]

NO_NAMES: Mapping[str, str] = MappingProxyType({})
"""No tool has a name that the wire cannot carry."""


class Frame(NamedTuple):
    """One event of a stream; a tuple, because a stream makes one per token.

    Attributes:
        event: The event's name; empty where the wire gives none.
        data: The payload, still bytes: what is not UTF-8 is refused by whoever reads the JSON.
    """

    event: str
    data: bytes


class Framer(Protocol):
    """Cuts the bytes of a stream into frames, in whatever chunks they come."""

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """Take the next bytes and return the frames they complete.

        Raises:
            ModelStreamError: A frame is larger than allowed or not readable.
        """
        ...


class StreamDecoder(Protocol):
    """Reads one streamed response, frame by frame."""

    def feed(self, frame: Frame) -> Sequence[ModelEvent]:
        """Take the next frame and return what it says; the last event is `ResponseDone`.

        Raises:
            ModelError: The provider reports an error inside the stream, or the frame is not
                readable; `details["received"]` holds what had come.
        """
        ...

    def close(self) -> Sequence[ModelEvent]:
        """Say that the stream has ended; returns `ResponseDone` if it was not given yet.

        Raises:
            ModelStreamError: The response is not complete.
        """
        ...

    def received(self) -> dict[str, Any]:
        """Return what has come so far, as a JSON value: `text` and `calls`."""
        ...


class RequestEncoder(Protocol):
    """Writes requests of growing conversations and remembers the bytes it has written.

    The tools are serialised once per tuple of tools and every message once, so that a turn costs
    by its new messages.
    """

    def encode(self, request: ModelRequest, *, stream: bool) -> bytes:
        """Return the body of a request.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        ...

    def names(self, tools: tuple[Tool, ...]) -> Mapping[str, str]:
        """Return our names of the tools whose names had to be changed, by the wire's names."""
        ...


class Codec(Protocol):
    """One provider's wire, both directions."""

    @property
    def wire(self) -> str:
        """The name of the wire, as in `Opaque.wire` and `Answer.wire`."""
        ...

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path of a request below the provider's base URL."""
        ...

    def encode_tools(self, tools: Sequence[Tool]) -> list[dict[str, Any]]:
        """Return the definitions of `tools` in their order."""
        ...

    def encode_message(self, message: Message, *, model: str = "") -> list[dict[str, Any]]:
        """Return the wire's messages for one of ours.

        Args:
            message: Any message.
            model: The model that will read it: parts bound to another one are left out. Empty (the
                default) keeps all.

        Raises:
            ModelRequestError: The wire has no place for a part of it.
        """
        ...

    def encode_request(
        self, request: ModelRequest, *, model: str, stream: bool = False
    ) -> dict[str, Any]:
        """Return the whole body of a request as a JSON value.

        Raises:
            ModelRequestError: The wire has no place for a part of a message.
        """
        ...

    def encoder(self, model: str) -> RequestEncoder:
        """Return an encoder for requests to `model` that remembers what it has written."""
        ...

    def owns(self, response: Mapping[str, Any]) -> bool:
        """Whether a response, as a JSON object, is of this wire."""
        ...

    def decode_response(
        self, response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
    ) -> ModelResponse:
        """Read a whole response.

        Args:
            response: A JSON object, or an SDK's object with `model_dump()`.
            model: The model that was asked: parts that must go back to it carry its name; empty
                (the default) takes the name in the response.
            names: Our names of tools by the wire's names, where they differ.

        Raises:
            ModelError: It is an error of the provider, or not readable.
        """
        ...

    def framer(self) -> Framer:
        """Return what cuts the bytes of one streamed response into frames."""
        ...

    def decoder(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> StreamDecoder:
        """Return a reader for one streamed response; arguments as in `decode_response`."""
        ...

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused.

        Args:
            status: The HTTP status.
            headers: The HTTP headers, names in lower case.
            body: The body, whatever it is.
        """
        ...


@runtime_checkable
class Noting(Protocol):
    """A codec that says what of a request its wire, or one model, cannot do as asked."""

    def notes(self, request: ModelRequest, *, model: str) -> tuple[str, ...]:
        """Return a sentence for each thing that is done otherwise; none if all is as asked.

        Such as a forced tool choice that a model refuses. What would change the meaning of a
        message is not done otherwise but refused, with `ModelRequestError`.

        Args:
            request: What is asked.
            model: The model that is asked.
        """
        ...
