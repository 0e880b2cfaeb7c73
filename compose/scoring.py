"""Scores for live requests: off the event loop, in micro-batches."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from routers.base import Router
from routers.types import Floats, Query


class Scorer:
    """Gathers the queries that arrive while a batch is being scored into the next batch.

    One worker thread: an embedder gains nothing from a second one on the same cores, and a lone
    query never waits for others (there is no gathering delay).
    """

    def __init__(self, router: Router, max_batch: int = 32) -> None:
        self.router = router
        self.max_batch = max_batch
        self._waiting: list[tuple[Query, asyncio.Future[Floats]]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="scorer")
        self._drain: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load what the first score would load."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self.router.warm)

    async def score(self, query: Query) -> Floats:
        """Expected quality of each of ``router.experts_``, float32 [n_experts]."""
        future: asyncio.Future[Floats] = asyncio.get_running_loop().create_future()
        self._waiting.append((query, future))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = self._waiting[: self.max_batch]
            del self._waiting[: self.max_batch]
            batch = [(query, future) for query, future in batch if not future.done()]
            if not batch:
                continue
            queries = [query for query, _ in batch]
            try:
                scores = await loop.run_in_executor(self._thread, self.router.score, queries)
            except Exception as error:  # noqa: BLE001 - each waiter must hear of it, whatever it is
                _fail(batch, error)
                continue
            for (_, future), row in zip(batch, scores, strict=True):
                if not future.done():
                    future.set_result(row)

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _fail(batch: list[tuple[Query, asyncio.Future[Floats]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
