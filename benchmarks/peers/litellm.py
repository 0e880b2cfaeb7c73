"""LiteLLM's proxy, one worker, no database."""

from __future__ import annotations

from benchmarks.peers.base import BENCH, INSTALL, Gateway

CONFIG = """
model_list:
  - model_name: stub
    litellm_params:
      model: openai/stub
      api_base: http://127.0.0.1:{stub}/v1
      api_key: bench
litellm_settings:
  telemetry: false
"""


class LiteLLM(Gateway):
    name = "litellm"
    start_seconds = 180.0

    @classmethod
    def missing(cls) -> str | None:
        return None if (BENCH / "litellm/bin/litellm").exists() else f"{INSTALL} litellm"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_TELEMETRY": "False",
        }

    def command(self) -> list[str]:
        config = self.folder / "litellm.yaml"
        config.write_text(CONFIG.format(stub=self.stub))
        options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(self.port)]
        return [str(BENCH / "litellm/bin/litellm"), *options, "--num_workers", "1"]
