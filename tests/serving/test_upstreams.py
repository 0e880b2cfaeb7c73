"""The whole way over real sockets: an OpenAI client, Coterie, an upstream that may misbehave."""

import json
import queue
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import openai
import pytest

from compose.pipeline import Pipeline
from experts.engines.openai_http import OpenAIExpert
from experts.types import ExpertInfo

HI = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
ANSWER = {
    "id": "theirs",
    "object": "chat.completion",
    "created": 1,
    "model": "their-model",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "grüße",
                "reasoning_content": "hm",
                "annotations": [],
            },
            "finish_reason": "stop",
            "content_filter_results": {"hate": False},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    "system_fingerprint": "fp",
}
USAGE = b'data: {"id":"x","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def event(delta, finish=None):
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "ours": {"kept": 1}}
    value = {"id": "theirs", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps({**value, "choices": [choice]}).encode() + b"\n\n"


EVENTS = [event({"role": "assistant", "content": ""}), event({"content": "one "})]
LAST = [event({"content": "two"}), event({}, "stop"), USAGE, DONE]


class Handler(BaseHTTPRequestHandler):
    """The base URL's first part says how to behave."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.put(body)
        getattr(self, self.path.split("/")[1])(body)

    def fine(self, body):
        self.events(*EVENTS, *LAST) if body.get("stream") else self.whole(ANSWER)

    def rejects(self, body):
        error = {"message": "No tools here.", "code": "no_tools", "param": "tools"}
        self.whole({"error": error}, 422)

    def fails(self, body):
        self.whole({"error": {"message": "down"}}, 500)

    def garbles(self, body):
        self.wfile.write(b"<html>\r\n\r\n")
        self.close_connection = True

    def cuts(self, body):
        self.events(*EVENTS)

    def babbles(self, body):
        self.events(*EVENTS, b"data: {oops\n\n", *LAST)

    def whole(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def events(self, *events):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for data in events:
            self.wfile.write(data)
        self.close_connection = True

    def log_message(self, *args):
        pass


@contextmanager
def upstream():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen = queue.SimpleQueue()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def remote(run_server, experts):
    """A server whose experts are all remote; ``seen`` holds what their upstream was sent."""
    with upstream() as server:
        root = f"http://127.0.0.1:{server.server_address[1]}"
        names = ("fine", "rejects", "fails", "garbles", "cuts", "babbles")
        remote_experts = {
            name: OpenAIExpert(
                ExpertInfo(name), OpenAIExpert.Settings(base_url=f"{root}/{name}/v1", proxy="")
            )
            for name in names
        }
        compositions = {
            f"{name}-then-fine": experts.composition(f"{name}-then-fine", name, "fine")
            for name in ("fails", "garbles", "cuts")
        }
        with run_server(Pipeline(remote_experts, compositions)) as found:
            found.seen = server.seen
            yield found


@pytest.fixture
def ask(remote):
    with openai.OpenAI(
        base_url=f"{remote.url}/v1", api_key="none", max_retries=0, timeout=20
    ) as client:
        yield client.chat.completions.create


def raw(remote, **body):
    return httpx.post(f"{remote.url}/v1/chat/completions", json=body, timeout=20)


def test_everything_is_passed_on_and_nothing_is_lost(remote):
    sent = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "odd": 1}]}],
        "tools": TOOLS,
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_object"},
        "temperature": 0.5,
        "logit_bias": {"5": 1},
        "something": {"new": [None]},
    }
    answer = raw(remote, model="fine", **sent)
    assert remote.seen.get(timeout=10) == {"model": "fine", **sent}
    assert answer.json() == ANSWER
    assert answer.headers["x-coterie-expert"] == "fine"


def test_a_stream_is_relayed_byte_for_byte(remote):
    answer = raw(remote, model="fine", messages=HI, stream=True)
    assert answer.content == b"".join([*EVENTS, *LAST[:2], DONE])
    assert remote.seen.get(timeout=10)["stream_options"] == {"include_usage": True}
    options = {"include_usage": True}
    answer = raw(remote, model="fine", messages=HI, stream=True, stream_options=options)
    assert answer.content == b"".join([*EVENTS, *LAST])
    remote.seen.get(timeout=10)


def test_the_official_client_reads_it(ask):
    assert ask(model="fine", messages=HI).choices[0].message.content == "grüße"
    chunks = list(ask(model="fine", messages=HI, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two"


def test_a_rejected_request_is_the_clients_to_hear_of(ask):
    with pytest.raises(openai.UnprocessableEntityError, match="No tools here") as error:
        ask(model="rejects", messages=HI, tools=TOOLS)
    assert (error.value.code, error.value.param) == ("no_tools", "tools")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["fails", "garbles"])
def test_the_next_expert_answers_if_nothing_was_sent(remote, name, stream):
    answer = raw(remote, model=f"{name}-then-fine", messages=HI, stream=stream)
    assert answer.status_code == 200
    assert answer.headers["x-coterie-expert"] == "fine"


@pytest.mark.parametrize("name", ["cuts", "babbles", "cuts-then-fine"])
def test_a_stream_that_breaks_is_an_error_at_its_end(ask, name):
    """Or before its beginning, if what is broken came together with it."""
    with pytest.raises(openai.APIError):
        list(ask(model=name, messages=HI, stream=True))


@pytest.mark.parametrize("name", ["fails", "garbles"])
def test_a_lonely_expert_that_fails_is_an_error_with_its_status(remote, name):
    answer = raw(remote, model=name, messages=HI)
    assert answer.status_code in (502, 503)
    assert answer.json()["error"]["message"]
