"""Ask the best expert; when it fails before its first token, the next best."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from pydantic import BaseModel, ConfigDict, Field

from compose.trace import Attempt, Trace
from experts.base import Expert
from experts.types import ChatRequest, Chunk
from experts.wrappers import as_expert_error, next_may_help
from routers.types import Decision


class SingleSettings(BaseModel):
    """Settings of the strategy ``single``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tries: int = Field(3, ge=1, description="experts that may be asked in all, one after another")


class Single:
    """Ask one expert, with the rest of the ranking as spares.

    A request that an expert rejects is tried elsewhere only where that may help (a longer context,
    another modality): otherwise the client should hear what is wrong with it.
    """

    name = "single"
    Settings = SingleSettings

    def __init__(self, settings: SingleSettings) -> None:
        self.tries = settings.tries

    async def run(
        self, request: ChatRequest, decision: Decision, experts: Mapping[str, Expert], trace: Trace
    ) -> AsyncGenerator[Chunk, None]:
        order = decision.ranking[: self.tries]
        for place, name in enumerate(order):
            attempt = trace.attempt(name)
            # A client that does not stream has seen nothing until the answer is whole: held back
            # until then, an answer that breaks off can still be replaced.
            held: list[Chunk] = []
            sent = False
            try:
                async with aclosing(experts[name].chat(request)) as chunks:
                    async for chunk in chunks:
                        if attempt.first_token is None:
                            _first(attempt, chunk, trace)
                        if chunk.usage is not None:
                            _spent(attempt, chunk, experts[name], trace)
                        if request.stream:
                            sent = True
                            yield chunk
                        else:
                            held.append(chunk)
                for chunk in held:
                    yield chunk
                return
            except Exception as error:
                problem = as_expert_error(error, name)
                attempt.error = f"{type(problem).__name__}: {problem}"
                last = place == len(order) - 1
                if last or sent or not next_may_help(problem):
                    raise problem from error
            finally:
                attempt.ended = trace.now()


def _first(attempt: Attempt, chunk: Chunk, trace: Trace) -> None:
    attempt.first_token = trace.now()
    trace.expert = chunk.expert or attempt.expert


def _spent(attempt: Attempt, chunk: Chunk, expert: Expert, trace: Trace) -> None:
    usage, info = chunk.usage, expert.info
    if usage is None:
        return
    attempt.usage = usage
    tokens_in, tokens_out = usage.prompt_tokens, usage.completion_tokens
    trace.cost += (tokens_in * info.price_in + tokens_out * info.price_out) / 1e6
