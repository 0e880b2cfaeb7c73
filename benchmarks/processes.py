"""Processes of a benchmark: pinned to a core, waited for, and ended by their own id."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent


def cores() -> tuple[set[int], set[int]]:
    """One core for what is measured, and one for stub and load; the same one if it is the only."""
    usable = sorted(os.sched_getaffinity(0))
    return {usable[-1]}, {usable[0]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: list[str],
    core: set[int],
    *,
    log: IO[bytes] | int = subprocess.DEVNULL,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
    pipe: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """A process and its children on one core, in a session of its own that ends with the block."""
    here = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core)  # inherited, so that no early thread of the child escapes
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
        stdout=subprocess.PIPE if pipe else log,
        stderr=log,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        text=True,
        start_new_session=True,
    )
    os.sched_setaffinity(0, here)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
        for pipe_end in (process.stdin, process.stdout):
            if pipe_end is not None:
                pipe_end.close()


@contextlib.contextmanager
def running_stub(core: set[int]) -> Iterator[int]:
    """The stub upstream; yields its port."""
    with running([sys.executable, str(HERE / "stub.py")], core, log=2, pipe=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


class Load:
    """The load generator, a process that does one job after another."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def drive(self, **job: object) -> dict:
        """See :func:`benchmarks.load.drive` for the fields of a job and its result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextlib.contextmanager
def running_load(core: set[int]) -> Iterator[Load]:
    with running([sys.executable, str(HERE / "load.py")], core, log=2, pipe=True) as process:
        yield Load(process)


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its living descendants have used."""
    total, todo = 0, [pid]
    while todo:
        current = todo.pop()
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{current}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
            for task in Path(f"/proc/{current}/task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
    return total / os.sysconf("SC_CLK_TCK")


def wait_for_port(port: int, process: subprocess.Popen[str], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return True
        time.sleep(0.1)
    return False
