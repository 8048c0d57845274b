"""Server-Sent Events, read incrementally: bytes in, frames out, linear in the bytes.

Everything stays bytes, so a chunk may end anywhere: within a line, a CR LF pair or a character.
Fields other than `event` and `data` are ignored, for no model provider uses them.
"""

from __future__ import annotations

from callgate.codecs.wire import Frame
from callgate.errors import ModelStreamError

__all__ = ["EventStream"]

_BOM = b"\xef\xbb\xbf"
_CR, _LF = b"\r", b"\n"


class EventStream:
    """Cuts one `text/event-stream` into frames, as the WHATWG standard says."""

    def __init__(self, *, limit: int = 16 * 1024 * 1024) -> None:
        """Start before the first byte.

        Args:
            limit: Bytes that one event may have; defaults to 16 MiB.
        """
        self._limit = limit
        self._held = 0  # bytes of the event's data
        self._open = 0  # bytes of the line that has no end yet
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._event = ""
        self._after_cr = False
        self._first = True

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes and return the frames they complete.

        An event is complete at its empty line; one without data is none.

        Raises:
            ModelStreamError: An event is larger than the limit.
        """
        if not chunk:
            return []
        if self._after_cr and chunk.startswith(_LF):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(_CR)
        frames: list[Frame] = []
        for piece in chunk.splitlines(keepends=True):
            self._line.append(piece)
            self._open += len(piece)
            self._check_size()
            if piece.endswith((_LF, _CR)):
                line = b"".join(self._line).rstrip(b"\r\n")
                self._line.clear()
                self._open = 0
                self._take(line, frames)
        return frames

    def _check_size(self) -> None:
        if self._held + self._open > self._limit:
            raise ModelStreamError(
                f"One event of the stream has more than {self._limit} bytes.",
                details={"limit": self._limit},
            )

    def _take(self, line: bytes, frames: list[Frame]) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(frames)
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._held += len(line)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")

    def _dispatch(self, frames: list[Frame]) -> None:
        if self._data:
            frames.append(Frame(self._event, b"\n".join(self._data)))
            self._data.clear()
        self._event = ""
        self._held = 0
