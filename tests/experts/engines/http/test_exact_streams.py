"""Many streams at once, on few connections, while the event loop stalls: each gets its own bytes.

This is where a pool goes wrong unseen: a reader that gives up, a connection that is used again, a
callback that comes late.
"""

import asyncio
import hashlib
import random
import time

import pytest
import uvloop

from experts.engines.http.client import HttpClient, HttpLimits
from experts.errors import BadUpstream

STREAMS = 300
AT_ONCE = 24


def content(name: bytes) -> bytes:
    """What the server says to a request with this body: nothing like any other answer."""
    rand = random.Random(name)
    return b"".join(
        hashlib.sha256(name + b"%d" % i).hexdigest().encode() for i in range(rand.randint(1, 60))
    )


async def answer(request, peer):
    """The content in pieces of any size, framed in one of three ways."""
    name = request.body
    rand = random.Random(name + b"server")
    data = content(name)
    framing = rand.choice(["length", "chunked", "chunked", "close"])
    if name.startswith(b"cut"):  # without a length or chunks, a cut could not be told from the end
        framing = "chunked"
    heads = {
        "length": b"Content-Length: %d\r\n\r\n" % len(data),
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n",
        "close": b"\r\n",
    }
    wire = b"HTTP/1.1 200 OK\r\n" + heads[framing]
    while data:
        size = rand.randint(1, 700)
        piece, data = data[:size], data[size:]
        wire += b"%x\r\n%b\r\n" % (len(piece), piece) if framing == "chunked" else piece
    if framing == "chunked":
        wire += b"0\r\n\r\n"
    if name.startswith(b"cut"):
        wire, framing = wire[: len(wire) // 2], "close"
    while wire:
        if peer.writer.is_closing():
            return False
        size = rand.randint(1, 900)
        peer.writer.write(wire[:size])
        wire = wire[size:]
        if rand.random() < 0.3:
            await asyncio.sleep(rand.choice([0, 0, 0.001]))
    await peer.writer.drain()
    return framing != "close"


async def read(client: HttpClient, name: bytes, rand: random.Random) -> None:
    response = await client.post("/", name)
    expected = content(name)
    try:
        if name.startswith(b"cut"):
            with pytest.raises(BadUpstream):
                await response.read()
        elif name.startswith(b"leave"):
            assert expected.startswith(await response.next())
        elif rand.random() < 0.5:
            assert await response.read() == expected
        else:
            got = b""
            while piece := await response.next():
                got += piece
                assert expected.startswith(got)
                if rand.random() < 0.1:
                    await asyncio.sleep(0)
            assert got == expected
    finally:
        response.close()


async def stall(rand: random.Random) -> None:
    """Holds the loop up, so that many bytes and many callbacks wait for it at once."""
    while True:
        await asyncio.sleep(0.002)
        time.sleep(rand.choice([0, 0.001, 0.005]))  # noqa: ASYNC251 (the point of it)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_every_stream_gets_its_own_bytes(serve, run):
    rand = random.Random(7)
    names = iter(
        [
            rand.choice([b"whole", b"whole", b"whole", b"leave", b"cut", b"cancel"]) + b"-%d" % i
            for i in range(STREAMS)
        ]
    )

    async def worker(client: HttpClient) -> None:
        for name in names:
            task = asyncio.ensure_future(read(client, name, rand))
            if name.startswith(b"cancel"):
                await asyncio.sleep(rand.random() / 200)
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    task.result()
            else:
                await task

    async def main() -> None:
        stalling = asyncio.create_task(stall(rand))
        async with serve(answer) as upstream:
            client = HttpClient(upstream.url, {}, limits=HttpLimits(connections=8, wait=60))
            await asyncio.gather(*(worker(client) for _ in range(AT_ONCE)))
            await client.close()
            assert 8 <= upstream.connections < STREAMS  # some were kept, none was shared
        stalling.cancel()

    run(main())
