"""Continuous batching: requests join and leave a running batch between two tokens.

One :meth:`Batcher.step` is: drop who is cancelled, admit who waits, feed a bounded piece of new
prompts, and advance every sequence by one token. Everything here runs on one thread (see
``loop.py``); only ``submit`` and ``Job.cancel`` may be called from elsewhere.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from experts.engines.inprocess.detokenize import Vocabulary
from experts.engines.inprocess.sampling import Sampling, choose, top_logprobs
from experts.engines.inprocess.slots import Rows
from experts.engines.text import StopMatcher
from experts.types import Chunk, Usage

__all__ = ["Batcher", "Choice", "Job"]


@dataclass(eq=False)
class Job:
    """One request on its way through the batch.

    ``send`` gets every chunk, and an exception in place of the rest when generating failed; it is
    called on the batching thread.
    """

    prompt: Sequence[int]
    max_tokens: int
    sampling: Sampling
    send: Callable[[Chunk | Exception], None]
    seed: int | None = None
    stop: tuple[str, ...] = ()
    n: int = 1
    logprobs: int | None = None
    """How many alternatives to report a token; None: no log probabilities."""
    cancelled: bool = False
    unfinished: int = field(init=False)
    completion_tokens: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.unfinished = self.n

    @property
    def length(self) -> int:
        """Positions that the longest possible answer takes."""
        return len(self.prompt) + self.max_tokens

    def cancel(self) -> None:
        """Generation stops, and the rows are free, before the next token. From any thread."""
        self.cancelled = True


class Choice:
    """One answer of a job: what has been fed, what comes next, what may be sent."""

    __slots__ = (
        "_entries",
        "_matcher",
        "_sent",
        "_text",
        "_total",
        "_written",
        "fed",
        "index",
        "job",
        "next",
        "rng",
    )

    def __init__(self, job: Job, index: int, vocabulary: Vocabulary) -> None:
        self.job = job
        self.index = index
        self.fed = 0
        """Tokens whose keys and values are stored."""
        self.next: int | None = None
        """The token to feed next, once the prompt is through."""
        # A text, because those are hashed: neighbouring seeds and choices have nothing in common.
        self.rng = random.Random(None if job.seed is None else f"{job.seed}/{index}")
        self._matcher = StopMatcher(job.stop)
        self._text = vocabulary.stream()
        self._total = 0
        self._written = 0
        self._sent = 0
        self._entries: deque[tuple[int, dict[str, object]]] = deque()

    @property
    def prefilled(self) -> bool:
        return self.next is not None

    def advance(self, token: int, ends: bool, entry: dict[str, object] | None) -> bool:
        """Take the next token; send what it completes. Returns whether the sequence goes on."""
        self.next = token
        self._total += 1
        self.job.completion_tokens += 1
        text = "" if ends else self._text.feed(token)
        if entry is not None and not ends:
            self._entries.append((self._written, entry))
        full = self._total >= self.job.max_tokens
        if ends or full:
            text += self._text.flush()
        self._written += len(text)
        text = self._matcher.feed(text)
        reason = None
        if ends or self._matcher.stopped:
            reason = "stop"
        elif full:
            reason = "length"
        if reason is not None:
            text += self._matcher.flush()
        self._emit(text, reason)
        return reason is None

    def _emit(self, text: str, reason: str | None) -> None:
        """Send text with the log probabilities of the tokens that begin in it."""
        job = self.job
        self._sent += len(text)
        everything = reason is not None and not self._matcher.stopped
        ready = []
        while self._entries and (everything or self._entries[0][0] < self._sent):
            ready.append(self._entries.popleft()[1])
        usage = None
        if reason is not None:
            job.unfinished -= 1
            if job.unfinished == 0:
                usage = Usage(len(job.prompt), job.completion_tokens)
        if text or reason:
            job.send(Chunk(text, self.index, reason, ready or None, usage))


class Batcher:
    """The running batch of one model.

    Parameters
    ----------
    rows : Rows
        The model with its keys and values.
    ends : set of int
        Tokens that end an answer.
    max_rows : int
        Sequences that run at the same time.
    cache_tokens : int
        Bound of rows x longest choice. A job waits until its longest answer fits, so no running
        sequence is ever thrown out for want of memory.
    prefill_tokens : int
        Prompt tokens fed in one step: bounds how long a new prompt holds up the running answers.
    """

    def __init__(
        self,
        rows: Rows,
        vocabulary: Vocabulary,
        ends: frozenset[int],
        *,
        max_rows: int,
        cache_tokens: int,
        prefill_tokens: int,
    ) -> None:
        self.rows = rows
        self.vocabulary = vocabulary
        self.ends = ends
        self.max_rows = max_rows
        self.cache_tokens = cache_tokens
        self.prefill_tokens = prefill_tokens
        self.steps = 0
        """Forward passes so far."""
        self.running: list[Choice] = []
        self._waiting: deque[Choice] = deque()
        self._inbox: deque[Choice] = deque()
        """Filled by other threads; a deque's ends are safe to use from two at once."""

    @property
    def waiting(self) -> int:
        """Sequences that have no row yet."""
        return len(self._waiting) + len(self._inbox)

    def submit(self, job: Job) -> None:
        """Queue a job. From any thread."""
        self._inbox.extend([Choice(job, index, self.vocabulary) for index in range(job.n)])

    def step(self) -> bool:
        """Advance everything by one token. Returns whether there is more to do."""
        while self._inbox:
            self._waiting.append(self._inbox.popleft())
        self._drop_cancelled()
        self._admit()
        if not self.running:
            return False
        self._prefill()
        self._decode()
        return bool(self.running or self._waiting)

    def fail(self, error: Exception) -> None:
        """End every job, waiting ones too, with an error."""
        choices = [*self.running, *self._waiting, *self._inbox]
        self._waiting.clear()
        self._inbox.clear()
        for row in range(len(self.running)):
            self.rows.drop(row)
        self.running.clear()
        for job in {id(c.job): c.job for c in choices}.values():
            job.send(error)

    def _drop_cancelled(self) -> None:
        for row in range(len(self.running) - 1, -1, -1):
            if self.running[row].job.cancelled:
                self._remove(row)
        if any(choice.job.cancelled for choice in self._waiting):
            self._waiting = deque(c for c in self._waiting if not c.job.cancelled)

    def _admit(self) -> None:
        while self._waiting and len(self.running) < self.max_rows:
            first = self._waiting[0]
            longest = max(choice.job.length for choice in (*self.running, first))
            if self.running and (len(self.running) + 1) * longest > self.cache_tokens:
                return
            twin = next((r for r, c in enumerate(self.running) if c.job is first.job), None)
            if twin is not None and not self.running[twin].prefilled:
                return  # it will have the prompt ready soon, to be copied
            self._waiting.popleft()
            row = len(self.running)
            self.running.append(first)
            length = len(first.job.prompt) - 1
            if twin is not None and length and self.rows.copy(twin, row, length):
                first.fed = length

    def _prefill(self) -> None:
        """Feed the next piece of the prompts of one run of neighbouring new rows."""
        new = [row for row, choice in enumerate(self.running) if not choice.prefilled]
        if not new:
            return
        first = new[0]
        feeds: list[Sequence[int]] = []
        width = 0
        for row in range(first, len(self.running)):
            choice = self.running[row]
            prompt = choice.job.prompt
            piece = min(len(prompt) - choice.fed, self.prefill_tokens)
            width = max(width, piece)
            # Rows are padded to the longest: the bound is on what is computed.
            if choice.prefilled or (feeds and width * (len(feeds) + 1) > self.prefill_tokens):
                break
            feeds.append(prompt[choice.fed : choice.fed + piece])
        ready = self._forward(first, feeds)
        self._take([row for row in ready if self._prompt_is_through(row)], first)

    def _prompt_is_through(self, row: int) -> bool:
        choice = self.running[row]
        return choice.fed == len(choice.job.prompt)

    def _decode(self) -> None:
        feeds = [[] if c.next is None else [c.next] for c in self.running]
        if any(feeds):
            self._take(self._forward(0, feeds), 0)

    def _forward(self, first: int, feeds: Sequence[Sequence[int]]) -> list[int]:
        """Feed the rows from ``first`` on. Returns those that were fed something."""
        choices = self.running[first : first + len(feeds)]
        self._logits: Tensor = self.rows.forward(first, feeds, [choice.fed for choice in choices])
        self.steps += 1
        fed = []
        for row, (choice, feed) in enumerate(zip(choices, feeds, strict=True), start=first):
            choice.fed += len(feed)
            if feed:
                fed.append(row)
        return fed

    def _take(self, rows: list[int], first: int) -> None:
        """Choose the next token of each row, send it, and remove the rows that are finished."""
        if not rows:
            return
        choices = [self.running[row] for row in rows]
        logits = self._logits
        if len(rows) != len(logits):
            logits = logits[[row - first for row in rows]]
        draws = [0.0 if c.job.sampling.greedy else c.rng.random() for c in choices]
        tokens = choose(logits, [c.job.sampling for c in choices], draws)
        finished = []
        for at, (row, token) in enumerate(zip(rows, tokens, strict=True)):
            choice = choices[at]
            entry = None
            if choice.job.logprobs is not None:
                entry = self._entry(logits[at], token, choice.job.logprobs)
            if not choice.advance(token, token in self.ends, entry):
                finished.append(row)
        for row in reversed(finished):
            self._remove(row)

    def _entry(self, logits: Tensor, token: int, count: int) -> dict[str, object]:
        """One entry of OpenAI's ``logprobs.content``."""
        logprob, best = top_logprobs(logits, token, count)
        entry = self._named(token, logprob)
        entry["top_logprobs"] = [self._named(*pair) for pair in best]
        return entry

    def _named(self, token: int, logprob: float) -> dict[str, object]:
        raw = self.vocabulary.bytes_of(token)
        return {"token": raw.decode(errors="replace"), "logprob": logprob, "bytes": list(raw)}

    def _remove(self, row: int) -> None:
        """Free a row; the last row takes its place, so that the rows in use stay together."""
        last = len(self.running) - 1
        self.rows.drop(row)
        if row != last:
            self.rows.move(last, row, self.running[last].fed)
            self.running[row] = self.running[last]
        self.running.pop()
