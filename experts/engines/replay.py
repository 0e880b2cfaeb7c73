"""Answers recorded earlier, so that a composition can be judged offline, at no cost.

Reads the long-form parquet file that ``coterie collect`` writes: a row per prompt and expert. Only
``prompt``, ``expert`` and ``response`` are needed; ``prompt_tokens``, ``completion_tokens``,
``cost`` (USD), ``latency`` (s) and ``finish_reason`` are used where the file has them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from experts.checks import check_content, check_sampling
from experts.config import LocalPath, Settings
from experts.engines.text import StopMatcher, words
from experts.errors import ConfigError, ExpertUnavailable, UnsupportedContent
from experts.types import ChatRequest, Chunk, ExpertInfo, Usage

__all__ = ["ReplayExpert", "ReplaySettings"]

_NEEDED = ("prompt", "response")
_OPTIONAL = ("prompt_tokens", "completion_tokens", "cost", "latency", "finish_reason")
_CHARS_PER_TOKEN = 4  # what English text has on average; used where a file counts no tokens


class ReplaySettings(Settings):
    path: LocalPath = Field(description="parquet file that `coterie collect` wrote")
    expert: str | None = Field(default=None, description="whose answers; None: its own name")
    on_missing: Literal["error", "empty"] = Field(
        default="error", description="what a prompt that was not recorded gets"
    )
    speed: float = Field(
        default=0.0, ge=0, description="1: takes as long as it did then, 2: half; 0: no waiting"
    )


@dataclass(frozen=True, slots=True)
class _Recorded:
    response: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    latency: float
    details: dict[str, Any]


class ReplayExpert:
    """Gives the recorded answer to a prompt it knows.

    The key is the text of the last user message, without surrounding blanks. Of several answers to
    one prompt a ``seed`` picks one; without a seed, and for the choices of one request, they are
    given in turn. Unknown prompts are rejected with the code ``not_recorded``. ``max_tokens`` is
    not applied: an answer is given as it was recorded. ``usage.details`` holds the recorded
    ``cost`` and ``latency``, and ``estimated`` where the file counts no tokens.
    """

    Settings: ClassVar[type[ReplaySettings]] = ReplaySettings

    def __init__(self, info: ExpertInfo, settings: ReplaySettings) -> None:
        self.info = info
        self.settings = settings
        self._answers: dict[str, list[_Recorded]] = {}
        self._turn: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)
        self._open = False

    async def start(self) -> None:
        """Read this expert's rows. Raises ConfigError when the file or the expert is not there."""
        name = self.settings.expert or self.info.name
        self._answers = await asyncio.to_thread(_load, self.settings.path, name)
        self._open = True

    async def close(self) -> None:
        self._open = False
        self._answers = {}

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        name = self.info.name
        if not self._open:
            raise ExpertUnavailable(f"expert {name!r} is not started", expert=name)
        check_content(request, self.info)
        check_sampling(request, name)
        answers = self._pick(request)
        for index, answer in enumerate(answers):
            matcher = StopMatcher(request.stop)
            text = matcher.feed(answer.response) + matcher.flush()
            pieces = words(text) if request.stream else [text]
            pieces = pieces or [""]
            wait = answer.latency / self.settings.speed / len(pieces) if self.settings.speed else 0
            for position, piece in enumerate(pieces):
                if wait:
                    await asyncio.sleep(wait)
                last = position == len(pieces) - 1
                reason = "stop" if matcher.stopped else answer.finish_reason
                chunk = Chunk(piece, index, reason if last else None)
                if last and index == len(answers) - 1:
                    chunk.usage = _usage(answers)
                yield chunk

    def _pick(self, request: ChatRequest) -> list[_Recorded]:
        key = request.text.strip()
        known = self._answers.get(key)
        if not known:
            if self.settings.on_missing == "empty":
                return [_Recorded("", "stop", 0, 0, 0.0, {})] * request.n
            name = self.info.name
            raise UnsupportedContent(
                f"no answer of expert {name!r} to this prompt was recorded in "
                f"{self.settings.path.name}; record it with `coterie collect`, or set on_missing",
                expert=name,
                code="not_recorded",
            )
        if request.seed is not None:
            return [known[(request.seed + i) % len(known)] for i in range(request.n)]
        turn = self._turn[key]
        return [known[next(turn) % len(known)] for _ in range(request.n)]


def _usage(answers: list[_Recorded]) -> Usage:
    details = dict(answers[0].details)
    for number in ("cost", "latency"):
        if number in details:
            details[number] = sum(answer.details.get(number, 0.0) for answer in answers)
    completion = sum(answer.completion_tokens for answer in answers)
    return Usage(answers[0].prompt_tokens, completion, details)


def _load(path: Path, expert: str) -> dict[str, list[_Recorded]]:
    """The answers of one expert by prompt; of the file, only the columns and rows needed."""
    import pyarrow.parquet as pq  # 40 ms, which those who replay nothing need not wait for

    if not path.is_file():
        raise ConfigError(
            f"there is no file {str(path)!r}; write it with `coterie collect`", path="path"
        )
    names = set(pq.read_schema(path).names)
    missing = [name for name in (*_NEEDED, "expert") if name not in names]
    if missing:
        raise ConfigError(
            f"{path.name} has no column {', '.join(missing)}: it is not in the long form that "
            "`coterie collect` writes (a row per prompt and expert)",
            path="path",
        )
    columns = [*_NEEDED, *(name for name in _OPTIONAL if name in names)]
    table = pq.read_table(path, columns=columns, filters=[("expert", "==", expert)])
    if table.num_rows == 0:
        there = sorted(set(pq.read_table(path, columns=["expert"])["expert"].to_pylist()))
        raise ConfigError(
            f"{path.name} holds no answers of {expert!r}, only of: {', '.join(map(str, there))}",
            path="expert",
        )
    answers: dict[str, list[_Recorded]] = {}
    for row in table.to_pylist():
        if row["prompt"] is not None and row["response"] is not None:
            answers.setdefault(row["prompt"].strip(), []).append(_recorded(row))
    return answers


def _recorded(row: dict[str, Any]) -> _Recorded:
    """One row, with estimates in place of counts that the file does not have."""
    details: dict[str, Any] = {k: row[k] for k in ("cost", "latency") if row.get(k) is not None}
    prompt_tokens, completion_tokens = row.get("prompt_tokens"), row.get("completion_tokens")
    if prompt_tokens is None or completion_tokens is None:
        details["estimated"] = True
        prompt_tokens = -(-len(row["prompt"]) // _CHARS_PER_TOKEN)
        completion_tokens = -(-len(row["response"]) // _CHARS_PER_TOKEN)
    return _Recorded(
        response=row["response"],
        finish_reason=row.get("finish_reason") or "stop",
        prompt_tokens=int(prompt_tokens),
        completion_tokens=int(completion_tokens),
        latency=float(row.get("latency") or 0.0),
        details=details,
    )
