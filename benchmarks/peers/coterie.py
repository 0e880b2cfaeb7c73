"""Ourselves: ``coterie serve`` with an ``openai`` expert, named in ``model``."""

from __future__ import annotations

import sys

from benchmarks.peers.base import BENCH, Gateway


class Coterie(Gateway):
    name = "coterie"

    @classmethod
    def missing(cls) -> str | None:
        return None

    @property
    def environment(self) -> dict[str, str]:
        return {"COTERIE_BENCH_KEY": "bench"}

    def command(self) -> list[str]:
        template = (BENCH.parent / "benchmarks" / "gateway.yaml").read_text()
        config = self.folder / "gateway.yaml"
        config.write_text(template.replace(":18999/", f":{self.stub}/"))
        serve = ["-m", "serving", "serve", "--config", str(config), "--port", str(self.port)]
        return [sys.executable, *serve]
