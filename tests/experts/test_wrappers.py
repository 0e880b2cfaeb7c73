from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from experts.base import Expert
from experts.config import CircuitConfig, LimitsConfig, RetryConfig
from experts.engines.scripted import ScriptedExpert, ScriptedSettings
from experts.errors import (
    CircuitOpen,
    ContextTooLong,
    ExpertError,
    ExpertFailed,
    ExpertOverloaded,
    ExpertTimeout,
    ExpertUnavailable,
    RequestRejected,
)
from experts.testing import ask, read, text_of
from experts.types import ChatRequest, Chunk, ExpertInfo
from experts.wrappers import CircuitBroken, Fallback, Retrying, TimeLimited

TEXT = "one two three four"


def scripted(
    name: str = "it", exception: BaseException | None = None, **settings: Any
) -> ScriptedExpert:
    settings.setdefault("replies", TEXT)
    return ScriptedExpert(ExpertInfo(name), ScriptedSettings(**settings), exception=exception)


class Sleeps(list[float]):
    """A sleep that only notes how long."""

    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


def retrying(inner: Expert, sleeps: Sleeps, **config: Any) -> Retrying:
    return Retrying(inner, RetryConfig(**config), sleep=sleeps, uniform=lambda low, high: high)


def wrapped(inner: Expert) -> list[Expert]:
    return [
        TimeLimited(inner, LimitsConfig(first_token=5, between_tokens=5, total=9)),
        CircuitBroken(inner, CircuitConfig()),
        Retrying(inner, RetryConfig()),
        Fallback(inner, [scripted("other")]),
    ]


def test_every_wrapper_is_an_expert_and_passes_everything_through(run: Any) -> None:
    async def story() -> None:
        for index in range(4):
            inner = scripted()
            expert = wrapped(inner)[index]
            assert isinstance(expert, Expert)
            assert expert.info is inner.info
            await expert.start()
            assert text_of(await read(expert, ask())) == TEXT
            await expert.close()
            assert (inner.started, inner.closed, inner.finished) == (1, 1, 1)

    run(story())


def test_every_wrapper_closes_what_it_wraps_when_the_reader_leaves(run: Any) -> None:
    async def story() -> None:
        for index in range(4):
            inner = scripted(delay=0.001)
            stream = wrapped(inner)[index].chat(ask())
            await anext(stream)
            await stream.aclose()
            assert (inner.cancelled, inner.active) == (1, 0)

            inner = scripted(hang_after=0)
            task = asyncio.create_task(read(wrapped(inner)[index], ask()))
            await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (inner.cancelled, inner.active) == (1, 0)

    run(story())


# Retrying


def test_retries_with_growing_waits_until_it_answers(run: Any) -> None:
    sleeps = Sleeps()
    inner = scripted(error="ExpertUnavailable", error_times=3)
    expert = retrying(inner, sleeps, attempts=4, base_delay=1.0, max_delay=3.0)
    assert text_of(run(read(expert, ask()))) == TEXT
    assert sleeps == [1.0, 2.0, 3.0]
    assert inner.calls == 4


def test_the_last_error_goes_up(run: Any) -> None:
    inner = scripted(error="ExpertFailed")
    with pytest.raises(ExpertFailed):
        run(read(retrying(inner, Sleeps(), attempts=3), ask()))
    assert inner.calls == 3


@pytest.mark.parametrize("error", ["RequestRejected", "ContextTooLong"])
def test_a_rejected_request_is_not_retried(run: Any, error: str) -> None:
    inner = scripted(error=error)
    with pytest.raises(RequestRejected):
        run(read(retrying(inner, Sleeps(), attempts=3), ask()))
    assert inner.calls == 1


def test_nothing_is_retried_once_something_was_sent(run: Any) -> None:
    inner = scripted(error="ExpertFailed", error_after=2)
    with pytest.raises(ExpertFailed):
        run(read(retrying(inner, Sleeps(), attempts=3), ask()))
    assert inner.calls == 1


@pytest.mark.parametrize(("retry_after", "waits"), [(2.5, [2.5]), (0.0, [0.2]), (60.0, [])])
def test_retry_after_is_honoured_up_to_max_delay(
    run: Any, retry_after: float, waits: list[float]
) -> None:
    sleeps = Sleeps()
    inner = scripted(exception=ExpertOverloaded("full", retry_after=retry_after))
    with pytest.raises(ExpertOverloaded):
        run(read(retrying(inner, sleeps, attempts=2), ask()))
    assert sleeps == waits


def test_an_engine_that_raises_anything_has_failed(run: Any) -> None:
    inner = scripted(exception=ZeroDivisionError("secret prompt"))
    with pytest.raises(ExpertFailed, match="ZeroDivisionError") as caught:
        run(read(retrying(inner, Sleeps(), attempts=2), ask()))
    assert "secret" not in str(caught.value)
    assert inner.calls == 2


# TimeLimited


@pytest.mark.parametrize(
    ("limits", "script", "word"),
    [
        ({"first_token": 0.02}, {"hang_after": 0}, "first_token"),
        ({"between_tokens": 0.02}, {"hang_after": 2}, "between_tokens"),
        ({"first_token": 60, "between_tokens": 0.02}, {"hang_after": 2}, "between_tokens"),
        ({"total": 0.05}, {"delay": 0.02}, "in all"),
    ],
)
def test_limits(run: Any, limits: dict[str, float], script: dict[str, Any], word: str) -> None:
    inner = scripted(**script)
    with pytest.raises(ExpertTimeout, match=word):
        run(read(TimeLimited(inner, LimitsConfig(**limits)), ask()))
    assert inner.active == 0


