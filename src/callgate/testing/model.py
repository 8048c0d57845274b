"""A language model that says what a test wrote down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, TypeAlias

import orjson

from callgate.errors import ModelRequestError
from callgate.messages import (
    CallDelta,
    CallPart,
    Message,
    ModelEvent,
    ModelRequest,
    ModelResponse,
    ResponseDone,
    Role,
    StopReason,
    TextDelta,
    Usage,
)
from callgate.types import Text

__all__ = ["ScriptedModel", "Step", "calls", "says"]

Step: TypeAlias = ModelResponse | Exception | Callable[[ModelRequest], ModelResponse]
"""What the model does when it is asked: answer, fail, or look at the request first."""

_USAGE = Usage(input=10, output=5, requests=1)


def says(text: str, *, stop: StopReason = StopReason.END) -> ModelResponse:
    """Return an answer in text."""
    message = Message(role=Role.ASSISTANT, parts=(Text(text=text),))
    return ModelResponse(message=message, stop=stop, usage=_USAGE, model="scripted")


def calls(*made: tuple[str, Any], ids: Iterable[str] = ()) -> ModelResponse:
    """Return an answer that calls tools.

    Args:
        *made: For each call the tool's name and its arguments: an object, or the JSON text that
            the model is to write.
        ids: The ids of the calls; `c1`, `c2` ... by default.
    """
    given = list(ids)
    names = [given[i] if i < len(given) else f"c{i + 1}" for i in range(len(made))]
    parts = tuple(
        CallPart(
            id=id,
            name=name,
            arguments=arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode(),
        )
        for id, (name, arguments) in zip(names, made, strict=True)
    )
    message = Message(role=Role.ASSISTANT, parts=parts)
    return ModelResponse(message=message, stop=StopReason.CALLS, usage=_USAGE, model="scripted")


class ScriptedModel:
    """A `Model` that follows a script.

    Attributes:
        name: Always `scripted`.
        requests: How often it was asked.
        last: The last request.
    """

    name = "scripted"

    def __init__(self, script: Iterable[Step]) -> None:
        """Keep the script.

        Args:
            script: One step for each request; may be endless.
        """
        self._script = iter(script)
        self.requests = 0
        self.last: ModelRequest | None = None

    async def complete(self, request: ModelRequest) -> ModelResponse:
        """Give the next answer of the script.

        Raises:
            ModelRequestError: The script is at its end.
        """
        self.requests += 1
        self.last = request
        step = next(self._script, None)
        if step is None:
            raise ModelRequestError(f"The script ends after {self.requests - 1} answers.")
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, ModelResponse) else step(request)

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Give the next answer piece by piece."""
        response = await self.complete(request)
        index = 0
        for part in response.message.parts:
            if isinstance(part, Text):
                for word in part.text.split(" "):
                    yield TextDelta(text=word)
            elif isinstance(part, CallPart):
                yield CallDelta(index=index, id=part.id, name=part.name, arguments=part.arguments)
                index += 1
        yield ResponseDone(response=response)

    async def close(self) -> None:
        """Do nothing: a script needs no closing."""
