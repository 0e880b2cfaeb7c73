"""A real server in a thread, over experts that answer, stumble and hang as they are told to."""

import asyncio
import json
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import httpx
import numpy as np
import openai
import pytest

from compose.pipeline import Composition, Pipeline
from compose.scoring import Scorer
from compose.strategies.single import Single, SingleSettings
from experts.engines.scripted import ScriptedExpert, ScriptedSettings
from experts.types import Chunk, ExpertInfo, Usage
from routers.base import Router
from routers.config import GateConfig
from serving.app import create_app
from serving.config import ServingConfig
from serving.local import LocalServer


class FixedRouter(Router):
    """The same scores for every query: the earlier an expert is named, the better."""

    def __init__(self, *experts):
        self.experts_ = experts

    def score(self, queries):
        row = np.linspace(1.0, 0.5, len(self.experts_), dtype=np.float32)
        return np.tile(row, (len(queries), 1))


class Plain:
    """An expert whose chunks are given, or computed from the request."""

    def __init__(self, name, chunks):
        self.info = ExpertInfo(name)
        self.chunks = chunks
        self.requests = []

    async def chat(self, request):
        self.requests.append(request)
        for chunk in self.chunks(request) if callable(self.chunks) else self.chunks:
            yield chunk

    async def start(self):
        pass

    async def close(self):
        pass


class Flood(Plain):
    """Never stops, and counts how much it was asked for."""

    def __init__(self, name):
        super().__init__(name, ())
        self.sent = self.active = 0

    async def chat(self, request):
        self.active += 1
        try:
            while True:
                self.sent += 1
                yield Chunk(text="x" * 10_000)
                await asyncio.sleep(0)
        finally:
            self.active -= 1


def composition(name, *experts, tries=3):
    single = Single(SingleSettings(tries=tries))
    return Composition(name, Scorer(FixedRouter(*experts)), GateConfig(), single, {})


def scripted(name, reply=None, exception=None, **settings):
    info = ExpertInfo(name, skills=("talk",), price_in=1.0, price_out=2.0, context_length=4096)
    return ScriptedExpert(info, ScriptedSettings(**settings), reply=reply, exception=exception)


def with_logprobs(request):
    for word in ("one ", "two"):
        top = [{"token": word, "logprob": -0.5, "bytes": None}]
        yield Chunk(
            text=word,
            logprobs=[{"token": word, "logprob": -0.5, "bytes": None, "top_logprobs": top}],
        )
    yield Chunk(finish_reason="stop", usage=Usage(2, 2))


def make_experts():
    long = " ".join(f"word{i}" for i in range(500))
    experts = [
        scripted("echo", reply=lambda request: f"you said: {request.text}"),
        scripted("slow", replies=long, delay=0.02),
        scripted("hangs", replies="one two three four", hang_after=2),
        scripted("silent", hang_after=0),
        scripted("broken", error="ExpertFailed"),
        scripted("breaks", replies="one two three", error="BadUpstream", error_after=2),
        scripted("overloaded", error="ExpertOverloaded"),
        scripted("late", error="ExpertTimeout"),
        scripted("away", error="ExpertUnavailable"),
        scripted("too-long", error="ContextTooLong"),
        scripted("picky", error="RequestRejected"),
        scripted("buggy", exception=ValueError("the secret is 42")),
        Plain("logprobs", with_logprobs),
        Flood("flood"),
    ]
    return {expert.info.name: expert for expert in experts}


def make_pipeline():
    experts = make_experts()
    compositions = {
        "auto": composition("auto", "broken", "echo"),
        "shaky": composition("shaky", "breaks", "echo"),
        "doomed": composition("doomed", "broken", "away", tries=2),
    }
    return Pipeline(experts, compositions)


@contextmanager
def running(pipeline, config=None):
    """The pipeline behind a LocalServer on a free port; ``url`` is its root."""
    ready = threading.Event()
    config = config or ServingConfig(port=0, shutdown_timeout=2)
    server = LocalServer(pipeline, config, lambda url: ready.set())
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert ready.wait(30)
        yield SimpleNamespace(url=server.url, app=server.app, experts=pipeline.experts)
    finally:
        server.stop()
        thread.join(30)


@pytest.fixture(scope="session")
def server():
    with running(make_pipeline()) as found:
        yield found


@pytest.fixture(scope="session")
def client(server):
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=20
    ) as found:
        yield found


@pytest.fixture(scope="session")
def web(server):
    with httpx.Client(base_url=server.url, timeout=20) as found:
        yield found


@pytest.fixture(scope="session")
def run_server():
    return running


@pytest.fixture(scope="session")
def experts():
    """The makers of test experts."""
    return SimpleNamespace(
        plain=Plain, scripted=scripted, pipeline=make_pipeline, composition=composition
    )


@pytest.fixture(scope="module")
def pipeline():
    """For tests that need no server; shared, because it is quick to ask and slow to make."""
    return make_pipeline()


@pytest.fixture
def call():
    """Calls an app in this thread: ``call(pipeline, body)`` -> status, headers, body."""

    def _call(pipeline, body, path="/v1/chat/completions", config=None):
        app = create_app(pipeline, config)
        app.ready = True
        return asyncio.run(_exchange(app, path, body))

    return _call


async def _exchange(app, path, body):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(event):
        sent.append(event)

    length = (b"content-length", str(len(body)).encode())
    scope = {"type": "http", "method": "POST", "path": path, "headers": [length]}
    await app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(event.get("body", b"") for event in sent[1:])
