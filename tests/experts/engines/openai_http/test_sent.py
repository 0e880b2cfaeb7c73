"""What an upstream is sent."""

import json

import pytest

from experts.base import Expert
from experts.errors import RequestRejected
from experts.testing import ask
from experts.types import ChatRequest

HELLO = ask("hello")
WHOLE = ask("hello", stream=False)


def test_it_is_an_expert(expert):
    assert isinstance(expert("http://127.0.0.1:1"), Expert)


def test_everything_that_the_client_sent_is_passed_on(chat, sent):
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
    body, received = sent(request)
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


def test_what_was_not_asked_for_is_not_sent(sent):
    assert set(sent(WHOLE)[0]) == {"model", "messages"}


def test_a_stream_asks_for_usage_and_keeps_other_options(sent):
    extra = {"stream_options": {"continuous": True}}
    request = ask("hello", extra=extra)
    body, _ = sent(request)
    assert body["stream"] is True
    assert body["stream_options"] == {"continuous": True, "include_usage": True}
    body, _ = sent(HELLO, stream_usage=False)
    assert "stream_options" not in body


def test_a_raw_prompt_goes_to_completions(chat, says):
    answer = {"choices": [{"index": 0, "text": " world", "finish_reason": "stop"}]}
    request = ChatRequest(prompt="hello", stream=False, logprobs=True, top_logprobs=2)
    (chunk,), (received,) = chat(says.whole(answer), request)
    assert received.line == "POST /v1/completions HTTP/1.1"
    body = json.loads(received.body)
    assert (body["prompt"], body["logprobs"], chunk.text) == ("hello", 2, " world")
    assert "messages" not in body


def test_names_headers_and_defaults(sent):
    settings = {
        "model": "theirs",
        "headers": {"X-Team": "a"},
        "defaults": {"temperature": 0.1, "reasoning_effort": "low"},
        "max_tokens_field": "max_completion_tokens",
    }
    request = ask("hello", temperature=0.9, max_tokens=7, stream=False)
    body, received = sent(request, **settings)
    assert (body["model"], body["temperature"], body["reasoning_effort"]) == ("theirs", 0.9, "low")
    assert (body["max_completion_tokens"], body.get("max_tokens")) == (7, None)
    assert received.headers["x-team"] == "a"


def test_a_value_without_a_json_form(chat):
    request = ask("hello", extra={"x": object()})
    with pytest.raises(RequestRejected, match="JSON"):
        chat(b"", request)
