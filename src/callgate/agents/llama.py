"""llama.cpp in this process, through xllamacpp: one loaded model that writes on from a prompt."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from callgate.errors import MissingDependencyError, ModelFileError, ModelRequestError
from callgate.messages import Usage

if TYPE_CHECKING:
    import xllamacpp

__all__ = ["Runtime", "Writer", "Written"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the runtime wrote: the text, whether the token limit cut it, and the tokens it took."""

    text: str
    cut: bool
    usage: Usage


class Writer(Protocol):
    """What writes on from a prompt; blocking, for one thread at a time."""

    def write(
        self,
        body: Mapping[str, Any],
        *,
        on_text: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> Written:
        """Write on from a prompt.

        Args:
            body: The runtime's request: `prompt`, `n_predict`, `grammar`, `temperature`, `seed`,
                `id_slot` (0 or 1: which of two remembered prompts it goes on with).
            on_text: Receives every piece of text.
            stopped: Asked after every piece; true ends the writing.

        Raises:
            ModelFileError: The weights cannot be loaded.
            ModelRequestError: The runtime refuses the request, as when it is too long.
        """
        ...

    def close(self) -> None:
        """Free the memory."""
        ...


class Runtime:
    """A `Writer` on one loaded model.

    Args:
        path: The weights, a GGUF file.
        context: Tokens reserved for prompt and answer.
        threads: Threads that compute; None (the default) takes the cores, at most four.

    Raises:
        MissingDependencyError: The extra `local` is not installed.
    """

    def __init__(self, path: Path, *, context: int = 8192, threads: int | None = None) -> None:
        # OpenMP's idle threads spin: with other work on the cores that costs a factor of ten. A
        # short spin, then sleep, was as fast as spinning on idle cores and fastest on busy ones
        # (14 tokens a second against 11 with OMP_WAIT_POLICY=PASSIVE). It is read at import.
        if "OMP_WAIT_POLICY" not in os.environ:
            os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        try:
            import xllamacpp
        except ImportError as exc:
            raise MissingDependencyError(
                f"local models need xllamacpp ({exc}): pip install 'callgate[local]'",
                details={"package": "xllamacpp", "extra": "local"},
            ) from exc
        self._library = xllamacpp
        self._path = path
        self._context = context
        self._threads = threads or min(4, os.cpu_count() or 1)
        self._server: xllamacpp.Server | None = None

    def write(
        self,
        body: Mapping[str, Any],
        *,
        on_text: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> Written:
        """Write on from a prompt, loading the model first if need be; see `Writer`."""
        pieces: list[str] = []
        last: dict[str, Any] = {}

        def receive(chunk: dict[str, Any]) -> bool:
            last.update(chunk)
            piece = chunk["choices"][0]["text"] if "choices" in chunk else ""
            if piece:
                pieces.append(piece)
                on_text(piece)
            return stopped()

        returned = self._loaded().handle_completions({**body, "stream": True}, receive)
        last.update(returned or {})
        if "error" in last:
            message = last["error"].get("message", "no reason given")
            raise ModelRequestError(f"the local model refuses: {message}", details=last["error"])
        return Written(
            text="".join(pieces),
            cut=last["choices"][0]["finish_reason"] == "length",
            usage=_usage(last.get("usage", {})),
        )

    def close(self) -> None:
        """Free the memory; a later `write` loads the model again."""
        self._server = None

    def _loaded(self) -> xllamacpp.Server:
        if self._server is None:
            parameters = self._library.CommonParams()
            parameters.model.path = str(self._path)
            parameters.n_ctx = self._context
            # Two conversations share the context; a request names the one it goes on with
            # (`id_slot`), so that a short question does not push out the prefix of a long one.
            parameters.n_parallel = 2
            parameters.kv_unified = True
            parameters.cpuparams.n_threads = self._threads
            parameters.cpuparams_batch.n_threads = self._threads
            parameters.verbosity = 0
            parameters.warmup = parameters.ui = parameters.endpoint_slots = False
            parameters.cache_ram_mib = 0
            try:
                self._server = self._library.Server(parameters)
            except (RuntimeError, ValueError, OSError) as exc:
                raise ModelFileError(f"{self._path} cannot be loaded: {exc}") from exc
        return self._server


def _usage(counts: Mapping[str, Any]) -> Usage:
    return Usage(
        input=counts.get("prompt_tokens", 0),
        output=counts.get("completion_tokens", 0),
        cached=counts.get("prompt_tokens_details", {}).get("cached_tokens", 0),
        requests=1,
    )
