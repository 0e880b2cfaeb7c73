"""An engine in front of a real server, and what such servers say, as bytes."""

import json
from types import SimpleNamespace

import pytest

from experts.engines.openai_http import OpenAIExpert
from experts.testing import ask, read
from experts.types import ExpertInfo

HELLO = ask("hello")
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def make_expert(url, **settings):
    chosen = OpenAIExpert.Settings(base_url=f"{url}/v1", **settings)
    return OpenAIExpert(ExpertInfo("mine"), chosen)


def body(content, status=200, headers=""):
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n{headers}\r\n"
    return head.encode() + content


def whole(value, status=200, headers=""):
    kind = f"Content-Type: application/json\r\n{headers}"
    return body(json.dumps(value).encode(), status, kind)


def data(value):
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def event(delta, finish=None, index=0, **more):
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return data({"id": "x", "choices": [choice], **more})


def usage(prompt, completion):
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return data({"id": "x", "choices": [], "usage": counts})


def stream(*pieces, end=True):
    """The parts of a streamed answer: its head, a chunk for each piece, and the last chunk."""
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return [SSE, *chunks, *([b"0\r\n\r\n"] if end else [])]


TEXT = event({"content": "x"})
DONE = b"data: [DONE]\n\n"


@pytest.fixture
def says():
    """What an upstream says: ``body`` and ``whole`` are answers, ``stream`` the parts of one."""
    return SimpleNamespace(
        body=body,
        whole=whole,
        stream=stream,
        data=data,
        event=event,
        usage=usage,
        TEXT=TEXT,
        DONE=DONE,
    )


@pytest.fixture
def expert():
    """``expert(url, **settings)``."""
    return make_expert


@pytest.fixture
def chat(serve, run):
    """The chunks that an upstream with this answer leads to, and the requests that it saw."""

    def _chat(parts, request=HELLO, close=False, **settings):
        async def answer(received, peer):
            await peer.send(*([parts] if isinstance(parts, bytes) else parts))
            return not close

        async def main():
            async with serve(answer) as upstream:
                engine = make_expert(upstream.url, **settings)
                try:
                    return await read(engine, request), upstream.requests
                finally:
                    await engine.close()

        return run(main())

    return _chat


@pytest.fixture
def sent(chat):
    """The body that a request leads to, and the request that the upstream saw."""
    answer = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}
    streamed = stream(event({"content": "x"}, "stop"), DONE)

    def _sent(request, **settings):
        parts = streamed if request.stream else whole(answer)
        _, (received,) = chat(parts, request, **settings)
        return json.loads(received.body), received

    return _sent
