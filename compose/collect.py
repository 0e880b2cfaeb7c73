"""Asks every expert every labelled prompt, scores the answers, and keeps what came back.

Each result is appended to a journal beside the output as soon as it is there, so a run that was
stopped goes on where it was: nothing is lost and nothing is asked twice.
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

from compose.errors import ComposeError
from compose.verify import VERIFIERS
from experts.base import Expert
from experts.errors import ExpertError
from experts.types import ChatRequest, Usage


class PromptsError(ComposeError):
    """A labelled prompt file that cannot be used: names the file and the line."""


@dataclass(frozen=True, slots=True)
class LabelledPrompt:
    """A prompt with its right answer; ``verifier`` names how an answer is compared with it."""

    id: str
    source: str
    prompt: str
    answer: str
    verifier: str = "exact"


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


def read_prompts(path: Path) -> list[LabelledPrompt]:
    """Read JSON lines with ``prompt`` and ``answer``, and where wanted ``id, source, verifier``."""
    prompts = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise PromptsError(f"{path}: cannot be read as UTF-8 text") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            prompts.append(_prompt(line, f"{path}, line {number}", str(number)))
    if len({prompt.id for prompt in prompts}) != len(prompts):
        raise PromptsError(f"{path}: two prompts have the same id; each result is kept by its id")
    if not prompts:
        raise PromptsError(f"{path}: holds no prompts")
    return prompts


def _prompt(line: str, where: str, default_id: str) -> LabelledPrompt:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise PromptsError(f"{where}: not JSON") from error
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str):
        raise PromptsError(f"{where}: needs an object with a text under 'prompt'")
    if not isinstance(row.get("answer"), str | int | float):
        raise PromptsError(f"{where}: needs the right answer under 'answer'")
    verifier = row.get("verifier", "exact")
    if verifier not in VERIFIERS:
        raise PromptsError(f"{where}: unknown verifier {verifier!r}; known: {', '.join(VERIFIERS)}")
    return LabelledPrompt(
        id=str(row.get("id", default_id)),
        source=str(row.get("source", "")),
        prompt=row["prompt"],
        answer=str(row["answer"]),
        verifier=verifier,
    )


class Journal:
    """Results so far, one JSON object a line. A last line cut short by a kill is dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = list(self._read())
        self._file = path.open("w", encoding="utf-8")
        for result in self.results:
            self._write(result)

    def _read(self) -> Iterator[Result]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                yield Result(**json.loads(line))
            except (ValueError, TypeError):
                continue

    def _write(self, result: Result) -> None:
        row = {name: getattr(result, name) for name in Result.__slots__}
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()

    def add(self, result: Result) -> None:
        self.results.append(result)
        self._write(result)

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
    done = {(result.id, result.expert) for result in journal.results}
    todo = [(p, e) for e in experts for p in prompts if (p.id, e) not in done]
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
