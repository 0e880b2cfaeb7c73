"""What the guards of an expert cost: microseconds a request, and a chunk.

    python benchmarks/wrappers.py

A scripted expert answers at once, with 1 chunk and with 201; bare, and behind time limits, circuit
breaker, retry and fallback together. Best of 60 runs.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from experts.base import Expert
from experts.config import ExpertConfig
from experts.registry import make_experts
from experts.testing import ask

GUARDS: dict[str, Any] = {
    "limits": {"first_token": 10, "between_tokens": 10, "total": 60},
    "circuit": {},
    "retry": {},
    "fallback": ["other"],
}
CHUNKS = 201


async def once(expert: Expert, chunks: int) -> float:
    request = ask(max_tokens=chunks)
    begin = time.perf_counter()
    for _ in range(20):
        async for _ in expert.chat(request):
            pass
    return (time.perf_counter() - begin) / 20


async def seconds(experts: list[Expert], chunks: int) -> list[float]:
    """Best of 60 runs each, by turns, so that a busy neighbour hits all alike."""
    runs = [[await once(expert, chunks) for expert in experts] for _ in range(60)]
    return [min(times) for times in zip(*runs, strict=True)]


async def main() -> None:
    reply = {"engine": "scripted", "replies": "w " * CHUNKS}
    experts = make_experts(
        {
            "bare": ExpertConfig(**reply),
            "guarded": ExpertConfig(**reply, **GUARDS),
            "other": ExpertConfig(engine="scripted"),
        }
    )
    both = [experts["bare"], experts["guarded"]]
    short, long = await seconds(both, 1), await seconds(both, CHUNKS)
    request = short[1] - short[0]
    chunk = (long[1] - long[0] - request) / (CHUNKS - 1)
    print(f"four guards add {request * 1e6:.1f} us a request and {chunk * 1e6:.2f} us a chunk")


if __name__ == "__main__":
    asyncio.run(main())
