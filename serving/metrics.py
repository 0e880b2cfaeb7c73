"""What Prometheus reads: one registry for each app, children resolved once for each label set."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from compose.trace import Trace

__all__ = ["Metrics", "who"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_DECISION = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)

_WHO = ("composition", "expert")


class _Answered:
    """The series of one composition and expert; cost goes to who answered, tokens to who was
    asked."""

    __slots__ = ("cost", "decision", "first", "latency", "tokens_in", "tokens_out")

    def __init__(self, metrics: Metrics, composition: str, expert: str) -> None:
        self.latency = metrics.latency.labels(composition, expert)
        self.first = metrics.first.labels(composition, expert)
        self.decision = metrics.decision.labels(composition) if composition != "-" else None
        self.tokens_in = metrics.tokens.labels(composition, expert, "in")
        self.tokens_out = metrics.tokens.labels(composition, expert, "out")
        self.cost = metrics.cost.labels(composition, expert)


class Metrics:
    """Counts what the hot routes do. Labels take only names that the configuration knows, so a
    client cannot make their number grow."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.requests = Counter(
            "coterie_requests", "Requests by answer.", (*_WHO, "route", "status"), registry=own
        )
        self.errors = Counter(
            "coterie_errors", "Errors by kind, mid-stream too.", ("kind",), registry=own
        )
        self.latency = Histogram(
            "coterie_request_seconds",
            "From request to last byte.",
            _WHO,
            buckets=_SECONDS,
            registry=own,
        )
        self.first = Histogram(
            "coterie_first_token_seconds",
            "From request to first token.",
            _WHO,
            buckets=_SECONDS,
            registry=own,
        )
        self.decision = Histogram(
            "coterie_decision_seconds",
            "Time to decide whom to ask.",
            _WHO[:1],
            buckets=_DECISION,
            registry=own,
        )
        self.tokens = Counter(
            "coterie_tokens", "Tokens by direction (in, out).", (*_WHO, "direction"), registry=own
        )
        self.cost = Counter("coterie_cost_usd", "What experts cost.", _WHO, registry=own)
        self.in_flight = 0
        in_flight = Gauge("coterie_in_flight", "Requests being answered.", registry=own)
        in_flight.set_function(lambda: self.in_flight)
        self._requests: dict[tuple[str, str, str, str], Counter] = {}
        self._answered: dict[tuple[str, str], _Answered] = {}

    def record(self, route: str, status: str, traces: Sequence[Trace]) -> None:
        """Count a request that ended; ``status`` is its HTTP status, or ``left`` if the client
        left before the end, or ``broken`` if the stream ended with an error."""
        trace = traces[0]
        composition, expert = trace.composition or "-", who(trace)
        key = (composition, expert, route, status)
        counter = self._requests.get(key)
        if counter is None:
            counter = self._requests[key] = self.requests.labels(*key)
        counter.inc()
        if expert == "-":
            return
        answered = self._of(composition, expert)
        answered.latency.observe(trace.now())
        for one in traces:
            self._count(answered, one)

    def _count(self, answered: _Answered, trace: Trace) -> None:
        if answered.decision is not None:
            answered.decision.observe(trace.decision_ms / 1e3)
        if trace.cost > 0:
            answered.cost.inc(trace.cost)
        for attempt in trace.attempts:
            of = self._of(trace.composition or "-", attempt.expert)
            if attempt.first_token is not None:
                of.first.observe(attempt.first_token)
            if attempt.usage is not None:
                of.tokens_in.inc(attempt.usage.prompt_tokens)
                of.tokens_out.inc(attempt.usage.completion_tokens)

    def _of(self, composition: str, expert: str) -> _Answered:
        found = self._answered.get((composition, expert))
        if found is None:
            found = self._answered[composition, expert] = _Answered(self, composition, expert)
        return found

    def render(self) -> tuple[str, bytes]:
        """Content type and body for a scraper."""
        return CONTENT_TYPE_LATEST, generate_latest(self.registry)


def who(trace: Trace) -> str:
    """Who answered; if nobody did, who was asked last; ``-`` if nobody was asked."""
    if trace.expert:
        return trace.expert
    return trace.attempts[-1].expert if trace.attempts else "-"
