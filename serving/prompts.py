"""Several prompts in one request: asked side by side, answered as one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace

from compose.pipeline import Answer, Pipeline
from compose.trace import Trace
from experts.types import ChatRequest, Chunk
from serving.schema import Wanted

__all__ = ["ask"]


async def ask(pipeline: Pipeline, wanted: Wanted, trace: Trace) -> tuple[Answer, list[Trace]]:
    """The started answer, and a trace for each prompt (the first of them is ``trace``).

    Choice ``j`` of prompt ``i`` gets the index ``i * n + j``. The first error ends them all.
    """
    requests = wanted.requests
    if len(requests) == 1:
        return await pipeline.run(requests[0], wanted.model, trace), [trace]
    traces = [trace, *(Trace(secrets.token_hex(12)) for _ in requests[1:])]
    answers = await _start(pipeline, requests, wanted.model, traces)
    merged = _merge(answers, requests[0].n)
    # Taking the first chunk here starts the generator: one that never ran has no cleanup to run.
    return Answer(trace, await anext(merged), merged), traces


async def _start(
    pipeline: Pipeline, requests: Sequence[ChatRequest], model: str, traces: Sequence[Trace]
) -> list[Answer]:
    tasks = [
        asyncio.create_task(pipeline.run(request, model, trace))
        for request, trace in zip(requests, traces, strict=True)
    ]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Answer):
                await result.rest.aclose()
        raise


async def _merge(answers: Sequence[Answer], n: int) -> AsyncGenerator[Chunk, None]:
    # As long as the prompts are many: a slow reader holds the experts back, not the memory.
    queue: asyncio.Queue[Chunk | Exception | None] = asyncio.Queue(len(answers))
    pumps = [
        asyncio.create_task(_pump(answer, place * n, queue)) for place, answer in enumerate(answers)
    ]
    running = len(pumps)
    try:
        while running:
            item = await queue.get()
            if item is None:
                running -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                yield item
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for answer in answers:
            await answer.rest.aclose()


async def _pump(answer: Answer, shift: int, queue: asyncio.Queue[Chunk | Exception | None]) -> None:
    try:
        await queue.put(_shifted(answer.first, shift))
        async for chunk in answer.rest:
            await queue.put(_shifted(chunk, shift))
    except Exception as error:  # noqa: BLE001 - raised again by whoever reads the queue
        await queue.put(error)
        return
    await queue.put(None)


def _shifted(chunk: Chunk, shift: int) -> Chunk:
    return replace(chunk, index=chunk.index + shift, wire=None)
