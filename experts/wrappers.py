"""Experts that wrap experts: time limits, circuit breaker, retry, fallback.

Each is an :class:`experts.base.Expert`, so they nest, and what stands above need not know of them.
All share two habits. A try that has sent a chunk is never repeated or replaced: the client has read
it. And whoever stops reading closes the wrapper, which closes what it wraps, down to the engine.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from experts.base import Expert
from experts.config import CircuitConfig, LimitsConfig, RetryConfig
from experts.errors import (
    CircuitOpen,
    ContextTooLong,
    ExpertError,
    ExpertFailed,
    ExpertOverloaded,
    ExpertTimeout,
    RequestRejected,
    UnsupportedContent,
)
from experts.types import ChatRequest, Chunk, ExpertInfo

__all__ = [
    "CircuitBroken",
    "Fallback",
    "Retrying",
    "TimeLimited",
    "as_expert_error",
    "next_may_help",
]

_FOR_EVER = 30 * 86_400.0  # seconds


class _Wrapper:
    """What every wrapper passes through to the expert inside."""

    def __init__(self, inner: Expert) -> None:
        self.inner = inner

    @property
    def info(self) -> ExpertInfo:
        return self.inner.info

    async def start(self) -> None:
        await self.inner.start()

    async def close(self) -> None:
        await self.inner.close()


def as_expert_error(exc: Exception, name: str) -> ExpertError:
    """An engine should raise ExpertErrors only; one that does not has failed like any other."""
    if isinstance(exc, ExpertError):
        return exc
    error = ExpertFailed(f"expert {name!r} broke: {type(exc).__name__}", expert=name)
    error.__cause__ = exc
    return error


class _Watch:
    """One timer for a whole answer.

    A chunk only moves ``deadline``, and a timer that goes off early re-arms itself. That costs two
    comparisons a chunk, where ``asyncio.timeout`` costs a timer and a context manager a chunk.
    """

    __slots__ = ("deadline", "fired", "handle", "loop", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self.loop = loop
        self.deadline = deadline
        self.task: asyncio.Task[object] | None = None
        """The task that waits for the next chunk; None while the reader is busy elsewhere."""
        self.fired = False
        self.handle = loop.call_at(deadline, self._check)

    def move(self, deadline: float) -> None:
        self.deadline = deadline
        if deadline < self.handle.when():
            self.handle.cancel()
            self.handle = self.loop.call_at(deadline, self._check)

    def _check(self) -> None:
        if self.loop.time() < self.deadline:
            self.handle = self.loop.call_at(self.deadline, self._check)
        elif self.task is not None:
            self.fired = True
            self.task.cancel()
        else:
            # A slow reader is no fault of the expert: look again soon.
            self.handle = self.loop.call_later(0.05, self._check)


class TimeLimited(_Wrapper):
    """Raises ExpertTimeout when the first chunk, the next chunk or the whole answer is late.

    Time in which the reader does not wait for a chunk counts for ``total`` only.
    """

    def __init__(self, inner: Expert, limits: LimitsConfig) -> None:
        super().__init__(inner)
        self.limits = limits
        # Not infinity: event loops other than asyncio's own cannot wait that long.
        self._first = limits.first_token or _FOR_EVER
        self._between = limits.between_tokens or _FOR_EVER
        self._total = limits.total or _FOR_EVER

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        loop = asyncio.get_running_loop()
        now = loop.time
        end = now() + self._total
        watch = _Watch(loop, min(now() + self._first, end))
        between = self._between
        stream = self.inner.chat(request)
        try:
            while True:
                watch.task = asyncio.current_task()
                try:
                    chunk = await anext(stream)
                except StopAsyncIteration:
                    return
                watch.task = None
                yield chunk
                watch.move(min(now() + between, end))
        except asyncio.CancelledError:
            if not watch.fired:
                raise
            task = asyncio.current_task()
            if task is not None and task.uncancel() > 0:
                raise  # somebody else cancelled as well: theirs wins
            raise self._timeout(now() >= end) from None
        finally:
            watch.handle.cancel()
            watch.task = None
            await stream.aclose()

    def _timeout(self, total: bool) -> ExpertTimeout:
        name = self.info.name
        limits = self.limits
        if total:
            cause = f"took longer than {limits.total} s in all (limits.total)"
        else:
            cause = (
                f"did not send the next token in time (limits.first_token: {limits.first_token}, "
                f"limits.between_tokens: {limits.between_tokens} s)"
            )
        return ExpertTimeout(f"expert {name!r} {cause}", expert=name)


class CircuitBroken(_Wrapper):
    """Leaves an expert alone after too many failures in a row.

    Closed: requests pass. After ``failures`` failed answers in a row it opens: for ``cooldown``
    seconds every request gets CircuitOpen at once. Then one request is let through; its outcome
    closes the circuit or opens it again. A rejected request says nothing of the expert's health,
    nor does a client that goes away.

    Reference: M. Nygard, "Release It!", ch. 5 (circuit breaker).
    """

    def __init__(
        self,
        inner: Expert,
        config: CircuitConfig,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(inner)
        self.config = config
        self._clock = clock
        self._failures = 0
        self._closed_from = 0.0
        """Clock time from which a request may pass again; read when ``_failures`` is too high."""
        self._probing = False

    @property
    def open(self) -> bool:
        """Whether a request would be turned away now."""
        if self._failures < self.config.failures:
            return False
        return self._probing or self._clock() < self._closed_from

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        if self.open:
            raise self._turned_away()
        probe = self._probing = self._failures >= self.config.failures
        stream = self.inner.chat(request)
        try:
            async for chunk in stream:
                yield chunk
            self._failures = 0
        except RequestRejected:
            raise
        except Exception:
            self._failures += 1
            self._closed_from = self._clock() + self.config.cooldown
            raise
        finally:
            if probe:
                self._probing = False
            await stream.aclose()

    def _turned_away(self) -> CircuitOpen:
        name = self.info.name
        wait = max(0.0, self._closed_from - self._clock())
        return CircuitOpen(
            f"expert {name!r} failed {self._failures} times in a row and is left alone "
            f"for another {wait:.1f} s",
            expert=name,
        )


class Retrying(_Wrapper):
    """Tries again, with jittered exponential backoff, as long as nothing has been sent.

    A rejected request and an open circuit are not tried again: neither would help. A wait that the
    expert asks for (``retry_after``) is honoured; if it exceeds ``max_delay``, its error goes up
    at once, so that a fallback can take over.

    Reference: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """

    def __init__(
        self,
        inner: Expert,
        config: RetryConfig,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        super().__init__(inner)
        self.config = config
        self._sleep = sleep
        self._uniform = uniform

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        attempt = 0
        while True:
            attempt += 1
            sent = False
            stream = self.inner.chat(request)
            try:
                async for chunk in stream:
                    sent = True
                    yield chunk
                return
            except Exception as exc:  # noqa: BLE001 - raised again, or retried, just below
                error = as_expert_error(exc, self.info.name)
            finally:
                await stream.aclose()
            wait = self._wait(error, attempt)
            if sent or wait is None:
                raise error
            await self._sleep(wait)

    def _wait(self, error: ExpertError, attempt: int) -> float | None:
        """Seconds until the next try; None when there shall be none."""
        config = self.config
        if isinstance(error, (RequestRejected, CircuitOpen)) or attempt >= config.attempts:
            return None
        ceiling = min(config.max_delay, config.base_delay * 2.0 ** (attempt - 1))
        wait = self._uniform(0.0, ceiling)
        if isinstance(error, ExpertOverloaded) and error.retry_after is not None:
            wait = max(wait, error.retry_after)
        return wait if wait <= config.max_delay else None


class Fallback(_Wrapper):
    """Asks the first expert; if it fails before it has sent anything, the next one.

    Its ``info`` is the first expert's. The first chunk's ``expert`` says who really answers. A
    prompt too long or of the wrong kind for one expert may suit the next; any other rejected
    request goes up at once. When nobody answers, the error of the first expert that *failed* goes
    up (a later "context too long" would blame the request for the failure), else the last one.

    The others belong to whoever built them: ``start`` and ``close`` reach the first expert only.
    """

    def __init__(self, first: Expert, others: Sequence[Expert]) -> None:
        super().__init__(first)
        self.others = tuple(others)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        failed: ExpertError | None = None
        last: ExpertError | None = None
        for expert in (self.inner, *self.others):
            sent = False
            stream = expert.chat(request)
            try:
                async for chunk in stream:
                    if not sent:
                        sent = True
                        if chunk.expert is None:
                            chunk.expert = expert.info.name
                    yield chunk
                return
            except Exception as exc:  # noqa: BLE001 - raised again, or the next is asked, just below
                last = as_expert_error(exc, expert.info.name)
            finally:
                await stream.aclose()
            if sent or not next_may_help(last):
                raise last
            if failed is None and not isinstance(last, RequestRejected):
                failed = last
        assert last is not None  # there is always a first expert, and it failed
        raise failed or last


def next_may_help(error: ExpertError) -> bool:
    """Whether another expert may answer what this one could not."""
    if isinstance(error, RequestRejected):
        return isinstance(error, (ContextTooLong, UnsupportedContent))
    return True
