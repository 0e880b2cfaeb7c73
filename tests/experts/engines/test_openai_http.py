import asyncio
import json
import logging
from contextlib import aclosing

import pytest

from experts.base import Expert
from experts.engines.openai_http import OpenAIExpert
from experts.errors import (
    BadUpstream,
    ConfigError,
    ContextTooLong,
    ExpertError,
    ExpertFailed,
    ExpertOverloaded,
    ExpertTimeout,
    ExpertUnavailable,
    RequestRejected,
)
from experts.types import ChatRequest, Chunk, ExpertInfo, Usage

KEY = "sk-very-secret-0123456789"
HELLO = ChatRequest(messages=[{"role": "user", "content": "hello"}])
WHOLE = ChatRequest(messages=HELLO.messages, stream=False)
SSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def expert(url: str, **settings) -> OpenAIExpert:
    chosen = OpenAIExpert.Settings(base_url=f"{url}/v1", **settings)
    return OpenAIExpert(ExpertInfo("mine"), chosen)


def body_answer(body: bytes, status: int = 200, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def json_answer(value: object, status: int = 200, headers: str = "") -> bytes:
    kind = f"Content-Type: application/json\r\n{headers}"
    return body_answer(json.dumps(value).encode(), status, kind)


def event(delta: dict, finish: str | None = None, index: int = 0, **more) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "x", "choices": [choice], **more}).encode() + b"\n\n"


def usage_event(prompt: int, completion: int) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return b"data: " + json.dumps({"id": "x", "choices": [], "usage": usage}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def stream_answer(*pieces: bytes, end: bool = True) -> list[bytes]:
    parts = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return [SSE, *parts, *([b"0\r\n\r\n"] if end else [])]


def ask(serve, parts, request=HELLO, close=False, **settings):
    """The chunks that an upstream with this answer leads to, and the requests that it saw."""

    async def answer(received, peer):
        await peer.send(*([parts] if isinstance(parts, bytes) else parts))
        return not close

    async def main():
        async with serve(answer) as upstream:
            engine = expert(upstream.url, **settings)
            try:
                return [chunk async for chunk in engine.chat(request)], upstream.requests
            finally:
                await engine.close()

    return asyncio.run(asyncio.wait_for(main(), 20))


def sent(serve, request: ChatRequest, **settings) -> tuple[dict, object]:
    answer = {"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}
    parts = stream_answer(event({"content": "x"}, "stop"), DONE)
    parts = parts if request.stream else [json_answer(answer)]
    _, (received,) = ask(serve, parts, request, **settings)
    return json.loads(received.body), received


# What goes out.


def test_it_is_an_expert():
    assert isinstance(expert("http://127.0.0.1:1"), Expert)


def test_everything_that_the_client_sent_is_passed_on(serve):
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    request = ChatRequest(
        messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "a"}],
        max_tokens=5,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        seed=1,
        stop=("a", "b"),
        n=2,
        logprobs=True,
        top_logprobs=4,
        stream=False,
        extra={
            "tools": tools,
            "tool_choice": "auto",
            "response_format": {"type": "json_object"},
            "unheard_of": {"x": [1.5, None, "é"]},
        },
    )
    body, received = sent(serve, request)
    assert body == {
        "model": "mine",
        "messages": list(request.messages),
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "seed": 1,
        "stop": ["a", "b"],
        "n": 2,
        "logprobs": True,
        "top_logprobs": 4,
        **request.extra,
    }
    assert received.line == "POST /v1/chat/completions HTTP/1.1"
    assert received.headers["content-type"] == "application/json"
    assert "authorization" not in received.headers


def test_what_was_not_asked_for_is_not_sent(serve):
    assert set(sent(serve, WHOLE)[0]) == {"model", "messages"}


def test_a_stream_asks_for_usage_and_keeps_other_options(serve):
    extra = {"stream_options": {"continuous": True}}
    request = ChatRequest(messages=HELLO.messages, extra=extra)
    body, _ = sent(serve, request)
    assert body["stream"] is True
    assert body["stream_options"] == {"continuous": True, "include_usage": True}
    body, _ = sent(serve, HELLO, stream_usage=False)
    assert "stream_options" not in body


def test_a_raw_prompt_goes_to_completions(serve):
    answer = {"choices": [{"index": 0, "text": " world", "finish_reason": "stop"}]}
    request = ChatRequest(prompt="hello", stream=False, logprobs=True, top_logprobs=2)
    (chunk,), (received,) = ask(serve, json_answer(answer), request)
    assert received.line == "POST /v1/completions HTTP/1.1"
    body = json.loads(received.body)
    assert (body["prompt"], body["logprobs"], chunk.text) == ("hello", 2, " world")
    assert "messages" not in body


