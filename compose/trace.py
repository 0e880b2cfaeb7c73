"""What was decided, tried, spent and how long it took, for one request."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from experts.types import Usage
from routers.types import Decision


@dataclass(slots=True)
class Attempt:
    """One call of one expert. Times are seconds since the request came in."""

    expert: str
    started: float
    first_token: float | None = None
    ended: float | None = None
    error: str | None = None
    usage: Usage | None = None


@dataclass(slots=True)
class Trace:
    """The record of one request; ``expert`` is who answered, known from the first chunk on."""

    id: str
    composition: str = ""
    strategy: str = ""
    expert: str = ""
    decision: Decision | None = None
    decision_ms: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    cost: float = 0.0
    started: float = field(default_factory=time.perf_counter)

    def now(self) -> float:
        return time.perf_counter() - self.started

    def attempt(self, expert: str) -> Attempt:
        attempt = Attempt(expert, self.now())
        self.attempts.append(attempt)
        return attempt

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: what a client gets when it asks for the trace."""
        decision = self.decision
        return {
            "id": self.id,
            "composition": self.composition,
            "strategy": self.strategy,
            "expert": self.expert,
            "decision_ms": round(self.decision_ms, 3),
            "scores": {} if decision is None else _rounded(decision.scores),
            "chosen": [] if decision is None else list(decision.chosen),
            "reason": "" if decision is None else decision.reason,
            "attempts": [_attempt_dict(attempt) for attempt in self.attempts],
            "cost_usd": self.cost,
            "seconds": round(self.now(), 6),
        }


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(float(score), 4) for name, score in scores.items()}


def _attempt_dict(attempt: Attempt) -> dict[str, Any]:
    usage = attempt.usage
    return {
        "expert": attempt.expert,
        "started": round(attempt.started, 6),
        "first_token": None if attempt.first_token is None else round(attempt.first_token, 6),
        "ended": None if attempt.ended is None else round(attempt.ended, 6),
        "error": attempt.error,
        "prompt_tokens": None if usage is None else usage.prompt_tokens,
        "completion_tokens": None if usage is None else usage.completion_tokens,
    }
