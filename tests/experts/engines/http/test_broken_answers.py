"""Answers that are no HTTP, that end too early or not at all."""

import asyncio

import pytest

from experts.errors import BadUpstream, ExpertTimeout
from experts.testing import until

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
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
def test_what_is_not_http_is_a_typed_error_and_the_connection_is_closed(talk, post, name):
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

    talk(answer, visit)


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        CHUNKED + b"3\r\nabc\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\n",
    ],
)
def test_a_connection_that_closes_in_mid_answer(talk, answers, post, part):
    async def visit(client, upstream):
        with pytest.raises(BadUpstream, match="mid-answer"):
            await post(client)
        assert upstream.connections == 1

    talk(answers(part, close=True), visit)


def test_what_came_before_the_break_is_delivered_first(talk, answers):
    async def visit(client, upstream):
        response = await client.post("/", b"")
        await asyncio.sleep(0.1)
        assert await response.next() == b"abc"
        with pytest.raises(BadUpstream):
            await response.next()

    talk(answers(CHUNKED + b"3\r\nabc\r\n", close=True), visit)


def test_an_answer_has_a_limit(talk, answers, post):
    async def visit(client, upstream):
        with pytest.raises(BadUpstream, match="1000 bytes"):
            await post(client)

    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000
    talk(answers(endless), visit, answer=1000)


@pytest.mark.parametrize("part", [b"", CHUNKED, CHUNKED + b"3\r\nabc\r\n"])
def test_a_silent_upstream_is_given_up(talk, post, part):
    async def answer(request, peer):
        await peer.send(part)
        await peer.gone()

    async def visit(client, upstream):
        for _ in range(2):
            with pytest.raises(ExpertTimeout, match=r"0\.2 s"):
                await post(client)

    talk(answer, visit, silence=0.2, connections=1)
