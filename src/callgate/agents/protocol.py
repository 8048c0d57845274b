"""The seam to language models: what every model is to the rest of the program."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from callgate.messages import ModelEvent, ModelRequest, ModelResponse

__all__ = ["Model"]


class Model(Protocol):
    """A language model."""

    @property
    def name(self) -> str:
        """The full name, as `open_model` takes it."""
        ...

    def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer piece by piece; ends with `ResponseDone`.

        Raises:
            ModelError: The model did not answer, or not to the end.
        """
        ...

    async def complete(self, request: ModelRequest) -> ModelResponse:
        """Answer at once.

        Raises:
            ModelError: The model did not answer.
        """
        ...

    async def close(self) -> None:
        """Let connections and memory go."""
        ...
