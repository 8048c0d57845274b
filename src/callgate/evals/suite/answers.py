"""Answers of models, kept by what was asked: a paid answer is never asked for again."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson

from callgate.agents.protocol import Model
from callgate.codecs.stored import message_to_json, response_from_json, response_to_json
from callgate.errors import EvaluationDataError
from callgate.messages import ModelEvent, ModelRequest, ModelResponse, ResponseDone
from callgate.schema.canonical import digest

__all__ = ["Answers", "KeptModel"]


class Answers:
    """A folder with one file per answer, named by the digest of the request.

    A file is written beside its place, synced and moved there, so that a process that is killed
    leaves no half of one. Several processes may share a folder.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the folder; it is made when there is something to keep.

        Args:
            folder: Where the answers are.
        """
        self._folder = folder

    def find(self, name: str) -> ModelResponse | None:
        """Return the answer kept under a digest; None if there is none.

        Raises:
            EvaluationDataError: The file is damaged.
        """
        path = self._path(name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EvaluationDataError(
                f"{path.name} in {self._folder.name} cannot be read: {error.strerror}."
            ) from error
        try:
            return response_from_json(orjson.loads(data))
        except (KeyError, TypeError, ValueError) as error:
            raise EvaluationDataError(
                f"{path.name} in {self._folder.name} is no answer ({error}); delete it."
            ) from error

    def keep(self, name: str, response: ModelResponse) -> None:
        """Keep an answer under a digest.

        Raises:
            EvaluationDataError: It cannot be written, such as on a full disk.
        """
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_suffix(f".{os.getpid()}")
            with beside.open("wb") as file:
                file.write(orjson.dumps(response_to_json(response)))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise EvaluationDataError(
                f"An answer cannot be kept in {self._folder.name}: {error.strerror}. It was paid "
                "for: make room, then start again; what is kept is not asked for again."
            ) from error

    def _path(self, name: str) -> Path:
        name = name.removeprefix("sha256:")
        return self._folder / name[:2] / f"{name}.json"


class KeptModel:
    """A model whose answers are kept; the same request of the same repetition is asked once.

    Attributes:
        asked: Requests that the model itself answered.
        kept: Requests that were answered from the folder.
    """

    def __init__(self, model: Model, answers: Answers, repetition: int) -> None:
        """Stand before a model.

        Args:
            model: The model; it is not closed.
            answers: Where answers are kept.
            repetition: Repetitions of one request are different answers.
        """
        self._model = model
        self._answers = answers
        self._repetition = repetition
        self.asked = 0
        self.kept = 0

    @property
    def name(self) -> str:
        """The model's own name."""
        return self._model.name

    async def complete(self, request: ModelRequest) -> ModelResponse:
        """Answer from the folder, or ask and keep.

        Raises:
            ModelError: The model did not answer.
            EvaluationDataError: An answer cannot be read or kept.
        """
        name = digest(_asked(self._model.name, self._repetition, request))
        known = await asyncio.to_thread(self._answers.find, name)
        if known is not None:
            self.kept += 1
            return known
        response = await self._model.complete(request)
        self.asked += 1
        await asyncio.to_thread(self._answers.keep, name, response)
        return response

    async def stream(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Answer in one piece."""
        yield ResponseDone(response=await self.complete(request))

    async def close(self) -> None:
        """Do nothing: the model belongs to whoever opened it."""


def _asked(model: str, repetition: int, request: ModelRequest) -> dict[str, Any]:
    """Return all that an answer depends on."""
    return {
        "model": model,
        "repetition": repetition,
        "messages": [message_to_json(message) for message in request.messages],
        "tools": [
            {
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "examples": [dict(example.arguments) for example in tool.examples],
            }
            for tool in request.tools
        ],
        "choice": request.choice,
        "parallel": request.parallel,
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "seed": request.seed,
    }
