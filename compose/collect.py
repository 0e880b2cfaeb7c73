"""Asks every expert every labelled prompt, scores the answers, and keeps what came back.

Each result is appended to a journal beside the output as soon as it is there, so a run that was
stopped goes on where it was: nothing is lost and nothing is asked twice. What an earlier run wrote
to the output counts as known, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compose.errors import DataError
from compose.prompts import LabelledPrompt
from compose.verify import VERIFIERS
from experts.base import Expert
from experts.errors import ExpertError
from experts.types import ChatRequest, Usage


@dataclass(frozen=True, slots=True)
class Result:
    """What one expert answered to one prompt; ``latency`` in seconds, ``cost`` in USD."""

    id: str
    source: str
    prompt: str
    expert: str
    response: str
    score: float
    prompt_tokens: int
    completion_tokens: int
    cost: float
    latency: float
    finish_reason: str


class Journal:
    """Results so far, one JSON object a line. A line cut short by a kill is not counted.

    Makes the folders above ``path``. Raises DataError if nothing can be written there.
    """

    def __init__(self, path: Path, known: Iterable[Result] = ()) -> None:
        self.path = path
        self.results = list({_key(r): r for r in [*known, *self._read()]}.values())
        torn = path.exists() and not path.read_bytes().endswith(b"\n")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            reason = error.strerror or "cannot be written"
            raise DataError(f"{path}: {reason}; write the outcomes somewhere else") from error
        if torn:
            self._file.write("\n")

    def _read(self) -> Iterator[Result]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield Result(**json.loads(line))
            except (ValueError, TypeError):
                continue

    def add(self, result: Result) -> None:
        self.results.append(result)
        row = {name: getattr(result, name) for name in Result.__slots__}
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


async def collect(
    prompts: Sequence[LabelledPrompt],
    experts: Mapping[str, Expert],
    journal: Journal,
    *,
    concurrency: int = 8,
    on_result: Callable[[Result], None] = lambda result: None,
) -> list[str]:
    """Ask every expert every prompt that the journal does not hold yet.

    Returns the problems of the calls that failed (they are not kept: another run asks again).
    """
    done = {_key(result) for result in journal.results}
    todo = [(p, e) for e in experts for p in prompts if (p.id, p.prompt, e) not in done]
    problems: list[str] = []
    queue = iter(todo)

    async def worker() -> None:
        for prompt, name in queue:
            try:
                result = await ask(prompt, name, experts[name])
            except ExpertError as error:
                problems.append(f"{name}, prompt {prompt.id}: {error}")
                continue
            journal.add(result)
            on_result(result)

    await asyncio.gather(*(worker() for _ in range(max(1, concurrency))))
    return problems


def _key(result: Result) -> tuple[str, str, str]:
    return (result.id, result.prompt, result.expert)


async def ask(prompt: LabelledPrompt, name: str, expert: Expert) -> Result:
    """One expert's answer to one prompt, greedily sampled, scored and priced."""
    start = time.perf_counter()
    messages = [{"role": "user", "content": prompt.prompt}]
    request = ChatRequest(messages=messages, temperature=0.0, stream=False)
    texts, finish, usage = [], "", Usage()
    async with aclosing(expert.chat(request)) as chunks:
        async for chunk in chunks:
            texts.append(chunk.text)
            finish = chunk.finish_reason or finish
            usage = chunk.usage or usage
    response, info = "".join(texts), expert.info
    tokens_in, tokens_out = usage.prompt_tokens, usage.completion_tokens
    return Result(
        id=prompt.id,
        source=prompt.source,
        prompt=prompt.prompt,
        expert=name,
        response=response,
        score=VERIFIERS[prompt.verifier](response, prompt.answer),
        prompt_tokens=tokens_in,
        completion_tokens=tokens_out,
        cost=(tokens_in * info.price_in + tokens_out * info.price_out) / 1e6,
        latency=time.perf_counter() - start,
        finish_reason=finish,
    )


def read_outcomes(path: Path) -> list[Result]:
    """What :func:`write_outcomes` wrote; nothing if there is no such file yet."""
    import pyarrow.parquet as pq

    if not path.exists():
        return []
    try:
        return [Result(**row) for row in pq.read_table(path).to_pylist()]
    except (ValueError, TypeError) as error:
        raise DataError(f"{path}: holds something else than collected outcomes") from error


def write_outcomes(results: Iterable[Result], path: Path) -> None:
    """Write results as parquet, a row each; an older file stays whole until the new one is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = [
        {name: getattr(result, name) for name in Result.__slots__} for result in results
    ]
    aside = path.with_name(path.name + ".tmp")
    pq.write_table(pa.Table.from_pylist(rows), aside)
    os.replace(aside, path)


def summarise(results: Iterable[Result]) -> dict[str, dict[str, float]]:
    """Per expert: prompts asked, mean quality, total cost (USD), mean latency (s)."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.expert, []).append(result)
    return {
        name: {
            "prompts": len(own),
            "quality": sum(r.score for r in own) / len(own),
            "cost": sum(r.cost for r in own),
            "latency": sum(r.latency for r in own) / len(own),
        }
        for name, own in rows.items()
    }
