import itertools
import struct
from zlib import crc32

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.codecs import Frame
from callgate.codecs.bedrock_events import BinaryEventStream, event_message
from callgate.errors import ModelStreamError

EVENT = {":message-type": "event", ":event-type": "contentBlockDelta"}
MESSAGE = event_message({**EVENT, ":content-type": "application/json"}, b'{"a":1}')
FRAME = Frame("contentBlockDelta", b'{"a":1}')


def packed(head: bytes, payload: bytes = b"{}") -> bytes:
    """A message whose sums are right, whatever its headers are."""
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", crc32(prelude)) + head + payload
    return message + struct.pack(">I", crc32(message))


def header(name: str, kind: int, value: bytes) -> bytes:
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


@given(st.lists(st.integers(0, 3 * len(MESSAGE)), max_size=12))
def test_messages_are_found_however_they_are_cut(places: list[int]):
    data = MESSAGE * 3
    stream = BinaryEventStream()
    bounds = [0, *sorted(places), len(data)]
    got = [frame for a, b in itertools.pairwise(bounds) for frame in stream.feed(data[a:b])]
    assert got == [FRAME] * 3


def test_headers_of_every_type_are_passed_over():
    kinds = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
    head = b"".join(header(f"h{kind}", kind, bytes(size)) for kind, size in kinds.items())
    head += header("bytes", 6, b"\x00\x02ab")
    head += header(":event-type", 7, b"\x00\x04ping")
    assert BinaryEventStream().feed(packed(head)) == [Frame("ping", b"{}")]


def test_a_message_without_headers_is_a_frame_without_a_name():
    assert BinaryEventStream().feed(event_message({}, b"")) == [Frame("", b"")]


def test_exceptions_and_errors_have_their_names():
    thrown = event_message(
        {":message-type": "exception", ":exception-type": "throttlingException"}, b'{"message":"m"}'
    )
    nameless = event_message({":message-type": "exception"}, b"{}")
    failed = event_message(
        {":message-type": "error", ":error-code": "Internal", ":error-message": "m"}, b""
    )
    bare = event_message({":message-type": "error"}, b"")
    assert BinaryEventStream().feed(thrown + nameless + failed + bare) == [
        Frame("throttlingException", b'{"message":"m"}'),
        Frame("exception", b"{}"),
        Frame("error", orjson.dumps({"code": "Internal", "message": "m"})),
        Frame("error", orjson.dumps({"code": "", "message": ""})),
    ]


@given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
def test_no_damaged_byte_passes(place: int, change: int):
    damaged = bytearray(MESSAGE)
    damaged[place] ^= change
    with pytest.raises(ModelStreamError):
        BinaryEventStream().feed(bytes(damaged))


@pytest.mark.parametrize(
    "head",
    [
        b"\x05ab",
        header("a", 7, b"\x00"),
        header("a", 7, b"\x00\x09x"),
        header("a", 7, b"\x00\x01\xff"),
        header("a", 42, b""),
        header("a", 5, b"\x00"),
    ],
)
def test_headers_that_are_not_readable_are_an_error(head: bytes):
    with pytest.raises(ModelStreamError, match="headers are not readable"):
        BinaryEventStream().feed(packed(head))


def test_headers_longer_than_their_message_are_an_error():
    prelude = struct.pack(">II", 20, 5)
    with pytest.raises(ModelStreamError, match="longer than"):
        BinaryEventStream().feed(prelude + struct.pack(">I", crc32(prelude)))


def test_a_message_larger_than_the_limit_is_refused_before_it_is_held():
    assert BinaryEventStream(limit=len(MESSAGE)).feed(MESSAGE) == [FRAME]
    with pytest.raises(ModelStreamError) as caught:
        BinaryEventStream(limit=len(MESSAGE) - 1).feed(MESSAGE[:12])
    assert caught.value.details == {"limit": len(MESSAGE) - 1}
