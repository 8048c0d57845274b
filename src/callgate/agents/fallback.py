"""Several models as one: the next one answers when the one before is out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from callgate.agents.protocol import Model
from callgate.errors import MisuseError, ModelError, ModelUnavailableError, RateLimitedError
from callgate.messages import ModelEvent, ModelRequest, ModelResponse, ResponseDone

__all__ = ["Fallback"]

_OUT = (ModelUnavailableError, RateLimitedError)


class Fallback:
    """A chain of models; see `Model`.

    A request goes to the first model, with all its retries; if that one cannot be reached, is
    broken or has no room, it goes to the next. Once a piece of an answer was given out the chain
    is not followed further, and a request that is refused for what it says is refused. Parts
    of the conversation that are bound to one model, such as signed reasoning, are not shown to
    another. A response that is not the first model's tells so in its `notes`.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        """Keep the chain.

        Args:
            models: The models in the order of preference; at least one.

        Raises:
            MisuseError: There is none.
        """
        if not models:
            raise MisuseError("A chain of models has at least one model.")
        self._models = tuple(models)

    def __repr__(self) -> str:
        return f"Fallback({self.name!r})"

    @property
    def name(self) -> str:
        """The names of the models with `|` between them."""
        return "|".join(model.name for model in self._models)

    async def complete(self, request: ModelRequest) -> ModelResponse:
        """Answer at once.

        Raises:
            ModelError: No model answered, or one refused the request; `details["before"]` tells
                why the models before it were out.
        """
        before: list[str] = []
        while True:
            model = self._models[len(before)]
            try:
                return _noted(await model.complete(request), before)
            except ModelError as error:
                self._go_on(error, before)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """Answer piece by piece; ends with `ResponseDone`.

        Raises:
            ModelError: As `complete`; also if an answer broke of which a piece was given out.
        """
        before: list[str] = []
        while True:
            given = False
            events = self._models[len(before)].stream(request)
            try:
                async for event in events:
                    given = True
                    yield _noted_event(event, before)
            except ModelError as error:
                if given:
                    raise
                self._go_on(error, before)
            else:
                return
            finally:
                await _end(events)

    async def close(self) -> None:
        """Close all models, also if closing one of them fails."""
        async with AsyncExitStack() as stack:
            for model in self._models:
                stack.push_async_callback(model.close)

    def _go_on(self, error: ModelError, before: list[str]) -> None:
        """Return if the next model may answer; else raise `error`."""
        place = len(before)
        if isinstance(error, _OUT) and place + 1 < len(self._models):
            before.append(f"{self._models[place].name} is out: {error.message} [{error.code}]")
            return
        if before:
            error.details = {**error.details, "before": before}
        raise error


async def _end(events: AsyncIterator[ModelEvent]) -> None:
    """Stop a stream: who leaves it in the middle must not leave the connection open."""
    if isinstance(events, AsyncGenerator):
        await events.aclose()


def _noted(response: ModelResponse, before: Sequence[str]) -> ModelResponse:
    return replace(response, notes=(*before, *response.notes)) if before else response


def _noted_event(event: ModelEvent, before: Sequence[str]) -> ModelEvent:
    if before and isinstance(event, ResponseDone):
        return ResponseDone(response=_noted(event.response, before))
    return event
