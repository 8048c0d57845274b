"""The binary event stream of AWS, read incrementally: bytes in, frames out, linear in the bytes.

A message is a prelude (its length, the length of its headers, a CRC of both), headers, a payload
and a CRC of all before it. Both sums are checked, so that no damaged byte becomes part of a call.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from zlib import crc32

import orjson

from callgate.codecs.wire import Frame
from callgate.errors import ModelStreamError

__all__ = ["BinaryEventStream", "event_message"]

_PRELUDE = struct.Struct(">III")
_SUM = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_LEAST = _PRELUDE.size + _SUM.size
_STRING, _BYTES = 7, 6
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type; texts and bytes tell their own length."""


class BinaryEventStream:
    """Cuts one `application/vnd.amazon.eventstream` into frames.

    A frame's name is the type of the event or of the exception; an error that has only a code and
    a message in its headers becomes a frame `error` with both as JSON.
    """

    def __init__(self, *, limit: int = 16 * 1024 * 1024) -> None:
        """Start before the first byte.

        Args:
            limit: Bytes that one message may have; defaults to 16 MiB.
        """
        self._limit = limit
        self._held = bytearray()

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes and return the frames they complete.

        Raises:
            ModelStreamError: A message is damaged, or larger than the limit.
        """
        held = self._held
        held += chunk
        frames: list[Frame] = []
        start = 0
        while len(held) - start >= _PRELUDE.size:
            size, head = self._prelude(bytes(held[start : start + _PRELUDE.size]))
            if len(held) - start < size:
                break
            frames.append(_frame(bytes(held[start : start + size]), head))
            start += size
        del held[:start]
        return frames

    def _prelude(self, prelude: bytes) -> tuple[int, int]:
        """Return the length of a message and of its headers."""
        size, head, expected = _PRELUDE.unpack(prelude)
        if crc32(prelude[:8]) != expected:
            raise _damaged("the sum of a prelude is wrong")
        if size > self._limit:
            raise ModelStreamError(
                f"One event of the stream has more than {self._limit} bytes.",
                details={"limit": self._limit},
            )
        if head + _LEAST > size:
            raise _damaged("headers are longer than their message")
        return size, head


def event_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one message of a stream, for servers that play a provider.

    Args:
        headers: Such as `:message-type` and `:event-type`.
        payload: The JSON text of the event.
    """
    head = b"".join(
        bytes([len(name)]) + name + bytes([_STRING]) + _SHORT.pack(len(value)) + value
        for name, value in ((name.encode(), value.encode()) for name, value in headers.items())
    )
    prelude = struct.pack(">II", _LEAST + len(head) + len(payload), len(head))
    message = prelude + _SUM.pack(crc32(prelude)) + head + payload
    return message + _SUM.pack(crc32(message))


def _frame(message: bytes, head: int) -> Frame:
    if crc32(message[: -_SUM.size]) != _SUM.unpack(message[-_SUM.size :])[0]:
        raise _damaged("the sum of a message is wrong")
    end = _PRELUDE.size + head
    payload = message[end : -_SUM.size]
    try:
        headers = _headers(message[_PRELUDE.size : end])
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as exc:
        raise _damaged("headers are not readable") from exc
    match headers.get(":message-type"):
        case "exception":
            return Frame(headers.get(":exception-type", "exception"), payload)
        case "error":
            told = {
                "code": headers.get(":error-code", ""),
                "message": headers.get(":error-message", ""),
            }
            return Frame("error", orjson.dumps(told))
        case _:
            return Frame(headers.get(":event-type", ""), payload)


def _headers(text: bytes) -> dict[str, str]:
    """Return the headers whose values are text; the others are not for us."""
    headers: dict[str, str] = {}
    place = 0
    while place < len(text):
        length = text[place]
        name = text[place + 1 : place + 1 + length].decode()
        place += 1 + length
        kind = text[place]
        place += 1
        if kind in (_STRING, _BYTES):
            (size,) = _SHORT.unpack_from(text, place)
            place += _SHORT.size
        else:
            size = _SIZES[kind]
        if place + size > len(text):
            raise IndexError(name)
        if kind == _STRING:
            headers[name] = text[place : place + size].decode()
        place += size
    return headers


def _damaged(how: str) -> ModelStreamError:
    return ModelStreamError(f"The event stream is damaged: {how}.")
