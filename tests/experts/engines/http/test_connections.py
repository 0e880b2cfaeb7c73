"""How many connections there are, which are kept for the next request, and what closes them."""

import asyncio

import pytest

from experts.errors import ExpertOverloaded, ExpertUnavailable
from experts.testing import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_places_are_limited_and_waited_for(talk, answers, post):
    async def visit(client, upstream):
        held = await client.post("/", b"")
        with pytest.raises(ExpertOverloaded, match="All 1 connections"):
            await post(client)
        waiting = asyncio.create_task(client.post("/", b""))
        await asyncio.sleep(0)
        held.close()
        (await waiting).close()

    talk(answers(CHUNKED), visit, connections=1, wait=0.2)


def test_every_way_to_end_gives_the_place_back(talk, post):
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

    talk(answer, visit, connections=1, wait=1)


@pytest.mark.parametrize("extra", [OK, b"junk", b"0"])
def test_bytes_after_the_end_never_reach_the_next_request(talk, post, extra):
    async def answer(request, peer):
        peer.writer.write(OK + extra)

    async def visit(client, upstream):
        assert [await post(client) for _ in range(3)] == [b"ok"] * 3
        assert upstream.connections == 3

    talk(answer, visit)


def test_bytes_that_nobody_asked_for_close_an_idle_connection(talk, post):
    async def answer(request, peer):
        await peer.send(OK)
        await peer.send(OK)

    async def visit(client, upstream):
        assert await post(client) == b"ok"
        await until(lambda: not client._idle)
        assert await post(client) == b"ok"
        assert upstream.connections == 2

    talk(answer, visit)


def test_idle_connections_expire(talk, answers, post):
    async def visit(client, upstream):
        await post(client)
        await asyncio.sleep(0.05)
        await post(client)
        assert upstream.connections == 2

    talk(answers(OK), visit, idle=0.01)


def test_a_released_stream_keeps_its_connection(talk):
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

    talk(answer, visit)


def test_cancelling_a_reader_closes_the_connection_at_once(talk):
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

    talk(answer, visit)


def test_a_slow_reader_slows_the_upstream(talk):
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

    talk(answer, visit)


def test_a_closed_client_ends_what_is_in_flight(talk, answers, post):
    async def visit(client, upstream):
        response = await client.post("/", b"")
        reading = asyncio.create_task(response.next())
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(ExpertUnavailable, match="closed"):
            await reading
        with pytest.raises(ExpertUnavailable, match="closed"):
            await post(client)

    talk(answers(CHUNKED), visit)
