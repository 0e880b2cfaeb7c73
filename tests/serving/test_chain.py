"""Coterie before Coterie: the whole path with the ``openai`` engine to a real upstream."""

import json
import time

import httpx
import openai
import pytest

from compose.pipeline import Pipeline
from experts.engines.openai_http import OpenAIExpert, OpenAISettings
from experts.types import ExpertInfo

HI = [{"role": "user", "content": "hi"}]
BEHIND = ("echo", "slow", "breaks", "too-long", "overloaded", "logprobs", "broken")


@pytest.fixture(scope="module")
def front(server, run_server, experts):
    settings = OpenAISettings(base_url=f"{server.url}/v1", proxy="")
    behind = {name: OpenAIExpert(ExpertInfo(name), settings) for name in BEHIND}
    compositions = {
        "auto": experts.composition("auto", "broken", "echo"),
        "shaky": experts.composition("shaky", "breaks", "echo"),
    }
    with run_server(Pipeline(behind, compositions)) as found:
        yield found


@pytest.fixture(scope="module")
def far(front):
    with openai.OpenAI(
        base_url=f"{front.url}/v1", api_key="none", max_retries=0, timeout=20
    ) as client:
        yield client


def test_an_answer_comes_through(far):
    answer = far.chat.completions.create(model="auto", messages=HI, n=2, seed=3)
    assert [choice.message.content for choice in answer.choices] == ["you said: hi"] * 2
    assert answer.usage.completion_tokens == 6


def test_a_text_completion_comes_through(far):
    answer = far.completions.create(model="echo", prompt=["a", "b"])
    assert [choice.text for choice in answer.choices] == ["you said: a", "you said: b"]
    pieces = far.completions.create(model="echo", prompt="a", stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == "you said: a"


def test_logprobs_come_through(far):
    answer = far.chat.completions.create(model="logprobs", messages=HI, logprobs=True)
    assert [entry.token for entry in answer.choices[0].logprobs.content] == ["one ", "two"]


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_stream_comes_through(front, include_usage):
    body = {
        "model": "echo",
        "messages": HI,
        "stream": True,
        "stream_options": {"include_usage": include_usage},
        "coterie": {"trace": True},
    }
    text = httpx.post(f"{front.url}/v1/chat/completions", json=body).text
    *events, done = text.removesuffix("\n\n").split("\n\n")
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    assert done == "data: [DONE]"
    assert [bool(chunk.get("usage")) for chunk in chunks].count(True) == include_usage
    assert chunks[-1]["coterie"]["trace"]["attempts"][0]["completion_tokens"] == 3
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == "you said: hi"


def test_refusals_keep_their_meaning(far):
    with pytest.raises(openai.BadRequestError) as caught:
        far.chat.completions.create(model="too-long", messages=HI)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.RateLimitError) as caught:
        far.chat.completions.create(model="overloaded", messages=HI)
    assert caught.value.response.headers["retry-after"] == "1"


def test_an_upstream_that_breaks_off(far):
    # Whether its first words are on their way when it breaks is a matter of timing.
    with pytest.raises(openai.APIError, match="broke off"):
        list(far.chat.completions.create(model="breaks", messages=HI, stream=True))
    answer = far.chat.completions.create(model="shaky", messages=HI)
    assert answer.choices[0].message.content == "you said: hi"


def test_a_client_that_leaves_stops_the_expert_at_the_far_end(server, far):
    expert = server.experts["slow"]
    stream = far.chat.completions.create(model="slow", messages=HI, stream=True)
    next(stream)
    assert expert.active == 1
    stream.close()
    end = time.monotonic() + 5
    while expert.active and time.monotonic() < end:
        time.sleep(0.005)
    assert expert.active == 0
