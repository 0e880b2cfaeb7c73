"""What the benchmark wants to know of a gateway."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

BENCH = Path(__file__).resolve().parents[2] / ".bench"
INSTALL = "benchmarks/peers/install.sh"


class Gateway(ABC):
    """A gateway in front of the stub: one worker, no logging of requests, keys from nowhere.

    Parameters
    ----------
    stub : the port of the upstream.
    port : the port to listen on.
    folder : an empty one, for configuration and temporary files.
    """

    name: ClassVar[str]
    start_seconds: ClassVar[float] = 60.0

    def __init__(self, stub: int, port: int, folder: Path) -> None:
        self.stub, self.port, self.folder = stub, port, folder

    @classmethod
    @abstractmethod
    def missing(cls) -> str | None:
        """None if it can be started, else how to install it."""

    @abstractmethod
    def command(self) -> list[str]:
        """Write the configuration and say what to run."""

    @property
    def environment(self) -> dict[str, str]:
        return {}

    @property
    def headers(self) -> dict[str, str]:
        """What a request to it must carry."""
        return {"Authorization": "Bearer bench"}
