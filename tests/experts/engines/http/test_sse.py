from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experts.engines.http.sse import BOM, EventReader
from experts.errors import BadUpstream

STREAM = (
    BOM
    + b": hello\r\n\r\n"
    + b'data: {"a": "caf\xc3\xa9 \xf0\x9f\x90\x9f"}\n\n'
    + b"event: x\r\ndata:no space\r\nid: 7\r\n\r\n"
    + b"data: one\rdata: two\r\r"
    + b"retry: 100\n\n\n\n"
    + b"data\n\n"
    + b"data:  two spaces\r\n\r\n\n"
    + b"data: [DONE]\n\n"
)
EVENTS = [
    '{"a": "café 🐟"}'.encode(),
    b"no space",
    b"one\ntwo",
    b"",
    b" two spaces",
    b"[DONE]",
]


def read(*pieces: bytes) -> list[bytes]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)]


def test_a_whole_stream_is_cut_into_its_events() -> None:
    assert read(STREAM) == EVENTS


@given(st.sets(st.integers(1, len(STREAM) - 1)))
def test_any_split_gives_the_same_events(cuts: set[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    assert read(*(STREAM[a:b] for a, b in pairwise(places))) == EVENTS


def test_byte_by_byte() -> None:
    assert read(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == EVENTS


line_end = st.sampled_from([b"\n", b"\r\n", b"\r"])
text = st.text(st.characters(blacklist_characters="\r\n", codec="utf-8")).map(str.encode)


@given(st.lists(st.tuples(st.lists(text, min_size=1, max_size=3), line_end)), st.data())
def test_what_is_written_is_read(
    events: list[tuple[list[bytes], bytes]], data: st.DataObject
) -> None:
    stream = b"".join(
        b"".join(b"data: " + line + end for line in lines) + end for lines, end in events
    )
    cuts = data.draw(st.sets(st.integers(0, len(stream))))
    places = [0, *sorted(cuts), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(places)]
    assert read(*pieces) == [b"\n".join(lines) for lines, _ in events]


def test_an_event_without_its_blank_line_is_rest() -> None:
    reader = EventReader()
    assert reader.feed(b"data: 1\n\ndata: 2\n") == [b"1"]
    assert reader.rest
    assert reader.feed(b"\n") == [b"2"]
    assert not reader.rest


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_an_endless_event_is_refused(size: int) -> None:
    reader = EventReader(max_bytes=100)
    for _ in range(100 // size):
        reader.feed(b"x" * size)
    with pytest.raises(BadUpstream, match="100 bytes"):
        reader.feed(b"x" * size)


def test_a_long_event_that_came_at_once_is_refused_too() -> None:
    with pytest.raises(BadUpstream, match="100 bytes"):
        EventReader(max_bytes=100).feed(b"data: " + b"x" * 200 + b"\n\n")
