from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from experts.engines.transformers_engine import TransformersExpert, TransformersSettings
from experts.errors import (
    ConfigError,
    ContextTooLong,
    ExpertFailed,
    ExpertOverloaded,
    ExpertUnavailable,
    RequestRejected,
    UnsupportedContent,
)
from experts.testing import ask, read, text_of, until
from experts.types import ChatRequest, ExpertInfo


class Engine:
    """An engine for the length of a ``async with``."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        settings.setdefault("model", str(folder))
        self.expert = TransformersExpert(ExpertInfo("it"), TransformersSettings(**settings))

    async def __aenter__(self) -> TransformersExpert:
        await self.expert.start()
        return self.expert

    async def __aexit__(self, *exc: object) -> None:
        await self.expert.close()


def test_importing_it_loads_no_torch() -> None:
    code = (
        "import sys, experts.registry, experts.engines.transformers_engine as e;"
        "e.TransformersSettings(model='x');"
        "sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_says_what_it_knows_of_its_context(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        async with Engine(models["llama"]) as expert:
            assert expert.info.context_length == 256
            with pytest.raises(ContextTooLong, match=r"300 tokens.*256"):
                await read(expert, ChatRequest(prompt="x" * 300))
            with pytest.raises(ContextTooLong, match=r"10 tokens.*max_tokens is 247.*256"):
                await read(expert, ChatRequest(prompt="x" * 10, max_tokens=247))
            with pytest.raises(ContextTooLong, match="1000000000"):
                await read(expert, ChatRequest(prompt="x", max_tokens=10**9))
            chunks = await read(expert, ChatRequest(prompt="x" * 250, seed=1))
            assert chunks[-1].usage is not None
            assert chunks[-1].usage.total_tokens <= 256

    run(story())


def test_disconnect_stops_generation_and_frees_the_place(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        async with Engine(models["olmoe"], max_batch=1) as expert:
            expert.batcher.ends = frozenset()
            for leave in ("aclose", "cancel"):
                stream = expert.chat(ask(max_tokens=200))
                if leave == "aclose":
                    await anext(stream)
                    await stream.aclose()
                else:
                    task = asyncio.create_task(read(expert, ask(max_tokens=200)))
                    await until(lambda: bool(expert.batcher.running))
                    task.cancel()
                    await asyncio.wait([task])
                at = expert.batcher.steps
                await until(lambda: not expert.batcher.running)
                # The step under way, and at most one that began before the word got through.
                assert expert.batcher.steps <= at + 2
            assert (await read(expert, ask(max_tokens=3)))[-1].usage is not None

    run(story())


def test_requests_share_steps(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        async with Engine(models["llama"]) as expert:
            expert.batcher.ends = frozenset()
            answers = await asyncio.gather(
                *(read(expert, ask("x" * k, max_tokens=30, temperature=0)) for k in range(8))
            )
            assert expert.batcher.steps < 8 * 30 / 2
            lone = await read(expert, ask("xxx", max_tokens=30, temperature=0))
            assert text_of(answers[3]) == text_of(lone)

    run(story())


def test_raw_prompt_takes_no_template(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        async with Engine(models["llama"]) as expert:
            chunks = await read(expert, ChatRequest(prompt="four", max_tokens=2))
            assert chunks[-1].usage is not None
            assert chunks[-1].usage.prompt_tokens == 4
            with pytest.raises(RequestRejected, match="empty"):
                await read(expert, ChatRequest(prompt=""))

    run(story())


@pytest.mark.parametrize(
    "extra",
    [
        {"tools": [{"type": "function"}]},
        {"response_format": {"type": "json_schema"}},
        {"logit_bias": {"5": 100}},
        {"presence_penalty": 0.5},
    ],
)
def test_fields_that_would_change_the_answer_are_named(
    models: dict[str, Path], run: Any, extra: dict[str, Any]
) -> None:
    async def story() -> None:
        async with Engine(models["llama"]) as expert:
            with pytest.raises(UnsupportedContent, match=next(iter(extra))):
                await read(expert, ask(extra=extra))

    run(story())


def test_harmless_fields_are_ignored(models: dict[str, Path], run: Any) -> None:
    harmless = {
        "user": "u",
        "metadata": {"a": 1},
        "store": True,
        "tools": [],
        "tool_choice": "none",
    }
    harmless |= {"response_format": {"type": "text"}, "stream_options": {"include_usage": True}}

    async def story() -> None:
        async with Engine(models["llama"]) as expert:
            await read(expert, ask(extra=harmless, max_tokens=2))

    run(story())


def test_template_troubles_are_the_requests(
    models: dict[str, Path], run: Any, tmp_path: Path
) -> None:
    async def story() -> None:
        async with Engine(models["llama"]) as expert:
            with pytest.raises(RequestRejected, match="no villains"):
                await read(expert, ChatRequest(messages=[{"role": "villain", "content": "ha"}]))
            assert expert._loaded is not None
            expert._loaded.tokenizer.chat_template = None
            with pytest.raises(RequestRejected, match=r"chat_template\.jinja"):
                await read(expert, ask())

    run(story())


def test_defaults_come_from_settings_then_from_the_model(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        async with Engine(models["llama"], defaults={"temperature": 0.0}) as expert:
            assert expert._sampling(ask()).greedy
            assert expert._sampling(ask(temperature=0.5)).temperature == 0.5
        async with Engine(models["llama"]) as expert:
            assert expert._sampling(ask()).temperature == 1.0
            assert expert._loaded is not None
            expert._loaded.model.generation_config.temperature = 0.3
            assert expert._sampling(ask()).temperature == 0.3

    run(story())


def test_too_many_waiting_is_overload(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        async with Engine(models["llama"], max_batch=1, max_waiting=2) as expert:
            with pytest.raises(ExpertOverloaded):
                await read(expert, ask(n=4))
            assert len(await read(expert, ask(n=3, max_tokens=2))) >= 3

    run(story())


def test_a_model_that_breaks_fails_its_requests_and_goes_on(
    models: dict[str, Path], run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with Engine(models["llama"]) as expert:
            rows = expert.batcher.rows

            class Broken:
                def forward(self, *args: object) -> None:
                    raise RuntimeError("out of memory")

                def drop(self, row: int) -> None:
                    pass

            expert.batcher.rows = Broken()  # type: ignore[assignment]
            with pytest.raises(ExpertFailed, match="RuntimeError"):
                await read(expert, ask(max_tokens=2))
            expert.batcher.rows = rows
            assert (await read(expert, ask(max_tokens=2)))[-1].usage is not None

    run(story())


def test_close_ends_what_is_in_flight(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        async with Engine(models["llama"]) as expert:
            expert.batcher.ends = frozenset()
            task = asyncio.create_task(read(expert, ask(max_tokens=200)))
            await until(lambda: bool(expert.batcher.running))
        with pytest.raises(ExpertUnavailable):
            await task
        assert not [t for t in threading.enumerate() if t.name.startswith("coterie-")]

    run(story())


def test_engines_on_one_device_share_one_thread(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        async with Engine(models["llama"]) as one, Engine(models["olmoe"]) as two:
            await asyncio.gather(*(read(e, ask(max_tokens=5)) for e in (one, two)))
            names = [t.name for t in threading.enumerate()]
            assert names.count("coterie-cpu") == 1

    run(story())


def test_a_missing_model_is_a_config_error(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        with pytest.raises(ConfigError, match="nowhere"):
            await TransformersExpert(
                ExpertInfo("it"), TransformersSettings(model="./nowhere")
            ).start()

    run(story())


def test_long_prompts_are_tokenized_off_the_loop(models: dict[str, Path], run: Any) -> None:
    async def story() -> None:
        async with Engine(models["llama"]) as expert:
            with pytest.raises(ContextTooLong, match="50000"):
                await read(expert, ChatRequest(prompt="x" * 50_000))

    run(story())
