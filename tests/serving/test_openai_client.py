"""The official client against a running server."""

import asyncio

import openai
import pytest

HI = [{"role": "user", "content": "hi"}]


def joined(stream):
    chunks = list(stream)
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices), chunks


def test_a_chat_completion(client):
    answer = client.chat.completions.create(model="echo", messages=HI)
    choice = answer.choices[0]
    assert (choice.message.role, choice.message.content) == ("assistant", "you said: hi")
    assert choice.finish_reason == "stop"
    assert answer.id.startswith("chatcmpl-")
    assert (answer.object, answer.model) == ("chat.completion", "echo")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.usage.completion_tokens == 3


def test_a_streamed_chat_completion(client):
    text, chunks = joined(client.chat.completions.create(model="echo", messages=HI, stream=True))
    assert text == "you said: hi"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1


def test_usage_comes_at_the_end_of_a_stream_if_it_is_asked_for(client):
    options = {"include_usage": True}
    stream = client.chat.completions.create(
        model="echo", messages=HI, stream=True, stream_options=options
    )
    _, chunks = joined(stream)
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 3


@pytest.mark.parametrize("stream", [False, True])
def test_n_choices(client, stream):
    answer = client.chat.completions.create(model="echo", messages=HI, n=3, stream=stream)
    texts = {}
    if stream:
        for chunk in answer:
            choice = chunk.choices[0]
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
    else:
        texts = {choice.index: choice.message.content for choice in answer.choices}
    assert texts == dict.fromkeys(range(3), "you said: hi")


def test_stop_and_max_tokens_reach_the_expert(client):
    answer = client.chat.completions.create(model="echo", messages=HI, max_completion_tokens=2)
    assert answer.choices[0].finish_reason == "length"
    stopped = client.chat.completions.create(model="echo", messages=HI, stop=[" said"])
    assert stopped.choices[0].message.content == "you"


def test_every_sampling_field_reaches_the_expert(server, client):
    client.chat.completions.create(
        model="echo",
        messages=HI,
        temperature=0.5,
        top_p=0.9,
        seed=-7,
        stop="end",
        user="somebody",
        extra_body={"top_k": 5, "custom": {"a": [1, None]}, "coterie": {"trace": True}},
    )
    seen = server.experts["echo"].requests[-1]
    assert (seen.temperature, seen.top_p, seen.seed, seen.top_k) == (0.5, 0.9, -7, 5)
    assert seen.stop == ("end",)
    assert seen.extra == {"user": "somebody", "custom": {"a": [1, None]}}


def test_logprobs_of_a_chat(client):
    answer = client.chat.completions.create(
        model="logprobs", messages=HI, logprobs=True, top_logprobs=1
    )
    content = answer.choices[0].logprobs.content
    assert [(t.token, t.logprob, len(t.top_logprobs)) for t in content] == [
        ("one ", -0.5, 1),
        ("two", -0.5, 1),
    ]
    stream = client.chat.completions.create(
        model="logprobs", messages=HI, logprobs=True, stream=True
    )
    tokens = [
        t.token for c in stream if c.choices[0].logprobs for t in c.choices[0].logprobs.content
    ]
    assert tokens == ["one ", "two"]


def test_completions_of_several_prompts(client):
    answer = client.completions.create(model="echo", prompt=["a", "b"], n=2)
    assert answer.object == "text_completion"
    assert [(c.index, c.text) for c in answer.choices] == [
        (0, "you said: a"),
        (1, "you said: a"),
        (2, "you said: b"),
        (3, "you said: b"),
    ]
    assert answer.usage.completion_tokens == 12


def test_a_streamed_completion_of_several_prompts(client):
    texts = {}
    for chunk in client.completions.create(model="echo", prompt=["a", "b"], stream=True):
        choice = chunk.choices[0]
        texts[choice.index] = texts.get(choice.index, "") + choice.text
    assert texts == {0: "you said: a", 1: "you said: b"}


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_of_a_completion(client, stream):
    answer = client.completions.create(model="logprobs", prompt="a", logprobs=1, stream=stream)
    parts = [c.choices[0].logprobs for c in (answer if stream else [answer])]
    parts = [part for part in parts if part]
    assert [t for part in parts for t in part.tokens] == ["one ", "two"]
    assert [o for part in parts for o in part.text_offset] == [0, 4]
    assert parts[0].top_logprobs[0] == {"one ": -0.5}


def test_models(client):
    models = {model.id: model for model in client.models.list()}
    assert list(models)[:2] == ["auto", "shaky"]
    assert models["auto"].coterie["kind"] == "composition"
    assert models["auto"].coterie["experts"] == ["broken", "echo"]
    assert models["echo"].owned_by == "coterie"
    assert models["echo"].coterie["kind"] == "expert"
    assert models["echo"].coterie["context_length"] == 4096
    assert client.models.retrieve("echo").coterie["skills"] == ["talk"]
    with pytest.raises(openai.NotFoundError, match="'echo'"):
        client.models.retrieve("ecco")


def test_headers_say_who_answered_and_who_chose(client):
    raw = client.chat.completions.with_raw_response.create(
        model="auto", messages=HI, extra_headers={"x-request-id": "mine-1"}
    )
    headers = raw.headers
    assert headers["x-coterie-expert"] == "echo"
    assert headers["x-coterie-composition"] == "auto"
    assert float(headers["x-coterie-decision-ms"]) > 0
    assert raw.parse().id == f"chatcmpl-{headers['x-coterie-id']}"
    assert headers["x-request-id"] == "mine-1"
    named = client.chat.completions.with_raw_response.create(model="echo", messages=HI)
    assert named.headers["x-coterie-composition"] == "-"


