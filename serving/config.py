"""The configuration file as a whole: the pipeline's part, and the HTTP server's."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from compose.config import Config, load_config

__all__ = ["AppConfig", "ServingConfig", "load"]


class ServingConfig(BaseModel):
    """Where the server listens and what it accepts. Sizes are bytes, times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all of them")
    port: int = Field(8000, ge=0, le=65535, description="0: any free port")
    max_body: int = Field(10 << 20, ge=1024, description="largest body of a request")
    body_timeout: float = Field(30.0, gt=0, description="for a body to come in whole")
    max_header: int = Field(64 << 10, ge=4096, description="largest request line and headers")
    header_timeout: float = Field(30.0, gt=0, description="for the headers to come in whole")
    stall_timeout: float = Field(
        120.0, ge=1, description="for a client to take something of its answer (Linux only)"
    )
    keep_alive: int = Field(75, ge=1, description="how long an idle connection is kept")
    shutdown_timeout: int = Field(30, ge=0, description="for answers in flight to end")
    backlog: int = Field(2048, ge=1, description="connections that may wait to be accepted")


class AppConfig(Config):
    """The configuration file: experts, the compositions over them, and the server's limits."""

    server: ServingConfig = ServingConfig()


def load(path: Path) -> AppConfig:
    """Read a configuration file. Raises compose.errors.ConfigError with the place and a way out."""
    return load_config(path, AppConfig)
