import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from experts.engines.http.client import HttpClient, HttpLimits
from experts.errors import (
    BadUpstream,
    ConfigError,
    ExpertOverloaded,
    ExpertTimeout,
    ExpertUnavailable,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@asynccontextmanager
async def connected(url: str, **limits: float) -> AsyncIterator[HttpClient]:
    client = HttpClient(url, {"X-Test": "1"}, limits=HttpLimits(**limits))  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


def talk(serve, answer, visit, /, **limits):
    """Run ``visit(client, upstream)`` against a server with this answer."""

    async def main():
        async with serve(answer) as upstream, connected(upstream.url, **limits) as client:
            return await asyncio.wait_for(visit(client, upstream), 20)

    return asyncio.run(main())


def answers(*parts: bytes, close: bool = False):
    async def answer(request, peer):
        await peer.send(*parts)
        return not close

    return answer


async def until(condition) -> None:
    while not condition():  # noqa: ASYNC110 (nothing there has an event to wait for)
        await asyncio.sleep(0.001)


async def post(client: HttpClient, body: bytes = b"{}") -> bytes:
    return await (await client.post("/v1/x", body)).read()


def test_what_is_sent(serve):
    async def visit(client, upstream):
        response = await client.post("/v1/x", b'{"a": 1}')
        assert (response.status, await response.read()) == (200, b"ok")
        (request,) = upstream.requests
        assert request.line == "POST /v1/x HTTP/1.1"
        assert request.headers["host"] == f"127.0.0.1:{upstream.port}"
        assert request.headers["x-test"] == "1"
        assert request.headers["accept-encoding"] == "identity"
        assert request.body == b'{"a": 1}'

    talk(serve, answers(OK), visit)


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
def test_every_framing_and_whether_the_connection_is_kept(serve, name):
    parts, close, kept = FRAMINGS[name]

    async def visit(client, upstream):
        first, second = await post(client), await post(client)
        assert first == second == (b"" if name in ("no body", "folded case") else b"abcdef")
        assert upstream.connections == (1 if kept else 2)

    talk(serve, answers(*parts, close=bool(close)), visit)


@pytest.mark.parametrize("name", FRAMINGS)
def test_pieces_as_they_come_add_up(serve, name):
    parts, close, _ = FRAMINGS[name]

    async def visit(client, upstream):
        response = await client.post("/", b"")
        pieces = []
        while piece := await response.next():
            pieces.append(piece)
        assert b"".join(pieces) == (b"" if name in ("no body", "folded case") else b"abcdef")

    talk(serve, answers(*parts, close=bool(close)), visit)


GARBAGE = {
    "not HTTP": b"220 smtp.example ESMTP\r\n\r\n",
    "HTML": b"<html><body>Bad gateway</body></html>\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + CHUNKED[17:] + b"0\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "bad chunk size": CHUNKED + b"zz\r\nabc\r\n",
    "chunk longer than said": CHUNKED + b"1\r\nabc\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "switching protocols": b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "huge headers": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    "endless headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_not_http_is_a_typed_error_and_the_connection_is_closed(serve, name):
    gone = []

    async def answer(request, peer):
        await peer.send(GARBAGE[name])
        gone.append(await peer.gone())
        return False

    async def visit(client, upstream):
        for _ in range(2):
            with pytest.raises(BadUpstream):
                await post(client)
        await until(lambda: len(gone) == 2)
        assert upstream.connections == 2

    talk(serve, answer, visit)


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\n",
    ],
)
def test_a_connection_that_closes_in_mid_answer(serve, part):
    async def visit(client, upstream):
        with pytest.raises(BadUpstream, match="mid-answer"):
            await post(client)
        assert upstream.connections == 1

    talk(serve, answers(part, close=True), visit)


def test_what_came_before_the_break_is_delivered_first(serve):
    async def visit(client, upstream):
        response = await client.post("/", b"")
        await asyncio.sleep(0.1)
        assert await response.next() == b"abc"
        with pytest.raises(BadUpstream):
            await response.next()

    talk(serve, answers(CHUNKED + b"3\r\nabc\r\n", close=True), visit)


def test_no_answer_at_all_on_a_new_connection_is_not_tried_again(serve):
    async def visit(client, upstream):
        with pytest.raises(ExpertUnavailable, match="without an answer"):
            await post(client)
        assert upstream.connections == 1

    talk(serve, answers(close=True), visit)


def test_a_kept_connection_that_closed_unseen_is_replaced(serve):
    async def answer(request, peer):
        if len(upstreams[0].requests) == 2:
            return False  # the second request: hang up without a byte
        await peer.send(OK)

    upstreams = []

    async def visit(client, upstream):
        upstreams.append(upstream)
        assert [await post(client), await post(client)] == [b"ok", b"ok"]
        assert [request.connection for request in upstream.requests] == [1, 1, 2]

    talk(serve, answer, visit)


def test_a_kept_connection_that_broke_in_an_answer_is_not_tried_again(serve):
    upstreams = []

    async def answer(request, peer):
        if len(upstreams[0].requests) == 2:
            await peer.send(b"HTTP/1.1")
            return False
        await peer.send(OK)

    async def visit(client, upstream):
        upstreams.append(upstream)
        await post(client)
        with pytest.raises(BadUpstream):
            await post(client)
        assert len(upstream.requests) == 2

    talk(serve, answer, visit)


@pytest.mark.parametrize("extra", [OK, b"junk", b"0"])
def test_bytes_after_the_end_never_reach_the_next_request(serve, extra):
    async def answer(request, peer):
        peer.writer.write(OK + extra)

    async def visit(client, upstream):
        assert [await post(client) for _ in range(3)] == [b"ok"] * 3
        assert upstream.connections == 3

    talk(serve, answer, visit)


