"""What is wrong with a request is said in OpenAI's format, by a server that lives on."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.schema import ChatBody, CompletionBody

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
HI = [{"role": "user", "content": "hi"}]


def chat(**fields):
    return {"model": "echo", "messages": HI, **fields}


def text(**fields):
    return {"model": "echo", "prompt": "hi", **fields}


def message(**fields):
    return chat(messages=[{"role": "user", **fields}])


BAD = [
    (CHAT, b"", None, "empty"),
    (CHAT, b"{", None, "not JSON"),
    (CHAT, b'{"model": "echo\xff"}', None, "UTF-8"),
    (CHAT, b'{"model": "\\ud800", "messages": []}', None, "surrogate"),
    (CHAT, b'{"model": "echo", "temperature": NaN}', None, "not JSON"),
    (CHAT, b'{"a":' * 100_000 + b"1" + b"}" * 100_000, None, "depth"),
    (CHAT, b'{"a":' * 300 + b"1" + b"}" * 300, None, "200 levels"),
    (CHAT, [], None, "must be a JSON object"),
    (CHAT, {"messages": HI}, "model", "missing"),
    (CHAT, chat(model=7), "model", "must be a text"),
    (CHAT, chat(model=""), "model", "must not be empty"),
    (CHAT, {"model": "echo"}, "messages", "missing"),
    (CHAT, chat(messages=[]), "messages", "must not be empty"),
    (CHAT, chat(messages="hi"), "messages", "must be a list"),
    (CHAT, chat(messages=["hi"]), "messages.0", "must be an object"),
    (CHAT, chat(messages=[{"role": "wizard", "content": "x"}]), "messages.0.role", "'user'"),
    (CHAT, chat(messages=[{"content": "x"}]), "messages.0.role", "missing"),
    (CHAT, message(), "messages.0.content", "tool_calls"),
    (CHAT, message(content=None), "messages.0.content", "tool_calls"),
    (CHAT, message(content=5), "messages.0.content", "a list of parts"),
    (CHAT, message(content=[]), "messages.0.content", "must not be empty"),
    (CHAT, message(content=[{"type": "text"}]), "messages.0.content.0.text", "without"),
    (CHAT, message(content=[{"text": "x"}]), "messages.0.content.0.type", "missing"),
    (CHAT, message(content=[{"type": "hologram"}]), "messages", "hologram"),
    (CHAT, chat(max_tokens=-1), "max_tokens", "at least 1"),
    (CHAT, chat(max_tokens=0), "max_tokens", "at least 1"),
    (CHAT, chat(max_tokens=10**30), "max_tokens", "integer"),
    (CHAT, chat(max_tokens=10**8), "max_tokens", "at most 1048576"),
    (CHAT, chat(max_completion_tokens="many"), "max_completion_tokens", "integer"),
    (CHAT, chat(n=0), "n", "at least 1"),
    (CHAT, chat(n=129), "n", "at most 128"),
    (CHAT, chat(n=True), "n", "integer"),
    (CHAT, chat(temperature=2.5), "temperature", "at most 2"),
    (CHAT, chat(temperature="hot"), "temperature", "a number"),
    (CHAT, chat(top_p=0), "top_p", "greater than 0"),
    (CHAT, chat(seed=2**63), "seed", "less than"),
    (CHAT, chat(stop=["a"] * 17), "stop", "at most 16"),
    (CHAT, chat(stop=""), "stop", "must not be empty"),
    (CHAT, chat(stop=[""]), "stop.0", "must not be empty"),
    (CHAT, chat(logprobs=5), "logprobs", "true or false"),
    (CHAT, chat(top_logprobs=2), "top_logprobs", "needs logprobs"),
    (CHAT, chat(logprobs=True, top_logprobs=21), "top_logprobs", "at most 20"),
    (CHAT, chat(stream="yes"), "stream", "true or false"),
    (CHAT, chat(stream_options={"include_usage": 1}), "stream_options.include_usage", "true"),
    (CHAT, chat(coterie={"trace": "x"}), "coterie.trace", "true or false"),
    (CHAT, chat(coterie={"trce": True}), "coterie.trce", "not known"),
    (TEXT, {"model": "echo"}, "prompt", "missing"),
    (TEXT, text(prompt=""), "prompt", "must not be empty"),
    (TEXT, text(prompt=["a", ""]), "prompt.1", "must not be empty"),
    (TEXT, text(prompt=[1, 2]), "prompt", "token ids"),
    (TEXT, text(prompt=[[1, 2]]), "prompt", "token ids"),
    (TEXT, text(prompt=["a"] * 65, n=2), "n", "128 choices"),
    (TEXT, text(logprobs=True), "logprobs", "integer"),
]


@pytest.mark.parametrize(("path", "body", "param", "words"), BAD, ids=range(len(BAD)))
def test_the_message_names_the_field_and_the_rule(web, path, body, param, words):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = web.post(path, content=raw)
    error = response.json()["error"]
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert words in error["message"]
    assert error["code"]
    assert response.headers["x-coterie-id"]


def test_what_openai_accepts_is_accepted(web):
    fine = [
        chat(n=None, stop=None, max_tokens=None, temperature=None, stream=None, seed=None),
        chat(temperature=0, top_p=1, presence_penalty=-2, logit_bias={}, metadata={"a": "b"}),
        message(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        chat(
            messages=[
                {"role": "developer", "content": "x"},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
                {"role": "tool", "content": "y", "tool_call_id": "1"},
            ]
        ),
        chat(coterie={}),
        chat(coterie=None, stream_options=None),
    ]
    for body in fine:
        response = web.post(CHAT, json=body)
        assert response.status_code == 200, response.text


def test_a_key_that_is_there_twice_has_its_last_value(web):
    body = b'{"model":"nobody","model":"echo","messages":[{"role":"user","content":"hi"}]}'
    assert web.post(CHAT, content=body).json()["model"] == "echo"


def test_a_compressed_body(web):
    response = web.post(CHAT, content=b"x", headers={"content-encoding": "gzip"})
    assert response.status_code == 415


def test_a_page_of_another_site_cannot_put_the_experts_to_work(web):
    for origin in ("https://elsewhere.example", "null"):
        response = web.post(CHAT, json=chat(), headers={"origin": origin})
        assert (response.status_code, response.json()["error"]["code"]) == (403, "cross_origin")
    own = {"origin": str(web.base_url).rstrip("/")}
    assert web.post(CHAT, json=chat(), headers=own).status_code == 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
FIELDS = [*ChatBody.__annotations__, *CompletionBody.__annotations__, "tools", "user"]
BODIES = st.one_of(
    JSON,
    st.dictionaries(st.sampled_from(FIELDS), JSON).map(lambda odd: {**chat(), **odd}),
    st.dictionaries(st.sampled_from(FIELDS), JSON).map(lambda odd: {**text(), **odd}),
    JSON.map(lambda odd: chat(messages=[{"role": "user", "content": odd}])),
    JSON.map(lambda odd: chat(messages=[{"role": "assistant", "content": "x", "tool_calls": odd}])),
    JSON.map(lambda odd: message(content=[{"type": "text", "text": odd}])),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(body=BODIES, path=st.sampled_from([CHAT, TEXT]))
def test_no_json_makes_the_server_stumble(call, pipeline, body, path):
    raw = json.dumps(body).encode()
    status, _, answer = call(pipeline, raw, path)
    assert status in (200, 400, 404)
    if status != 200:
        assert json.loads(answer)["error"]["message"]


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=st.binary(max_size=60))
def test_no_bytes_make_the_server_stumble(call, pipeline, raw):
    assert call(pipeline, raw)[0] == 400


def test_a_bug_of_ours_is_logged_and_not_told(call, experts, caplog, monkeypatch):
    pipeline = experts.pipeline()

    async def run(*args):
        raise KeyError("the secret is 42")

    monkeypatch.setattr(pipeline, "run", run)
    status, headers, body = call(pipeline, chat())
    error = json.loads(body)["error"]
    assert status == 500
    assert error["type"] == "server_error"
    assert "secret" not in error["message"]
    assert headers["x-coterie-id"] in error["message"]
    assert headers["x-coterie-id"] in caplog.text
    assert "the secret is 42" in caplog.text
