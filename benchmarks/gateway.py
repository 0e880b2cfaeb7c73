"""What a request through the gateway costs, next to nginx, Portkey's gateway and LiteLLM's proxy.

    benchmarks/peers/install.sh
    python -m benchmarks.gateway [--passes 3] [--seconds 3] [--only coterie nginx] [--json]

One run starts a stub upstream and every gateway in front of it, each alone on its core, and drives
them in turn with the same load: one connection (latency), 16 connections (answers a second) and 64
streams (chunks a second). Figures are medians over the passes. Nothing leaves the loopback.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks.peers import GATEWAYS, Gateway
from benchmarks.processes import (
    Load,
    cores,
    cpu_seconds,
    free_port,
    running,
    running_load,
    running_stub,
    wait_for_port,
)
from benchmarks.stub import WORDS

BODY = {
    "model": "stub",
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Tell me, in a few words, what a gateway is good for. " * 4},
    ],
    "max_tokens": 256,
    "temperature": 0.7,
}
STREAMS = 64
CONNECTIONS = 16


@dataclass(frozen=True)
class Figures:
    """Of one gateway in one pass. ``cpu_us`` is the whole process tree's time an answer."""

    p50_ms: float
    answers_per_s: float
    cpu_us: float
    chunks_per_s: float


@dataclass(frozen=True)
class Check:
    """A promise, and whether this run kept it (None: a peer was not measured)."""

    text: str
    value: float | None
    limit: float
    at_most: bool = False

    @property
    def passed(self) -> bool | None:
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    notes = Console(stderr=True)
    passes: dict[str, list[Figures]] = {"direct": []}
    names = [name for name in GATEWAYS if not options.only or name in options.only]
    steps = options.passes * (len(names) + 1)
    with Progress(console=notes, disable=not notes.is_terminal) as progress:
        task = progress.add_task("measuring", total=steps)
        for _ in range(options.passes):
            for name in ("direct", *names):
                progress.update(task, description=name)
                figures = measure(name, options.seconds, notes)
                if figures is not None:
                    passes.setdefault(name, []).append(figures)
                progress.advance(task)
    table = {name: _median(runs) for name, runs in passes.items()}
    checks = check(table)
    if options.json:
        found = {name: asdict(row) for name, row in table.items()}
        verdicts = [{**asdict(item), "passed": item.passed} for item in checks]
        print(json.dumps({"figures": found, "checks": verdicts}, indent=1))
    else:
        show(table, checks)
    return 1 if any(item.passed is False for item in checks) else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--only", nargs="+", choices=list(GATEWAYS), help="leave the others out")
    parser.add_argument("--json", action="store_true", help="print JSON, not tables")
    return parser.parse_args(arguments)


def measure(name: str, seconds: float, notes: Console) -> Figures | None:
    """One pass of one gateway; None, and a note, if it is not installed or does not answer."""
    measured, beside = cores()
    with running_stub(beside) as stub, running_load(beside) as load:
        if name == "direct":
            return drive(load, stub, {}, None, seconds)
        kind = GATEWAYS[name]
        if (how := kind.missing()) is not None:
            notes.print(f"{name}: not installed, so not measured. To install it: {how}")
            return None
        with started(kind, stub, measured, notes) as gateway:
            if gateway is None:
                return None
            pid, front = gateway
            try:
                return drive(load, front.port, front.headers, pid, seconds)
            except RuntimeError as error:
                if name == "coterie":
                    raise
                notes.print(f"{name}: {error}; this pass does not count", markup=False)
                return None


@contextmanager
def started(
    kind: type[Gateway], stub: int, core: set[int], notes: Console
) -> Iterator[tuple[int, Gateway] | None]:
    """A running gateway that answers, with the id of its process."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as log:
        front = kind(stub, free_port(), Path(folder))
        with running(front.command(), core, log=log.fileno(), env=front.environment) as process:
            if wait_for_port(front.port, process, front.start_seconds):
                yield process.pid, front
                return
            log.seek(0)
            output = log.read()[-2000:].decode(errors="replace")
            notes.print(f"{kind.name}: did not start, so not measured.\n{output}", markup=False)
            yield None


def drive(
    load: Load, port: int, headers: dict[str, str], pid: int | None, seconds: float
) -> Figures:
    """Warm up, then the three loads. Raises RuntimeError if an answer is not the stub's."""
    whole = {"port": port, "headers": headers, "body": BODY}
    stream = {**whole, "body": {**BODY, "stream": True}}
    for job in (whole, stream):
        _warm_up(load, job)
    verify(port, headers)
    alone = _drive(load, **whole, connections=1, seconds=seconds)
    before = cpu_seconds(pid) if pid else 0.0
    many = _drive(load, **whole, connections=CONNECTIONS, seconds=seconds)
    cpu = cpu_seconds(pid) - before if pid else 0.0
    streams = _drive(load, **stream, connections=STREAMS, seconds=seconds)
    return Figures(
        p50_ms=alone["p50_ms"],
        answers_per_s=many["answers_per_s"],
        cpu_us=1e6 * cpu / max(1, many["all_answers"]),
        chunks_per_s=streams["chunks_per_s"],
    )


