"""Every way in which an answer says where it ends."""

import pytest

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FRAMINGS = {
    "length": ([b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabcdef"], False, True),
    "length in pieces": (
        [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n", b"\r\nabc", b"def"],
        0,
        True,
    ),
    "no body": ([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], False, True),
    "chunked": ([CHUNKED + b"3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\n\r\n"], False, True),
    "chunked in pieces": (
        [CHUNKED, b"3\r", b"\nab", b"c\r\n3\r\ndef", b"\r\n0", b"\r\n\r\n"],
        0,
        True,
    ),
    "chunked with trailers": ([CHUNKED + b"6\r\nabcdef\r\n0\r\nX-A: 1\r\n\r\n"], False, True),
    "until close": ([b"HTTP/1.1 200 OK\r\n\r\nabc", b"def"], True, False),
    "HTTP/1.0": ([b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"], False, False),
    "asked to close": (
        [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\nabcdef"],
        False,
        False,
    ),
    "after 100 and 103": (
        [
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef",
        ],
        False,
        True,
    ),
    "folded case": ([b"HTTP/1.1 200 OK\r\nTRANSFER-encoding: Chunked\r\n\r\n0\r\n\r\n"], 0, True),
}


@pytest.mark.parametrize("name", FRAMINGS)
def test_every_framing_and_whether_the_connection_is_kept(talk, answers, post, name):
    parts, close, kept = FRAMINGS[name]

    async def visit(client, upstream):
        first, second = await post(client), await post(client)
        assert first == second == (b"" if name in ("no body", "folded case") else b"abcdef")
        assert upstream.connections == (1 if kept else 2)

    talk(answers(*parts, close=bool(close)), visit)


@pytest.mark.parametrize("name", FRAMINGS)
def test_pieces_as_they_come_add_up(talk, answers, name):
    parts, close, _ = FRAMINGS[name]

    async def visit(client, upstream):
        response = await client.post("/", b"")
        pieces = []
        while piece := await response.next():
            pieces.append(piece)
        assert b"".join(pieces) == (b"" if name in ("no body", "folded case") else b"abcdef")

    talk(answers(*parts, close=bool(close)), visit)
