"""Hundreds of clients that behave badly, and nothing of them is left."""

import asyncio
import json
import random
import time

MODELS = ["echo", "slow", "hangs", "silent", "broken", "breaks", "buggy", "auto", "shaky", "flood"]


def requests(dice):
    """Up to three requests; some are cut off, some follow before the answer has been read."""
    for _ in range(dice.randint(1, 3)):
        fields = {"model": dice.choice([*MODELS, "nobody"]), "stream": dice.random() < 0.6}
        if dice.random() < 0.3:
            path = "/v1/completions"
            fields["prompt"] = ["a"] * dice.randint(1, 4)
        else:
            path = "/v1/chat/completions"
            text = "x" * dice.randint(0, 100_000)
            fields |= {"n": dice.choice([1, 2]), "messages": [{"role": "user", "content": text}]}
        body = json.dumps(fields).encode()
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        yield head.encode() + body[: len(body) if dice.random() < 0.8 else dice.randint(0, 99)]


async def misbehave(host, port, dice):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        for request in requests(dice):
            writer.write(request)
            try:
                async with asyncio.timeout(dice.random() * 0.2):
                    await reader.read(dice.choice([1, 1000, 100_000]))
            except TimeoutError:
                pass
    except OSError:
        pass
    finally:
        if dice.random() < 0.5:
            writer.transport.abort()
        writer.close()


async def crowd(host, port, size):
    gate = asyncio.Semaphore(40)

    async def one(number):
        async with gate:
            await misbehave(host, port, random.Random(number))

    await asyncio.gather(*(one(number) for number in range(size)))


def test_nothing_is_left_of_clients_that_behave_badly(run_server, experts, caplog):
    with run_server(experts.pipeline()) as server:
        host, port = server.url.removeprefix("http://").split(":")
        asyncio.run(crowd(host, int(port), 200))
        end = time.monotonic() + 10
        while server.app.metrics.in_flight and time.monotonic() < end:
            time.sleep(0.02)
        assert server.app.metrics.in_flight == 0
        assert all(getattr(expert, "active", 0) == 0 for expert in server.experts.values())
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
