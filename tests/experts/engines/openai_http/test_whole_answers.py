"""What comes back whole."""

import json

import pytest

from experts.errors import BadUpstream
from experts.testing import ask
from experts.types import ChatRequest, Chunk, Usage

WHOLE = ask("hello", stream=False)


def test_a_whole_answer_keeps_its_bytes_and_every_field(chat, says):
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
    (chunk,), _ = chat(says.whole(answer), WHOLE)
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


def test_several_choices(chat, says):
    choices = [
        {"index": i, "message": {"content": f"t{i}"}, "finish_reason": "stop"} for i in (0, 1)
    ]
    answer = {"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    (first, second), _ = chat(says.whole(answer), WHOLE)
    assert (first.text, first.index, first.usage) == ("t0", 0, None)
    assert first.wire == json.dumps(answer).encode()
    assert second == Chunk("t1", 1, "stop", usage=Usage(1, 2))


def test_the_logprobs_of_a_completion_get_the_layout_of_a_chat(chat, says):
    logprobs = {
        "tokens": ["a", "é"],
        "token_logprobs": [-0.5, -1.5],
        "top_logprobs": [{"a": -0.5, "b": -2.0}, None],
        "text_offset": [0, 1],
    }
    answer = {"choices": [{"index": 0, "text": "aé", "logprobs": logprobs}]}
    (chunk,), _ = chat(says.whole(answer), ChatRequest(prompt="x", stream=False))
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
def test_a_body_that_is_no_answer(chat, says, body):
    with pytest.raises(BadUpstream) as error:
        chat(says.body(body), WHOLE)
    assert error.value.expert == "mine"