def test_names_headers_and_defaults(serve):
    settings = {
        "model": "theirs",
        "headers": {"X-Team": "a"},
        "defaults": {"temperature": 0.1, "reasoning_effort": "low"},
        "max_tokens_field": "max_completion_tokens",
    }
    request = ChatRequest(messages=HELLO.messages, temperature=0.9, max_tokens=7, stream=False)
    body, received = sent(serve, request, **settings)
    assert (body["model"], body["temperature"], body["reasoning_effort"]) == ("theirs", 0.9, "low")
    assert (body["max_completion_tokens"], body.get("max_tokens")) == (7, None)
    assert received.headers["x-team"] == "a"


def test_the_key_comes_from_the_environment(serve, monkeypatch):
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")
    _, received = sent(serve, WHOLE, api_key_env="MY_KEY")
    assert received.headers["authorization"] == f"Bearer {KEY}"
    _, received = sent(serve, WHOLE, api_key_env="MY_KEY", api_key_header="api-key")
    assert received.headers["api-key"] == KEY
    assert "authorization" not in received.headers


def test_a_key_that_is_not_there(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ConfigError, match="MY_KEY") as error:
        expert("http://127.0.0.1:1", api_key_env="MY_KEY")
    assert error.value.path == "api_key_env"


def test_a_value_without_a_json_form(serve):
    request = ChatRequest(messages=HELLO.messages, extra={"x": object()})
    with pytest.raises(RequestRejected, match="JSON"):
        ask(serve, b"", request)


# What comes back, whole.


def test_a_whole_answer_keeps_its_bytes_and_every_field(serve):
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}],
        "reasoning_content": "hm",
        "refusal": None,
        "annotations": [],
    }
    content = [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]
    answer = {
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": "tool_calls",
                "logprobs": {"content": content},
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 2},
        },
        "system_fingerprint": "fp",
    }
    (chunk,), _ = ask(serve, json_answer(answer), WHOLE)
    assert chunk == Chunk(
        finish_reason="tool_calls",
        logprobs=content,
        usage=Usage(3, 4, {"prompt_tokens_details": {"cached_tokens": 2}}),
        delta={
            "tool_calls": message["tool_calls"],
            "reasoning_content": "hm",
            "annotations": [],
        },
        wire=json.dumps(answer).encode(),
    )


def test_several_choices(serve):
    choices = [
        {"index": i, "message": {"content": f"t{i}"}, "finish_reason": "stop"} for i in (0, 1)
    ]
    answer = {"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    (first, second), _ = ask(serve, json_answer(answer), WHOLE)
    assert (first.text, first.index, first.usage) == ("t0", 0, None)
    assert first.wire == json.dumps(answer).encode()
    assert second == Chunk("t1", 1, "stop", usage=Usage(1, 2))


def test_the_logprobs_of_a_completion_get_the_layout_of_a_chat(serve):
    logprobs = {
        "tokens": ["a", "é"],
        "token_logprobs": [-0.5, -1.5],
        "top_logprobs": [{"a": -0.5, "b": -2.0}, None],
        "text_offset": [0, 1],
    }
    answer = {"choices": [{"index": 0, "text": "aé", "logprobs": logprobs}]}
    (chunk,), _ = ask(serve, json_answer(answer), ChatRequest(prompt="x", stream=False))
    assert chunk.logprobs == [
        {
            "token": "a",
            "logprob": -0.5,
            "bytes": [97],
            "top_logprobs": [
                {"token": "a", "logprob": -0.5, "bytes": [97]},
                {"token": "b", "logprob": -2.0, "bytes": [98]},
            ],
        },
        {"token": "é", "logprob": -1.5, "bytes": [195, 169], "top_logprobs": []},
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"{}",
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": [1]}',
        b'{"choices": [{"message": "x"}]}',
        b'{"choices": [{"message": {"content": "x"}}]',
        b'{"choices": [{"message": {"content": "\xff"}}]}',
    ],
)
def test_a_body_that_is_no_answer(serve, body):
    with pytest.raises(BadUpstream) as error:
        ask(serve, body_answer(body), WHOLE)
    assert error.value.expert == "mine"


# What comes back, streamed.


def test_a_stream_keeps_its_bytes(serve):
    pieces = [
        event({"role": "assistant", "content": ""}),
        event({"content": "caf"}) + event({"content": "é 🐟"}),
        event({}, "stop"),
    ]
    chunks, _ = ask(serve, stream_answer(*pieces, usage_event(3, 4), DONE))
    assert "".join(chunk.text for chunk in chunks) == "café 🐟"
    assert b"".join(chunk.wire or b"" for chunk in chunks) == b"".join(pieces)
    assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(3, 4)]
    assert chunks[-1] == Chunk(usage=Usage(3, 4))
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]


