"""The embedded server: starting, failing to, and stopping."""

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request

import pytest

from compose.pipeline import Pipeline
from serving.config import ServingConfig
from serving.local import CannotServe, LocalServer, serve

PORT_0 = ServingConfig(port=0, shutdown_timeout=2)


class Starting:
    """A pipeline part that starts as it is told to."""

    def __init__(self, inner, seconds=0.0, error=None):
        self.inner, self.seconds, self.error = inner, seconds, error
        self.info = inner.info
        self.chat = inner.chat
        self.closed = False

    async def start(self):
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error

    async def close(self):
        self.closed = True


def get(url, data=None):
    try:
        with urllib.request.urlopen(url, data, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_a_port_that_is_taken(experts):
    pipeline = experts.pipeline()
    first = LocalServer(pipeline, PORT_0)
    try:
        port = int(first.url.rsplit(":", 1)[1])
        with pytest.raises(CannotServe, match="already; stop it, or choose another port"):
            serve(pipeline, ServingConfig(port=port))
    finally:
        first.socket.close()


def test_an_address_that_is_not_ours(experts):
    with pytest.raises(CannotServe, match="address"):
        serve(experts.pipeline(), ServingConfig(host="203.0.113.7", port=0))
    with pytest.raises(CannotServe, match="no address"):
        serve(experts.pipeline(), ServingConfig(host="no such host", port=0))


def test_it_listens_on_this_machine_only_unless_told_otherwise():
    assert ServingConfig().host == "127.0.0.1"


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_experts_that_do_not_start(experts, seconds):
    expert = Starting(experts.scripted("a"), seconds, RuntimeError("no weights in here"))
    ready = []
    with pytest.raises(CannotServe, match="no weights in here"):
        serve(Pipeline({"a": expert}, {}), PORT_0, ready.append)
    assert ready == []


def test_experts_that_take_their_time(experts):
    expert = Starting(experts.scripted("a"), seconds=1.5)
    ready = threading.Event()
    server = LocalServer(Pipeline({"a": expert}, {}), PORT_0, lambda url: ready.set())
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert get(f"{server.url}/healthz")[0] == 200
        body = json.dumps({"model": "a", "messages": [{"role": "user", "content": "x"}]}).encode()
        if not ready.is_set():
            status, answer = get(f"{server.url}/readyz")
            assert (status, answer["error"]["code"]) == (503, "not_ready")
            status, answer = get(f"{server.url}/v1/chat/completions", body)
            assert (status, answer["error"]["code"]) == (503, "not_ready")
        assert ready.wait(20)
        assert get(f"{server.url}/readyz")[0] == 200
        assert get(f"{server.url}/v1/chat/completions", body)[0] == 200
    finally:
        server.stop()
        thread.join(30)
    assert expert.closed


def test_answers_in_flight_get_a_chance_to_end(experts):
    expert = experts.scripted("a", replies="one two three four five", delay=0.1)
    ready = threading.Event()
    server = LocalServer(Pipeline({"a": expert}, {}), PORT_0, lambda url: ready.set())
    thread = threading.Thread(target=server.run)
    thread.start()
    answers = []
    asking = threading.Thread(target=lambda: answers.append(_ask(server.url)))
    try:
        assert ready.wait(20)
        asking.start()
        while not expert.active:
            time.sleep(0.01)
    finally:
        server.stop()
        thread.join(30)
        asking.join(30)
    assert answers[0][0] == 200
    assert answers[0][1]["choices"][0]["message"]["content"] == "one two three four five"


def _ask(url):
    body = json.dumps({"model": "a", "messages": [{"role": "user", "content": "x"}]}).encode()
    return get(f"{url}/v1/chat/completions", body)
