"""Tools, prompts and models that the tests of the loop share."""

from collections.abc import AsyncIterator, Sequence

from callgate.agents import Run
from callgate.errors import ModelRequestError
from callgate.messages import (
    Message,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ResultPart,
    Role,
)
from callgate.testing import FakeSource, calls
from callgate.types import Effect, Text, Tool, ToolCall

OBJECT = {"type": "object"}


def reads(name: str) -> Tool:
    return Tool(name=name, description=f"{name}.", parameters=OBJECT, effect=Effect.READ)


def acts(name: str) -> Tool:
    return Tool(name=name, description=f"{name}.", parameters=OBJECT, effect=Effect.IRREVERSIBLE)


def user(text: str) -> Message:
    return Message(role=Role.USER, parts=(Text(text=text),))


def shown(messages: Sequence[Message]) -> list[str]:
    """What a conversation says, one line for each part."""
    lines: list[str] = []
    for message in messages:
        for part in message.parts:
            match part:
                case Text():
                    lines.append(f"{message.role}: {part.text}")
                case ResultPart():
                    lines.append(f"{message.role}: {part.call_id} = {part.text}")
                case _:
                    lines.append(f"{message.role}: {part}")
    return lines


def told(run: Run) -> dict[str, str]:
    """What the model was told about each call."""
    return {
        part.call_id: part.text
        for message in run.messages
        for part in message.parts
        if isinstance(part, ResultPart)
    }


def kinds(events: Sequence[object]) -> list[str]:
    return [type(event).__name__ for event in events]


def adder() -> FakeSource:
    def add(call: ToolCall) -> int:
        return call.arguments["a"] + call.arguments["b"]

    return FakeSource([reads("add"), acts("pay")], add=add, pay="paid")


ADD = ("add", {"a": 1, "b": 2})
PAY = ("pay", {"cents": 5})


def numbered(count: int) -> list[ModelResponse]:
    """Responses of one call each, with ids and arguments of their own."""
    return [calls(("add", {"a": i, "b": 0}), ids=[f"c{i}"]) for i in range(count)]


class Dribble:
    """A model that streams what it is given; an exception among it is raised."""

    name = "dribble"

    def __init__(self, *answers: Sequence[ModelEvent | Exception]) -> None:
        self.answers = iter(answers)
        self.closed = 0

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        try:
            for piece in next(self.answers):
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.closed += 1

    async def complete(self, request: ModelRequest) -> ModelResponse:
        raise ModelRequestError("This model only streams.")

    async def close(self) -> None:
        return None


class Pieces:
    """An iterator over pieces that has nothing to close."""

    def __init__(self, *pieces: ModelEvent) -> None:
        self.pieces = iter(pieces)

    def __aiter__(self) -> AsyncIterator[ModelEvent]:
        return self

    async def __anext__(self) -> ModelEvent:
        piece = next(self.pieces, None)
        if piece is None:
            raise StopAsyncIteration
        return piece