def verify(port: int, headers: dict[str, str]) -> None:
    """Raises RuntimeError unless both kinds of answer say what the stub says, word for word."""
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    with httpx.Client(headers=headers, timeout=60, trust_env=False) as client:
        answer = client.post(url, json=BODY).json()
        lines = client.post(url, json={**BODY, "stream": True}).text.splitlines()
    events = [line[6:] for line in lines if line.startswith("data: {")]
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    streamed = "".join(choice["delta"].get("content") or "" for choice in choices)
    if answer["choices"][0]["message"]["content"] != "".join(WORDS[:20]):
        raise RuntimeError(f"wrong answer: {str(answer)[:300]}")
    if streamed != "".join(WORDS) or lines[-2:] != ["data: [DONE]", ""]:
        raise RuntimeError(f"wrong stream: {len(events)} events, then {lines[-2:]}")


def _warm_up(load: Load, job: dict[str, object]) -> None:
    """Some gateways import half of themselves with the first request: wait for that."""
    for _ in range(30):
        result = load.drive(**job, connections=4, seconds=1.0)
        if result["errors"]:
            raise RuntimeError(f"wrong answer: {result['error']}")
        if result["all_answers"] or result["chunks_per_s"]:
            return
    raise RuntimeError("no answer within 30 seconds")


def _drive(load: Load, **job: object) -> dict:
    result = load.drive(**job)
    if result["errors"] or not (result["all_answers"] or result["chunks_per_s"]):
        raise RuntimeError(f"wrong answer: {result['error'] or 'none in time'}")
    return result


def _median(runs: list[Figures]) -> Figures:
    rows = [asdict(run) for run in runs]
    return Figures(**{key: statistics.median(row[key] for row in rows) for key in rows[0]})


def check(table: dict[str, Figures]) -> list[Check]:
    """The promises of the README, held against this run."""
    ours = table.get("coterie")
    if ours is None:
        return []
    others = {name: row.answers_per_s for name, row in table.items()}
    ratio = {name: ours.answers_per_s / others[name] for name in others}
    return [
        Check("ms added to p50, one connection", ours.p50_ms - table["direct"].p50_ms, 0.8, True),
        Check("times LiteLLM's proxy, 16 connections", ratio.get("litellm"), 30),
        Check("times Portkey's gateway, 16 connections", ratio.get("portkey"), 6),
        Check("times nginx, 16 connections", ratio.get("nginx"), 0.12),
        Check("chunks a second, 64 streams", ours.chunks_per_s, 30_000),
    ]


def show(table: dict[str, Figures], checks: list[Check]) -> None:
    console = Console()
    figures = Table("front", "p50 ms", "added ms", "answers/s", "CPU us", "chunks/s")
    for name, row in table.items():
        added = row.p50_ms - table["direct"].p50_ms
        figures.add_row(
            name,
            f"{row.p50_ms:.3f}",
            f"{added:.3f}" if name != "direct" else "",
            f"{row.answers_per_s:,.0f}",
            f"{row.cpu_us:,.0f}" if row.cpu_us else "",
            f"{row.chunks_per_s:,.0f}",
        )
    console.print(figures)
    if not checks:
        return
    verdict = {True: "[green]pass[/]", False: "[red]MISS[/]", None: "not measured"}
    promises = Table("promise", "limit", "this run", "")
    for item in checks:
        value = "" if item.value is None else f"{item.value:,.2f}"
        limit = f"{'at most' if item.at_most else 'at least'} {item.limit:,g}"
        promises.add_row(item.text, limit, value, verdict[item.passed])
    console.print(promises)


if __name__ == "__main__":
    sys.exit(main())
