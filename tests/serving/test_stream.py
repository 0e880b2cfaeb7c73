"""Server-sent events: what is relayed as it came, and what is written anew."""

import asyncio
import json

import orjson
import pytest

from compose.pipeline import Pipeline
from experts.types import Chunk, Usage
from serving.answer import Stamp
from serving.app import create_app
from serving.errors import ShuttingDown
from serving.forms import ChatForm, CompletionForm
from serving.stream import DONE, Events, error_event

EVENT = b'data: {"id":"up-1","choices":[{"index":0,"delta":{"content":"a"}}],"odd":[1]}\n\n'
BODY = b'{"id":"up-1","object":"chat.completion","choices":[],"odd":{"kept":true}}'


def events(include_usage=False, form=None):
    return Events(Stamp(form or ChatForm(), "1", 123, "m"), include_usage)


def parsed(data):
    return [json.loads(event[6:]) for event in data.decode().split("\n\n")[:-1]]


def ask(**fields):
    return {"model": "up", "messages": [{"role": "user", "content": "hi"}], **fields}


def test_wire_events_are_relayed_byte_for_byte(call, experts):
    chunks = [
        Chunk("a", wire=EVENT),
        Chunk("bc", wire=EVENT + EVENT),
        Chunk("", finish_reason="stop", usage=Usage(1, 2)),
    ]
    chunks[2].wire = EVENT
    status, headers, body = call(
        Pipeline({"up": experts.plain("up", chunks)}, {}), ask(stream=True)
    )
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert body == EVENT * 4 + DONE


@pytest.mark.parametrize("include_usage", [False, True])
def test_usage_that_the_client_did_not_ask_for_is_kept_back(call, experts, include_usage):
    chunks = [Chunk("a", wire=EVENT), Chunk(usage=Usage(1, 2))]
    body = ask(stream=True, stream_options={"include_usage": include_usage})
    _, _, answer = call(Pipeline({"up": experts.plain("up", chunks)}, {}), body)
    assert (b'"usage"' in answer) == include_usage
    assert answer.startswith(EVENT)
    assert answer.endswith(DONE)


def test_a_wire_body_is_relayed_byte_for_byte(call, experts):
    chunks = [Chunk("a", wire=BODY), Chunk("b", 1, usage=Usage(1, 2))]
    pipeline = Pipeline({"up": experts.plain("up", chunks)}, {})
    assert call(pipeline, ask())[2] == BODY
    traced = json.loads(call(pipeline, ask(coterie={"trace": True}))[2])
    assert traced["odd"] == {"kept": True}
    assert traced["coterie"]["trace"]["attempts"][0]["completion_tokens"] == 2


def test_the_trace_is_the_last_event(call, experts):
    pipeline = Pipeline({"up": experts.plain("up", [Chunk("a", wire=EVENT)])}, {})
    _, _, body = call(pipeline, ask(stream=True, coterie={"trace": True}))
    relayed, last, done = body.split(b"\n\n")[:-1]
    assert relayed + b"\n\n" == EVENT
    assert done + b"\n\n" == DONE
    assert json.loads(last[6:])["coterie"]["trace"]["expert"] == "up"


def test_each_choice_opens_with_its_role_and_ends_with_a_reason():
    written = events()
    first = parsed(written.encode(Chunk("a", 0)))
    assert first[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert first[1]["choices"][0]["delta"] == {"content": "a"}
    assert len(parsed(written.encode(Chunk("b", 0)))) == 1
    other = parsed(written.encode(Chunk("c", 1, finish_reason="length")))
    assert [event["choices"][0]["index"] for event in other] == [1, 1]
    end = written.end(None)
    assert end.endswith(DONE)
    (last,) = parsed(end.removesuffix(DONE))
    assert (last["choices"][0]["index"], last["choices"][0]["finish_reason"]) == (0, "stop")


def test_deltas_are_passed_on():
    calls = [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]
    _, event = parsed(events().encode(Chunk(delta={"tool_calls": calls})))
    assert event["choices"][0]["delta"] == {"tool_calls": calls}


def test_nothing_is_written_of_a_chunk_with_nothing_to_say():
    assert events().encode(Chunk(expert="inner")) == b""


def test_completions_have_no_opening():
    (event,) = parsed(events(form=CompletionForm()).encode(Chunk("a")))
    assert event["object"] == "text_completion"
    assert event["choices"][0]["text"] == "a"


def test_an_error_event_is_what_openai_clients_raise_on():
    data = error_event(ShuttingDown("bye"))
    assert orjson.loads(data[6:])["error"]["code"] == "shutting_down"
    assert DONE not in data


def test_a_server_that_shuts_down_tells_its_streams(experts):
    """uvicorn cancels what is left when its patience ends."""
    app = create_app(experts.pipeline())
    app.ready = True
    sent, streaming = [], asyncio.Event()
    body = orjson.dumps(ask(stream=True) | {"model": "hangs"})

    async def receive():
        if not sent:
            return {"type": "http.request", "body": body, "more_body": False}
        await asyncio.Event().wait()

    async def send(event):
        sent.append(event)
        if event.get("more_body"):
            streaming.set()

    async def cancelled():
        scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
        task = asyncio.create_task(app(scope, receive, send))
        await streaming.wait()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    assert b"shutting_down" in sent[-1]["body"]
    assert not sent[-1].get("more_body")
