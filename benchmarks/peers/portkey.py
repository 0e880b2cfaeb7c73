"""Portkey's open-source gateway on Node."""

from __future__ import annotations

import shutil

from benchmarks.peers.base import BENCH, INSTALL, Gateway

SERVER = BENCH / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"


class Portkey(Gateway):
    name = "portkey"

    @classmethod
    def missing(cls) -> str | None:
        if shutil.which("node") is None:
            return f"Node 20 or later, then {INSTALL} portkey"
        return None if SERVER.exists() else f"{INSTALL} portkey"

    @property
    def environment(self) -> dict[str, str]:
        return {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}

    @property
    def headers(self) -> dict[str, str]:
        return {
            **super().headers,
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{self.stub}/v1",
        }

    def command(self) -> list[str]:
        return ["node", str(SERVER), f"--port={self.port}", "--headless"]
