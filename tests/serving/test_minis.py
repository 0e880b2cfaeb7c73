"""The embedded default as users run it: a process, real weights, the official client."""

import json
import subprocess
import sys

import pytest
from openai import NotFoundError, OpenAI

from benchmarks.server import running_server
from experts.minis import NAMES
from experts.minis.data import generate

CONFIG = "configs/minis.yaml"


@pytest.fixture(scope="module")
def client():
    with (
        running_server(CONFIG) as server,
        OpenAI(base_url=f"{server.url}/v1", api_key="none", timeout=60) as client,
    ):
        yield client


def ask(client, text, model="auto", **options):
    messages = [{"role": "user", "content": text}]
    return client.chat.completions.create(model=model, messages=messages, **options)


def test_the_expert_of_the_skill_answers_and_is_named(client):
    reply = ask(client, "What is 17 plus 25?", extra_body={"coterie": {"trace": True}})
    assert reply.choices[0].message.content == "42"
    trace = reply.model_extra["coterie"]["trace"]
    assert trace["expert"] == trace["chosen"][0] == "arithmetic"
    assert set(trace["scores"]) == set(NAMES)
    assert trace["cost_usd"] > 0


def test_headers_name_expert_composition_and_decision_time(client):
    messages = [{"role": "user", "content": "What is 40 minus 12?"}]
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=messages)
    assert raw.headers["x-coterie-expert"] == "arithmetic"
    assert raw.headers["x-coterie-composition"] == "auto"
    assert float(raw.headers["x-coterie-decision-ms"]) > 0


def test_a_stream_has_the_same_text(client):
    text = "What is the capital of Japan?"
    whole = ask(client, text).choices[0].message.content
    options = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = list(ask(client, text, **options))
    parts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(parts) == whole == "Tokyo"
    assert chunks[-1].usage.completion_tokens > 0


def test_auto_is_better_than_any_single_mini(client):
    """A small sample of the validation split; the figure itself is a benchmark's."""
    examples = [e for s in NAMES[:6] for e in generate(s, "validation", 8, seed=3)]

    def right(model):
        replies = [ask(client, e.prompt, model).choices[0].message.content for e in examples]
        pairs = zip(replies, examples, strict=True)
        return sum(str(r).casefold() == e.answer.casefold() for r, e in pairs)

    auto = right("auto")
    assert auto >= 0.8 * len(examples)
    assert auto > max(right(name) for name in ("generalist", "arithmetic"))


def test_an_unknown_model_is_a_404_that_names_the_nearest(client):
    with pytest.raises(NotFoundError, match="arithmetic"):
        ask(client, "hello", model="arithmetics")


def test_ask_prints_one_object(tmp_path):
    command = [sys.executable, "-m", "serving", "ask", "What is 17 plus 25?", "--json"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = json.loads(run.stdout)
    assert (answer["answer"], answer["expert"], answer["composition"]) == (
        "42",
        "arithmetic",
        "auto",
    )
    assert answer["trace"]["attempts"][0]["expert"] == "arithmetic"