def test_usage_is_relayed_to_whom_asked_for_it(serve):
    request = ChatRequest(
        messages=HELLO.messages, extra={"stream_options": {"include_usage": True}}
    )
    chunks, _ = ask(serve, stream_answer(event({}, "stop"), usage_event(3, 4), DONE), request)
    assert chunks[-1] == Chunk(usage=Usage(3, 4), wire=usage_event(3, 4))


def test_usage_that_comes_with_every_event_is_counted_once(serve):
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    more = {"prompt_tokens": 3, "completion_tokens": 2}
    pieces = [event({"content": "a"}, usage=usage), event({"content": "b"}, "stop", usage=more)]
    chunks, _ = ask(serve, stream_answer(*pieces, DONE))
    assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(3, 2)]
    assert b"".join(chunk.wire or b"" for chunk in chunks) == b"".join(pieces)


def test_events_that_come_together_are_joined_only_if_nothing_is_lost(serve):
    call = {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}
    pieces = [
        event({"content": "a"}),
        event({"content": "b"}),
        event(call),
        event(call),
        event({"content": "c"}, index=1),
        event({"content": "d"}, "stop", index=1),
        event({"content": "e"}, "stop"),
    ]
    chunks, _ = ask(serve, stream_answer(b"".join(pieces), DONE))
    seen = [(chunk.text, chunk.index, chunk.delta, chunk.finish_reason) for chunk in chunks]
    assert seen == [
        ("ab", 0, None, None),
        ("", 0, call, None),
        ("", 0, call, None),
        ("cd", 1, None, "stop"),
        ("e", 0, None, "stop"),
    ]
    assert b"".join(chunk.wire or b"" for chunk in chunks) == b"".join(pieces)


def test_other_spellings_of_a_stream(serve):
    data = b'{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}'
    spread = b'data: {"choices":\ndata: [{"delta": {}, "finish_reason": "stop"}]}\n\n'
    pieces = [
        b"\xef\xbb\xbf: warming up\r\n\r\n",
        b"event: message\r\ndata:" + data + b"\r\n\r\n",
        b": still here\n\n",
        spread,
        DONE,
    ]
    chunks, _ = ask(serve, stream_answer(*pieces))
    wire = b"".join(chunk.wire or b"" for chunk in chunks)
    joined = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
    assert wire == b"data: " + data + b"\n\n" + joined
    assert [chunk.text for chunk in chunks] == ["x", ""]


def test_a_stream_may_end_with_a_finish_reason_and_no_done(serve):
    chunks, _ = ask(serve, stream_answer(event({"content": "x"}, "stop")))
    assert [chunk.text for chunk in chunks] == ["x"]


TEXT = event({"content": "x"})
BROKEN = {
    "no end": stream_answer(TEXT),
    "cut in an event": stream_answer(TEXT, event({}, "stop")[:-20]),
    "cut in an event after the last": stream_answer(event({}, "stop"), usage_event(1, 2)[:-9]),
    "cut in a chunk": stream_answer(TEXT, end=False),
    "not JSON": stream_answer(TEXT, b"data: {oops\n\n", DONE),
    "not an object": stream_answer(TEXT, b"data: 1\n\n", DONE),
    "choices are no list": stream_answer(TEXT, b'data: {"choices": {"a": 1}}\n\n', DONE),
    "a choice is no object": stream_answer(TEXT, b'data: {"choices": [1]}\n\n', DONE),
    "a delta is no object": stream_answer(TEXT, b'data: {"choices": [{"delta": 1}]}\n\n', DONE),
    "not UTF-8": stream_answer(TEXT, b'data: {"x": "\xff"}\n\n', DONE),
    "nothing": stream_answer(),
    "HTML": [body_answer(b"<html>", headers="Content-Type: text/html\r\n")],
    "HTML that calls itself a stream": stream_answer(b"<html>\n\n</html>"),
    "not streamed": [json_answer({"choices": []})],
    "an endless event": stream_answer(TEXT, b"data: " + b"x" * 5000),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_stream_is_a_typed_error(serve, name):
    with pytest.raises(BadUpstream) as error:
        ask(serve, BROKEN[name], close=True, max_event_bytes=4000)
    assert error.value.expert == "mine"


def test_what_came_before_a_break_is_yielded(serve):
    async def answer(request, peer):
        await peer.send(*stream_answer(TEXT, b"data: {oops\n\n"))

    async def main():
        async with serve(answer) as upstream:
            engine = expert(upstream.url)
            chunks = engine.chat(HELLO)
            assert (await anext(chunks)).text == "x"
            with pytest.raises(BadUpstream):
                await anext(chunks)
            await engine.close()

    asyncio.run(main())


def test_errors_inside_a_stream(serve):
    error = {"message": "The model has died.", "type": "server_error", "code": None}
    pieces = [TEXT, b"data: " + json.dumps({"error": error}).encode() + b"\n\n"]
    with pytest.raises(ExpertFailed, match="has died"):
        ask(serve, stream_answer(*pieces))
    error = {"message": "Too long.", "code": 400}
    with pytest.raises(RequestRejected, match="Too long"):
        ask(serve, json_answer({"error": error}))


# Refusals.


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RequestRejected),
        (401, ExpertUnavailable),
        (402, ExpertUnavailable),
        (403, ExpertUnavailable),
        (404, RequestRejected),
        (408, ExpertTimeout),
        (413, RequestRejected),
        (422, RequestRejected),
        (429, ExpertOverloaded),
        (500, ExpertUnavailable),
        (503, ExpertUnavailable),
    ],
)
@pytest.mark.parametrize("request_", [HELLO, WHOLE], ids=["stream", "whole"])
def test_statuses(serve, status, kind, request_):
    error = {"message": "Because.", "param": "n", "code": "some_code"}
    with pytest.raises(ExpertError) as raised:
        ask(serve, json_answer({"error": error}, status), request_)
    assert type(raised.value) is kind
    assert raised.value.expert == "mine"
    if kind is RequestRejected:
        found = (raised.value.status, raised.value.param, raised.value.code, str(raised.value))
        assert found == (status, "n", "some_code", "Because.")