def test_the_trace_on_request(client):
    ask = {"coterie": {"trace": True}}
    answer = client.chat.completions.create(model="auto", messages=HI, extra_body=ask)
    trace = answer.coterie["trace"]
    assert (trace["expert"], trace["composition"]) == ("echo", "auto")
    assert [attempt["expert"] for attempt in trace["attempts"]] == ["broken", "echo"]
    stream = client.chat.completions.create(model="auto", messages=HI, stream=True, extra_body=ask)
    *_, last = stream
    assert last.choices == []
    assert last.coterie["trace"]["expert"] == "echo"


ERRORS = [
    ("broken", openai.InternalServerError, 502, "expert_failed"),
    ("buggy", openai.InternalServerError, 502, "expert_failed"),
    ("overloaded", openai.RateLimitError, 429, "expert_overloaded"),
    ("late", openai.InternalServerError, 504, "expert_timeout"),
    ("away", openai.InternalServerError, 503, "expert_unavailable"),
    ("doomed", openai.InternalServerError, 503, "expert_unavailable"),
    ("too-long", openai.BadRequestError, 400, "context_length_exceeded"),
    ("picky", openai.BadRequestError, 400, "invalid_value"),
    ("eco", openai.NotFoundError, 404, "model_not_found"),
]


@pytest.mark.parametrize(("model", "kind", "status", "code"), ERRORS)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_of_the_clients_own_kinds(client, model, kind, status, code, stream):
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model=model, messages=HI, stream=stream)
    error = caught.value
    assert (error.status_code, error.code) == (status, code)
    assert error.body["type"]
    assert "secret" not in error.response.text
    assert error.response.headers["x-coterie-id"]
    if status == 429:
        assert error.response.headers["retry-after"] == "1"
    if status == 404:
        assert "'echo'" in error.body["message"]


def test_an_answer_that_breaks_off_is_no_answer(client):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="breaks", messages=HI)
    assert (caught.value.status_code, caught.value.code) == (502, "bad_upstream")


def test_the_next_expert_answers_if_nothing_has_been_sent(client):
    for model in ("auto", "shaky"):
        answer = client.chat.completions.create(model=model, messages=HI)
        assert answer.choices[0].message.content == "you said: hi"
    text, _ = joined(client.chat.completions.create(model="auto", messages=HI, stream=True))
    assert text == "you said: hi"
    with pytest.raises(openai.APIError, match="as scripted"):
        joined(client.chat.completions.create(model="shaky", messages=HI, stream=True))


def test_an_error_names_the_expert_that_was_asked_last(client):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="doomed", messages=HI)
    assert caught.value.response.headers["x-coterie-expert"] == "away"
    assert caught.value.response.headers["x-coterie-composition"] == "doomed"


def test_a_stream_that_breaks_ends_with_an_error(client):
    stream = client.chat.completions.create(model="breaks", messages=HI, stream=True)
    texts = [next(stream).choices[0].delta.content for _ in range(3)]
    assert texts == ["", "one", " two"]
    with pytest.raises(openai.APIError, match="as scripted") as caught:
        next(stream)
    assert caught.value.code == "bad_upstream"


def test_an_image_for_an_expert_that_reads_text(client):
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    with pytest.raises(openai.BadRequestError, match="image_url") as caught:
        client.chat.completions.create(model="echo", messages=[{"role": "user", "content": [part]}])
    assert caught.value.code == "unsupported_content"


def test_fifty_streams_at_once_do_not_mix(server):
    async def one(client, number):
        text = f"stream {number} " + f"w{number} " * (20 + number)
        stream = await client.chat.completions.create(
            model="echo", messages=[{"role": "user", "content": text}], stream=True
        )
        parts = [c.choices[0].delta.content or "" async for c in stream if c.choices]
        return "".join(parts) == f"you said: {text}"

    async def all_of_them():
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=30
        ) as client:
            return await asyncio.gather(*(one(client, number) for number in range(50)))

    assert asyncio.run(all_of_them()) == [True] * 50


def test_the_asynchronous_client(server):
    async def talk():
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=20
        ) as client:
            answer = await client.chat.completions.create(model="auto", messages=HI)
            assert answer.choices[0].message.content == "you said: hi"
            with pytest.raises(openai.NotFoundError):
                await client.chat.completions.create(model="nobody", messages=HI)
            with pytest.raises(openai.RateLimitError):
                await client.chat.completions.create(model="overloaded", messages=HI, stream=True)
            broken = await client.chat.completions.create(model="breaks", messages=HI, stream=True)
            with pytest.raises(openai.APIError, match="as scripted"):
                [chunk async for chunk in broken]
            return [model.id async for model in client.models.list()]

    assert "auto" in asyncio.run(talk())


def test_a_request_that_is_cancelled_stops_the_expert(server):
    expert = server.experts["slow"]
    before = expert.cancelled

    async def cancel():
        async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key="none") as client:
            asking = asyncio.create_task(client.chat.completions.create(model="slow", messages=HI))
            while not expert.active:  # noqa: ASYNC110 - the expert lives in another thread
                await asyncio.sleep(0.005)
            asking.cancel()
            await asyncio.wait([asking])
            async with asyncio.timeout(5):
                while expert.active:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)

    asyncio.run(cancel())
    assert expert.cancelled == before + 1
