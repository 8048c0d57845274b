import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.codecs.sse import EventStream
from callgate.codecs.wire import Frame
from callgate.errors import ModelStreamError


def read(*chunks: bytes) -> list[Frame]:
    stream = EventStream()
    return [frame for chunk in chunks for frame in stream.feed(chunk)]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_each_kind_of_line_end_ends_a_line(end: bytes):
    lines = (b"event: note", b"data: one", b"data:two", b"", b"data: three", b"", b"")
    assert read(end.join(lines)) == [Frame("note", b"one\ntwo"), Frame("", b"three")]


def test_a_pair_of_line_ends_cut_in_the_middle_is_one():
    assert read(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [Frame("", b"a\nb")]


def test_comments_unknown_fields_and_events_without_data_are_left_out():
    text = b": still here\n\nid: 7\nretry: 10\nevent: empty\n\ndata: x\nnonsense\n\n"
    assert read(text) == [Frame("", b"x")]


def test_only_one_space_after_the_colon_is_left_out_and_a_bare_field_is_empty():
    assert read(b"data:  x \n\ndata\n\n") == [Frame("", b" x "), Frame("", b"")]


def test_a_byte_order_mark_is_left_out_at_the_start_only():
    mark = b"\xef\xbb\xbf"
    assert read(mark[:1], mark[1:] + b"data: a\n\n" + mark + b"data: b\n\n") == [Frame("", b"a")]


def test_an_event_that_is_not_finished_is_not_given_out():
    assert read(b"data: a\n\ndata: b\n") == [Frame("", b"a")]


def test_bytes_that_are_not_utf_8_stay_as_they_are():
    assert read(b"event: \xff\ndata: \xff\xfe\n\n") == [
        Frame("\N{REPLACEMENT CHARACTER}", b"\xff\xfe")
    ]


def test_an_event_beyond_the_limit_is_refused():
    stream = EventStream(limit=100)
    assert stream.feed(b"data: " + b"x" * 80 + b"\n\n") == [Frame("", b"x" * 80)]
    assert stream.feed(b"data: xxx\n" * 9) == []
    with pytest.raises(ModelStreamError, match="more than 100 bytes"):
        stream.feed(b"data: xxx\n" * 9)


def test_comments_without_end_are_no_event_that_grows():
    stream = EventStream(limit=100)
    for _ in range(100):
        assert stream.feed(b": keep-alive\n") == []
    assert stream.feed(b"data: x\n\n") == [Frame("", b"x")]


LINES = st.lists(
    st.one_of(
        st.just(""),
        st.text(max_size=12).map(lambda text: f"data: {text}"),
        st.text(max_size=6).map(lambda text: f"event:{text}"),
        st.text(max_size=6).map(lambda text: f":{text}"),
        st.text(max_size=6),
    ),
    max_size=30,
)


@given(LINES, st.sampled_from(["\n", "\r", "\r\n"]), st.lists(st.integers(0, 400), max_size=20))
def test_where_the_bytes_are_cut_changes_nothing(lines: list[str], end: str, places: list[int]):
    data = "".join(line + end for line in lines).encode()
    bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    assert read(*(data[a:b] for a, b in itertools.pairwise(bounds))) == read(data)


LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"))


@given(st.lists(st.lists(LINE, min_size=1)))
def test_what_was_written_is_read(events: list[list[str]]):
    text = "".join("".join(f"data: {line}\n" for line in event) + "\n" for event in events)
    assert read(text.encode()) == [Frame("", "\n".join(event).encode()) for event in events]


def test_a_long_line_in_small_pieces_costs_by_its_length():
    def seconds(size: int) -> float:
        stream = EventStream()
        start = time.process_time()
        for _ in range(size // 4):
            stream.feed(b"xxxx")
        assert stream.feed(b"\n\n") == []
        return time.process_time() - start

    small = min(seconds(100_000) for _ in range(3))
    assert seconds(1_000_000) < 30 * small
