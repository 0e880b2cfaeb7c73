"""What ends a stream before its end: an upstream that breaks, a reader that leaves."""

import asyncio
from contextlib import aclosing

import pytest

from experts.errors import BadUpstream, ExpertFailed, RequestRejected
from experts.testing import ask

HELLO = ask("hello")
WHOLE = ask("hello", stream=False)
BROKEN = {
    "no end": lambda says: says.stream(says.TEXT),
    "cut in an event": lambda says: says.stream(says.TEXT, says.event({}, "stop")[:-20]),
    "cut in an event after the last": lambda says: says.stream(
        says.event({}, "stop"), says.usage(1, 2)[:-9]
    ),
    "cut in a chunk": lambda says: says.stream(says.TEXT, end=False),
    "not JSON": lambda says: says.stream(says.TEXT, b"data: {oops\n\n", says.DONE),
    "not an object": lambda says: says.stream(says.TEXT, b"data: 1\n\n", says.DONE),
    "choices are no list": lambda says: says.stream(
        says.TEXT, b'data: {"choices": {"a": 1}}\n\n', says.DONE
    ),
    "a choice is no object": lambda says: says.stream(
        says.TEXT, b'data: {"choices": [1]}\n\n', says.DONE
    ),
    "a delta is no object": lambda says: says.stream(
        says.TEXT, b'data: {"choices": [{"delta": 1}]}\n\n', says.DONE
    ),
    "not UTF-8": lambda says: says.stream(says.TEXT, b'data: {"x": "\xff"}\n\n', says.DONE),
    "nothing": lambda says: says.stream(),
    "HTML": lambda says: [says.body(b"<html>", headers="Content-Type: text/html\r\n")],
    "HTML that calls itself a stream": lambda says: says.stream(b"<html>\n\n</html>"),
    "not streamed": lambda says: [says.whole({"choices": []})],
    "an endless event": lambda says: says.stream(says.TEXT, b"data: " + b"x" * 5000),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_is_a_typed_error(chat, says, name):
    with pytest.raises(BadUpstream) as error:
        chat(BROKEN[name](says), close=True, max_event_bytes=4000)
    assert error.value.expert == "mine"


def test_what_came_before_a_break_is_yielded(serve, expert, says):
    async def answer(request, peer):
        await peer.send(*says.stream(says.TEXT, b"data: {oops\n\n"))

    async def main():
        async with serve(answer) as upstream:
            engine = expert(upstream.url)
            chunks = engine.chat(HELLO)
            assert (await anext(chunks)).text == "x"
            with pytest.raises(BadUpstream):
                await anext(chunks)
            await engine.close()

    asyncio.run(main())


def test_errors_inside_a_stream(chat, says):
    error = {"message": "The model has died.", "type": "server_error", "code": None}
    pieces = [says.TEXT, says.data({"error": error})]
    with pytest.raises(ExpertFailed, match="has died"):
        chat(says.stream(*pieces))
    error = {"message": "Too long.", "code": 400}
    with pytest.raises(RequestRejected, match="Too long"):
        chat(says.whole({"error": error}))


def test_a_reader_that_leaves_closes_the_upstreams_connection(serve, expert, says):
    gone = asyncio.Event()

    async def answer(request, peer):
        await peer.send(*says.stream(says.TEXT, end=False))
        await peer.gone()
        gone.set()

    async def main():
        async with serve(answer) as upstream:
            engine = expert(upstream.url, max_connections=1)
            for _ in range(2):  # the only place is free again
                async with aclosing(engine.chat(HELLO)) as chunks:
                    assert (await anext(chunks)).text == "x"
                await gone.wait()
                gone.clear()
            await engine.close()

    asyncio.run(asyncio.wait_for(main(), 20))


def test_connections_are_kept_after_whole_and_streamed_answers(serve, expert, says):
    async def answer(request, peer):
        whole = says.whole({"choices": [{"message": {"content": "x"}}]})
        await peer.send(
            *(says.stream(says.TEXT, says.DONE) if b'"stream"' in request.body else [whole])
        )

    async def main():
        async with serve(answer) as upstream:
            engine = expert(upstream.url, max_connections=1)
            for request in (HELLO, WHOLE, HELLO, WHOLE):
                assert [chunk.text async for chunk in engine.chat(request)] == ["x"]
            assert upstream.connections == 1
            await engine.close()

    asyncio.run(main())
