"""A language model in this process, held to well-formed calls.

The runtime blocks, so it lives in one worker thread of its own; a request waits for the one before
it. What is asked of the runtime in one request, and in which order, is `local_turn`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

from callgate.agents.llama import Runtime, Writer
from callgate.agents.local_turn import Outcome, Turn, read
from callgate.agents.weights import find, require
from callgate.errors import ModelUnavailableError
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
)
from callgate.registry.embedding import Embedder, Relevance
from callgate.types import Text

__all__ = ["LocalModel", "open_local"]


class LocalModel:
    """A `Model` on weights of this machine.

    Args:
        name: The full name, `local:...`.
        runtime: What writes; used from one thread only.
        relevance: Tells whether any tool fits a request; None lets every request call tools.
    """

    def __init__(self, name: str, runtime: Writer, *, relevance: Relevance | None = None) -> None:
        self._name = name
        self._runtime = runtime
        self._relevance = relevance
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="callgate-local")
        self._ids = count(1)

    @property
    def name(self) -> str:
        """The full name, as `open_model` takes it."""
        return self._name

    async def complete(self, request: ModelRequest) -> ModelResponse:
        """Answer at once; see `Model`."""
        async for event in self.stream(request):
            if isinstance(event, ResponseDone):
                return event.response
        raise ModelUnavailableError(f"{self._name} ended without an answer")

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer: text piece by piece, a call as a whole; see `Model`.

        A caller who stops listening stops the model after the token it is at.

        Raises:
            ModelFileError: The weights cannot be loaded.
            ModelRequestError: The conversation does not fit into the model's context.
        """
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[ModelEvent | None] = asyncio.Queue()
        stop = threading.Event()
        emit = partial(loop.call_soon_threadsafe, events.put_nowait)
        turn = Turn(
            runtime=self._runtime,
            relevance=self._relevance,
            request=request,
            emit=emit,
            stopped=stop.is_set,
        )
        work = loop.run_in_executor(self._worker, turn.take)
        work.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            outcome = await work
        finally:
            stop.set()
        response = self._response(outcome)
        for index, call in enumerate(response.message.calls):
            yield CallDelta(index=index, id=call.id, name=call.name, arguments=call.arguments)
        yield ResponseDone(response=response)

    async def close(self) -> None:
        """Free the model, after the request at work has ended."""
        await asyncio.get_running_loop().run_in_executor(self._worker, self._runtime.close)
        self._worker.shutdown(wait=False)

    def _response(self, outcome: Outcome) -> ModelResponse:
        parts, stop = self._parts(outcome)
        return ModelResponse(
            message=Message(role=Role.ASSISTANT, parts=parts),
            stop=stop,
            usage=replace(outcome.written.usage, requests=1),
            model=self._name,
        )

    def _parts(self, outcome: Outcome) -> tuple[tuple[Text | CallPart, ...], StopReason]:
        text = outcome.written.text
        if not outcome.calls:
            stop = StopReason.LENGTH if outcome.written.cut else StopReason.END
            return (Text(text=text.strip()),), stop
        calls = read(text)
        if not calls:
            name, _, tail = text.partition("(")
            cut = CallPart(id=self._new_id(), name=name, arguments=tail, truncated=True)
            return (cut,), StopReason.LENGTH
        return tuple(
            CallPart(id=self._new_id(), name=name, arguments=arguments) for name, arguments in calls
        ), StopReason.CALLS

    def _new_id(self) -> str:
        return f"call_{next(self._ids)}"


def open_local(name: str, folder: Path) -> LocalModel:
    """Open a model of the catalogue; it is loaded by its first request.

    Args:
        name: Its name without `local:`.
        folder: Where the weights are kept.

    Raises:
        MissingDependencyError: The runtime is not installed.
        ModelFileError: The model is not known, or its file is missing or not the published one.
    """
    weights = find(name)
    path = require(weights, folder)
    runtime = Runtime(path, context=weights.context)
    return LocalModel(f"local:{name}", runtime, relevance=Relevance(Embedder()))
