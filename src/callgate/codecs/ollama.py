"""The wire of Ollama's own chat: Chat Completions in another envelope, one JSON value a line.

Arguments are objects, and a call has an id only with newer servers: others get one of ours, the
same whenever the response is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from callgate.codecs.block_calls import wire_arguments
from callgate.codecs.encoder import ConversationEncoder
from callgate.codecs.json_lines import JsonLines
from callgate.codecs.json_text import excerpt, object_of, plain
from callgate.codecs.openai_chat import ChatWiring, Waiting
from callgate.codecs.openai_chat_reading import read_response
from callgate.codecs.openai_chat_stream import ChatDecoder
from callgate.codecs.openai_chat_writing import Form, write_message, write_tools
from callgate.codecs.openai_errors import error_in_stream, read_error
from callgate.codecs.wire import NO_NAMES
from callgate.errors import ModelError, ModelRequestError, ModelStreamError
from callgate.messages import Message, ModelRequest, ModelResponse, ResultPart
from callgate.types import FilePart, Tool

__all__ = ["Ollama"]

WIRE = "ollama"

_WORDS = frozenset({"auto", "required"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ollama:
    """Ollama's chat, sans I/O; see `Codec`.

    The wire has no choice: `none` offers no tools, a certain tool is offered alone, and that one
    must be called cannot be said. `notes` tells.
    """

    @property
    def wire(self) -> str:
        """The name of the wire."""
        return WIRE

    def path(self, model: str, *, stream: bool) -> str:
        """Return the path below the base URL: the same for every model."""
        return "/api/chat"

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

    def notes(self, request: ModelRequest, *, model: str) -> tuple[str, ...]:
        """Return what cannot be done as asked; see `Noting`."""
        notes: list[str] = []
        if request.tools and request.choice not in ("auto", "none"):
            notes.append(f"Ollama cannot force a call: {request.choice!r} leaves the model free.")
        if request.tools and not request.parallel:
            notes.append("Ollama cannot forbid parallel calls.")
        return tuple(notes)

    def encoder(self, model: str) -> ConversationEncoder[Waiting]:
        """Return an encoder for requests to `model` that remembers what it has written."""
        return ConversationEncoder(self._wiring(model))

    def owns(self, response: Mapping[str, Any]) -> bool:
        """Whether a response is a message that says whether it is done."""
        return "message" in response and "done" in response

    def decode_response(
        self, response: Any, *, model: str = "", names: Mapping[str, str] = NO_NAMES
    ) -> ModelResponse:
        """Read a whole response; see `Codec.decode_response`.

        Raises:
            ModelError: It is an error of the provider, or not readable.
        """
        data = object_of(plain(response), "The body")
        if error := data.get("error"):
            raise error_in_stream(error)
        if not data.get("message"):
            raise ModelStreamError("The response has no message.", details={"data": excerpt(data)})
        return read_response(_as_chat(data, "message"), model=model, names=names, wire=WIRE)

    def framer(self) -> JsonLines:
        """Return what cuts a stream into frames."""
        return JsonLines()

    def decoder(self, *, model: str = "", names: Mapping[str, str] = NO_NAMES) -> ChatDecoder:
        """Return a reader for one streamed response."""
        return _OllamaDecoder(model=model, names=names, wire=WIRE)

    def decode_error(self, status: int, headers: Mapping[str, str], body: bytes) -> ModelError:
        """Read the answer to a request that was refused."""
        return read_error(status, headers, body)

    def _wiring(self, model: str) -> ChatWiring:
        return ChatWiring(model=model, options=_options, message=_write, offered=_offered)


# --- reading --------------------------------------------------------------------------------


def _as_chat(data: dict[str, Any], field: str) -> dict[str, Any]:
    """Return a response, or a line of a stream, in the form of Chat Completions."""
    choice: dict[str, Any] = {"index": 0, field: data.get("message")}
    chat: dict[str, Any] = {
        "created": data.get("created_at"),
        "model": data.get("model"),
        "choices": [choice],
    }
    if data.get("done"):
        choice["finish_reason"] = data.get("done_reason") or "stop"
        chat["usage"] = {
            "prompt_tokens": data.get("prompt_eval_count"),
            "completion_tokens": data.get("eval_count"),
        }
    return chat


class _OllamaDecoder(ChatDecoder):
    """Reads one streamed response; see `StreamDecoder`."""

    done_ends = False

    def _as_chunk(self, data: dict[str, Any]) -> dict[str, Any]:
        return data if "error" in data else _as_chat(data, "delta")


# --- writing --------------------------------------------------------------------------------


def _file(part: FilePart) -> dict[str, Any]:
    raise ModelRequestError(f"This wire carries no files ({part.name or part.media_type}).")


_FORM = Form(wire=WIRE, file=_file)


def _write(message: Message, model: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    now, later = write_message(message, model, _FORM)
    results = [part for part in message.parts if isinstance(part, ResultPart)]
    for item, result in zip(now, results, strict=False):  # one message each, or no results
        item["tool_name"] = result.name
    return [_message(item) for item in now], [_message(item) for item in later]


def _message(item: dict[str, Any]) -> dict[str, Any]:
    """Return a message of Chat Completions in the form of this wire."""
    content: Any = item["content"] or ""
    if isinstance(content, list):
        parts = cast("list[dict[str, Any]]", content)
        item["content"] = "".join(part["text"] for part in parts if part["type"] == "text")
        if images := [_image(part) for part in parts if part["type"] != "text"]:
            item["images"] = images
    else:
        item["content"] = content
    if "tool_calls" in item:
        item["tool_calls"] = [_call(call) for call in item["tool_calls"]]
    return item


def _image(part: dict[str, Any]) -> str:
    url = part["image_url"]["url"] if part["type"] == "image_url" else ""
    scheme, _, data = url.partition(";base64,")
    if not scheme.startswith("data:"):
        raise ModelRequestError("This wire carries images by value only, and nothing else.")
    return data


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {**call, "function": {**function, "arguments": wire_arguments(function["arguments"])}}


def _offered(request: ModelRequest) -> tuple[Tool, ...]:
    if request.choice in _WORDS:
        return request.tools
    return tuple(tool for tool in request.tools if tool.name == request.choice)


def _options(request: ModelRequest, *, stream: bool) -> dict[str, Any]:
    wishes = {
        "num_predict": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }
    given = {name: value for name, value in wishes.items() if value is not None}
    # Without a word, this wire streams.
    return {"stream": stream, **({"options": given} if given else {})}
