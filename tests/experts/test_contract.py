"""What every registered expert must do. A new engine is tested by a line in ``make``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experts.base import Expert
from experts.config import ExpertConfig
from experts.errors import (
    ContextTooLong,
    ExpertError,
    ExpertUnavailable,
    RequestRejected,
    UnsupportedContent,
)
from experts.registry import ENGINES, make_experts
from experts.testing import ask, read, text_of, until
from experts.types import ChatRequest, Chunk

PROMPT = "What is a coterie?"
ANSWER = "a small group of people with one taste, and no other"

REMOTE = {"openai"}
"""Engines that need a server: their own tests hold the same against a real one."""

GUARDS: dict[str, Any] = {
    "retry": {"attempts": 2, "base_delay": 0.001},
    "limits": {"first_token": 20, "between_tokens": 20, "total": 60},
    "circuit": {},
}


@pytest.fixture(params=["plain", "guarded"])
def guards(request: pytest.FixtureRequest) -> dict[str, Any]:
    return GUARDS if request.param == "guarded" else {}


@pytest.fixture(params=[*sorted(set(ENGINES) - REMOTE)])
def make(
    request: pytest.FixtureRequest,
    guards: dict[str, Any],
    tmp_path: Path,
    models: dict[str, Path],
) -> Callable[[], Expert]:
    settings: dict[str, dict[str, Any]] = {
        "scripted": {"replies": ANSWER, "delay": 0.001},
        "replay": {"path": tmp_path / "recorded.parquet", "speed": 20},
        "transformers": {"model": str(models["llama"]), "defaults": {"max_tokens": 24}},
    }
    if request.param == "replay":
        row = {"prompt": PROMPT, "expert": "it", "response": ANSWER, "latency": 0.3}
        pq.write_table(pa.Table.from_pylist([row]), tmp_path / "recorded.parquet")
    config = ExpertConfig(engine=request.param, **settings[request.param], **guards)
    return lambda: make_experts({"it": config})["it"]


async def answer(make: Callable[[], Expert], request: ChatRequest) -> list[Chunk]:
    expert = make()
    await expert.start()
    try:
        return await read(expert, request)
    finally:
        await expert.close()


def test_streams_text_then_one_finish_then_usage(make: Any, run: Any) -> None:
    chunks = run(answer(make, ask(PROMPT, temperature=0, seed=1)))
    assert len(chunks) > 1
    assert [c.finish_reason for c in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].finish_reason in ("stop", "length")
    assert [c.usage is not None for c in chunks].count(True) == 1
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0


def test_n_choices_each_finish_once(make: Any, run: Any) -> None:
    chunks = run(answer(make, ask(PROMPT, n=3, seed=1)))
    for index in range(3):
        mine = [c for c in chunks if c.index == index]
        assert [c.finish_reason is not None for c in mine].count(True) == 1
        assert mine[-1].finish_reason is not None
    assert [c.usage is not None for c in chunks].count(True) == 1
    assert chunks[-1].usage is not None


def test_stop_strings_are_never_sent(make: Any, run: Any) -> None:
    whole = text_of(run(answer(make, ask(PROMPT, temperature=0))))
    stop = whole[4:7]
    chunks = run(answer(make, ask(PROMPT, temperature=0, stop=(stop,))))
    assert text_of(chunks) == whole[: whole.index(stop)]
    assert chunks[-1].finish_reason == "stop"


def test_seed_gives_the_same_answer_again(make: Any, run: Any) -> None:
    first, second = (text_of(run(answer(make, ask(PROMPT, seed=5)))) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 0}, "n"),
        ({"n": 1000}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_logprobs": 21}, "top_logprobs"),
    ],
)
def test_bad_sampling_is_rejected_by_name(
    make: Any, run: Any, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(RequestRejected) as caught:
        run(answer(make, ask(PROMPT, **fields)))
    assert caught.value.param == param
    assert param in str(caught.value)


def test_other_modalities_are_rejected(make: Any, run: Any) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    request = ChatRequest(
        messages=[{"role": "user", "content": [{"type": "text", "text": PROMPT}, picture]}]
    )
    with pytest.raises(UnsupportedContent, match="image_url"):
        run(answer(make, request))


def test_text_parts_are_read(make: Any, run: Any) -> None:
    parts = ChatRequest(messages=[{"role": "user", "content": [{"type": "text", "text": PROMPT}]}])
    assert run(answer(make, parts))[-1].usage is not None


def test_reader_may_leave_and_the_expert_goes_on(make: Any, run: Any) -> None:
    async def story() -> None:
        expert = make()
        await expert.start()
        for _ in range(3):
            stream = expert.chat(ask(PROMPT))
            await anext(stream)
            await stream.aclose()
        assert (await read(expert, ask(PROMPT)))[-1].usage is not None
        await expert.close()

    run(story())


def test_cancelled_reader_frees_its_place(make: Any, run: Any) -> None:
    import asyncio

    async def story() -> None:
        expert = make()
        await expert.start()
        task = asyncio.create_task(read(expert, ask(PROMPT)))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert (await read(expert, ask(PROMPT)))[-1].usage is not None
        inner = getattr(expert, "inner", expert)
        while hasattr(inner, "inner"):
            inner = inner.inner
        if hasattr(inner, "active"):
            await until(lambda: inner.active == 0)
        await expert.close()

    run(story())


def test_closed_expert_is_unavailable(make: Any, run: Any) -> None:
    async def story() -> None:
        expert = make()
        await expert.start()
        await expert.close()
        with pytest.raises(ExpertUnavailable):
            await read(expert, ask(PROMPT))

    run(story())


def test_errors_are_expert_errors() -> None:
    assert issubclass(ContextTooLong, RequestRejected)
    assert issubclass(RequestRejected, ExpertError)