@pytest.mark.parametrize("status", [204, 301, 400, 404, 405])
def test_statuses_without_an_openai_error_are_no_answer(serve, status):
    with pytest.raises(BadUpstream, match=str(status)):
        ask(serve, body_answer(b"<html>" if status != 204 else b"", status), WHOLE, close=True)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "x", "code": "context_length_exceeded"},
        {"message": "This model's maximum context length is 10 tokens.", "code": 400},
    ],
)
def test_a_context_that_is_too_long(serve, error):
    with pytest.raises(ContextTooLong):
        ask(serve, json_answer({"error": error}, 400))


@pytest.mark.parametrize(("value", "seconds"), [("2.5", 2.5), ("x", None), ("-1", 0.0)])
def test_when_to_come_back(serve, value, seconds):
    with pytest.raises(ExpertOverloaded) as error:
        ask(serve, json_answer({}, 429, f"Retry-After: {value}\r\n"))
    assert error.value.retry_after == seconds


def test_nobody_there():
    async def main():
        engine = expert("http://127.0.0.1:9")
        with pytest.raises(ExpertUnavailable) as error:
            [chunk async for chunk in engine.chat(HELLO)]
        assert error.value.expert == "mine"

    asyncio.run(main())


# Leaving, and secrets.


def test_a_reader_that_leaves_closes_the_upstreams_connection(serve):
    gone = asyncio.Event()

    async def answer(request, peer):
        await peer.send(SSE, *stream_answer(TEXT, end=False)[1:])
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


def test_connections_are_kept_after_whole_and_streamed_answers(serve):
    async def answer(request, peer):
        whole = json_answer({"choices": [{"message": {"content": "x"}}]})
        await peer.send(*(stream_answer(TEXT, DONE) if b'"stream"' in request.body else [whole]))

    async def main():
        async with serve(answer) as upstream:
            engine = expert(upstream.url, max_connections=1)
            for request in (HELLO, WHOLE, HELLO, WHOLE):
                assert [chunk.text async for chunk in engine.chat(request)] == ["x"]
            assert upstream.connections == 1
            await engine.close()

    asyncio.run(main())


def test_the_key_is_in_no_error_and_no_log(serve, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    said = {"error": {"message": f"Incorrect API key provided: {KEY}. And sk-other-987654321."}}
    parts = [json_answer(said, status) for status in (400, 401, 403, 429, 500)]
    parts.append(json_answer(said))
    for part in parts:
        with pytest.raises(ExpertError) as error:
            ask(serve, part, WHOLE, api_key_env="MY_KEY")
        told = f"{error.value} {error.value!r} {error.value.__dict__}"
        assert KEY not in told
        assert "sk-other" not in told
        if "40" in str(error.value) and isinstance(error.value, ExpertUnavailable):
            assert "$MY_KEY" in str(error.value)
    engine = expert("http://127.0.0.1:1", api_key_env="MY_KEY")
    assert KEY not in f"{engine!r} {engine.info!r} {engine._settings!r} {caplog.text}"
