"""The thread that steps the batches of all models on one device.

One thread for all, and not one each: on a CPU several models stepping at once only take the cores
from each other and from the event loop, and a fair turn is then up to the operating system.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

import torch

__all__ = ["StepLoop", "acquire", "release"]

log = logging.getLogger(__name__)


class StepLoop:
    """Calls each member's ``step`` in turn, and sleeps when all say that there is nothing to do.

    A step that raises must have dealt with its own error; here it is logged and its member goes
    on being called.
    """

    def __init__(self, name: str) -> None:
        self.users = 0
        self._default = torch.get_num_threads()
        self._threads = 0
        self._members: list[Callable[[], bool]] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=f"coterie-{name}", daemon=True)
        self._thread.start()

    def add(self, step: Callable[[], bool]) -> None:
        with self._lock:
            self._members = [*self._members, step]

    def remove(self, step: Callable[[], bool]) -> None:
        with self._lock:
            self._members = [member for member in self._members if member != step]

    def wake(self) -> None:
        """There is something to do. From any thread."""
        self._wake.set()

    def want_threads(self, threads: int) -> None:
        """The cores that an operation may use (0: torch's default): the most of all models."""
        self._threads = max(self._threads, threads or self._default)
        self.wake()

    def stop(self) -> None:
        self._stopped = True
        self._wake.set()
        self._thread.join()

    @torch.inference_mode()
    def _run(self) -> None:
        threads = 0
        while True:
            # Cleared before looking, or a call that comes between the two would be slept through.
            self._wake.clear()
            if self._stopped:
                return
            if self._threads and threads != self._threads:
                threads = self._threads
                torch.set_num_threads(threads)
            busy = False
            for step in self._members:
                try:
                    busy |= step()
                except Exception:
                    log.exception("a model's step failed")
            if not busy:
                self._wake.wait()


_loops: dict[str, StepLoop] = {}
_lock = threading.Lock()


def acquire(device: str, threads: int) -> StepLoop:
    """The loop of a device, started if need be. Give it back with :func:`release`."""
    with _lock:
        loop = _loops.get(device)
        if loop is None:
            loop = _loops[device] = StepLoop(device)
        loop.want_threads(threads)
        loop.users += 1
        return loop


def release(device: str) -> None:
    """The last release ends the thread."""
    with _lock, contextlib.suppress(KeyError):
        loop = _loops[device]
        loop.users -= 1
        if loop.users == 0:
            del _loops[device]
            loop.stop()
