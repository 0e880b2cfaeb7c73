"""Any Hugging Face causal language model, in this process, with continuous batching.

This file is the asynchronous side: it checks a request, makes tokens of it, and hands a job to the
batch, which runs on a thread of its own (``inprocess/``). torch and transformers are imported when
an expert starts, not before.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from experts.checks import check_content, check_extra, check_sampling
from experts.config import LocalFolder, Settings
from experts.errors import (
    ContextTooLong,
    ExpertFailed,
    ExpertOverloaded,
    ExpertUnavailable,
    RequestRejected,
)
from experts.types import ChatRequest, Chunk, ExpertInfo, Message, message_text

if TYPE_CHECKING:
    from experts.engines.inprocess.batching import Batcher, Job
    from experts.engines.inprocess.loading import Loaded
    from experts.engines.inprocess.loop import StepLoop
    from experts.engines.inprocess.sampling import Sampling

__all__ = ["Defaults", "TransformersExpert", "TransformersSettings"]

log = logging.getLogger(__name__)

_LONG = 20_000
"""Characters of a prompt from which tokenizing (some 10 ms) would hold up the event loop."""


class Defaults(Settings):
    """Sampling where a request says nothing. None: the model's own ``generation_config``."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=0, description="0: no truncation")
    max_tokens: int | None = Field(default=None, ge=1, description="None: to the context's end")


class TransformersSettings(Settings):
    model: LocalFolder = Field(min_length=1, description="folder, hub id, or minis/<name>")
    revision: str | None = Field(default=None, description="of a hub id")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1, ...")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    defaults: Defaults = Defaults()
    max_batch: int = Field(default=32, ge=1, description="answers generated at the same time")
    max_waiting: int = Field(default=256, ge=0, description="choices that may wait for a place")
    max_n: int = Field(default=16, ge=1, le=128)
    cache_gb: float = Field(default=1.0, gt=0, description="bound of keys and values, GiB")
    prefill_tokens: int = Field(default=512, ge=1, description="prompt tokens a step")
    threads: int | None = Field(default=None, ge=1, description="cores; None: by the model's size")


class _Stream:
    """Chunks on their way from the batching thread to the one who reads them."""

    __slots__ = ("_items", "_waiter", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._items: deque[Chunk | Exception] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: Chunk | Exception) -> None:
        """On the event loop only."""
        self._items.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> Chunk | Exception:
        while not self._items:
            self._waiter = self.loop.create_future()
            await self._waiter
        return self._items.popleft()


