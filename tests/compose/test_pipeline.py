"""The pipeline: decide, call, next best on failure, trace."""

import asyncio

import numpy as np
import pytest

from compose.errors import UnknownModel
from compose.pipeline import Composition, Pipeline
from compose.scoring import Scorer
from compose.strategies.single import Single, SingleSettings
from experts.engines.scripted import ScriptedExpert, ScriptedSettings
from experts.errors import ExpertFailed, ExpertTimeout, RequestRejected
from experts.types import ChatRequest, ExpertInfo
from routers.base import Router
from routers.config import GateConfig


class FixedRouter(Router):
    """Scores by the first letter of the query: 'a...' suits expert a, and so on."""

    def __init__(self, experts):
        self.experts_ = tuple(experts)
        self.batches = []

    def score(self, queries):
        self.batches.append(len(queries))
        rows = [[float(q.text[:1] == name) for name in self.experts_] for q in queries]
        return np.array(rows, dtype=np.float32)


def pipeline_of(tries=3, **settings):
    experts = {
        name: ScriptedExpert(ExpertInfo(name, price_in=1, price_out=2), ScriptedSettings(**fields))
        for name, fields in settings.items()
    }
    router = FixedRouter(experts)
    single = Single(SingleSettings(tries=tries))
    auto = Composition("auto", Scorer(router), GateConfig(), single, {})
    return Pipeline(experts, {"auto": auto}), router


def request(text):
    return ChatRequest(messages=[{"role": "user", "content": text}])


async def whole(pipeline, text, model="auto"):
    answer = await pipeline.run(request(text), model)
    texts = [answer.first.text] + [chunk.text async for chunk in answer.rest]
    return "".join(texts), answer.trace


def run(pipeline, text, model="auto"):
    return asyncio.run(whole(pipeline, text, model))


def test_the_expert_of_the_highest_score_answers():
    pipeline, _ = pipeline_of(a={"replies": "from a"}, b={"replies": "from b"})
    text, trace = run(pipeline, "b: who are you?")
    assert (text, trace.expert, trace.composition) == ("from b", "b", "auto")
    assert trace.decision.scores == {"a": 0.0, "b": 1.0}
    assert trace.decision_ms > 0


def test_a_named_expert_is_asked_without_a_decision():
    pipeline, router = pipeline_of(a={"replies": "from a"}, b={"replies": "from b"})
    text, trace = run(pipeline, "b: who are you?", model="a")
    assert (text, trace.expert, trace.composition) == ("from a", "a", "")
    assert router.batches == []
    assert trace.to_dict()["chosen"] == []


def test_the_next_best_answers_when_the_best_fails_before_its_first_token():
    pipeline, _ = pipeline_of(a={"replies": "from a"}, b={"error": "ExpertFailed"})
    text, trace = run(pipeline, "b?")
    assert (text, trace.expert) == ("from a", "a")
    assert [a.expert for a in trace.attempts] == ["b", "a"]
    assert trace.attempts[0].error.startswith("ExpertFailed")


def test_a_failure_after_the_first_token_is_not_hidden():
    pipeline, _ = pipeline_of(
        a={}, b={"replies": "one two", "error": "ExpertTimeout", "error_after": 1}
    )
    with pytest.raises(ExpertTimeout):
        run(pipeline, "b?")


def test_a_rejected_request_is_not_tried_elsewhere():
    pipeline, _ = pipeline_of(a={}, b={"error": "RequestRejected"})
    with pytest.raises(RequestRejected):
        run(pipeline, "b?")
    assert pipeline.experts["a"].calls == 0


def test_no_more_experts_are_tried_than_allowed():
    failing = {"error": "ExpertFailed"}
    pipeline, _ = pipeline_of(tries=2, a={}, b=failing, c=failing)
    with pytest.raises(ExpertFailed):
        run(pipeline, "b?") if pipeline.experts["c"].calls else run(pipeline, "c?")
    assert sum(e.calls for e in pipeline.experts.values()) <= 2


def test_an_engine_that_raises_anything_counts_as_failed():
    pipeline, _ = pipeline_of(a={"replies": "from a"}, b={})
    pipeline.experts["b"]._exception = ZeroDivisionError("inside")
    text, trace = run(pipeline, "b?")
    assert text == "from a"
    assert "inside" not in trace.attempts[0].error


def test_cost_is_priced_by_the_expert_that_answered():
    pipeline, _ = pipeline_of(a={"replies": "one two three"})
    _, trace = run(pipeline, "a b")
    assert trace.cost == pytest.approx((2 * 1 + 3 * 2) / 1e6)


def test_an_unknown_model_names_the_nearest():
    pipeline, _ = pipeline_of(arithmetic={}, logic={})
    with pytest.raises(UnknownModel, match="'arithmetic'"):
        run(pipeline, "x", model="aritmetic")


def test_closing_an_answer_closes_the_expert():
    async def leave():
        pipeline, _ = pipeline_of(a={"replies": "one two three", "delay": 0.01})
        answer = await pipeline.run(request("a"), "auto")
        await answer.rest.aclose()
        return pipeline.experts["a"]

    expert = asyncio.run(leave())
    assert (expert.active, expert.cancelled) == (0, 1)


def test_queries_that_wait_are_scored_together_and_rows_are_not_mixed_up():
    async def many():
        pipeline, router = pipeline_of(a={"replies": "A"}, b={"replies": "B"})
        texts = ["a", "b"] * 40
        answers = await asyncio.gather(*(whole(pipeline, text) for text in texts))
        return texts, [text for text, _ in answers], router.batches

    texts, answers, batches = asyncio.run(many())
    assert answers == [text.upper() for text in texts]
    assert sum(batches) == 80
    assert len(batches) < 80


def test_a_router_that_breaks_fails_each_waiting_request():
    pipeline, router = pipeline_of(a={})

    def broken(queries):
        raise RuntimeError("no embedder")

    router.score = broken
    with pytest.raises(RuntimeError, match="no embedder"):
        run(pipeline, "a")
