"""Streams of JSON values, one a line: bytes in, frames out, linear in the bytes."""

from __future__ import annotations

from callgate.codecs.wire import Frame
from callgate.errors import ModelStreamError

__all__ = ["JsonLines"]


class JsonLines:
    """Cuts one `application/x-ndjson` stream into frames; see `Framer`."""

    def __init__(self, *, limit: int = 16 * 1024 * 1024) -> None:
        """Start before the first byte.

        Args:
            limit: Bytes that one line may have; defaults to 16 MiB.
        """
        self._limit = limit
        self._open: list[bytes] = []
        self._held = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes and return a frame for every line they complete.

        Raises:
            ModelStreamError: A line is larger than the limit.
        """
        *ends, rest = chunk.split(b"\n")
        frames: list[Frame] = []
        for end in ends:
            self._hold(end)
            line = b"".join(self._open).strip()
            self._open.clear()
            self._held = 0
            if line:
                frames.append(Frame("", line))
        if rest:
            self._hold(rest)
        return frames

    def _hold(self, piece: bytes) -> None:
        self._open.append(piece)
        self._held += len(piece)
        if self._held > self._limit:
            raise ModelStreamError(
                f"One line of the stream has more than {self._limit} bytes.",
                details={"limit": self._limit},
            )