class TransformersExpert:
    """A causal language model in this process.

    ``info.context_length`` is known once started: as configured, else the model's own, and never
    more than the key-value cache has room for. All models on one device share one thread.
    """

    Settings: ClassVar[type[TransformersSettings]] = TransformersSettings

    def __init__(self, info: ExpertInfo, settings: TransformersSettings) -> None:
        self.info = info
        self.settings = settings
        self._loaded: Loaded | None = None
        self._batcher: Batcher | None = None
        self._loop: StepLoop | None = None
        self._outbox: dict[asyncio.AbstractEventLoop, list[tuple[_Stream, Chunk | Exception]]] = {}
        self._closed: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    @property
    def batcher(self) -> Batcher:
        """The running batch. Raises ExpertUnavailable when there is none."""
        if self._batcher is None or self._closed is not None:
            name = self.info.name
            raise ExpertUnavailable(f"expert {name!r} is not started, or closed", expert=name)
        return self._batcher

    async def start(self) -> None:
        """Load the model. Raises ConfigError when that cannot work."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        from experts.engines.inprocess import loop
        from experts.engines.inprocess.batching import Batcher
        from experts.engines.inprocess.detokenize import Vocabulary
        from experts.engines.inprocess.loading import load

        loaded = self._loaded = load(self.settings, self.info.context_length)
        self.info = replace(self.info, context_length=loaded.context_length)
        self._batcher = Batcher(
            loaded.rows,
            Vocabulary(loaded.tokenizer),
            loaded.ends,
            max_rows=loaded.max_rows,
            cache_tokens=loaded.cache_tokens,
            prefill_tokens=self.settings.prefill_tokens,
        )
        self._loop = loop.acquire(str(loaded.model.device), loaded.threads)
        self._loop.add(self._step)

    async def close(self) -> None:
        """Free the model. Requests in flight end with ExpertUnavailable."""
        from experts.engines.inprocess import loop

        if self._loop is None or self._loaded is None:
            return
        here = asyncio.get_running_loop()
        self._closed = here, here.create_future()
        self._loop.wake()
        await self._closed[1]
        device = str(self._loaded.model.device)
        self._loop = self._loaded = self._batcher = None
        await asyncio.to_thread(loop.release, device)

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        batcher, name = self.batcher, self.info.name
        check_content(request, self.info)
        check_sampling(request, name, self.settings.max_n)
        check_extra(request.extra, name)
        if batcher.waiting + request.n > self.settings.max_waiting + self.settings.max_batch:
            raise ExpertOverloaded(
                f"expert {name!r} has {batcher.waiting} answers waiting", expert=name
            )
        size = sum(len(message_text(m)) for m in request.messages) + len(request.prompt or "")
        if size < _LONG:
            prompt = self._encode(request)
        else:
            prompt = await asyncio.to_thread(self._encode, request)
            batcher = self.batcher  # it may have been closed meanwhile
        stream = _Stream(asyncio.get_running_loop())
        job = self._job(request, prompt, stream)
        batcher.submit(job)
        self._wake()
        finished = False
        try:
            while not finished:
                item = await stream.get()
                if isinstance(item, Exception):
                    finished = True
                    raise item
                finished = item.usage is not None
                yield item
        finally:
            if not finished:
                job.cancel()
                self._wake()

    def _wake(self) -> None:
        if self._loop is not None:
            self._loop.wake()

    def _step(self) -> bool:
        """One step of the batch. On the batching thread."""
        batcher = self._batcher
        assert batcher is not None  # the loop knows us only between start and close
        busy = False
        closing = self._closed  # read once: it may be set at any moment, and comes with duties
        try:
            if closing is not None:
                batcher.fail(
                    ExpertUnavailable("the expert is shutting down", expert=self.info.name)
                )
            else:
                busy = batcher.step()
        except Exception as exc:
            # A model may raise anything (out of memory, mostly). Its requests end; it goes on.
            log.exception("expert %s failed while generating", self.info.name)
            error = ExpertFailed(f"generating failed: {type(exc).__name__}", expert=self.info.name)
            error.__cause__ = exc
            batcher.fail(error)
        self._deliver()
        if closing is not None and self._loop is not None:
            self._loop.remove(self._step)
            _call(closing[0], closing[1].set_result, None)
        return busy

    def _deliver(self) -> None:
        """Hand over what this step produced: one wake-up an event loop, not one a chunk."""
        if self._outbox:
            outbox, self._outbox = self._outbox, {}
            for loop, items in outbox.items():
                _call(loop, _put_all, items)

    def _job(self, request: ChatRequest, prompt: list[int], stream: _Stream) -> Job:
        from experts.engines.inprocess.batching import Job

        def send(item: Chunk | Exception) -> None:
            self._outbox.setdefault(stream.loop, []).append((stream, item))

        return Job(
            prompt=prompt,
            max_tokens=self._max_tokens(request, len(prompt)),
            sampling=self._sampling(request),
            send=send,
            seed=request.seed,
            stop=request.stop,
            n=request.n,
            logprobs=request.top_logprobs if request.logprobs else None,
        )

    def _sampling(self, request: ChatRequest) -> Sampling:
        from experts.engines.inprocess.sampling import Sampling

        def first(name: str, otherwise: float) -> Any:
            own = self._loaded and getattr(self._loaded.model.generation_config, name, None)
            for value in (getattr(request, name), getattr(self.settings.defaults, name), own):
                if value is not None:
                    return value
            return otherwise

        return Sampling(first("temperature", 1.0), first("top_p", 1.0), max(0, first("top_k", 0)))

    def _max_tokens(self, request: ChatRequest, prompt: int) -> int:
        context = self.info.context_length
        assert context is not None  # start() has set it
        room = context - prompt
        wanted = request.max_tokens
        if room < 1 or (wanted is not None and wanted > room):
            asked = f" and max_tokens is {wanted}" if wanted is not None else ""
            raise ContextTooLong(
                f"the prompt has {prompt} tokens{asked}, but expert {self.info.name!r} has a "
                f"context of {context} tokens for both; shorten the prompt or lower max_tokens",
                expert=self.info.name,
                param="messages" if room < 1 else "max_tokens",
                code="context_length_exceeded",
            )
        return wanted or min(room, self.settings.defaults.max_tokens or room)

    def _encode(self, request: ChatRequest) -> list[int]:
        """The tokens of a request's prompt."""
        assert self._loaded is not None
        tokenizer = self._loaded.tokenizer
        if request.prompt is not None:
            tokens: list[int] = tokenizer(request.prompt)["input_ids"]
        else:
            tokens = self._apply_template(tokenizer, [_plain(m) for m in request.messages])
        if not tokens:
            raise RequestRejected("the prompt is empty", expert=self.info.name, param="prompt")
        return tokens

    def _apply_template(self, tokenizer: Any, messages: list[dict[str, Any]]) -> list[int]:
        from jinja2 import TemplateError

        if not tokenizer.chat_template:
            raise RequestRejected(
                f"the model of expert {self.info.name!r} has no chat template: ask it by "
                "/v1/completions, or put a chat_template.jinja into its folder",
                expert=self.info.name,
                param="messages",
                code="no_chat_template",
            )
        try:
            tokens: list[int] = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=True
            )["input_ids"]
        except TemplateError as exc:
            raise RequestRejected(
                f"the chat template of expert {self.info.name!r} refuses these messages: {exc}",
                expert=self.info.name,
                param="messages",
            ) from exc
        return tokens


def _plain(message: Message) -> dict[str, Any]:
    """A message with its content as one string: most templates know nothing else."""
    return {**message, "content": message_text(message)}


def _put_all(items: list[tuple[_Stream, Chunk | Exception]]) -> None:
    for stream, item in items:
        stream.put(item)


def _call(loop: asyncio.AbstractEventLoop, callback: Any, argument: Any) -> None:
    """Call on an event loop, unless it is closed, and then nobody is left to read."""
    try:
        loop.call_soon_threadsafe(callback, argument)
    except RuntimeError:
        log.debug("an event loop was closed with requests in flight")
