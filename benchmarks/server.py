"""Starts ``coterie serve`` as a process of its own, for benchmarks and end-to-end tests."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx


@dataclass(frozen=True)
class Server:
    """A running server; ``ready_seconds`` is from the start of the process to a ready /readyz."""

    url: str
    pid: int
    ready_seconds: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running_server(config: str, *arguments: str, wait: float = 120) -> Iterator[Server]:
    """Run the server until the block ends; RuntimeError with its output if it does not start."""
    port = free_port()
    command = [sys.executable, "-m", "serving", "serve", "--config", config, "--port", str(port)]
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen([*command, *arguments], stdout=output, stderr=output)
        try:
            url = f"http://127.0.0.1:{port}"
            if not _ready(url, process, start + wait):
                output.seek(0)
                raise RuntimeError(f"the server did not start:\n{output.read()}")
            yield Server(url, process.pid, time.perf_counter() - start)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ready(url: str, process: subprocess.Popen[bytes], until: float) -> bool:
    while time.perf_counter() < until and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/readyz", trust_env=False).status_code == 200:
                return True
        time.sleep(0.05)
    return False
