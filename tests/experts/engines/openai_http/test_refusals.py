"""Upstreams that say no, and upstreams that are not there."""

import asyncio

import pytest

from experts.errors import (
    BadUpstream,
    ContextTooLong,
    ExpertError,
    ExpertOverloaded,
    ExpertTimeout,
    ExpertUnavailable,
    RequestRejected,
)
from experts.testing import ask

HELLO = ask("hello")
WHOLE = ask("hello", stream=False)


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
def test_statuses(chat, says, status, kind, request_):
    error = {"message": "Because.", "param": "n", "code": "some_code"}
    with pytest.raises(ExpertError) as raised:
        chat(says.whole({"error": error}, status), request_)
    assert type(raised.value) is kind
    assert raised.value.expert == "mine"
    if kind is RequestRejected:
        found = (raised.value.status, raised.value.param, raised.value.code, str(raised.value))
        assert found == (status, "n", "some_code", "Because.")


@pytest.mark.parametrize("status", [204, 301, 400, 404, 405])
def test_statuses_without_an_openai_error_are_no_answer(chat, says, status):
    with pytest.raises(BadUpstream, match=str(status)):
        chat(says.body(b"<html>" if status != 204 else b"", status), WHOLE, close=True)


@pytest.mark.parametrize(
    "error",
    [
        {"message": "x", "code": "context_length_exceeded"},
        {"message": "This model's maximum context length is 10 tokens.", "code": 400},
    ],
)
def test_a_context_that_is_too_long(chat, says, error):
    with pytest.raises(ContextTooLong):
        chat(says.whole({"error": error}, 400))


@pytest.mark.parametrize(("value", "seconds"), [("2.5", 2.5), ("x", None), ("-1", 0.0)])
def test_when_to_come_back(chat, says, value, seconds):
    with pytest.raises(ExpertOverloaded) as error:
        chat(says.whole({}, 429, f"Retry-After: {value}\r\n"))
    assert error.value.retry_after == seconds


def test_nobody_there(expert):
    async def main():
        engine = expert("http://127.0.0.1:9")
        with pytest.raises(ExpertUnavailable) as error:
            [chunk async for chunk in engine.chat(HELLO)]
        assert error.value.expert == "mine"

    asyncio.run(main())
