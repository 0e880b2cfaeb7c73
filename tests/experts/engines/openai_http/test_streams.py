"""What comes back streamed."""

from experts.testing import ask
from experts.types import Chunk, Usage


def test_a_stream_keeps_its_bytes(chat, says):
    pieces = [
        says.event({"role": "assistant", "content": ""}),
        says.event({"content": "caf"}) + says.event({"content": "é 🐟"}),
        says.event({}, "stop"),
    ]
    chunks, _ = chat(says.stream(*pieces, says.usage(3, 4), says.DONE))
    assert "".join(chunk.text for chunk in chunks) == "café 🐟"
    assert b"".join(chunk.wire or b"" for chunk in chunks) == b"".join(pieces)
    assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(3, 4)]
    assert chunks[-1] == Chunk(usage=Usage(3, 4))
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]


def test_usage_is_relayed_to_whom_asked_for_it(chat, says):
    request = ask("hello", extra={"stream_options": {"include_usage": True}})
    chunks, _ = chat(says.stream(says.event({}, "stop"), says.usage(3, 4), says.DONE), request)
    assert chunks[-1] == Chunk(usage=Usage(3, 4), wire=says.usage(3, 4))


def test_usage_that_comes_with_every_event_is_counted_once(chat, says):
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    more = {"prompt_tokens": 3, "completion_tokens": 2}
    pieces = [
        says.event({"content": "a"}, usage=usage),
        says.event({"content": "b"}, "stop", usage=more),
    ]
    chunks, _ = chat(says.stream(*pieces, says.DONE))
    assert [chunk.usage for chunk in chunks if chunk.usage] == [Usage(3, 2)]
    assert b"".join(chunk.wire or b"" for chunk in chunks) == b"".join(pieces)


def test_events_that_come_together_are_joined_only_if_nothing_is_lost(chat, says):
    call = {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}
    pieces = [
        says.event({"content": "a"}),
        says.event({"content": "b"}),
        says.event(call),
        says.event(call),
        says.event({"content": "c"}, index=1),
        says.event({"content": "d"}, "stop", index=1),
        says.event({"content": "e"}, "stop"),
    ]
    chunks, _ = chat(says.stream(b"".join(pieces), says.DONE))
    seen = [(chunk.text, chunk.index, chunk.delta, chunk.finish_reason) for chunk in chunks]
    assert seen == [
        ("ab", 0, None, None),
        ("", 0, call, None),
        ("", 0, call, None),
        ("cd", 1, None, "stop"),
        ("e", 0, None, "stop"),
    ]
    assert b"".join(chunk.wire or b"" for chunk in chunks) == b"".join(pieces)


def test_other_spellings_of_a_stream(chat, says):
    data = b'{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}'
    spread = b'data: {"choices":\ndata: [{"delta": {}, "finish_reason": "stop"}]}\n\n'
    pieces = [
        b"\xef\xbb\xbf: warming up\r\n\r\n",
        b"event: message\r\ndata:" + data + b"\r\n\r\n",
        b": still here\n\n",
        spread,
        says.DONE,
    ]
    chunks, _ = chat(says.stream(*pieces))
    wire = b"".join(chunk.wire or b"" for chunk in chunks)
    joined = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
    assert wire == b"data: " + data + b"\n\n" + joined
    assert [chunk.text for chunk in chunks] == ["x", ""]


def test_a_stream_may_end_with_a_finish_reason_and_no_done(chat, says):
    chunks, _ = chat(says.stream(says.event({"content": "x"}, "stop")))
    assert [chunk.text for chunk in chunks] == ["x"]