def test_bytes_that_nobody_asked_for_close_an_idle_connection(serve):
    async def answer(request, peer):
        await peer.send(OK)
        await peer.send(OK)

    async def visit(client, upstream):
        assert await post(client) == b"ok"
        await until(lambda: not client._idle)
        assert await post(client) == b"ok"
        assert upstream.connections == 2

    talk(serve, answer, visit)


def test_idle_connections_expire(serve):
    async def visit(client, upstream):
        await post(client)
        await asyncio.sleep(0.05)
        await post(client)
        assert upstream.connections == 2

    talk(serve, answers(OK), visit, idle=0.01)


def test_nobody_listens(serve):
    async def visit(client, upstream):
        async with serve(answers(OK)) as other:
            url = other.url
        async with connected(url) as lonely:
            with pytest.raises(ExpertUnavailable, match="No connection"):
                await post(lonely)

    talk(serve, answers(OK), visit)


def test_an_answer_has_a_limit(serve):
    async def visit(client, upstream):
        with pytest.raises(BadUpstream, match="1000 bytes"):
            await post(client)

    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000
    talk(serve, answers(endless), visit, answer=1000)


@pytest.mark.parametrize("part", [b"", CHUNKED, CHUNKED + b"3\r\nabc\r\n"])
def test_a_silent_upstream_is_given_up(serve, part):
    async def answer(request, peer):
        await peer.send(part)
        await peer.gone()

    async def visit(client, upstream):
        for _ in range(2):
            with pytest.raises(ExpertTimeout, match=r"0\.2 s"):
                await post(client)

    talk(serve, answer, visit, silence=0.2, connections=1)


def test_places_are_limited_and_waited_for(serve):
    async def visit(client, upstream):
        held = await client.post("/", b"")
        with pytest.raises(ExpertOverloaded, match="All 1 connections"):
            await post(client)
        waiting = asyncio.create_task(client.post("/", b""))
        await asyncio.sleep(0)
        held.close()
        (await waiting).close()

    talk(serve, answers(CHUNKED), visit, connections=1, wait=0.2)


def test_every_way_to_end_gives_the_place_back(serve):
    async def answer(request, peer):
        kind = request.body
        if kind == b"hang":
            await peer.gone()
        if kind == b"break":
            await peer.send(CHUNKED)
        await peer.send(b"nonsense" if kind == b"bad" else OK)
        return kind != b"break"

    async def visit(client, upstream):
        for body in (b"hang", b"break", b"bad", b"ok", b"close") * 3:
            task = asyncio.create_task(post(client, body))
            if body == b"hang":
                await asyncio.sleep(0.02)
                task.cancel()
            await asyncio.wait([task])
            if body == b"close":
                (await client.post("/", body)).close()
        assert await post(client, b"ok") == b"ok"

    talk(serve, answer, visit, connections=1, wait=1)


def test_cancelling_a_reader_closes_the_connection_at_once(serve):
    gone = asyncio.Event()

    async def answer(request, peer):
        await peer.send(CHUNKED, b"3\r\nabc\r\n")
        await peer.gone()
        gone.set()

    async def visit(client, upstream):
        response = await client.post("/", b"")
        task = asyncio.create_task(response.read())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        response.close()
        await gone.wait()

    talk(serve, answer, visit)


def test_a_released_stream_keeps_its_connection(serve):
    async def answer(request, peer):
        await peer.send(CHUNKED, b"3\r\nabc\r\n", b"3\r\ndef\r\n", b"0\r\n", b"\r\n")

    async def visit(client, upstream):
        for _ in range(3):
            response = await client.post("/", b"")
            assert await response.next() == b"abc"
            response.release()
            response.close()  # what a finally block does: it changes nothing
            await until(lambda: response.connection is None)  # noqa: B023 (awaited here)
        assert upstream.connections == 1

    talk(serve, answer, visit)


def test_a_slow_reader_slows_the_upstream(serve):
    block = b"x" * 65536
    written = 0

    async def answer(request, peer):
        nonlocal written
        peer.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (512 * len(block)))
        for _ in range(512):
            peer.writer.write(block)
            await peer.writer.drain()
            written += len(block)

    async def visit(client, upstream):
        response = await client.post("/", b"")
        before = -1
        while before != written:  # until the kernel's buffers and ours are full
            before = written
            await asyncio.sleep(0.1)
        assert response.buffered < 2 << 20
        assert written < 512 * len(block)
        size = 0
        while piece := await response.next():
            size += len(piece)
        assert size == 512 * len(block)

    talk(serve, answer, visit)


def test_a_closed_client_ends_what_is_in_flight(serve):
    async def visit(client, upstream):
        response = await client.post("/", b"")
        reading = asyncio.create_task(response.next())
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(ExpertUnavailable, match="closed"):
            await reading
        with pytest.raises(ExpertUnavailable, match="closed"):
            await post(client)

    talk(serve, answers(CHUNKED), visit)


@pytest.mark.parametrize("url", ["ftp://x", "http://", "x", "http://x:y/", "http://x/?a=b"])
def test_urls_that_cannot_work(url):
    with pytest.raises(ConfigError) as error:
        HttpClient(url, {})
    assert error.value.path == "base_url"


@pytest.mark.parametrize(
    "header", [("a", "b\r\nc"), ("a\n", "b"), ("", "x"), ("a:", "b"), ("a", "é")]
)
def test_headers_that_cannot_be_sent(header):
    with pytest.raises(ConfigError) as error:
        HttpClient("http://127.0.0.1", dict([header]))
    assert error.value.path == "headers"
