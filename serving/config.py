"""Limits of the HTTP server."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ServingConfig"]


class ServingConfig(BaseModel):
    """Where the server listens and what it accepts. Sizes are bytes, times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all of them")
    port: int = Field(8000, ge=0, le=65535, description="0: any free port")
    max_body: int = Field(10 << 20, ge=1024, description="largest body of a request")
    body_timeout: float = Field(30.0, gt=0, description="for a body to come in whole")
    max_header: int = Field(64 << 10, ge=4096, description="largest request line and headers")
    header_timeout: float = Field(30.0, gt=0, description="for the headers to come in whole")
    keep_alive: int = Field(75, ge=1, description="how long an idle connection is kept")
    shutdown_timeout: int = Field(30, ge=0, description="for answers in flight to end")
    backlog: int = Field(2048, ge=1, description="connections that may wait to be accepted")
