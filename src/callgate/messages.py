"""What a model and we say to each other: frozen messages whose parts keep the order of the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from callgate.types import (
    Content,
    FilePart,
    ImagePart,
    Status,
    Text,
    Tool,
    ToolResult,
)

__all__ = [
    "Answer",
    "Answered",
    "CallDelta",
    "CallPart",
    "Message",
    "ModelEvent",
    "ModelRequest",
    "ModelResponse",
    "Opaque",
    "Part",
    "ResponseDone",
    "ResultPart",
    "Role",
    "StopReason",
    "TextDelta",
    "Usage",
]


class Role(StrEnum):
    """Who speaks in a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPart:
    """A model's wish to call a tool, as it came.

    Attributes:
        id: The wire's id, or one synthesised where the wire has none.
        name: The tool's name as the model wrote it.
        arguments: JSON text exactly as it came, or the object where the wire sends objects.
        truncated: Whether the model was stopped before it finished the arguments.
        echo: What the wire wants back with the result, such as who made the call.
    """

    id: str
    name: str
    arguments: Any
    truncated: bool = False
    echo: Opaque | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPart:
    """The answer to one call.

    Attributes:
        call_id: The id of the call it answers.
        name: The tool's name as the model wrote it.
        text: What the model reads.
        content: Images and files beside the text.
        error: Whether the call did not succeed.
        echo: The same as in the call it answers.
    """

    call_id: str
    name: str
    text: str
    content: tuple[Content, ...] = ()
    error: bool = False
    echo: Opaque | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """A part of one wire that must be echoed unchanged, such as signed reasoning.

    Attributes:
        wire: The wire it belongs to; other wires leave it out.
        model: The model it is bound to.
        data: The JSON value as it came.
    """

    wire: str
    model: str
    data: Any


Part: TypeAlias = Text | ImagePart | FilePart | CallPart | ResultPart | Opaque


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Message:
    """One message of a conversation; its parts keep the order of the wire.

    Messages compare by identity, so that a client may remember the wire bytes of each one.
    """

    role: Role
    parts: tuple[Part, ...]

    @property
    def calls(self) -> tuple[CallPart, ...]:
        """The calls in it, in the model's order."""
        return tuple(part for part in self.parts if isinstance(part, CallPart))

    @property
    def text(self) -> str:
        """Its text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one or more model requests.

    Attributes:
        input: Tokens read, cached ones included.
        output: Tokens written, reasoning included.
        cached: Tokens of the input that came from the provider's cache.
        requests: Model requests made.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    requests: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Add two counts."""
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached=self.cached + other.cached,
            requests=self.requests + other.requests,
        )


class StopReason(StrEnum):
    """Why a model stopped."""

    END = "end"
    CALLS = "calls"
    LENGTH = "length"
    REFUSAL = "refusal"
    PAUSED = "paused"
    """The provider interrupts a long answer of its own: send the message back and it goes on."""
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """One request to a model.

    Attributes:
        messages: The conversation so far. The sequence is append-only and shared, so that a
            client may remember what it has encoded: a turn costs by its new messages.
        tools: The tools offered, in order.
        choice: `auto`, `none`, `required` or the name of one tool.
        parallel: Whether several calls may come in one message.
        max_tokens: Tokens the model may write; None for the provider's own limit.
        temperature: None for the provider's own.
        seed: For models that can be made repeatable.
    """

    messages: Sequence[Message]
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelResponse:
    """One answer of a model.

    Attributes:
        message: What it said; role `assistant`.
        stop: Why it stopped. Calls may come with any reason: look at the message.
        usage: What it cost in tokens.
        model: The model that answered, as the provider names it.
        notes: A sentence for each thing that was not done as the request asked, such as a forced
            tool choice that the model does not take.
    """

    message: Message
    stop: StopReason
    usage: Usage
    model: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """A piece of text while the model writes."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDelta:
    """A piece of a call while the model writes.

    Attributes:
        index: Which call of the message it belongs to; starts at 0.
        id: The call's id, in its first piece.
        name: The tool's name, in its first piece.
        arguments: The next characters of the arguments' JSON text.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseDone:
    """The end of a stream: the whole answer."""

    response: ModelResponse


ModelEvent: TypeAlias = TextDelta | CallDelta | ResponseDone


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A call of a turn and how it ended."""

    call: CallPart
    result: ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a session has to say to one model response.

    Attributes:
        answered: The calls in the model's order, each with its result so far.
        messages: What goes back to the model, in the form of the wire that was answered;
            empty while calls wait, and if there were none.
        said: The model's own message in the same form, which stands before `messages` in the
            conversation; empty for our own messages.
        wire: The wire of the response; empty for our own messages.
        turn: The number of the turn within its session; with the call's place it names its key.
    """

    answered: tuple[Answered, ...]
    messages: tuple[Any, ...] = ()
    said: tuple[Any, ...] = ()
    wire: str = ""
    turn: int = 0

    @property
    def waiting(self) -> tuple[Answered, ...]:
        """Calls that wait for a person or an answer."""
        return tuple(item for item in self.answered if item.result.status is Status.PENDING)