def test_a_slow_reader_is_not_the_experts_fault(run: Any) -> None:
    async def story() -> None:
        expert = TimeLimited(scripted(), LimitsConfig(first_token=0.02, between_tokens=0.02))
        text = ""
        async for chunk in expert.chat(ask()):
            await asyncio.sleep(0.04)
            text += chunk.text
        assert text == TEXT

    run(story())


def test_a_timeout_leaves_the_task_as_it_was(run: Any) -> None:
    async def story() -> None:
        with pytest.raises(ExpertTimeout):
            await read(TimeLimited(scripted(hang_after=0), LimitsConfig(first_token=0.01)), ask())
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    run(story())


def test_somebody_elses_cancellation_is_not_a_timeout(run: Any) -> None:
    async def story() -> None:
        expert = TimeLimited(scripted(hang_after=0), LimitsConfig(first_token=10))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await read(expert, ask())

    run(story())


# CircuitBroken


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_circuit_opens_probes_and_closes(run: Any) -> None:
    clock = Clock()
    inner = scripted(error="ExpertFailed", error_times=4)
    expert = CircuitBroken(inner, CircuitConfig(failures=3, cooldown=10), clock=clock)

    async def attempt() -> type[ExpertError] | None:
        try:
            await read(expert, ask())
        except ExpertError as exc:
            return type(exc)
        return None

    async def story() -> None:
        assert [await attempt() for _ in range(4)] == [*[ExpertFailed] * 3, CircuitOpen]
        assert inner.calls == 3
        clock.now = 10.0
        assert await attempt() is ExpertFailed  # the probe fails: open again
        assert await attempt() is CircuitOpen
        clock.now = 20.0
        assert await attempt() is None
        assert not expert.open

    run(story())


def test_one_probe_at_a_time_and_a_reader_that_leaves_decides_nothing(run: Any) -> None:
    clock = Clock()
    inner = scripted(error="ExpertFailed", error_times=1)
    expert = CircuitBroken(inner, CircuitConfig(failures=1, cooldown=10), clock=clock)

    async def story() -> None:
        with pytest.raises(ExpertFailed):
            await read(expert, ask())
        clock.now = 10.0
        probe = expert.chat(ask())
        await anext(probe)
        with pytest.raises(CircuitOpen):
            await read(expert, ask())
        await probe.aclose()
        assert text_of(await read(expert, ask())) == TEXT

    run(story())


def test_rejected_requests_say_nothing_of_health(run: Any) -> None:
    expert = CircuitBroken(scripted(error="ContextTooLong"), CircuitConfig(failures=1))
    for _ in range(3):
        with pytest.raises(ContextTooLong):
            run(read(expert, ask()))


# Fallback


@pytest.mark.parametrize(
    "script",
    [{"error": "ExpertFailed"}, {"error": "ContextTooLong"}, {"exception": OSError("gone")}],
)
def test_the_next_one_answers(run: Any, script: dict[str, Any]) -> None:
    other = scripted("other", replies="from the other one")
    chunks = run(read(Fallback(scripted(**script), [other]), ask()))
    assert text_of(chunks) == "from the other one"
    assert [chunk.expert for chunk in chunks] == ["other", None, None, None]


def test_the_next_one_answers_for_one_that_hangs(run: Any) -> None:
    first = TimeLimited(scripted(hang_after=0), LimitsConfig(first_token=0.01))
    assert text_of(run(read(Fallback(first, [scripted("other")]), ask()))) == TEXT


def test_the_first_one_says_its_name_too(run: Any) -> None:
    assert run(read(Fallback(scripted(), [scripted("other")]), ask()))[0].expert == "it"


def test_a_chain_in_a_chain_names_who_answers(run: Any) -> None:
    broken = scripted(error="ExpertFailed")
    inner = Fallback(scripted("second", error="ExpertFailed"), [scripted("third")])
    assert run(read(Fallback(broken, [inner]), ask()))[0].expert == "third"


def test_no_fallback_once_something_was_sent(run: Any) -> None:
    other = scripted("other")
    with pytest.raises(ExpertFailed):
        run(read(Fallback(scripted(error="ExpertFailed", error_after=1), [other]), ask()))
    assert other.calls == 0


def test_a_wrong_request_goes_up_at_once(run: Any) -> None:
    other = scripted("other")
    with pytest.raises(RequestRejected):
        run(read(Fallback(scripted(), [other]), ask(temperature=9.0)))
    assert other.calls == 0


def test_a_failure_is_not_blamed_on_the_request(run: Any) -> None:
    chain = Fallback(
        scripted(error="ExpertUnavailable"), [scripted("other", error="ContextTooLong")]
    )
    with pytest.raises(ExpertUnavailable):
        run(read(chain, ask()))


def test_others_belong_to_whoever_built_them(run: Any) -> None:
    other = scripted("other")

    async def story() -> None:
        chain = Fallback(scripted(), [other])
        await chain.start()
        await chain.close()

    run(story())
    assert (other.started, other.closed) == (0, 0)


def test_wrappers_take_any_expert(run: Any) -> None:
    """An expert of somebody else's, with nothing but the protocol."""

    class Plain:
        info = ExpertInfo("plain")

        async def start(self) -> None: ...

        async def close(self) -> None: ...

        async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
            yield Chunk("ok", finish_reason="stop")

    for expert in wrapped(Plain()):
        assert text_of(run(read(expert, ask()))) == "ok"
